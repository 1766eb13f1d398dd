"""The index of a dataset version: from each melodic n-gram to the pieces that have it.

Beside each file of `notes` lies a file of the index, ``index/part-00000.arrow``, with all n-grams
of its pieces, sorted. The files are in Arrow's format for memory maps: opening one reads nothing,
and a search touches a few pages of it. About 20 kB a piece.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyarrow import ipc
from pyarrow.fs import FileSystem

from tunesmith.artifacts import layout
from tunesmith.datasets.reader import Dataset
from tunesmith.errors import DatasetError
from tunesmith.midi.compiled import read_only
from tunesmith.midi.fingerprints import PLACE_BITS, ngram_entries
from tunesmith.midi.hash_order import ordered_entries
from tunesmith.midi.matching import chain_length, covered_onsets, needed_onsets

__all__ = [
    "FOLDER",
    "IndexPart",
    "SimilarPiece",
    "SimilarityIndex",
    "has_index",
    "index_file",
    "match_of",
    "part_of_notes",
]

FOLDER = "index"
"""Folder of a version that holds the index."""

_SCHEMA = pa.schema(
    [pa.field("entry", pa.uint64(), nullable=False), pa.field("piece", pa.uint32(), nullable=False)]
)
_MOST_PIECES = 500
"""N-grams of more pieces of one file than this say nothing about which piece it is."""
_MOST_COMPARED = 8
"""Pieces of one file that are compared by order: those whose shared n-grams tell the most."""
_LEAST_SHARED = 2
_COMMON_SHARE = 20
"""An n-gram of more than one in so many pieces of a file tells less about which piece it is: it may
be a scale or a broken chord. One of every piece tells nothing."""
_FEWEST_PIECES = 200
"""A file of fewer pieces is taken for one of so many: its versions of one piece are not common."""


def index_file(notes_file: str) -> str:
    """Return the name of the index file beside a file of `notes`."""
    return notes_file.removesuffix(".parquet") + ".arrow"


@dataclass(frozen=True)
class IndexPart:
    """The index of the pieces of one file.

    Attributes
    ----------
    entries
        Entries of all pieces, sorted, ``[n]``.
    pieces
        Number of each entry's piece, ``[n]``.
    piece_ids, onsets
        Id of each piece, and the onsets that its n-grams cover.
    """

    entries: npt.NDArray[np.uint64]
    pieces: npt.NDArray[np.uint32]
    piece_ids: list[str]
    onsets: npt.NDArray[np.int64]

    @classmethod
    def of(cls, piece_ids: Sequence[str], each: Sequence[npt.NDArray[np.uint64]]) -> "IndexPart":
        """Index the entries of pieces (`tunesmith.midi.fingerprints.ngram_entries`)."""
        covered = [covered_onsets(read_only(part)) if part.size else 0 for part in each]
        sizes = [part.size for part in each]
        entries = np.concatenate([*each, np.empty(0, dtype=np.uint64)])
        # A batch of ingest has millions of entries: the list must not be held beside them.
        del each
        pieces = np.repeat(np.arange(len(sizes), dtype=np.uint32), sizes)
        entries, pieces = ordered_entries(entries, pieces)
        return cls(entries, pieces, list(piece_ids), np.array(covered, dtype=np.int64))

    def write(self, fs: FileSystem, path: str) -> None:
        """Write the part as an Arrow file."""
        facts = {"piece_ids": self.piece_ids, "onsets": self.onsets.tolist()}
        schema = _SCHEMA.with_metadata({"pieces": json.dumps(facts)})
        batch = pa.record_batch([self.entries, self.pieces], schema=schema)
        with fs.open_output_stream(path) as sink, ipc.new_file(sink, schema) as writer:
            writer.write_batch(batch)

    @classmethod
    def read(cls, fs: FileSystem, path: str, *, is_local: bool) -> "IndexPart":
        """Open a part; a local file is mapped into memory, another one is read."""
        if is_local:
            source = pa.memory_map(str(Path(path)))
        else:
            with fs.open_input_file(path) as handle:
                source = pa.BufferReader(handle.read())
        with ipc.open_file(source) as reader:
            facts = json.loads(reader.schema.metadata[b"pieces"])
            table = reader.read_all().combine_chunks()
        onsets = np.array(facts["onsets"], dtype=np.int64)
        if not len(table):
            empty = np.empty(0, dtype=np.uint64)
            return cls(empty, empty.astype(np.uint32), facts["piece_ids"], onsets)
        entries: npt.NDArray[np.uint64] = table["entry"].chunk(0).to_numpy()
        pieces: npt.NDArray[np.uint32] = table["piece"].chunk(0).to_numpy()
        return cls(entries, pieces, facts["piece_ids"], onsets)

    def compare(
        self, entries: npt.NDArray[np.uint64], onsets: int
    ) -> Iterator[tuple[float, int, str]]:
        """Yield strength, onsets in order and id of the pieces that share the most n-grams.

        Parameters
        ----------
        entries
            All entries of a piece or an excerpt.
        onsets
            Onsets that they cover.
        """
        low = np.uint64(2**PLACE_BITS - 1)
        begin = np.searchsorted(self.entries, entries & ~low)
        # Most n-grams of other music are in no piece: only for the rest is the end looked for.
        within = begin < self.entries.size
        begin, entries = begin[within], entries[within]
        known = self.entries[begin] & ~low == entries & ~low
        begin, entries = begin[known], entries[known]
        counts = np.searchsorted(self.entries, entries | low, side="right") - begin
        known = counts <= _MOST_PIECES
        begin, counts, entries = begin[known], counts[known], entries[known]
        n_pieces = max(len(self.piece_ids), _FEWEST_PIECES)
        information = np.minimum(np.log(n_pieces / counts) / np.log(_COMMON_SHARE), 1.0)
        rows = np.repeat(begin - np.cumsum(counts) + counts, counts) + np.arange(counts.sum())
        owners = self.pieces[rows]
        order = np.argsort(owners, kind="stable")
        places = (self.entries[rows] & low).astype(np.int64)[order]
        own_places = np.repeat((entries & low).astype(np.int64), counts)[order]
        shared = np.bincount(owners, minlength=len(self.piece_ids))
        weights = np.bincount(
            owners, weights=np.repeat(information, counts), minlength=len(self.piece_ids)
        )
        ends = np.cumsum(shared)
        for number in np.argsort(-weights, kind="stable")[:_MOST_COMPARED].tolist():
            if shared[number] < _LEAST_SHARED:
                break
            part = slice(ends[number] - shared[number], ends[number])
            in_order = chain_length(own_places[part], places[part])
            needed = needed_onsets(min(onsets, int(self.onsets[number])))
            strength = float(weights[number] / shared[number]) * in_order / needed
            yield strength, round(in_order), self.piece_ids[number]


@dataclass(frozen=True, slots=True)
class SimilarPiece:
    """A piece of a dataset, and how much of it another piece or excerpt shares in order.

    Attributes
    ----------
    piece_id, path, label
        The piece.
    in_order
        Onsets of the music that both have in the same order.
    strength
        These onsets, relative to the number that makes two pieces the same music.
    """

    piece_id: str
    path: str
    label: str | None
    in_order: int
    strength: float

    @property
    def is_same_music(self) -> bool:
        """True where the evidence is enough."""
        return self.strength >= 1


def has_index(dataset: Dataset) -> bool:
    """Return whether a version lies in its store with an index, so that it opens at once."""
    names = _index_files(dataset) if "notes" in dataset.manifest.tables else []
    folder = layout.dataset_version(dataset.name, dataset.version, FOLDER)
    return bool(names) and dataset.store.exists(*folder, names[0])


def match_of(pieces: Sequence[SimilarPiece]) -> SimilarPiece | None:
    """Return the first of the closest pieces where it is the same music, else None."""
    return pieces[0] if pieces and pieces[0].is_same_music else None


class SimilarityIndex:
    """The index of a whole dataset version, open for searches.

    Parameters
    ----------
    dataset
        The version. One that was made without an index is indexed in memory from its notes.
    """

    def __init__(self, dataset: Dataset) -> None:
        self._parts = _parts_of(dataset)
        table = dataset.table("pieces", ["piece_id", "path", "label"])
        self._pieces = {row["piece_id"]: row for row in table.to_pylist()}

    def __len__(self) -> int:
        return len(self._pieces)

    def find(self, notes: npt.NDArray[np.void], limit: int = 10) -> list[SimilarPiece]:
        """Return the pieces with the most of the music, the closest first.

        Parameters
        ----------
        notes
            `NOTE_DTYPE` [notes] of a piece or an excerpt, in any key and tempo.
        limit
            Most pieces to return.
        """
        entries = ngram_entries(notes)
        if not entries.size:
            return []
        onsets = covered_onsets(read_only(entries))
        rows = [row for part in self._parts for row in part.compare(entries, onsets)]
        rows.sort(key=lambda row: (-row[0], -row[1], self._pieces[row[2]]["path"]))
        return [
            SimilarPiece(**self._pieces[piece_id], in_order=in_order, strength=strength)
            for strength, in_order, piece_id in rows[:limit]
        ]


def part_of_notes(notes: Mapping[str, npt.NDArray[np.void]]) -> IndexPart:
    """Index pieces by their notes."""
    return IndexPart.of(list(notes), [ngram_entries(piece) for piece in notes.values()])


def _index_files(dataset: Dataset) -> list[str]:
    """Return the names that the files of a version's index have."""
    files = dataset.manifest.tables["notes"]
    return [index_file(file.path.rsplit("/", 1)[1]) for file in files]


def _parts_of(dataset: Dataset) -> list[IndexPart]:
    """Return the parts of the index; a version without them is indexed from its notes."""
    store = dataset.store
    paths = [dataset.path(FOLDER, name) for name in _index_files(dataset)]
    try:
        return [IndexPart.read(store.fs, path, is_local=store.is_local) for path in paths]
    except FileNotFoundError:
        return [part_of_notes(dataset.notes())]
    except (pa.ArrowInvalid, KeyError, ValueError) as error:
        msg = (
            f"The index of dataset {dataset.name} {dataset.version} in {store.shown} is damaged: "
            f"{error}. Remove the version and ingest again."
        )
        raise DatasetError(msg) from error
