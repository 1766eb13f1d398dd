"""Reading the collections of the composer studies."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.manifest import dataset_names
from tunesmith.artifacts.store import Store
from tunesmith.datasets.copies import views_of_notes
from tunesmith.datasets.examples import Examples, View, names_of_views
from tunesmith.datasets.pieces import preparation_of
from tunesmith.datasets.reader import Dataset, open_dataset
from tunesmith.midi.sequences import window_notes
from tunesmith.models import get_family
from tunesmith.replications.contract import Setting
from tunesmith.replications.training import Plan

__all__ = [
    "BIG4",
    "CLASSICAL",
    "EPOCHS",
    "FOUR",
    "NOTES_NETWORK",
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

NOTES_NETWORK = Plan.default(
    "piece_mlp", 12, balance=0.0, dropout=0.3, input_dropout=0.1, units=256
)
"""A network on the features and the n-grams of the notes that begin in a chunk."""


@dataclass(frozen=True)
class ChunkRows:
    """Chunks as rows of their own.

    Attributes
    ----------
    examples
        A row a chunk, in the views that were asked for; groups are duplicate clusters of pieces.
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

    def chunk_rows(
        self, setting: Setting, composers: tuple[str, ...] | None, plan: Plan
    ) -> ChunkRows:
        """Return the chunks of the pieces of some composers, or of all, as a plan reads them."""
        dataset = self.dataset(setting)
        names = names_of_views(get_family(plan.family).view)
        return _chunk_rows(setting.store.uri, dataset.name, dataset.version, composers, names)


BIG4 = Collection("composer", "big4", "midi-big4.zip")
CLASSICAL = Collection("composer_all", "classical", "midi-classical.zip")


# A worker measures several things on the same rows one after another.
@lru_cache(maxsize=1)
def _chunk_rows(
    uri: str, name: str, version: str, composers: tuple[str, ...] | None, views: tuple[str, ...]
) -> ChunkRows:
    dataset = open_dataset(Store(uri), name, version)
    pieces = dataset.pieces()
    wanted = composers or tuple(dataset.labels)
    pieces = pieces[pieces["label"].isin(wanted)].reset_index(drop=True)
    ids = pieces["piece_id"].tolist()
    classes = tuple(sorted(set(pieces["label"])))
    label = pieces["label"].map({label: number for number, label in enumerate(classes)})
    if views == ("chunks",):
        chunks = dataset.chunks(ids)
        piece, made = chunks.piece_index, {"chunks": View.one_row_each(chunks.rolls)}
    else:
        counts = pieces["n_chunks"].to_numpy(dtype=np.int64)
        piece = np.repeat(np.arange(len(ids)), counts)
        made = views_of_notes(_notes_by_chunk(dataset, ids, counts), views, preparation_of(dataset))
    y = label.to_numpy(dtype=np.int64)[piece]
    cluster = pieces["cluster"].to_numpy(dtype=np.int64)[piece]
    names = [str(number) for number in range(len(y))]
    return ChunkRows(Examples(y, classes, cluster, names, made), piece)


def _notes_by_chunk(
    dataset: Dataset, piece_ids: Sequence[str], counts: npt.NDArray[np.int64]
) -> list[npt.NDArray[np.void]]:
    """Return the notes that begin in each chunk; a chunk may have none."""
    manifest = dataset.manifest
    hop_s = manifest.hop_frames / manifest.frames_per_second
    length_s = manifest.chunk_frames / manifest.frames_per_second
    every = dataset.notes(piece_ids)
    return [
        window_notes(every[piece_id], number * hop_s, length_s)
        for piece_id, count in zip(piece_ids, counts.tolist(), strict=True)
        for number in range(count)
    ]
