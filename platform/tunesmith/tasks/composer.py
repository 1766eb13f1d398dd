"""Composer of a piece, the classes of a MIDI dataset."""

import numpy as np

from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.manifest import dataset_names
from tunesmith.datasets.reader import Dataset, open_dataset
from tunesmith.errors import DatasetError, UsageError
from tunesmith.store import Store
from tunesmith.tasks._parts import split
from tunesmith.tasks.contract import Reference, Request, Task, TaskData

__all__ = ["TASK"]

_LEAST_PIECES = 10


def _read(store: Store, request: Request) -> TaskData:
    """Return the pieces whose composer is known and has at least ten of them.

    Pieces that share bytes, notes or most of their intervals are one group.

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
    least = int(request.options.get("least_pieces", _LEAST_PIECES))
    count = pieces["label"].value_counts()
    classes = tuple(sorted(label for label in dataset.labels if count.get(label, 0) >= least))
    if len(classes) < 2:
        message = (
            f"Dataset {name} has {len(classes)} composers with at least {least} pieces; "
            "2 are needed. Ingest more, or ask for fewer with --least-pieces."
        )
        raise DatasetError(message)
    pieces = pieces[pieces["label"].isin(classes)].reset_index(drop=True)
    ids = pieces["piece_id"].tolist()
    examples = Examples(
        y=np.array([classes.index(label) for label in pieces["label"]]),
        classes=classes,
        groups=pieces["cluster"].to_numpy(),
        ids=ids,
        views=_views(dataset, ids),
    )
    manifest = dataset.manifest
    return TaskData(
        examples,
        split(examples, request.seed),
        name=dataset.name,
        version=dataset.version,
        parameters={
            "frames_per_second": manifest.frames_per_second,
            "chunk_frames": manifest.chunk_frames,
            "hop_frames": int(manifest.parameters["hop_frames"]),
            "features": list(manifest.feature_names),
        },
    )


def _only_dataset(store: Store) -> str:
    names = dataset_names(store)
    if len(names) == 1:
        return names[0]
    known = f"It holds {', '.join(names)}." if names else "It holds none: python jobs/ingest.py."
    message = f"Name the dataset with --dataset. {known}"
    raise UsageError(message)


def _views(dataset: Dataset, ids: list[str]) -> dict[str, View]:
    chunks = dataset.chunks(ids)
    return {
        "chunks": View(chunks.rolls, chunks.piece_index),
        "features": View.one_row_each(dataset.features(ids)),
    }


TASK = Task(
    name="composer",
    title="Composer of a piece of music",
    kind="midi",
    families=("boosting", "svm", "cnn1d", "linear", "cnn2d"),
    metric="macro_f1",
    unit="piece",
    protocol="by duplicate cluster: pieces that share bytes, notes or most intervals on one side",
    read=_read,
    ensemble=True,
    reference=Reference(
        "study: 2-D CNN, 3-fold over chunks, pieces on both sides",
        0.7702,
        family="cnn2d",
        params={
            "optimizer": "adam",
            "initializer": "glorot_uniform",
            "dropout": 0.4,
            "batch": 30,
            "learning_rate": 1e-3,
            "transpose_semitones": 0,
            "balance": 0.0,
        },
        is_costly=True,
    ),
)
