"""The coursework's network on songs of ten genres."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from tunesmith.artifacts.preparation import TablePreparation
from tunesmith.datasets.examples import Examples
from tunesmith.datasets.splits import split_pieces
from tunesmith.errors import DatasetError
from tunesmith.replications.contract import Measurement, Replication, Result, Row, Setting
from tunesmith.replications.training import (
    Plan,
    cut_note,
    file_version,
    mean_of,
    random_part,
    row_examples,
    train_and_judge,
)
from tunesmith.tasks import Request, TaskData, find_file, get_task
from tunesmith.tasks.genre import SONGS

__all__ = ["REPLICATION"]

_HELD_OUT = 0.2
_EPOCHS = 60
_REFERENCE = get_task("genre").reference
_ANN = Plan("ann", dict(_REFERENCE.params) if _REFERENCE else {}, _EPOCHS)
_MLP = Plan.default("mlp", 12)
_TREES = Plan.default("boosting", 16, learning_rate=0.1, max_depth=6, balance=0.0)


def _table(setting: Setting, groups: tuple[str, ...] | None = None) -> TaskData:
    """Return the table; grouped as asked, or as the task does it, by artist."""
    if groups is None:
        return get_task("genre").read(setting.store, Request())
    options = {
        "csv": str(find_file(SONGS.files)),
        "target": SONGS.table.target,
        "groups": list(groups),
        "leave_out": [*SONGS.table.leave_out, "artist_name", "track_name"],
    }
    options["leave_out"] = [name for name in options["leave_out"] if name not in groups]
    return get_task("genre").read(setting.store, Request(options=options))


def _of_kinds(data: TaskData, *wanted: str) -> Examples:
    """Return the columns that are of some kinds in the table."""
    preparation = data.preparation
    if not isinstance(preparation, TablePreparation):
        message = f"{data.name} is not a table."
        raise DatasetError(message)
    kinds = [column.kind for column in preparation.columns for _ in column.features]
    kept = [index for index, kind in enumerate(kinds) if kind in wanted]
    examples = data.examples
    x = np.ascontiguousarray(examples.view("features").x[:, kept])
    return row_examples(x, examples.y, examples.classes, "features", examples.groups)


def _random(setting: Setting, plan: Plan, only_numbers: bool = False) -> Result:
    # The coursework kept the numbers alone; no row here has its title or its artist.
    kinds = ("number",) if only_numbers else ("number", "category")
    examples = _of_kinds(_table(setting), *kinds)
    train, test = random_part(len(examples), _HELD_OUT)
    return train_and_judge(setting, plan, examples, train, test)


def _grouped(setting: Setting, plan: Plan, groups: tuple[str, ...] | None) -> Result:
    examples = _of_kinds(_table(setting, groups), "number", "category")
    shares = {"train": 1 - _HELD_OUT, "test": _HELD_OUT}
    parts = split_pieces(examples.y, examples.groups, shares, seed=0)
    train, test = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "test")
    return train_and_judge(setting, plan, examples, train, test)


def _missing(setting: Setting) -> str | None:
    del setting
    if find_file(SONGS.files):
        return None
    return f"get {SONGS.files[0]} from {SONGS.source} into the folder TUNESMITH_DATA names"


def _rows(results: Mapping[str, Result]) -> list[Row]:
    at_random, by_song, by_artist = (
        mean_of(results, f"trees-{how}") for how in ("random", "song", "artist")
    )
    remarks = []
    if at_random is not None and by_song is not None and by_artist is not None:
        remarks.append(
            f"The same boosting: {at_random:.4f} on random rows, {by_song:.4f} with every song "
            f"title on one side, {by_artist:.4f} with every artist on one side. Songs on both "
            "sides do not help here: many stand there with another genre."
        )
    shapes = [
        (name, mean_of(results, f"{key}-random"))
        for key, name in (("trees", "boosting"), ("mlp", "MLP"))
    ]
    known = [(value, name) for name, value in shapes if value is not None]
    return [
        Row(
            protocol="accuracy on a random fifth of the songs",
            published=0.4597,
            same=mean_of(results, "ann"),
            better=max(known) if known else None,
            difference=" ".join([*remarks, "Another table than the coursework's unnamed one."]),
            ran=cut_note(results, "ann"),
        )
    ]


REPLICATION = Replication(
    name="genre",
    title="Coursework 2023: one hidden layer on song genres",
    task="genre",
    missing=_missing,
    version=lambda _: file_version(SONGS.files),
    measurements=(
        Measurement(
            "ann-study", "the coursework's network, numeric columns",
            {**_ANN.about(), "columns": "numbers"}, partial(_random, plan=_ANN, only_numbers=True),
            90,
        ),
        Measurement(
            "trees-random", "boosting on random rows", _TREES.about(),
            partial(_random, plan=_TREES), 60,
        ),
        Measurement(
            "trees-song", "boosting by song title", _TREES.about() | {"groups": "track_name"},
            partial(_grouped, plan=_TREES, groups=("track_name",)), 60,
        ),
        Measurement(
            "trees-artist", "boosting by artist", _TREES.about() | {"groups": "artist"},
            partial(_grouped, plan=_TREES, groups=None), 60,
        ),
        Measurement(
            "mlp-random", "MLP on random rows", _MLP.about(), partial(_random, plan=_MLP), 180
        ),
    ),
    rows=_rows,
)  # fmt: skip
