"""Files of comma-separated values and their like: encoding, separator and header are found."""

import bz2
import csv
import gzip
import io
import lzma
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any

import pandas as pd

__all__ = ["COMPRESSION", "TextForm", "column_names", "delimited_batches", "opened", "text_form"]

COMPRESSION = (".gz", ".bz2", ".xz", ".zip")
_DECODED = 1 << 20
_SEPARATORS = ",;\t|"
_HEAD_LINES = 50
_LEAST_ALIKE = 0.8
_NAMED_SEPARATOR = re.compile(r'"?sep=(.)"?\s*')
"""First line by which Excel knows the separator."""
_MAGIC = {
    b"PAR1": "it is a Parquet file: give it the ending .parquet",
    b"ARROW1": "it is an Arrow file: give it the ending .arrow",
    b"PK\x03\x04": "it is an Excel file or an archive: save it as .xlsx, or unpack it",
    b"\xd0\xcf\x11\xe0": "it is an Excel file of the old kind: save it as .xlsx",
    b"\x1f\x8b": "it is compressed: give it the ending .gz",
}


@dataclass(frozen=True)
class TextForm:
    """Form of a file of texts.

    Attributes
    ----------
    encoding, separator
        As Python and the `csv` module name them.
    skipped
        Lines before the header, such as a title.
    """

    encoding: str
    separator: str
    skipped: tuple[str, ...] = ()

    def notes(self, name: str, *, is_known: bool) -> list[str]:
        """Return sentences on what is not plain; `is_known` where the ending says the separator."""
        notes = []
        if self.encoding == "cp1252":
            notes.append(
                f"{name} is not UTF-8; it was read as Windows-1252. Save it as UTF-8 if its "
                "letters look wrong."
            )
        if self.separator != "," and not is_known:
            marks = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}
            shown = marks.get(self.separator, repr(self.separator))
            notes.append(f"The columns of {name} are separated by {shown}.")
        if lines := [line for line in self.skipped if line.strip()]:
            count = "1 line" if len(lines) == 1 else f"{len(lines)} lines"
            notes.append(
                f"{count} before the header of {name} {'is' if len(lines) == 1 else 'are'} left "
                f"out, such as {lines[0].strip()[:60]!r}."
            )
        return notes


def text_form(path: Path, separator: str | None) -> TextForm:
    """Return the form of a file of texts.

    Parameters
    ----------
    path
        The file.
    separator
        Its separator, where the ending of its name says it.

    Raises
    ------
    ValueError
        When it holds no text, or a text in no known encoding.
    """
    for encoding in _encodings(path):
        try:
            head = _head(path, encoding)
        except UnicodeError:
            continue
        mark, n_skipped = _layout(head, separator)
        return TextForm(encoding, mark, tuple(head[:n_skipped]))
    message = "it is in no known encoding; save it as UTF-8"
    raise ValueError(message)


def delimited_batches(path: Path, form: TextForm, rows: int | None) -> Iterator[pd.DataFrame]:
    """Yield the rows in frames of at most so many, all in one for None; cells stay texts."""
    names: list[str] | None = None
    with opened(path) as file:
        parts: Any = pd.read_csv(
            file, sep=form.separator, dtype=str, keep_default_na=False, encoding=form.encoding,
            header=None, skip_blank_lines=True, skiprows=len(form.skipped), chunksize=rows,
        )  # fmt: skip
        for part in [parts] if rows is None else parts:
            frame = part
            if names is None:
                names, frame = column_names(part.iloc[0].tolist()), part.iloc[1:]
            frame.columns = pd.Index(names)
            yield frame


def column_names(cells: list[Any]) -> list[str]:
    """Return the names in a header; a column without one has a number."""
    # A table written with its row numbers has a column without a name.
    texts = ["" if pd.isna(cell) else str(cell).strip() for cell in cells]
    return [text or f"Unnamed: {n}" for n, text in enumerate(texts)]


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading bytes, decompressed as its suffix says."""
    suffix = path.suffix.lower()
    if suffix == ".zip":
        with zipfile.ZipFile(path) as archive, archive.open(_only_member(archive)) as file:
            yield file
        return
    openers: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
    with openers.get(suffix, open)(path, "rb") as file:
        yield file


def _only_member(archive: zipfile.ZipFile) -> str:
    """Return the one file of an archive; what systems add of their own does not count."""
    names = [
        name
        for name in archive.namelist()
        if not name.endswith("/")
        and not name.startswith("__MACOSX/")
        and not name.rpartition("/")[2].startswith(".")
    ]
    if len(names) != 1:
        message = f"it holds {len(names)} files ({', '.join(names[:3])}): unpack it and name one"
        raise ValueError(message)
    return names[0]


def _encodings(path: Path) -> tuple[str, ...]:
    """Return the encodings to try."""
    with opened(path) as file:
        head = file.read(1000)
    for magic, message in _MAGIC.items():
        if head.startswith(magic):
            raise ValueError(message)
    if head[:2] in {b"\xff\xfe", b"\xfe\xff"}:
        return ("utf-16",)
    # Without a mark, every second byte of plain letters is zero.
    for encoding, zeros in (("utf-16-le", head[1::2]), ("utf-16-be", head[::2])):
        if zeros.count(0) > _LEAST_ALIKE * len(zeros):
            return (encoding,)
    return ("utf-8-sig", "cp1252")


def _head(path: Path, encoding: str) -> list[str]:
    """Return the first lines; the whole file is decoded, so that a wrong encoding shows."""
    head = ""
    with opened(path) as file, io.TextIOWrapper(file, encoding) as texts:
        while part := texts.read(_DECODED):
            if encoding != "utf-8-sig" and "\x00" in part:
                message = "it holds null characters"
                raise ValueError(message)
            head = head or part
    return list(islice(io.StringIO(head), _HEAD_LINES))


def _layout(lines: list[str], separator: str | None) -> tuple[str, int]:
    """Return the separator, and the number of lines before the header.

    The separator cuts the header and the lines behind it into the same number of cells, at least
    two; lines before the header have fewer. One by which the first line is the header is right.
    """
    named = _NAMED_SEPARATOR.fullmatch(lines[0]) if lines else None
    if named is not None:
        return named[1], 1
    best, skipped, most = separator or ",", 0, (False, 1)
    for mark in separator or _SEPARATORS:
        rows, ends = [], [0]
        reader = csv.reader(lines, delimiter=mark)
        for row in reader:
            rows.append(len(row))
            ends.append(reader.line_num)
        first = _header(rows)
        if first is not None and (first == 0, rows[first]) > most:
            best, skipped, most = mark, ends[first], (first == 0, rows[first])
    return best, skipped


def _header(widths: list[int]) -> int | None:
    """Return the first row that is as wide as nearly all behind it; blank rows do not count."""
    for first, width in enumerate(widths):
        behind = [other for other in widths[first:] if other]
        if first and len(behind) < 2:
            return None
        if width > max([1, *widths[:first]]) and Counter(behind)[width] >= _LEAST_ALIKE * len(
            behind
        ):
            return first
    return None
