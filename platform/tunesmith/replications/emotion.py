"""The term project's network on the moods of songs."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import TablePreparation
from tunesmith.datasets.examples import Examples
from tunesmith.replications.contract import Measurement, Replication, Result, Row, Setting
from tunesmith.replications.training import (
    Plan,
    cut_note,
    file_version,
    mean_of,
    random_folds,
    random_part,
    row_examples,
    train_and_judge,
)
from tunesmith.tasks import Request, find_file, get_task
from tunesmith.tasks.emotion import SONGS

__all__ = ["REPLICATION"]

_HELD_OUT = 0.2
_FOLDS = 5
_EPOCHS = 300
# What the project left out for correlation.
_DROPPED = {"loudness", "spec_rate", "acousticness"}
_REFERENCE = get_task("emotion").reference
_PARAMS = dict(_REFERENCE.params) if _REFERENCE else {}
_MOMENTUM = Plan("ann", _PARAMS, _EPOCHS)
_DESCENT = Plan(
    "ann",
    {k: v for k, v in _PARAMS.items() if k != "batch"}
    | {"optimizer": "descent", "learning_rate": 0.01},
    _EPOCHS,
)
_MLP = Plan.default("mlp", 30)
_TREES = Plan.default("boosting", 24, balance=0.0)


def _balanced(setting: Setting, dropped: bool) -> Examples:
    """Return every class cut to the smallest one's number of rows, as the project had it."""
    data = get_task("emotion").read(setting.store, Request())
    examples = data.examples
    least = int(np.bincount(examples.y).min())
    rng = np.random.default_rng(42)
    chosen = np.sort(
        np.concatenate(
            [
                rng.choice(np.flatnonzero(examples.y == label), least, replace=False)
                for label in range(len(examples.classes))
            ]
        )
    )
    names = data.preparation.features if isinstance(data.preparation, TablePreparation) else ()
    kept = [i for i, name in enumerate(names) if not (dropped and name in _DROPPED)]
    x = np.ascontiguousarray(examples.view("features").x[chosen][:, kept])
    return row_examples(x, examples.y[chosen], examples.classes, "features")


def _held_out(setting: Setting, plan: Plan, dropped: bool) -> Result:
    examples = _balanced(setting, dropped)
    train, test = random_part(len(examples), _HELD_OUT)
    return train_and_judge(setting, plan, examples, train, test)


def _fold(setting: Setting, number: int) -> Result:
    """Judge one of the five folds of the part that is not held out."""
    examples = _balanced(setting, dropped=True)
    learned, _ = random_part(len(examples), _HELD_OUT)
    fold: npt.NDArray[np.int64] = random_folds(len(learned), _FOLDS)
    return train_and_judge(
        setting, _MOMENTUM, examples, learned[fold != number], learned[fold == number]
    )


def _missing(setting: Setting) -> str | None:
    del setting
    if find_file(SONGS.files):
        return None
    return f"get {SONGS.files[1]} from {SONGS.source} into the folder TUNESMITH_DATA names"


def _rows(results: Mapping[str, Result]) -> list[Row]:
    study, all_columns = mean_of(results, "momentum"), mean_of(results, "mlp-dropped")
    known = [
        (value, name)
        for value, name in (
            (mean_of(results, "trees-all"), "boosting, all columns"),
            (mean_of(results, "mlp-all"), "MLP, all columns"),
        )
        if value is not None
    ]
    remarks = ["The labels are another model's answers: a score is agreement with it."]
    whole = mean_of(results, "mlp-all")
    if all_columns is not None and whole is not None:
        remarks.insert(
            0,
            f"Columns left out for correlation cost: the same MLP scores {all_columns:.4f} without "
            f"them and {whole:.4f} with them.",
        )
    return [
        Row(
            protocol="accuracy on a held-out fifth, classes evened out",
            published=0.8394,
            same=study,
            better=max(known) if known else None,
            difference=" ".join(remarks),
            ran=cut_note(results, "momentum"),
        ),
        Row(
            protocol="mean accuracy of 5 folds",
            published=0.8598,
            same=mean_of(results, "fold"),
            difference="The setting was chosen on these folds.",
            ran=cut_note(results, "fold", _FOLDS),
        ),
        Row(
            protocol="plain gradient descent, 300 epochs, held-out fifth",
            published=0.48,
            same=mean_of(results, "descent"),
            difference="One step an epoch, on all rows at once: 300 steps are too few.",
            ran=cut_note(results, "descent"),
        ),
    ]


REPLICATION = Replication(
    name="emotion",
    title="Term project 2024: two layers of 16 on song moods",
    task="emotion",
    missing=_missing,
    version=lambda _: file_version(SONGS.files),
    measurements=(
        Measurement(
            "momentum", "the project's network, held-out fifth", _MOMENTUM.about(),
            partial(_held_out, plan=_MOMENTUM, dropped=True), 40,
        ),
        Measurement(
            "descent", "plain gradient descent", _DESCENT.about(),
            partial(_held_out, plan=_DESCENT, dropped=True), 12,
        ),
        Measurement(
            "trees-all", "boosting on all columns", _TREES.about() | {"columns": "all"},
            partial(_held_out, plan=_TREES, dropped=False), 12,
        ),
        Measurement(
            "mlp-dropped", "MLP without the columns that were left out", _MLP.about(),
            partial(_held_out, plan=_MLP, dropped=True), 30,
        ),
        Measurement(
            "mlp-all", "MLP on all columns", _MLP.about() | {"columns": "all"},
            partial(_held_out, plan=_MLP, dropped=False), 30,
        ),
        *(
            Measurement(
                f"fold-{number}", f"the project's network, fold {number + 1} of {_FOLDS}",
                _MOMENTUM.about() | {"fold": number}, partial(_fold, number=number), 40,
            )
            for number in range(_FOLDS)
        ),
    ),
    rows=_rows,
)  # fmt: skip
