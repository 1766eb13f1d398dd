"""Small Parquet files of the store, read and written whole."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.artifacts.manifest import TableFile
from tunesmith.artifacts.store import Staging, Store

__all__ = ["described", "read_table", "write_table"]

_ROW_GROUP = 10_000
"""Rows that are read at once."""


def read_table(store: Store, path: str, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file of the store."""
    with store.fs.open_input_file(path) as handle:
        return pq.read_table(handle, columns=None if columns is None else list(columns))


def write_table(staging: Staging, path: str, table: pa.Table) -> None:
    """Write a Parquet file at a path inside a folder that is being built."""
    sink = pa.BufferOutputStream()
    # Features and fingerprints hardly repeat, so dictionary encoding would not pay.
    repeating = [field.name for field in table.schema if not pa.types.is_list(field.type)]
    pq.write_table(
        table, sink, compression="zstd", use_dictionary=repeating, row_group_size=_ROW_GROUP
    )
    staging.write_bytes(sink.getvalue().to_pybytes(), *path.split("/"))


def described(staging: Staging, path: str) -> TableFile:
    """Return the entry of the manifest for a Parquet file inside a folder that is being built."""
    full_path = staging.path(path)
    info = staging.store.fs.get_file_info(full_path)
    with staging.store.fs.open_input_file(full_path) as handle:
        rows = pq.ParquetFile(handle).metadata.num_rows
    return TableFile(path=path, rows=rows, bytes=info.size)
