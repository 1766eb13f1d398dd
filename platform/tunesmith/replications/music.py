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
    "BIG4",
    "CLASSICAL",
    "EPOCHS",
    "FOUR",
    "SMALL_NETWORK",
    "ChunkRows",
    "Collection",
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


@dataclass(frozen=True)
class Collection:
    """A collection of MIDI files that studies were made on.

    Attributes
    ----------
    task
        The task that is searched on it.
    name
        Name that its dataset in the store has by default.
    archive
        File that it is ingested from.
    """

    task: str
    name: str
    archive: str

    def name_in(self, setting: Setting) -> str:
        """Return the name of its dataset."""
        return setting.datasets.get(self.task, self.name)

    def missing(self, setting: Setting) -> str | None:
        """Return how to make its dataset, None where the store holds it."""
        name = self.name_in(setting)
        if name in dataset_names(setting.store):
            return None
        return f"tunesmith ingest {self.archive} --name {name}"

    def dataset(self, setting: Setting) -> Dataset:
        """Return its dataset."""
        return open_dataset(setting.store, self.name_in(setting))

    def version(self, setting: Setting) -> str:
        """Return name and version of its dataset."""
        dataset = self.dataset(setting)
        return f"{dataset.name}-{dataset.version}"

    def chunk_rows(self, setting: Setting, composers: tuple[str, ...] | None) -> ChunkRows:
        """Return the chunks of the pieces of some composers, or of all that are known."""
        dataset = self.dataset(setting)
        return _chunk_rows(setting.store.uri, dataset.name, dataset.version, composers)


BIG4 = Collection("composer", "big4", "midi-big4.zip")
CLASSICAL = Collection("composer_all", "classical", "midi-classical.zip")


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
