"""The search for duplicates as tasks over files of the store.

::

    index    fingerprints of a group of pieces ──▶ postings, in parts of the index
    common   postings of a part ──▶ hashes of many pieces
    leading  postings of a group, common hashes ──▶ postings of common hashes that lead on
    pairs    postings of a part ──▶ pairs of pieces that share one, in bins
    links    pairs of a group, fingerprints ──▶ links

Every step is one task for each group, or one for each part (`tunesmith.midi.duplicate_cuts`). The
driver holds a few numbers for each piece. A piece's *address* is its row among all rows of the
files; its *number* is its place in the order of the dataset, as links have it.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tunesmith.artifacts.store import Store
from tunesmith.errors import DatasetError
from tunesmith.ingestion.array_files import ArrayFiles
from tunesmith.ingestion.duplicates import (
    Copies,
    Duplicates,
    fingerprint_digests,
    joined,
    sketches_of,
)
from tunesmith.ingestion.piece_rows import PieceRows, RowGroup, in_groups
from tunesmith.ingestion.steps import run_on_cluster
from tunesmith.midi.duplicate_cuts import (
    candidates,
    common_hashes,
    compared,
    enough_shared,
    index_parts,
    leading,
    numbered,
    pairs_in_bins,
    split_pairs,
)
from tunesmith.midi.duplicates import LINK_DTYPE, MOST_PIECES, Sketches

__all__ = ["Search", "search_duplicates"]

PART_PIECES = 20_000
"""Pieces whose postings are as many as a part of the index holds: about 4 million."""
BIN_PIECES = 2_048
"""Pieces whose pairs are counted at a time."""

_ROW = np.dtype([("digest", np.uint64, 2), ("enough", np.uint8)])
_HASH = np.dtype([("hash", np.uint64), ("count", np.int64)])


@dataclass(frozen=True)
class Search:
    """A search that is divided over tasks.

    Attributes
    ----------
    store
        Store of all files.
    folder
        Empty folder of the store for what one step leaves to the next ones.
    groups
        Row groups of each group of pieces.
    n_parts
        Number of parts of the index.
    """

    store: Store
    folder: tuple[str, ...]
    groups: tuple[tuple[RowGroup, ...], ...]
    n_parts: int

    @classmethod
    def of(cls, store: Store, folder: Sequence[str], row_groups: Sequence[RowGroup]) -> "Search":
        """Divide the pieces of some row groups.

        Raises
        ------
        DatasetError
            If there are more pieces than can be numbered.
        """
        n = sum(group.rows for group in row_groups)
        if n > MOST_PIECES:
            msg = (
                f"{n:,} pieces cannot be compared with each other: the most is {MOST_PIECES:,}. "
                "Ingest them as two datasets."
            )
            raise DatasetError(msg)
        n_parts = max(-(-n // PART_PIECES), 1)
        return cls(store, tuple(folder), in_groups(row_groups), n_parts)

    def links(self, number: Callable[[NDArray[np.uint64]], NDArray[np.int64]]) -> NDArray[np.void]:
        """Find the links; all work is done by tasks.

        Parameters
        ----------
        number
            Called with a digest of each address' fingerprint, ``[addresses, 2]``; returns the
            addresses of the pieces that are compared, in order of their numbers.

        Returns
        -------
        NDArray[np.void]
            `LINK_DTYPE` [links] of numbers, by `first` and `second`: what
            `tunesmith.midi.duplicates.duplicate_links` returns.

        Raises
        ------
        StoreError
            If a task cannot read or write its files.
        """
        n_groups = len(self.groups)
        run_on_cluster(self, "index", n_groups)
        rows = np.concatenate([np.empty(0, _ROW), *map(self._rows_of, range(n_groups))])
        addresses = number(rows["digest"])
        self._files.save(addresses.astype(np.int32), "addresses")
        self._files.save(rows["enough"][addresses], "enough")
        del rows
        for step, count in (("common", self.n_parts), ("leading", n_groups),
                            ("pairs", self.n_parts), ("links", n_groups)):  # fmt: skip
            run_on_cluster(self, step, count)
        of_groups = [self._files.load(f"links/{group:05d}") for group in range(n_groups)]
        links = np.concatenate([np.empty(0, LINK_DTYPE), *of_groups])
        ordered: NDArray[np.void] = links[np.lexsort((links["second"], links["first"]))]
        return ordered

    def work(self, step: str, number: int) -> None:
        """Do one task of a step."""
        steps = {
            "index": self._index, "common": self._common, "leading": self._leading,
            "pairs": self._pairs, "links": self._links,
        }  # fmt: skip
        steps[step](number)

    def _index(self, group: int) -> None:
        sketches = self._sketches(group)
        rows = np.empty(len(sketches.sizes), dtype=_ROW)
        rows["digest"] = fingerprint_digests(sketches)
        rows["enough"] = enough_shared(sketches.sizes)
        self._files.save(rows, f"rows/{group:05d}")
        with self._files.writing(f"index/{group:05d}") as write:
            for postings in index_parts(sketches, self.n_parts, int(self._starts[group])):
                write(postings)

    def _common(self, part: int) -> None:
        hashes, counts = common_hashes(self._postings(part))
        common = np.empty(len(hashes), dtype=_HASH)
        common["hash"], common["count"] = hashes, counts
        self._files.save(common, f"common/{part:05d}")

    def _leading(self, group: int) -> None:
        with self._files.reading(f"index/{group:05d}") as read:
            own = [numbered(read(part), self._numbers) for part in range(self.n_parts)]
        tables = (self._files.load(f"common/{part:05d}") for part in range(self.n_parts))
        common = [(table["hash"].copy(), table["count"].copy()) for table in tables]
        with self._files.writing(f"leading/{group:05d}") as write:
            for postings in leading(own, common):
                write(postings)

    def _pairs(self, part: int) -> None:
        leading_on = np.sort(self._gathered("leading", part))
        postings = self._postings(part)
        bins = self._bins[self._addresses]
        with self._files.writing(f"pairs/{part:05d}") as write:
            for pairs in pairs_in_bins(postings, leading_on, bins, self._n_bins):
                for of_bin in pairs:
                    write(of_bin)

    def _links(self, group: int) -> None:
        start = self._starts[group]
        pairs = self._candidates(np.unique(self._bins[start : start + self._sizes[group]]))
        later, earlier = (self._addresses[numbers] for numbers in split_pairs(pairs))
        other_group = np.searchsorted(self._starts, earlier, side="right") - 1
        links = [np.empty(0, dtype=LINK_DTYPE)]
        own = self._sketches(group) if pairs.size else None
        for other in np.unique(other_group).tolist():
            chosen = other_group == other
            others = own if other == group else self._sketches(other)
            if own is not None and others is not None:
                links.append(
                    compared(
                        pairs[chosen], own, later[chosen] - start,
                        others, earlier[chosen] - self._starts[other],
                    )
                )  # fmt: skip
        self._files.save(np.concatenate(links), f"links/{group:05d}")

    def _sketches(self, group: int) -> Sketches:
        tables = []
        for rows in self.groups[group]:
            with self.store.fs.open_input_file(rows.path) as handle:
                tables.append(pq.ParquetFile(handle).read_row_group(rows.number, ["fingerprint"]))
        return sketches_of(pa.concat_tables(tables)["fingerprint"])

    def _rows_of(self, group: int) -> NDArray[np.void]:
        return self._files.load(f"rows/{group:05d}")

    def _postings(self, part: int) -> NDArray[np.uint64]:
        """Return all postings of a part of the index, sorted."""
        return numbered(self._gathered("index", part), self._numbers)

    def _gathered(self, name: str, part: int) -> NDArray[np.uint64]:
        """Return what the files of all groups hold for a part."""
        arrays = [np.empty(0, dtype=np.uint64)]
        for group in range(len(self.groups)):
            with self._files.reading(f"{name}/{group:05d}") as read:
                arrays.append(read(part))
        return np.concatenate(arrays)

    def _candidates(self, bins: NDArray[np.int32]) -> NDArray[np.uint64]:
        """Return the pairs of some bins that share enough entries."""
        enough = self._files.load("enough")
        chosen = [np.empty(0, dtype=np.uint64)]
        with ExitStack() as stack:
            names = [f"pairs/{part:05d}" for part in range(self.n_parts)]
            parts = [stack.enter_context(self._files.reading(name)) for name in names]
            for number in bins.tolist():
                pairs = [
                    part(at) for part in parts for at in range(number, part.count, self._n_bins)
                ]
                if pairs:
                    chosen.append(candidates(np.concatenate(pairs), enough))
        return np.concatenate(chosen)

    @cached_property
    def _sizes(self) -> NDArray[np.int64]:
        return np.array([sum(r.rows for r in group) for group in self.groups], dtype=np.int64)

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        """First address of each group."""
        return np.cumsum(self._sizes) - self._sizes

    @cached_property
    def _bins(self) -> NDArray[np.int32]:
        """Bin of each address; the bins of a group are its own."""
        in_group = np.arange(self._sizes.sum()) - np.repeat(self._starts, self._sizes)
        n_bins = -(-self._sizes // BIN_PIECES)
        first = np.repeat(np.cumsum(n_bins) - n_bins, self._sizes)
        bins: NDArray[np.int32] = (first + in_group // BIN_PIECES).astype(np.int32)
        return bins

    @property
    def _n_bins(self) -> int:
        return int(self._bins[-1]) + 1 if self._bins.size else 0

    @cached_property
    def _addresses(self) -> NDArray[np.int64]:
        """Address of each number."""
        addresses: NDArray[np.int64] = self._files.load("addresses").astype(np.int64)
        return addresses

    @cached_property
    def _numbers(self) -> NDArray[np.int32]:
        """Number of each address, -1 for those that are not compared."""
        numbers: NDArray[np.int32] = np.full(self._sizes.sum(), -1, dtype=np.int32)
        numbers[self._addresses] = np.arange(self._addresses.size)
        return numbers

    @cached_property
    def _files(self) -> ArrayFiles:
        return ArrayFiles(self.store, self.folder)


def search_duplicates(store: Store, folder: Sequence[str], rows: PieceRows) -> Duplicates:
    """Find the pieces that are the same music by tasks of the cluster.

    Parameters
    ----------
    store
        Store of all files.
    folder
        Empty folder of the store for intermediate files.
    rows
        Rows of the kept pieces.

    Returns
    -------
    Duplicates
        What `tunesmith.ingestion.duplicates.find_duplicates` returns for the same rows.

    Raises
    ------
    DatasetError
        If there are more pieces than can be numbered.
    StoreError
        If a task cannot read or write its files.
    """
    of_rows: list[Copies] = []

    def number(digests: NDArray[np.uint64]) -> NDArray[np.int64]:
        copies = Copies.of(rows.note_hashes, digests[rows.addresses])
        of_rows.append(copies)
        return rows.addresses[copies.compared]

    links = Search.of(store, folder, rows.row_groups).links(number)
    return joined(links, of_rows[0], rows.names)
