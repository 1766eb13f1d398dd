"""Tables as blocks of rows: Parquet files are read where they are, others are copied in parts.

A text file can only be read from its start, and a worker shall read its rows alone. So the rows of
such tables are first copied, one file a block, to the folder of the unfinished scores.
"""

import gzip
import json
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.artifacts.store import Staging, Store
from tunesmith.datasets.table_files import PARQUET_SUFFIXES, arrow_frame, table_batches
from tunesmith.errors import DatasetError
from tunesmith.inference.tables import Cell, Row, records_of
from tunesmith.ingestion.archives import ArchiveError
from tunesmith.ingestion.locations import ContentReader, base_name, open_location
from tunesmith.ingestion.sources import Entry, Reject
from tunesmith.scoring.blocks import ROWS_PER_BLOCK, Numbers, RowBlock

__all__ = ["read_rows", "row_blocks"]

_ROWS = ("work", "rows")
# The folder name that Hive writes for a missing value.
_NULL = "__HIVE_DEFAULT_PARTITION__"


def row_blocks(
    entry: Entry, numbers: Numbers, staging: Staging, reader: ContentReader
) -> Iterator[RowBlock | Reject]:
    """Yield the blocks of a table; or one reject where it cannot be read.

    Parameters
    ----------
    entry
        The table.
    numbers
        Names the blocks.
    staging
        Folder of the unfinished scores.
    reader
        Reader of archives.
    """
    try:
        if len(entry.location) == 1 and entry.location[0].split("?")[0].lower().endswith(
            PARQUET_SUFFIXES
        ):
            yield from _parquet_blocks(entry, numbers)
        else:
            yield from _copied_blocks(entry, numbers, staging, reader)
    except (ArchiveError, DatasetError, OSError, pa.ArrowException) as error:
        yield Reject(entry.path, "table", type(error).__name__, str(error))


def _parquet_blocks(entry: Entry, numbers: Numbers) -> Iterator[RowBlock]:
    (location,) = entry.location
    with open_location(location) as handle:
        n_rows = pq.ParquetFile(handle).metadata.num_rows
    constants = _partitions(entry.path)
    for first in range(0, n_rows, ROWS_PER_BLOCK):
        count = min(ROWS_PER_BLOCK, n_rows - first)
        yield RowBlock(numbers.key(), entry.path, first, count, location, constants)


def _partitions(path: str) -> dict[str, str | None]:
    """Return the columns that stand in the names of folders, as Hive and Spark write them."""
    pairs = (part.partition("=") for part in path.split("/")[:-1])
    return {
        unquote(name): None if value == _NULL else unquote(value)
        for name, equals, value in pairs
        if name and equals
    }


def _copied_blocks(
    entry: Entry, numbers: Numbers, staging: Staging, reader: ContentReader
) -> Iterator[RowBlock]:
    constants = _partitions(entry.path)
    first = 0
    with _on_disk(entry, reader) as path:
        for frame in table_batches(path, ROWS_PER_BLOCK):
            rows = records_of(frame)
            if not rows:
                continue
            key = numbers.key()
            packed = gzip.compress(json.dumps(rows).encode(), 1, mtime=0)
            staging.write_bytes(packed, *_ROWS, _rows_file(key))
            yield RowBlock(key, entry.path, first, len(rows), None, constants)
            first += len(rows)


def _rows_file(key: str) -> str:
    # Without the suffix of gzip: pyarrow would unpack the file while it reads it.
    return f"{key}.rows"


@contextmanager
def _on_disk(entry: Entry, reader: ContentReader) -> Iterator[Path]:
    """Yield the path of a table on this machine's disk, where need be of a copy."""
    location = entry.location
    if len(location) == 1 and "://" not in location[0]:
        yield Path(location[0])
        return
    with tempfile.TemporaryDirectory(prefix="tunesmith-") as folder:
        path = Path(folder) / base_name(entry.relative or location[0])
        if len(location) == 1:
            with open_location(location[0]) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
        else:
            path.write_bytes(reader.read(location))
        yield path


def read_rows(
    block: RowBlock, store: Store, staging: tuple[str, ...], wanted: Collection[str]
) -> list[Row]:
    """Return the rows of a block: their cells by column.

    Parameters
    ----------
    block
        The rows.
    store, staging
        Folder of the unfinished scores.
    wanted
        Columns that are of use; of Parquet files no others are read where it has one of these.

    Raises
    ------
    StoreError
        When the rows that were copied are missing.
    OSError
        When the table cannot be read.
    """
    if block.parquet is None:
        packed = store.read_bytes(*staging, *_ROWS, _rows_file(block.key))
        rows: list[dict[str, Cell]] = json.loads(gzip.decompress(packed))
    else:
        rows = records_of(_parquet_rows(block.parquet, block.first, block.count, wanted))
    return [_with_constants(row, block.constants) for row in rows]


def _with_constants(row: Row, constants: Mapping[str, str | None]) -> Row:
    return {**constants, **row} if constants else row


def _parquet_rows(location: str, first: int, count: int, wanted: Collection[str]) -> pd.DataFrame:
    """Return rows of a Parquet file; only the row groups that hold them are read."""
    with open_location(location) as handle:
        file = pq.ParquetFile(handle)
        groups: list[int] = []
        skip, start = first, 0
        for number in range(file.num_row_groups):
            end = start + file.metadata.row_group(number).num_rows
            if start < first + count and end > first:
                if not groups:
                    skip = first - start
                groups.append(number)
            start = end
        parts, left = [], count
        names = file.schema_arrow.names
        # Of columns with the same name the later ones have numbers, which Parquet does not know.
        useful = [name for name in names if name in wanted] if len(set(names)) == len(names) else []
        for batch in file.iter_batches(ROWS_PER_BLOCK, groups, columns=useful or None):
            part = batch.slice(skip, left) if skip < len(batch) else batch.slice(0, 0)
            skip = max(0, skip - len(batch))
            left -= len(part)
            parts.append(part)
            if not left:
                break
        return arrow_frame(pa.Table.from_batches(parts))
