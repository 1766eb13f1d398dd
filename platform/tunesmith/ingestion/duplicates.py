"""Duplicates among the kept pieces: the cluster of each, and the table `links`."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.datasets.schema import LINKS
from tunesmith.midi.duplicates import Sketches, clusters_by_links, duplicate_links

__all__ = [
    "Copies",
    "Duplicates",
    "find_duplicates",
    "fingerprint_digests",
    "joined",
    "sketches_of",
]

Names = Callable[[NDArray[np.int64]], list[str]]
"""Returns the ids of the pieces in some rows."""


@dataclass(frozen=True)
class Duplicates:
    """Pieces that are the same music.

    Attributes
    ----------
    clusters
        Cluster of each piece, numbered from 0 in order of first appearance, ``int [pieces]``.
    links
        The table `links`.
    """

    clusters: NDArray[np.int64]
    links: pa.Table


@dataclass(frozen=True)
class Copies:
    """Pieces with the same notes, and those of them that are compared with other pieces.

    Of copies with the same notes and the same fingerprint one is compared: ten copies would add 45
    pairs.

    Attributes
    ----------
    notes
        Number of the notes of each piece, from 0 in order of first appearance, ``int [pieces]``.
    compared
        Rows of the pieces that are compared, ascending, ``int [compared]``.
    place
        Place of each piece, or of the one that is compared for it, in `compared`.
    """

    notes: NDArray[np.int64]
    compared: NDArray[np.int64]
    place: NDArray[np.int64]

    @classmethod
    def of(cls, notes: NDArray[np.uint64], digests: NDArray[np.uint64]) -> "Copies":
        """Find the copies.

        Parameters
        ----------
        notes
            Digest of the notes of each piece, ``[pieces, columns]``.
        digests
            `fingerprint_digests`.
        """
        _, numbers = _by_appearance(notes)
        keys = np.column_stack([numbers.astype(np.uint64), digests])
        return cls(numbers, *_by_appearance(keys))


def find_duplicates(results: pa.Table) -> Duplicates:
    """Find the pieces that are the same music in one process.

    Note-identical pieces share a cluster.

    Parameters
    ----------
    results
        Rows of the kept pieces, with ``piece_id``, ``note_hash`` and ``fingerprint``.
    """
    ids = results["piece_id"].combine_chunks()
    sketches = sketches_of(results["fingerprint"])
    notes = results["note_hash"].combine_chunks().dictionary_encode()
    if isinstance(notes, pa.ChunkedArray):  # of a table without rows
        notes = pa.array([], pa.string()).dictionary_encode()
    numbers = notes.indices.to_numpy().astype(np.uint64)[:, None]
    copies = Copies.of(numbers, fingerprint_digests(sketches))
    compared = copies.compared
    links = duplicate_links(
        Sketches(sketches.entries, sketches.starts[compared], sketches.sizes[compared])
    )
    return joined(links, copies, lambda rows: ids.take(pa.array(rows)).to_pylist())


def joined(links: NDArray[np.void], copies: Copies, names: Names) -> Duplicates:
    """Join pieces to clusters.

    Parameters
    ----------
    links
        `tunesmith.midi.duplicates.LINK_DTYPE` of places in ``copies.compared``, by `first` and
        `second`.
    copies
        The copies among the pieces.
    names
        Ids of pieces.
    """
    compared = copies.compared
    _, first_row = np.unique(copies.notes, return_index=True)
    first = first_row[copies.notes]
    clusters = clusters_by_links(links, len(compared), first[compared])
    rows = np.flatnonzero(first != np.arange(first.size))
    same_notes = pa.table(
        {
            "piece_id": names(first[rows]),
            "other_id": names(rows),
            "kind": ["same notes"] * rows.size,
            "shared": np.ones(rows.size, dtype=np.float32),
            **{name: pa.nulls(rows.size) for name in ("in_order", "onsets", "strength")},
        },
        schema=LINKS,
    )
    same_music = pa.table(
        {
            "piece_id": names(compared[links["first"]]),
            "other_id": names(compared[links["second"]]),
            "kind": ["same music"] * len(links),
            **{name: links[name] for name in ("shared", "in_order", "onsets", "strength")},
        },
        schema=LINKS,
    )
    return Duplicates(clusters[copies.place], pa.concat_tables([same_notes, same_music]))


def fingerprint_digests(sketches: Sketches) -> NDArray[np.uint64]:
    """Return a digest of each fingerprint, ``[pieces, 2]``."""
    pairs = zip(sketches.starts.tolist(), sketches.sizes.tolist(), strict=True)
    digests = (
        hashlib.blake2b(sketches.entries[start : start + size].tobytes(), digest_size=16).digest()
        for start, size in pairs
    )
    return np.frombuffer(b"".join(digests), dtype=np.uint64).reshape(-1, 2)


def sketches_of(column: pa.ChunkedArray) -> Sketches:
    """Return the fingerprints of a column, without a copy where it has one chunk."""
    lists = column.combine_chunks()
    if isinstance(lists, pa.ChunkedArray):
        lists = pa.concat_arrays(lists.chunks)
    sizes = lists.value_lengths().to_numpy().astype(np.int64)
    return Sketches(lists.flatten().to_numpy(), np.cumsum(sizes) - sizes, sizes)


def _by_appearance(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row with each distinct key, ascending, and the number of each row's key."""
    order = np.lexsort(keys.T[::-1])
    begins = np.ones(order.size, dtype=bool)
    begins[1:] = False
    for column in keys.T:
        begins[1:] |= column[order[1:]] != column[order[:-1]]
    first = order[begins]  # rows with equal keys stay in order
    rank = np.argsort(np.argsort(first))
    numbers = np.empty(order.size, dtype=np.int64)
    numbers[order] = rank[np.cumsum(begins) - 1]
    return np.sort(first), numbers
