"""The tables `pieces`, `fingerprints` and `links` of a version, written in files of bounded size.

The rows of few pieces are put together in this process. Those of many stay in files of the store:
tasks search for duplicates among them, cut the rows of each batch by the file that they belong to,
and write these files. The tables are the same either way.
"""

import itertools
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.artifacts.manifest import TableFile
from tunesmith.artifacts.store import Staging, Store
from tunesmith.datasets.reader import Dataset
from tunesmith.datasets.schema import FINGERPRINTS, piece_schema, result_schema
from tunesmith.ingestion.array_files import ArrayFiles
from tunesmith.ingestion.assembly import Account
from tunesmith.ingestion.duplicate_search import search_duplicates
from tunesmith.ingestion.duplicates import Duplicates, find_duplicates
from tunesmith.ingestion.parquet_files import described, read_table, write_table
from tunesmith.ingestion.piece_rows import PieceRows, RowGroup, in_groups
from tunesmith.ingestion.steps import run_on_cluster

__all__ = ["KEYS", "PieceTables", "piece_tables"]

DIVIDED_FROM = 20_000
"""Pieces from which on the work is divided over the cluster."""
FILE_ROWS = 25_000
"""Most rows of a file."""

KEYS = (
    "path", "label", "raw_label", "sha256", "note_hash", "cluster", "reader", "n_chunks",
    "n_silent_chunks", "n_notes",
)  # fmt: skip
"""Columns of `pieces` that the driver needs."""

_FOLDER = ("work", "tables")
_ROW = pa.field("row", pa.int64(), nullable=False)
_KEY_COLUMNS = pa.schema(
    [piece_schema().field(name) for name in ("path", "label", "raw_label", "cluster")]
)


@dataclass(frozen=True)
class PieceTables:
    """Columns and files with a row for each piece.

    Attributes
    ----------
    pieces
        The columns `KEYS` of the table `pieces`.
    links
        The table `links`.
    files
        The written files of `pieces` and `fingerprints`.
    """

    pieces: pa.Table
    links: pa.Table
    files: dict[str, list[TableFile]]


def piece_tables(
    staging: Staging,
    results: Sequence[str],
    prior: Dataset | None,
    account: Account,
    start_ray: Callable[[], object],
) -> PieceTables:
    """Find the duplicates among the kept pieces, and write the tables with a row for each.

    Parameters
    ----------
    staging
        Folder that the version is built in.
    results
        Paths of the rows of the batches.
    prior
        Version whose rows are reused.
    account
        The kept pieces.
    start_ray
        Called before the work is divided over the cluster.

    Raises
    ------
    StoreError
        If a task cannot read or write its files.
    """
    if len(account.kept) < DIVIDED_FROM:
        return _in_process(staging, results, prior, account)
    start_ray()
    return _divided(staging, results, prior, account)


def _in_process(
    staging: Staging, results: Sequence[str], prior: Dataset | None, account: Account
) -> PieceTables:
    rows = _kept_rows(staging.store, results, prior, account)
    duplicates = find_duplicates(rows)
    pieces = []
    for number, keys in enumerate(_account_columns(account, duplicates)):
        part = rows[number * FILE_ROWS : (number + 1) * FILE_ROWS]
        pieces.append(_write(staging, number, part, keys).select(KEYS))
    files = _written(staging, len(pieces))
    return PieceTables(pa.concat_tables(pieces), duplicates.links, files)


def _kept_rows(
    store: Store, results: Sequence[str], prior: Dataset | None, account: Account
) -> pa.Table:
    """Return the rows of all kept pieces, in order of path."""
    schema = result_schema()
    tables = [read_table(store, path) for path in results]
    if prior is not None:
        # Both tables have the same order, as they were made from the same rows.
        reused = prior.table("pieces").append_column(
            "fingerprint", prior.table("fingerprints", ["fingerprint"])["fingerprint"]
        )
        tables.append(reused.select(schema.names).cast(schema))
    combined = pa.concat_tables(tables)
    row_of = {sha256: row for row, sha256 in enumerate(combined["sha256"].to_pylist())}
    return combined.take([row_of[sha256] for _, sha256 in account.kept])


def _divided(
    staging: Staging, results: Sequence[str], prior: Dataset | None, account: Account
) -> PieceTables:
    store = staging.store
    # A worker of an earlier attempt may still write to its folder.
    folder = (*staging.parts, *_FOLDER, uuid.uuid4().hex)
    rows = PieceRows.of(store, results, prior, [sha256 for _, sha256 in account.kept])
    duplicates = search_duplicates(store, (*folder, "search"), rows)
    steps = _Tables.of(staging, folder, rows, _account_columns(account, duplicates))
    run_on_cluster(steps, "cut", len(steps.groups))
    run_on_cluster(steps, "write", steps.n_files)
    files = _written(staging, steps.n_files)
    pieces = [read_table(store, staging.path(file.path), KEYS) for file in files["pieces"]]
    return PieceTables(pa.concat_tables(pieces), duplicates.links, files)


@dataclass(frozen=True)
class _Tables:
    """The rows of the kept pieces on their way from the batches to the files of the tables.

    ::

        cut    rows of a group of batches ──▶ rows in parts, a part for each file
        write  the parts of a file, from all groups ──▶ a file of `pieces`, one of `fingerprints`
    """

    staging: Staging
    folder: tuple[str, ...]
    groups: tuple[tuple[RowGroup, ...], ...]
    n_files: int

    @classmethod
    def of(
        cls,
        staging: Staging,
        folder: tuple[str, ...],
        rows: PieceRows,
        keys: Iterator[pa.Table],
    ) -> "_Tables":
        """Divide the work, and write what the tasks need to know.

        Parameters
        ----------
        staging, folder
            Folder that the version is built in, and an empty folder of the store.
        rows
            Rows of the kept pieces.
        keys
            For each file of the tables, the columns that are not in the rows.
        """
        n_files = _n_files(rows.addresses.size)
        steps = cls(staging, folder, in_groups(rows.row_groups), n_files)
        places = np.full(sum(group.rows for group in rows.row_groups), -1, dtype=np.int32)
        places[rows.addresses] = np.arange(rows.addresses.size)
        steps._arrays.save(places, "places")
        with steps._arrays.writing_tables("keys", _KEY_COLUMNS) as write:
            for table in keys:
                write(table)
        return steps

    @property
    def store(self) -> Store:
        """The store of all files."""
        return self.staging.store

    def work(self, step: str, number: int) -> None:
        """Do one task of a step."""
        {"cut": self._cut, "write": self._write}[step](number)

    def _cut(self, group: int) -> None:
        places = self._arrays.load("places")
        sizes = [sum(rows.rows for rows in of) for of in self.groups]
        address = sum(sizes[:group])
        tables = []
        for rows in self.groups[group]:
            place = places[address : address + rows.rows].astype(np.int64)
            table = self._rows(rows).append_column(_ROW, pa.array(place))
            tables.append(table.filter(pa.array(place >= 0)))
            address += rows.rows
        every = pa.concat_tables(tables)
        every = every.take(np.argsort(every[_ROW.name].to_numpy()))
        bounds = np.searchsorted(every[_ROW.name], np.arange(self.n_files + 1) * FILE_ROWS)
        with self._arrays.writing_tables(f"cut/{group:05d}", every.schema) as write:
            for start, stop in itertools.pairwise(bounds.tolist()):
                write(every[start:stop])

    def _rows(self, rows: RowGroup) -> pa.Table:
        """Return the rows of a group, as the batches write them."""
        schema = result_schema()
        columns: dict[str, pa.ChunkedArray] = {}
        for path, names in (
            (rows.pieces, [name for name in schema.names if name != "fingerprint"]),
            (rows.path, ["fingerprint"]),
        ):
            with self.store.fs.open_input_file(path) as handle:
                table = pq.ParquetFile(handle).read_row_group(rows.number, names)
            columns |= dict(zip(table.column_names, table.columns, strict=True))
        return pa.table(columns).select(schema.names).cast(schema)

    def _write(self, number: int) -> None:
        tables = []
        for group in range(len(self.groups)):
            with self._arrays.reading(f"cut/{group:05d}") as read:
                tables.append(read.table(number))
        rows = pa.concat_tables(tables)
        tables.clear()
        rows = rows.take(np.argsort(rows[_ROW.name].to_numpy()))
        with self._arrays.reading("keys") as read:
            keys = read.table(number)
        _write(self.staging, number, rows.drop_columns([_ROW.name]), keys)

    @cached_property
    def _arrays(self) -> ArrayFiles:
        return ArrayFiles(self.store, self.folder)


def _n_files(n_pieces: int) -> int:
    return max(-(-n_pieces // FILE_ROWS), 1)


def _name(table: str, number: int) -> str:
    return f"{table}/part-{number:05d}.parquet"


def _account_columns(account: Account, duplicates: Duplicates) -> Iterator[pa.Table]:
    """Yield for each file of the tables the columns that are not in the rows of the batches."""
    for number in range(_n_files(len(account.kept))):
        part = slice(number * FILE_ROWS, (number + 1) * FILE_ROWS)
        files = [file for file, _ in account.kept[part]]
        yield pa.table(
            {
                "path": [file.entry.path for file in files],
                "label": [file.label for file in files],
                "raw_label": [file.raw for file in files],
                "cluster": duplicates.clusters[part],
            },
            schema=_KEY_COLUMNS,
        )


def _write(staging: Staging, number: int, rows: pa.Table, keys: pa.Table) -> pa.Table:
    """Write a file of each table, and return the rows of `pieces`.

    `keys` has its rows in the same order.
    """
    for field in keys.schema:
        rows = rows.append_column(field, keys[field.name])
    pieces, fingerprints = (
        rows.select(schema.names).cast(schema) for schema in (piece_schema(), FINGERPRINTS)
    )
    write_table(staging, _name("pieces", number), pieces)
    write_table(staging, _name("fingerprints", number), fingerprints)
    return pieces


def _written(staging: Staging, n_files: int) -> dict[str, list[TableFile]]:
    """Return the entries of the manifest for the files of both tables."""
    return {
        table: [described(staging, _name(table, number)) for number in range(n_files)]
        for table in ("pieces", "fingerprints")
    }
