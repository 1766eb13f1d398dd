"""Reading the pieces of a dataset version as examples."""

from typing import Any

import numpy as np
import pandas as pd

from tunesmith.artifacts.manifest import dataset_names
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.reader import Dataset, open_dataset
from tunesmith.datasets.segments import SEGMENTS, segment_views
from tunesmith.datasets.sequences import note_rows_of
from tunesmith.errors import DatasetError, UsageError
from tunesmith.tasks.contract import Request, TaskData
from tunesmith.tasks.support.splitting import split

__all__ = ["LEAST_PIECES", "LICENCE", "PROTOCOL", "read_pieces"]

LEAST_PIECES = 10
_JUDGED = ("chunks", "notes", "features")
LICENCE = (
    "that of each MIDI file: the music may be in the public domain, a transcription of it has "
    "an author; the dataset's own source says more"
)
PROTOCOL = "by duplicate cluster: pieces that share bytes, notes or most intervals on one side"


def read_pieces(store: Store, request: Request) -> TaskData:
    """Return the pieces whose composer is known and has enough of them.

    Pieces that share bytes, notes or most of their intervals are one group.

    Parameters
    ----------
    store
        Where the dataset is.
    request
        May name the dataset and its version, and give ``least_pieces`` or ``least_share``, the
        least share of all chunks that a composer has; `LEAST_PIECES` where it gives neither.

    Raises
    ------
    UsageError
        When the dataset is not named and the store holds none, or more than one.
    DatasetError
        When fewer than two composers are left.
    """
    name = request.dataset or _only_dataset(store)
    dataset = open_dataset(store, name, request.version)
    pieces = dataset.pieces()
    known = pieces[pieces["label"].isin(dataset.labels)]
    classes, rule = _classes(known, request)
    if len(classes) < 2:
        message = (
            f"Dataset {name} has {len(classes)} composers with {rule}; 2 are needed. Ingest more, "
            "or ask for less with --least-pieces or --least-share."
        )
        raise DatasetError(message)
    kept = known[known["label"].isin(classes)].reset_index(drop=True)
    index = {label: number for number, label in enumerate(classes)}
    ids = kept["piece_id"].tolist()
    examples = Examples(
        y=np.array([index[label] for label in kept["label"]]),
        classes=classes,
        groups=kept["cluster"].to_numpy(),
        ids=ids,
        views=_views(dataset, ids, request),
    )
    left_out = len(pieces) - len(kept)
    note = f"{left_out} pieces are left out: no known composer, or one without {rule}."
    return TaskData(
        examples,
        split(examples, request.seed),
        name=dataset.name,
        version=dataset.version,
        parameters=_parameters(dataset),
        notes=(note,) if left_out else (),
    )


def _classes(known: pd.DataFrame, request: Request) -> tuple[tuple[str, ...], str]:
    """Return the composers that are kept, sorted, and the rule in words."""
    share = request.options.get("least_share")
    if share is not None:
        chunks = known.groupby("label")["n_chunks"].sum()
        kept = chunks[chunks >= float(share) * chunks.sum()]
        return tuple(sorted(kept.index)), f"{float(share):.1%} of all chunks"
    least = int(request.options.get("least_pieces", LEAST_PIECES))
    count = known["label"].value_counts()
    return tuple(sorted(count[count >= least].index)), f"at least {least} pieces"


def _only_dataset(store: Store) -> str:
    names = dataset_names(store)
    if len(names) == 1:
        return names[0]
    if not names:
        message = "The store holds no dataset. Make one: tunesmith ingest FOLDER --name NAME."
        raise UsageError(message)
    message = (
        f"The store holds the datasets {', '.join(names)}. Choose with --dataset NAME; with "
        "several tasks each may have its own, --dataset TASK=NAME."
    )
    raise UsageError(message)


def _views(dataset: Dataset, ids: list[str], request: Request) -> dict[str, View]:
    wanted = set(_JUDGED if request.views is None else request.views)
    views = {}
    if wanted & {"chunks", "notes"}:
        chunks = dataset.chunks(ids)
        views["chunks"] = View(chunks.rolls, chunks.piece_index)
        if "notes" in wanted:
            views["notes"] = View(note_rows_of(dataset, ids, chunks), chunks.piece_index)
    if "features" in wanted:
        views["features"] = View.one_row_each(dataset.features(ids))
    if wanted & set(SEGMENTS):
        views |= segment_views(dataset, ids, request.seed)
    return {name: view for name, view in views.items() if name in wanted}


def _parameters(dataset: Dataset) -> dict[str, Any]:
    manifest = dataset.manifest
    return {
        "frames_per_second": manifest.frames_per_second,
        "chunk_frames": manifest.chunk_frames,
        "hop_frames": int(manifest.parameters["hop_frames"]),
        "features": list(manifest.feature_names),
    }
