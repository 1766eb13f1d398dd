"""Reading the collections of the composer studies."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.manifest import dataset_names
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples
from tunesmith.datasets.reader import Dataset, open_dataset
from tunesmith.replications.contract import Setting
from tunesmith.replications.training import Plan, row_examples

__all__ = [
    "EPOCHS",
    "FOUR",
    "SMALL_NETWORK",
    "ChunkRows",
    "chunk_rows",
    "collection",
    "missing_collection",
    "version_of",
]

FOUR = ("Bach", "Beethoven", "Chopin", "Mozart")
"""The composers of the seed study's first part."""

EPOCHS = 10
"""Epochs for which the seed study trained its 2-D network."""

# Every chunk counts the same and none is changed, as in the study.
SMALL_NETWORK = Plan.default(
    "cnn1d",
    EPOCHS,
    balance=0.0,
    by_item=0.0,
    transpose_semitones=0,
    loudness=0.0,
    dropout=0.2,
    width=128,
)
"""A 1-D network, 35 times smaller than the study's."""


@dataclass(frozen=True)
class ChunkRows:
    """Chunks as rows of their own.

    Attributes
    ----------
    examples
        A row a chunk, view ``chunks``; groups are duplicate clusters of pieces.
    pieces
        Piece of each row, ``int [rows]``.
    """

    examples: Examples
    pieces: npt.NDArray[np.int64]


def missing_collection(setting: Setting, task: str, archive: str) -> str | None:
    """Return how to make the dataset of a task, None where the store holds it."""
    name = setting.datasets[task]
    if name in dataset_names(setting.store):
        return None
    return f"tunesmith ingest {archive} --name {name}"


def collection(setting: Setting, task: str) -> Dataset:
    """Return the dataset of a task."""
    return open_dataset(setting.store, setting.datasets[task])


def version_of(setting: Setting, task: str) -> str:
    """Return name and version of the dataset of a task."""
    dataset = collection(setting, task)
    return f"{dataset.name}-{dataset.version}"


def chunk_rows(setting: Setting, task: str, composers: tuple[str, ...] | None) -> ChunkRows:
    """Return the chunks of the pieces of some composers, or of all that are known."""
    dataset = collection(setting, task)
    return _chunk_rows(setting.store.uri, dataset.name, dataset.version, composers)


# A worker measures several things on the same rows one after another.
@lru_cache(maxsize=1)
def _chunk_rows(uri: str, name: str, version: str, composers: tuple[str, ...] | None) -> ChunkRows:
    dataset = open_dataset(Store(uri), name, version)
    pieces = dataset.pieces()
    wanted = composers or tuple(dataset.labels)
    pieces = pieces[pieces["label"].isin(wanted)].reset_index(drop=True)
    chunks = dataset.chunks(pieces["piece_id"].tolist())
    classes = tuple(sorted(set(pieces["label"])))
    label = pieces["label"].map({label: number for number, label in enumerate(classes)})
    y = label.to_numpy(dtype=np.int64)[chunks.piece_index]
    cluster = pieces["cluster"].to_numpy(dtype=np.int64)[chunks.piece_index]
    examples = row_examples(chunks.rolls, y, classes, "chunks", cluster)
    return ChunkRows(examples, chunks.piece_index)
