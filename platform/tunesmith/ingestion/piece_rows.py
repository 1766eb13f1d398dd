"""Places of the rows of the kept pieces, in the files of the batches and of the prior version."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tunesmith.artifacts.store import Store
from tunesmith.datasets.reader import Dataset

__all__ = ["PieceRows", "RowGroup", "in_groups"]

GROUP_PIECES = 20_000
"""Least number of rows of a group, unless there are no more: 70 MB of fingerprints."""

_NONE = np.empty((0, 2), dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows that are read at once.

    Attributes
    ----------
    path
        Parquet file with the column ``fingerprint``.
    pieces
        Parquet file with the other columns of the same rows; it may be the same one.
    number
        Number of the row group in either file.
    rows
        Number of rows.
    """

    path: str
    pieces: str
    number: int
    rows: int


@dataclass(frozen=True)
class PieceRows:
    """Rows of the kept pieces.

    An *address* is the number of a row among those of all row groups.

    Attributes
    ----------
    row_groups
        All row groups.
    addresses
        Address of each kept piece, in order of path, ``int [pieces]``.
    ids
        Each ``piece_id`` as a number, ``[pieces]``.
    note_hashes
        Each ``note_hash`` as two numbers, ``[pieces, 2]``.
    """

    row_groups: tuple[RowGroup, ...]
    addresses: NDArray[np.int64]
    ids: NDArray[np.uint64]
    note_hashes: NDArray[np.uint64]

    @classmethod
    def of(
        cls, store: Store, results: Sequence[str], prior: Dataset | None, kept: Sequence[str]
    ) -> "PieceRows":
        """Find the rows of the kept pieces.

        Parameters
        ----------
        store
            Store of all files.
        results
            Paths of the rows of the batches.
        prior
            Version whose rows are reused.
        kept
            Digest of the content of each kept piece, in order of path.
        """
        files = [(path, path) for path in results]
        if prior is not None:
            # Both tables have the same rows in the same order, cut in the same way.
            tables = prior.manifest.tables
            pairs = zip(tables["fingerprints"], tables["pieces"], strict=True)
            files += [(prior.path(a.path), prior.path(b.path)) for a, b in pairs]
        row_groups: list[RowGroup] = []
        ids, note_hashes = [_NONE[:, 0]], [_NONE]
        for path, pieces in files:
            with store.fs.open_input_file(pieces) as handle:
                file = pq.ParquetFile(handle)
                row_groups += _row_groups(path, pieces, file)
                table = file.read(["piece_id", "note_hash"])
            ids.append(_numbers(table["piece_id"])[:, 0])
            note_hashes.append(_numbers(table["note_hash"]))
        every = np.concatenate(ids)
        wanted = _numbers(pa.chunked_array([pa.array([name[:16] for name in kept], pa.string())]))
        order = np.argsort(every, kind="stable")
        # Of rows of the same content the last one counts.
        at = np.searchsorted(every[order], wanted[:, 0], side="right") - 1
        addresses = order[at]
        return cls(
            tuple(row_groups), addresses, every[addresses], np.concatenate(note_hashes)[addresses]
        )

    def names(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the ids of the pieces in some rows."""
        return [f"{number:016x}" for number in self.ids[rows].tolist()]


def in_groups(row_groups: Sequence[RowGroup]) -> tuple[tuple[RowGroup, ...], ...]:
    """Divide row groups, in their order, into groups that a task reads at once."""
    groups: list[list[RowGroup]] = []
    filled = GROUP_PIECES
    for rows in row_groups:
        if filled >= GROUP_PIECES:
            groups.append([])
            filled = 0
        groups[-1].append(rows)
        filled += rows.rows
    return tuple(tuple(group) for group in groups)


def _row_groups(path: str, pieces: str, file: pq.ParquetFile) -> Iterator[RowGroup]:
    for number in range(file.num_row_groups):
        yield RowGroup(path, pieces, number, file.metadata.row_group(number).num_rows)


def _numbers(column: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Return hexadecimal digits as numbers of 64 bits, ``[rows, numbers]``."""
    data = bytes.fromhex("".join(column.to_pylist()))
    values = np.frombuffer(data, dtype=">u8").astype(np.uint64)
    return values.reshape(len(column), -1) if len(column) else _NONE
