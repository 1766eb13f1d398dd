"""Tables in Excel files: which sheet and row they begin in, and cells that are merged or hidden."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pandas as pd

from tunesmith.datasets.table_layout import column_names

__all__ = ["read_sheet"]

_TITLE_ROWS = 50
"""Rows of a sheet among which the header is looked for."""
_BLOCK = 1 << 20
_MERGED = re.compile(rb'mergeCell [^>]*ref="([A-Z]+)(\d+):([A-Z]+)(\d+)"')
_HIDDEN = re.compile(rb'<(?:\w+:)?row [^>]*hidden="(?:1|true)"')
_SHEET_ID = re.compile(rb'<(?:\w+:)?sheet [^>]*\w+:id="([^"]*)"')
_LINK = re.compile(rb"<(?:\w+:)?Relationship ([^>]*)>")
_FIELD = re.compile(rb'(\w+)="([^"]*)"')
_FORMULA = re.compile(rb"<(?:\w+:)?f[ >/]")
_NOT_EXCEL = "it is no Excel file of this kind; give it the ending of what it is"


def read_sheet(path: Path) -> tuple[pd.DataFrame, list[str]]:
    """Read the first sheet that holds a table, and return sentences on what is not plain.

    Raises
    ------
    ValueError
        When the file is of another kind, is damaged or holds no cell.
    ImportError
        When the package that reads such files is not installed.
    """
    with path.open("rb") as file:
        if not file.read(4).startswith(b"PK"):
            raise ValueError(_NOT_EXCEL)
    try:
        return _read(path)
    except (zipfile.BadZipFile, ET.ParseError, EOFError, KeyError, StopIteration) as error:
        message = f"{_NOT_EXCEL}, or it is damaged ({type(error).__name__}: {error})"
        raise ValueError(message) from error


def _read(path: Path) -> tuple[pd.DataFrame, list[str]]:
    notes: list[str] = []
    with pd.ExcelFile(path, engine="openpyxl") as book:
        name, cells = _table_sheet(book)
        names = [str(other) for other in book.sheet_names]
    merged, n_hidden, has_formulas = _facts(path, names.index(name))
    if others := [other for other in names if other != name]:
        notes.append(
            f"Of {path.name} the first sheet that holds a table, {name}, is read; left out: "
            f"{', '.join(others)}."
        )
    n_filled = _fill(cells, merged)
    if n_filled:
        notes.append(f"{n_filled} merged cells of {path.name} have the value of the first of them.")
    if n_hidden:
        rows = "1 hidden row" if n_hidden == 1 else f"{n_hidden} hidden rows"
        notes.append(f"{rows} of {path.name} {'is' if n_hidden == 1 else 'are'} read, too.")
    cells = cells.loc[:, cells.notna().any()]
    first = _header_row(cells, {top for top, left, bottom, right in merged if right > left})
    if titles := [str(cell) for row in cells.to_numpy()[:first] for cell in row if pd.notna(cell)]:
        notes.append(
            f"What stands above the header of {path.name} is left out, such as {titles[0][:60]!r}."
        )
    frame = cells.iloc[first + 1 :].reset_index(drop=True).infer_objects()
    frame.columns = pd.Index(column_names(cells.iloc[first].tolist()))
    empty = [str(c) for c in frame.columns if not frame[[c]].notna().any(axis=None)]
    if empty and len(frame) and has_formulas:
        notes.append(
            f"{', '.join(empty)} of {path.name} may hold formulas without their values: open the "
            "file in a spreadsheet program and save it again."
        )
    return frame, notes


def _table_sheet(book: pd.ExcelFile) -> tuple[str, pd.DataFrame]:
    """Return the first sheet of several rows and columns, shown ones first, or else any cells."""
    states = {str(sheet.title): sheet.sheet_state for sheet in book.book.worksheets}
    names = [str(name) for name in book.sheet_names]
    some = None
    for name in sorted(names, key=lambda each: states.get(each) != "visible"):
        cells = pd.read_excel(book, name, header=None, keep_default_na=False, na_values=[""])
        filled = cells.notna()
        if (filled.any(axis=1).sum() > 1) and (filled.any(axis=0).sum() > 1):
            return name, cells
        if some is None and filled.any(axis=None):
            some = (name, cells)
    if some is None:
        message = "its sheets are empty"
        raise ValueError(message)
    return some


def _facts(path: Path, number: int) -> tuple[list[tuple[int, int, int, int]], int, bool]:
    """Return the merged ranges of a sheet, the number of hidden rows, and if it has formulas.

    The reader of cells leaves these out. A sheet is looked through in blocks, as it may be large.
    """
    merged: list[tuple[int, int, int, int]] = []
    n_hidden, has_formulas = 0, False
    with zipfile.ZipFile(path) as archive:
        for block in _blocks(archive, _sheet_path(archive, number)):
            for left, top, right, bottom in _MERGED.findall(block):
                merged.append((int(top) - 1, _column(left), int(bottom) - 1, _column(right)))
            n_hidden += len(_HIDDEN.findall(block))
            has_formulas = has_formulas or _FORMULA.search(block) is not None
    return merged, n_hidden, has_formulas


def _blocks(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    """Yield a member in blocks that end with a tag."""
    with archive.open(name) as file:
        rest = b""
        while part := file.read(_BLOCK):
            block, bracket, rest = (rest + part).rpartition(b"<")
            yield block
            rest = bracket + rest
        yield rest


def _sheet_path(archive: zipfile.ZipFile, number: int) -> str:
    """Return the name of the member that holds a sheet."""
    ids = _SHEET_ID.findall(archive.read("xl/workbook.xml"))
    links = _LINK.findall(archive.read("xl/_rels/workbook.xml.rels"))
    fields = [dict(_FIELD.findall(link)) for link in links]
    target = next(f[b"Target"] for f in fields if f[b"Id"] == ids[number]).decode()
    return target.removeprefix("/") if target.startswith("/") else f"xl/{target}"


def _column(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - ord("A") + 1
    return number - 1


def _fill(cells: pd.DataFrame, merged: list[tuple[int, int, int, int]]) -> int:
    """Give merged cells of one column the value of the first; return how many there were."""
    count = 0
    for top, left, bottom, right in merged:
        if left == right and top < bottom < len(cells) and left < cells.shape[1]:
            own = cells.iloc[top : bottom + 1, left].tolist()
            cells.iloc[top + 1 : bottom + 1, left] = own[0]
            count += (bottom - top) * bool(pd.notna(own[0]))
    return count


def _header_row(cells: pd.DataFrame, above: set[int]) -> int:
    """Return the number of the header's row: rows before it are blank, or hold a title.

    Parameters
    ----------
    cells
        All cells; those of blank columns left out.
    above
        Rows with cells that are merged with those right of them, as headings of several columns.
    """
    filled = cells.head(_TITLE_ROWS).notna()
    counts, most = filled.sum(axis=1).tolist(), int(filled.sum(axis=1).max())
    for number, (count, begins) in enumerate(zip(counts, filled.iloc[:, 0], strict=True)):
        # The header of row numbers may be blank, so a row that begins later is no title.
        is_title = count * 2 <= most and begins
        later = next((other for other in counts[number + 1 :] if other), 0)
        is_above = number in above and later > count
        if count and not is_title and not is_above:
            return number
    return 0
