"""Files of tables, whatever program wrote them."""

import bz2
import csv
import gzip
import json
import lzma
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pandas as pd

from tunesmith.errors import DatasetError

__all__ = ["TableFile", "read_table", "read_table_file"]

_PARQUET = (".parquet", ".pq", ".parq")
_ARROW = (".arrow", ".feather", ".ipc")
_JSON_LINES = (".jsonl", ".ndjson")
_EXCEL = (".xlsx", ".xlsm")
_COMPRESSION = (".gz", ".bz2", ".xz", ".zip")
_SEPARATORS = ",;\t|"
_KINDS = "CSV, TSV, Parquet, Arrow, Excel (xlsx) or JSON lines"


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
    if not path.exists():
        message = f"There is no table {path}."
        raise DatasetError(message)
    try:
        table = _read(path)
    except ImportError as error:
        message = f"{path} needs a package that is not installed: pip install openpyxl."
        raise DatasetError(message) from error
    except (ValueError, OSError, UnicodeError, KeyError, csv.Error) as error:
        message = f"{path} cannot be read as a table: {error}. Give a {_KINDS} file."
        raise DatasetError(message) from error
    frame, notes = table.frame, list(table.notes)
    names, repeated = _different([str(name) for name in _headings(frame)])
    if repeated:
        notes.append(
            f"The header of {path.name} names {', '.join(repeated)} more than once; the later ones "
            "are read as NAME.1, NAME.2, …"
        )
    frame.columns = pd.Index(names)
    return TableFile(frame, tuple(notes), table.has_semicolons)


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
    suffixes = [suffix.lower() for suffix in path.suffixes]
    last = suffixes[-1] if suffixes else ""
    if path.is_dir() or last in _PARQUET:
        return TableFile(_with_index(_parquet(path)))
    if last in _ARROW:
        return TableFile(_with_index(pd.read_feather(path)))
    if last in _EXCEL:
        return _excel(path)
    inner = next((s for s in reversed(suffixes) if s not in _COMPRESSION), "")
    if inner in _JSON_LINES or inner == ".json":
        return TableFile(_json(path, lines=inner != ".json"))
    return _delimited(path, "\t" if inner in {".tsv", ".tab"} else None)


def _parquet(path: Path) -> pd.DataFrame:
    if path.is_dir():
        files = [p for p in path.rglob("*") if p.suffix.lower() in _PARQUET]
        if not files:
            message = "the folder holds no Parquet file"
            raise ValueError(message)
    frame: pd.DataFrame = pd.read_parquet(path)
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
    frame: pd.DataFrame = pd.read_json(path, lines=lines, orient="records", dtype=False)
    nested = [name for name in frame if frame[name].map(lambda c: isinstance(c, dict | list)).any()]
    for name in nested:
        frame[name] = frame[name].map(json.dumps)
    return frame


def _delimited(path: Path, separator: str | None) -> TableFile:
    """Read a file of texts; the separator and the encoding are found in it."""
    notes: list[str] = []
    for encoding in _encodings(path):
        try:
            head = _head(path, encoding)
        except UnicodeError:
            continue
        mark = separator or _separator(head)
        # Texts, which `tunesmith.inference` reads as it will read a client's.
        frame = pd.read_csv(
            path, sep=mark, dtype=str, keep_default_na=False, encoding=encoding, header=None,
            skip_blank_lines=True,
        )  # fmt: skip
        names = frame.iloc[0].tolist()
        frame = frame.iloc[1:].reset_index(drop=True)
        # A table written with its row numbers has a column without a name.
        frame.columns = pd.Index(
            [
                name.strip() if isinstance(name, str) and name.strip() else f"Unnamed: {n}"
                for n, name in enumerate(names)
            ]
        )
        if encoding == "cp1252":
            notes.append(f"{path.name} is not UTF-8; it was read as Windows-1252.")
        if mark != "," and separator is None:
            shown = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}[mark]
            notes.append(f"The columns of {path.name} are separated by {shown}.")
        return TableFile(frame, tuple(notes), has_semicolons=mark == ";")
    message = "it is in no known encoding; save it as UTF-8"
    raise ValueError(message)


def _encodings(path: Path) -> tuple[str, ...]:
    """Return the encodings to try; bytes without a mark may be UTF-16 by chance."""
    with _opened(path) as file:
        mark = file.read(2)
    return ("utf-16",) if mark in {b"\xff\xfe", b"\xfe\xff"} else ("utf-8-sig", "cp1252")


def _head(path: Path, encoding: str) -> list[str]:
    """Return the first lines; the whole file is decoded, so that a wrong encoding shows."""
    with _opened(path) as file:
        text = file.read().decode(encoding)
    if encoding != "utf-8-sig" and "\x00" in text:
        message = "it holds null characters"
        raise ValueError(message)
    return text.splitlines()[:20]


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
