"""Files of tables, whatever program wrote them."""

import csv
import io
import json
import lzma
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import dataset as arrow_dataset
from pyarrow import feather

from tunesmith.datasets.nested import flat_row
from tunesmith.datasets.sheets import read_sheet
from tunesmith.datasets.table_layout import UNNAMED
from tunesmith.datasets.table_texts import (
    COMPRESSION,
    delimited_batches,
    marked_encoding,
    opened,
    text_form,
)
from tunesmith.errors import DatasetError

__all__ = [
    "PARQUET_SUFFIXES",
    "TABLE_SUFFIXES",
    "TableFile",
    "arrow_frame",
    "read_table",
    "read_table_file",
    "table_batches",
]

_PARQUET = (".parquet", ".pq", ".parq")
_ARROW = (".arrow", ".arrows", ".feather", ".ipc")
_JSON_LINES = (".jsonl", ".ndjson")
_EXCEL = (".xlsx", ".xlsm")
_KINDS = "CSV, TSV, Parquet, Arrow, Excel (xlsx) or JSON lines"
_BINARY = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary)
_TEXTS = (".csv", ".tsv", ".tab", ".json", *_JSON_LINES)
_FAULTS = (
    ValueError, OSError, EOFError, UnicodeError, KeyError, RecursionError, csv.Error, zlib.error,
    lzma.LZMAError, zipfile.BadZipFile, pa.ArrowException,
)  # fmt: skip

PARQUET_SUFFIXES = _PARQUET
"""Endings of Parquet files."""

TABLE_SUFFIXES = (
    *_PARQUET, *_ARROW, *_EXCEL, *_TEXTS,
    *(f"{text}{packed}" for text in _TEXTS for packed in COMPRESSION),
)  # fmt: skip
"""Endings of the files of tables; a text file of another ending is read as CSV when it is named."""


@dataclass(frozen=True)
class TableFile:
    """A table as read from its file.

    Attributes
    ----------
    frame
        Its cells; those of a text file are texts.
    notes
        Sentences on how it was read, where that is not plain.
    has_semicolons
        Whether semicolons separate columns, as where commas separate decimals.
    """

    frame: pd.DataFrame
    notes: tuple[str, ...] = ()
    has_semicolons: bool = False


def read_table(path: Path) -> pd.DataFrame:
    """Read a table; see `read_table_file`."""
    return read_table_file(path).frame


def read_table_file(path: Path) -> TableFile:
    """Read a CSV, TSV, Parquet, Arrow, Excel or JSON lines file, or a folder of Parquet files.

    The suffix decides, in any case; files of texts may be compressed. A named index of a data
    frame becomes columns, and so do values inside values (`tunesmith.datasets.nested`). Lines
    before the header are left out, and are told.

    Raises
    ------
    DatasetError
        When there is no such file or it is not such a table.
    """
    with _reading(path):
        table = _read(path)
    frame, notes = table.frame, list(table.notes)
    names, repeated = _different([str(name) for name in _headings(frame)])
    if repeated:
        notes.append(_repeated(path, repeated))
    frame.columns = pd.Index(names)
    return TableFile(frame, tuple(notes), table.has_semicolons)


def table_batches(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """Yield a table as `read_table` reads it, in frames of at most so many rows.

    Files of texts, Parquet, Arrow and JSON lines are never whole in memory. A cell does not depend
    on the rows beside it: whole numbers stay whole where other rows have none.

    Raises
    ------
    DatasetError
        When there is no such file or it is not such a table.
    """
    with _reading(path):
        names: list[str] | None = None
        for frame in _batches(path, rows):
            if names is None:
                names, _ = _different([str(name) for name in _headings(frame)])
            frame.columns = pd.Index(names)
            yield frame


def arrow_frame(rows: pa.RecordBatch | pa.Table) -> pd.DataFrame:
    """Return rows of Arrow as a frame; whole numbers stay whole beside missing ones."""
    table = _flat(pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows)
    frame: pd.DataFrame = table.to_pandas(integer_object_nulls=True, ignore_metadata=True)
    frame.columns = pd.Index(_different([str(name) for name in frame.columns])[0])
    return frame


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what readers of tables raise into a message about the file."""
    if not path.exists():
        message = f"There is no table {path}."
        raise DatasetError(message)
    try:
        yield
    except ImportError as error:
        message = f"{path} needs a package that is not installed: pip install openpyxl."
        raise DatasetError(message) from error
    except _FAULTS as error:
        message = f"{path} cannot be read as a table: {error}. Give a {_KINDS} file."
        raise DatasetError(message) from error


def _batches(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    last, inner = _suffixes(path)
    if last in _PARQUET and path.is_file():
        yield from map(arrow_frame, pq.ParquetFile(path).iter_batches(batch_size=rows))
    elif last in _ARROW:
        yield from _arrow_batches(path, rows)
    elif inner in {".json", *_JSON_LINES} and _has_json_lines(path):
        yield from _json_line_batches(path, rows)
    elif path.is_dir() or last in _EXCEL or inner in {".json", *_JSON_LINES}:
        frame = _read(path).frame
        yield from (frame.iloc[n : n + rows] for n in range(0, len(frame), rows))
    else:
        form = text_form(path, "\t" if inner in {".tsv", ".tab"} else None)
        yield from delimited_batches(path, form, rows)


def _arrow_batches(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    with pa.memory_map(str(path)) as source:
        for batch in _record_batches(path, source):
            yield from (arrow_frame(batch.slice(n, rows)) for n in range(0, len(batch), rows))


def _record_batches(path: Path, source: Any) -> Iterator[pa.RecordBatch]:
    """Yield the batches of an Arrow file, an Arrow stream or a file of Feather's first version."""
    try:
        file = pa.ipc.open_file(source)
    except pa.ArrowInvalid:
        source.seek(0)
    else:
        yield from (file.get_batch(number) for number in range(file.num_record_batches))
        return
    try:
        stream = pa.ipc.open_stream(source)
    except pa.ArrowInvalid:
        yield from feather.read_table(path).to_batches()
        return
    yield from stream


def _json_line_batches(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """Yield JSON lines in frames that have the keys of all lines as columns."""
    names = dict.fromkeys(key for line in _json_lines(path) for key in line)
    lines = _json_lines(path)
    while part := list(islice(lines, rows)):
        cells = {name: [line.get(name) for line in part] for name in names}
        yield pd.DataFrame(cells, dtype=object)


def _has_json_lines(path: Path) -> bool:
    """Return whether a JSON file has an object a line, whatever its ending says."""
    with _json_text(path) as lines:
        first = next((line for line in lines if line.strip()), "")
        try:
            is_object = isinstance(json.loads(first), dict)
        except ValueError:
            return False
        return is_object and (_suffixes(path)[1] in _JSON_LINES or any(map(str.strip, lines)))


@contextmanager
def _json_text(path: Path) -> Iterator[io.TextIOWrapper]:
    with opened(path) as file:
        encoding = marked_encoding(file.read(1000))
    with opened(path) as file, io.TextIOWrapper(file, encoding or "utf-8-sig") as lines:
        yield lines


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with _json_text(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                message = f"line {number} is no JSON: {getattr(error, 'msg', error)}"
                raise ValueError(message) from error
            if not isinstance(row, dict):
                message = f"line {number} is no JSON object"
                raise ValueError(message)  # noqa: TRY004 - the content of a file, not an argument
            yield flat_row(row)


def _headings(frame: pd.DataFrame) -> list[object]:
    """Return the headings; those of several rows are joined."""
    if isinstance(frame.columns, pd.MultiIndex):
        return [" ".join(map(str, heading)) for heading in frame.columns]
    return list(frame.columns)


def _different(names: list[str]) -> tuple[list[str], list[str]]:
    """Return names made different by a number, and those that were there more than once."""
    times: Counter[str] = Counter()
    different = []
    for name in names:
        number = times[name]
        times[name] += 1
        different.append(f"{name}.{number}" if number else name)
    return different, [name for name, count in times.items() if count > 1]


def _read(path: Path) -> TableFile:
    last, inner = _suffixes(path)
    if path.is_dir():
        return _parquet_folder(path)
    if last in _PARQUET:
        return _whole(path, pq.ParquetFile(path).read())
    if last in _ARROW:
        with pa.memory_map(str(path)) as source:
            return _whole(path, pa.Table.from_batches(_record_batches(path, source)))
    if last in _EXCEL:
        frame, notes = read_sheet(path)
        return TableFile(frame, tuple(notes))
    if inner in {".json", *_JSON_LINES}:
        return TableFile(_json(path))
    separator = "\t" if inner in {".tsv", ".tab"} else None
    form = text_form(path, separator)
    (frame,) = delimited_batches(path, form, None)
    notes = form.notes(path.name, is_known=form.separator == separator)
    semicolons = form.separator == ";"
    return TableFile(frame.reset_index(drop=True), tuple(notes), has_semicolons=semicolons)


def _suffixes(path: Path) -> tuple[str, str]:
    """Return a path's last suffix, and its last one that does not name a compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    inner = next((s for s in reversed(suffixes) if s not in COMPRESSION), "")
    return (suffixes[-1] if suffixes else ""), inner


def _parquet_folder(path: Path) -> TableFile:
    """Read all Parquet files below a folder; folders such as ``genre=jazz`` are a column."""
    # As Hive and Spark do: what begins so is unfinished, or tells of the others.
    finished = (
        p
        for p in path.rglob("*")
        if not any(
            part.startswith(("_", ".")) and "=" not in part for part in p.relative_to(path).parts
        )
    )
    files = sorted(str(p) for p in finished if p.suffix.lower() in _PARQUET)
    if not files:
        message = "the folder holds no Parquet file"
        raise ValueError(message)
    made = {"format": "parquet", "partitioning": "hive", "partition_base_dir": str(path)}
    first = arrow_dataset.dataset(files, **made)
    schemas = [fragment.physical_schema for fragment in first.get_fragments()]
    schema = pa.unify_schemas([first.schema, *schemas], promote_options="permissive")
    table = _whole(path, arrow_dataset.dataset(files, schema=schema, **made).to_table())
    names = {name for each in schemas for name in each.names}
    if absent := sorted(name for name in names if any(name not in each.names for each in schemas)):
        listed = ", ".join(absent)
        note = f"Not every file in {path.name} has {listed}: it counts as missing there."
        return TableFile(table.frame, (*table.notes, note))
    return table


def _whole(path: Path, table: pa.Table) -> TableFile:
    """Return a table as a frame; a class 1 is no 1.0 where another row has none."""
    table = _flat(table)
    names, repeated = _different(table.column_names)
    if repeated:
        # What pandas keeps about its index does not fit columns of other names.
        table = table.rename_columns(names).replace_schema_metadata(None)
    frame: pd.DataFrame = table.to_pandas(integer_object_nulls=True)
    return TableFile(_with_index(frame), (_repeated(path, repeated),) if repeated else ())


def _flat(table: pa.Table) -> pa.Table:
    """Return a table without values inside values, as `flat_row` makes rows."""
    while any(pa.types.is_struct(field.type) for field in table.schema):
        table = table.flatten()
    for number, field in enumerate(table.schema):
        if any(test(field.type) for test in _BINARY):
            # Older programs write texts without saying so.
            cells = [
                None if cell is None else cell.decode("utf-8", "backslashreplace")
                for cell in table[number].to_pylist()
            ]
            table = table.set_column(number, field.name, pa.array(cells, pa.string()))
        elif pa.types.is_nested(field.type):
            cells = [
                None if cell is None else json.dumps(cell, default=str)
                for cell in table[number].to_pylist()
            ]
            table = table.set_column(number, field.name, pa.array(cells, pa.string()))
    return table


def _repeated(path: Path, names: list[str]) -> str:
    return (
        f"The header of {path.name} names {', '.join(names)} more than once; the later ones are "
        "read as NAME.1, NAME.2, …"
    )


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with each level of its index as a column, but for one that only counts."""
    index = frame.index
    if index.names == [None] and pd.api.types.is_integer_dtype(index.dtype):
        return frame.reset_index(drop=True)
    names = [f"{UNNAMED}{n}" if name is None else name for n, name in enumerate(index.names)]
    frame.index = index.set_names(names)
    new = [name for name in names if name not in frame.columns]
    return frame.reset_index(level=new).reset_index(drop=True)


def _json(path: Path) -> pd.DataFrame:
    # pandas would turn texts of columns called `date` or `…_at` into times, and round numbers.
    rows = list(_json_lines(path) if _has_json_lines(path) else _json_rows(path))
    names = dict.fromkeys(key for row in rows for key in row)
    return pd.DataFrame({name: _column([row.get(name) for row in rows]) for name in names})


def _column(cells: list[object]) -> pd.Series:
    """Return a column; whole numbers stay whole beside missing ones."""
    present = [cell for cell in cells if cell is not None]
    stays = len(present) < len(cells) and all(type(cell) is int for cell in present)
    return pd.Series(cells, dtype=object if stays else None)


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    with _json_text(path) as text:
        rows = json.loads(text.read())
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        message = "it is no list of JSON objects, one a row"
        raise ValueError(message)
    yield from map(flat_row, rows)
