"""Files of tables, whatever program wrote them."""

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import feather

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
_ARROW = (".arrow", ".feather", ".ipc")
_JSON_LINES = (".jsonl", ".ndjson")
_EXCEL = (".xlsx", ".xlsm")
_COMPRESSION = (".gz", ".bz2", ".xz", ".zip")
_DECODED = 1 << 20
_SEPARATORS = ",;\t|"
_KINDS = "CSV, TSV, Parquet, Arrow, Excel (xlsx) or JSON lines"
_TEXTS = (".csv", ".tsv", ".tab", ".json", *_JSON_LINES)
_FAULTS = (ValueError, OSError, UnicodeError, KeyError, csv.Error)

PARQUET_SUFFIXES = _PARQUET
"""Endings of Parquet files."""

TABLE_SUFFIXES = (
    *_PARQUET, *_ARROW, *_EXCEL, *_TEXTS,
    *(f"{text}{packed}" for text in _TEXTS for packed in _COMPRESSION),
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
    frame becomes columns.

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
        notes.append(
            f"The header of {path.name} names {', '.join(repeated)} more than once; the later ones "
            "are read as NAME.1, NAME.2, …"
        )
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
    frame: pd.DataFrame = rows.to_pandas(integer_object_nulls=True, ignore_metadata=True)
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
    elif inner in _JSON_LINES:
        yield from _json_line_batches(path, rows)
    elif path.is_dir() or last in _EXCEL or inner == ".json":
        frame = _read(path).frame
        yield from (frame.iloc[n : n + rows] for n in range(0, len(frame), rows))
    else:
        yield from _delimited_batches(path, "\t" if inner in {".tsv", ".tab"} else None, rows)


def _arrow_batches(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    with pa.memory_map(str(path)) as source:
        try:
            file = pa.ipc.open_file(source)
        except pa.ArrowInvalid:  # the first version of Feather
            table = feather.read_table(path)
            yield from (arrow_frame(table.slice(n, rows)) for n in range(0, len(table), rows))
            return
        for number in range(file.num_record_batches):
            batch = file.get_batch(number)
            yield from (arrow_frame(batch.slice(n, rows)) for n in range(0, len(batch), rows))


def _json_line_batches(path: Path, rows: int) -> Iterator[pd.DataFrame]:
    """Yield JSON lines in frames that have the keys of all lines as columns."""
    names = dict.fromkeys(key for line in _json_lines(path) for key in line)
    lines = _json_lines(path)
    while part := list(islice(lines, rows)):
        cells = {name: [_flat(line.get(name)) for line in part] for name in names}
        yield pd.DataFrame(cells, dtype=object)


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with _opened(path) as file, io.TextIOWrapper(file, "utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            row = json.loads(line)
            if not isinstance(row, dict):
                message = f"line {number} is no JSON object"
                raise ValueError(message)  # noqa: TRY004 - the content of a file, not an argument
            yield {str(key): cell for key, cell in row.items()}


def _flat(cell: object) -> object:
    return json.dumps(cell) if isinstance(cell, dict | list) else cell


def _delimited_batches(path: Path, separator: str | None, rows: int) -> Iterator[pd.DataFrame]:
    encoding, mark = _form(path, separator)
    names: list[str] | None = None
    with _parser(path, encoding, mark, chunksize=rows) as parts:
        for part in parts:
            frame = part
            if names is None:
                names, frame = _column_names(part.iloc[0].tolist()), part.iloc[1:]
            frame.columns = pd.Index(names)
            yield frame


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
    if path.is_dir() or last in _PARQUET:
        return TableFile(_with_index(_parquet(path)))
    if last in _ARROW:
        return TableFile(_with_index(_whole(feather.read_table(path))))
    if last in _EXCEL:
        return _excel(path)
    if inner in _JSON_LINES or inner == ".json":
        return TableFile(_json(path, lines=inner != ".json"))
    return _delimited(path, "\t" if inner in {".tsv", ".tab"} else None)


def _suffixes(path: Path) -> tuple[str, str]:
    """Return a path's last suffix, and its last one that does not name a compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    inner = next((s for s in reversed(suffixes) if s not in _COMPRESSION), "")
    return (suffixes[-1] if suffixes else ""), inner


def _parquet(path: Path) -> pd.DataFrame:
    if path.is_dir():
        files = [p for p in path.rglob("*") if p.suffix.lower() in _PARQUET]
        if not files:
            message = "the folder holds no Parquet file"
            raise ValueError(message)
    return _whole(pq.read_table(path))


def _whole(table: pa.Table) -> pd.DataFrame:
    """Return a table as a frame; a class 1 is no 1.0 where another row has none."""
    frame: pd.DataFrame = table.to_pandas(integer_object_nulls=True)
    return frame


def _with_index(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with each named level of its index as a column."""
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    return frame.reset_index(level=named).reset_index(drop=True) if named else frame


def _excel(path: Path) -> TableFile:
    sheets = pd.read_excel(path, sheet_name=None, keep_default_na=False, na_values=[""])
    (name, frame), *others = sheets.items()
    notes: tuple[str, ...] = ()
    if others:
        left_out = ", ".join(str(other) for other, _ in others)
        notes = (f"Of {path.name} the first sheet, {name}, is read; left out: {left_out}.",)
    return TableFile(frame, notes)


def _json(path: Path, *, lines: bool) -> pd.DataFrame:
    # pandas would turn texts of columns called `date` or `…_at` into times, and round numbers.
    rows = list(_json_lines(path) if lines else _json_rows(path))
    names = dict.fromkeys(key for row in rows for key in row)
    return pd.DataFrame({name: _column([_flat(row.get(name)) for row in rows]) for name in names})


def _column(cells: list[object]) -> pd.Series:
    """Return a column; whole numbers stay whole beside missing ones."""
    present = [cell for cell in cells if cell is not None]
    stays = len(present) < len(cells) and all(type(cell) is int for cell in present)
    return pd.Series(cells, dtype=object if stays else None)


def _json_rows(path: Path) -> Iterator[dict[str, Any]]:
    with _opened(path) as file:
        rows = json.loads(file.read().decode("utf-8-sig"))
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        message = "it is no list of JSON objects, one a row"
        raise ValueError(message)
    yield from ({str(key): cell for key, cell in row.items()} for row in rows)


def _delimited(path: Path, separator: str | None) -> TableFile:
    """Read a file of texts; the separator and the encoding are found in it."""
    encoding, mark = _form(path, separator)
    frame = _parser(path, encoding, mark)
    names = _column_names(frame.iloc[0].tolist())
    frame = frame.iloc[1:].reset_index(drop=True)
    frame.columns = pd.Index(names)
    notes: list[str] = []
    if encoding == "cp1252":
        notes.append(f"{path.name} is not UTF-8; it was read as Windows-1252.")
    if mark != "," and separator is None:
        shown = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}[mark]
        notes.append(f"The columns of {path.name} are separated by {shown}.")
    return TableFile(frame, tuple(notes), has_semicolons=mark == ";")


def _form(path: Path, separator: str | None) -> tuple[str, str]:
    """Return the encoding and the separator of a file of texts."""
    for encoding in _encodings(path):
        try:
            head = _head(path, encoding)
        except UnicodeError:
            continue
        return encoding, separator or _separator(head)
    message = "it is in no known encoding; save it as UTF-8"
    raise ValueError(message)


def _parser(path: Path, encoding: str, separator: str, chunksize: int | None = None) -> Any:
    """Read cells as texts, which `tunesmith.inference` reads as it will read a client's."""
    return pd.read_csv(
        path, sep=separator, dtype=str, keep_default_na=False, encoding=encoding, header=None,
        skip_blank_lines=True, chunksize=chunksize,
    )  # fmt: skip


def _column_names(cells: list[object]) -> list[str]:
    # A table written with its row numbers has a column without a name.
    return [
        cell.strip() if isinstance(cell, str) and cell.strip() else f"Unnamed: {n}"
        for n, cell in enumerate(cells)
    ]


def _encodings(path: Path) -> tuple[str, ...]:
    """Return the encodings to try; bytes without a mark may be UTF-16 by chance."""
    with _opened(path) as file:
        mark = file.read(2)
    return ("utf-16",) if mark in {b"\xff\xfe", b"\xfe\xff"} else ("utf-8-sig", "cp1252")


def _head(path: Path, encoding: str) -> list[str]:
    """Return the first lines; the whole file is decoded, so that a wrong encoding shows."""
    head = ""
    with _opened(path) as file, io.TextIOWrapper(file, encoding) as texts:
        while part := texts.read(_DECODED):
            if encoding != "utf-8-sig" and "\x00" in part:
                message = "it holds null characters"
                raise ValueError(message)
            head = head or part
    return head.splitlines()[:20]


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading bytes, decompressed as its suffix says."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(archive.namelist()[0]) as file:
            yield file
        return
    openers: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    with openers.get(suffix, open)(path, "rb") as file:
        yield file


def _separator(lines: list[str]) -> str:
    """Return the separator that cuts the first lines into the same number of cells, at least 2."""
    best, most = ",", 1
    for mark in _SEPARATORS:
        cells = [len(row) for row in csv.reader(lines, delimiter=mark) if row]
        if cells and cells[0] > most and sum(n == cells[0] for n in cells) >= 0.8 * len(cells):
            best, most = mark, cells[0]
    return best
