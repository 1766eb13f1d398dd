"""Files of tables as programs and people leave them: read as meant, or told with the place."""

import datetime as dt
import gzip
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunesmith.datasets.table_files import TableFile, read_table_file, table_batches
from tunesmith.errors import DatasetError

CLASSES = ["pop", "rock"] * 10
ROWS = "".join(f"{n},{kind}\n" for n, kind in enumerate(CLASSES))


def _read(path: Path) -> TableFile:
    """Return a table, which has the same cells when it is read in parts."""
    file = read_table_file(path)
    parts = pd.concat([*table_batches(path, 7)], ignore_index=True)
    assert parts.astype(str).to_numpy().tolist() == file.frame.astype(str).to_numpy().tolist()
    return file


def _read_text(tmp_path: Path, content: str | bytes, name: str = "songs.csv") -> TableFile:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return _read(path)


HEADERS: dict[str, tuple[str, str]] = {
    "comment with commas": ("# made by me, in 2020\nx,genre\n" + ROWS, "# made by me, in 2020"),
    "two comments": ("# a, b\n# c, d\nx,genre\n" + ROWS, "2 lines before the header"),
    "comment of a program": ("// a, b\nx,genre\n" + ROWS, "// a, b"),
    "padded title": ("Report,,\n,,\nx,y,genre\n" + ROWS.replace(",", ",1,"), "such as 'Report'"),
    "padded title of two": ("Songs,\n,\nx,genre\n" + ROWS, "such as 'Songs'"),
    "title below a separator": ("sep=;\nSongs\nx;genre\n" + ROWS.replace(",", ";"), "'Songs'"),
    "separators behind rows": ("x,genre\n" + ROWS.replace("\n", ",\n"), ""),
    "separators behind some rows": ("x,genre\n" + ROWS.replace("pop\n", "pop,\n"), ""),
    "row names, as R writes them": (
        '"x","genre"\n' + "".join(f'"{row}",{line}\n' for row, line in enumerate(ROWS.split())),
        "their first cells are names of rows",
    ),
    "tabs that are commas": ("x,genre\n" + ROWS, ""),
    "carets": ("x^genre\n" + ROWS.replace(",", "^"), "separated by '^'"),
    "as Hive writes": ("x\x01genre\n" + ROWS.replace(",", "\x01"), "separated by '\\x01'"),
    "tables put together": ("x,genre\n" + ROWS + "x,genre\n", "line 22 repeats the header"),
    "spaces behind separators": ("x, genre\n" + ROWS.replace(",", ', "').replace("\n", '"\n'), ""),
}


@pytest.mark.parametrize("name", HEADERS)
def test_the_header_is_found(name: str, tmp_path: Path) -> None:
    content, told = HEADERS[name]
    file = _read_text(tmp_path, content, "t.tsv" if name == "tabs that are commas" else "t.csv")
    frame = file.frame[["x", "genre"]]
    assert frame.to_numpy().tolist() == [[str(n), kind] for n, kind in enumerate(CLASSES)]
    assert told in " ".join(file.notes)


@pytest.mark.parametrize(
    "content", ["#x,genre\n" + ROWS, "x,genre,\n" + ROWS.replace("\n", ",1\n"), "x,y\n" + ROWS]
)
def test_what_is_no_comment_stays_the_header(content: str, tmp_path: Path) -> None:
    file = _read_text(tmp_path, content)
    assert len(file.frame) == 20
    assert file.frame.columns[0] in {"#x", "x"}


def test_a_header_that_may_be_a_row_is_told(tmp_path: Path) -> None:
    assert "holds numbers, such as '0'. If it is a row" in _read_text(tmp_path, ROWS).notes[0]
    pixels = ",".join(map(str, range(9))) + "\n" + "1,2,3,4,5,6,7,8,9\n" * 5
    assert not _read_text(tmp_path, pixels).notes


def test_short_rows_are_told_with_their_lines(tmp_path: Path) -> None:
    file = _read_text(tmp_path, "x,y,genre\n1,2,pop\n3,4\n5,6,rock\n7\n")
    assert file.notes == (
        "Of songs.csv line 3, 5 has fewer cells than the header: the last ones are missing.",
    )


def test_rows_that_a_stray_quotation_mark_swallows_are_told(tmp_path: Path) -> None:
    titles = {3: '"vinyl', 9: 'vinyl"'}
    rows = [f"{n},{titles.get(n, 'vinyl')},{kind}" for n, kind in enumerate(CLASSES)]
    file = _read_text(tmp_path, "x,title,genre\n" + "\n".join(rows))
    assert len(file.frame) == 14
    assert any("line 5 begins a cell of several lines that look like rows" in n for n in file.notes)


def test_long_texts_of_many_lines_are_no_rows(tmp_path: Path) -> None:
    lyrics = "\n".join(f"la, la, la {n}" for n in range(80)) + "a" * 200_000
    rows = "".join(f's{n},"{lyrics}",{kind},1\n' for n, kind in enumerate(CLASSES[:6]))
    file = _read_text(tmp_path, "title,lyrics,genre,x\n" + rows)
    assert file.frame["lyrics"].tolist() == [lyrics] * 6
    assert not file.notes


def test_a_quotation_mark_after_a_backslash_is_one_of_the_text(tmp_path: Path) -> None:
    rows = "".join(f'{n},"say \\"hi\\", ok",{kind}\n' for n, kind in enumerate(CLASSES))
    file = _read_text(tmp_path, "x,title,genre\n" + rows)
    assert set(file.frame["title"]) == {'say "hi", ok'}


@pytest.mark.parametrize(
    ("encoding", "texts", "shown"),
    [
        ("cp932", ["曲", "ロック", "演歌", "J-POPの歌"], "Shift-JIS"),
        ("euc_jp", ["きょく", "ロック", "ポップ"], "EUC-JP"),
        ("gb18030", ["类型", "摇滚", "民谣"], "GB 2312"),
        ("big5", ["類型", "搖滾", "民謠"], "Big5"),
        ("cp949", ["장르", "록", "팝"], "EUC-KR"),
        ("cp1251", ["жанр", "рок", "Поп-музыка"], "Windows-1251"),
        ("koi8-r", ["жанр", "рок", "Поп"], "KOI8-R"),
        ("cp866", ["жанр", "рок", "Поп"], "CP866"),
        ("cp1252", ["Été à Orléans n°", "variété", "Größe \u2013 “5”"], "Windows-1252"),
    ],
)
def test_code_pages_are_told_by_their_words(
    encoding: str, texts: list[str], shown: str, tmp_path: Path
) -> None:
    rows = "".join(f"{n},{texts[1 + n % (len(texts) - 1)]}\n" for n in range(20))
    file = _read_text(tmp_path, f"x,{texts[0]}\n{rows}".encode(encoding))
    assert file.frame.columns[1] == texts[0]
    assert set(file.frame.iloc[:, 1]) == set(texts[1:])
    assert f"was read as {shown}" in file.notes[0]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-8-sig"])
@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.json"])
def test_unicode_of_any_width_is_read(encoding: str, name: str, tmp_path: Path) -> None:
    rows = [{"x": str(n), "genre": kind} for n, kind in enumerate(CLASSES)]
    lines = "\n".join(map(json.dumps, rows))
    content = {"t.csv": "x,genre\n" + ROWS, "t.jsonl": lines, "t.json": json.dumps(rows)}[name]
    file = _read_text(tmp_path, content.encode(encoding), name)
    assert file.frame.to_dict("records") == rows


def test_one_line_in_a_code_page_does_not_spoil_the_others(tmp_path: Path) -> None:
    rows = "".join(f"{n},größer\n" for n in range(20)).encode() + b"20,caf\xe9\n"
    file = _read_text(tmp_path, b"x,genre\n" + rows)
    assert file.frame["genre"].tolist() == ["größer"] * 20 + ["café"]
    assert file.notes == ("Of songs.csv line 22 is not UTF-8; it was read as Windows-1252.",)


def _damaged(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


def _cut_sheet(path: Path) -> None:
    openpyxl.Workbook().save(path)
    with zipfile.ZipFile(path) as book:
        members = {name: book.read(name) for name in book.namelist()}
    with zipfile.ZipFile(path, "w") as book:
        for name, content in members.items():
            book.writestr(name, content[:-40] if "sheet1" in name else content)


def _two_types(path: Path) -> None:
    path.mkdir()
    for number, cells in enumerate(([1, 2], ["a", "b"])):
        pq.write_table(pa.table({"x": cells}), path / f"{number}.parquet")


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "cut.csv.gz": (_damaged(gzip.compress(b"x,genre\n" * 99)[:-20]), "ended before"),
    "cut.csv.zip": (_damaged(b"PK\x03\x04"), "not a zip file"),
    "cut.csv.zst": (_damaged(b"\x28\xb5\x2f\xfd\x00"), "cannot be read"),
    "packed.csv": (_damaged(b"\x28\xb5\x2f\xfd\x00"), "ending .zst"),
    "cut.xlsx": (_damaged(b"PK\x03\x04"), "damaged"),
    "sheet.xlsx": (_cut_sheet, "damaged"),
    "page.xls": (_damaged(b"\n<html><table>"), "web page"),
    "bad.jsonl": (_damaged(b'{"x": 1}\n\n{"x": 2,\n'), "line 3 is no JSON"),
    "deep.json": (_damaged(b"[" * 100_000), "cannot be read"),
    "types": (_two_types, "x has incompatible types"),
    "long.csv": (_damaged(b"x,y\n1,2\n1,2\n1,a, b\n"), "line 4 has 3 cells, but the header 2"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_damaged_file_is_told_with_its_name(name: str, tmp_path: Path) -> None:
    write, told = FAULTS[name]
    write(tmp_path / name)
    with pytest.raises(DatasetError, match=told) as refusal:
        read_table_file(tmp_path / name)
    assert name in str(refusal.value)


def _sheet(path: Path, change: Callable[[openpyxl.Workbook, Any], object], first: int = 1) -> None:
    book = openpyxl.Workbook()
    rows = [("x", "y", "genre"), *((n, n * 2, kind) for n, kind in enumerate(CLASSES))]
    for row, cells in enumerate(rows, first):
        for column, cell in enumerate(cells, 1):
            book.active.cell(row, column, cell)
    change(book, book.active)
    book.save(path)


def _headings(_book: openpyxl.Workbook, sheet: Any) -> None:
    sheet["A1"], sheet["C1"] = "Audio", "Meta"
    sheet.merge_cells("A1:B1")


def _merged_classes(_book: openpyxl.Workbook, sheet: Any) -> None:
    for row in range(2, 22, 4):
        sheet.cell(row, 3).value = "jazz"
        sheet.merge_cells(start_row=row, end_row=row + 1, start_column=3, end_column=3)


def _hidden(_book: openpyxl.Workbook, sheet: Any) -> None:
    for row in (3, 4):
        sheet.row_dimensions[row].hidden = True


def _lists_first(book: openpyxl.Workbook, _sheet: Any) -> None:
    lists = book.create_sheet("Lists", 0)
    lists["A1"], lists["B1"], lists["A2"], lists["B2"] = "a", "b", "c", "d"
    lists.sheet_state = "hidden"
    book.create_sheet("Read me", 0)["A1"] = "The songs are on the last sheet"


def _formulas(_book: openpyxl.Workbook, sheet: Any) -> None:
    for row in range(2, 22):
        sheet.cell(row, 2).value = f"=A{row}*2"


SHEETS: dict[str, tuple[Callable[[openpyxl.Workbook, Any], object], str]] = {
    "headings of several columns": (_headings, "'Audio'"),
    "merged cells": (_merged_classes, "5 merged cells"),
    "hidden rows": (_hidden, "2 hidden rows of songs.xlsx are read, too"),
    "other sheets": (_lists_first, "left out: Read me, Lists"),
    "formulas": (_formulas, "y of songs.xlsx may hold formulas without their values"),
}


@pytest.mark.parametrize("name", SHEETS)
def test_sheets_of_any_make_are_read(name: str, tmp_path: Path) -> None:
    change, told = SHEETS[name]
    _sheet(tmp_path / "songs.xlsx", change, 2 if change is _headings else 1)
    file = _read(tmp_path / "songs.xlsx")
    assert list(file.frame.columns) == ["x", "y", "genre"]
    assert file.frame["x"].tolist() == list(range(20))
    if name == "merged cells":
        assert file.frame["genre"].tolist() == ["jazz", "jazz", "pop", "rock"] * 5
    assert told in " ".join(file.notes)


def test_a_plain_sheet_has_nothing_to_tell(tmp_path: Path) -> None:
    _sheet(tmp_path / "songs.xlsx", lambda _book, _sheet: None)
    assert not _read(tmp_path / "songs.xlsx").notes


def test_texts_that_are_not_marked_as_such_are_read(tmp_path: Path) -> None:
    cells = pa.array([b"pop", "größer".encode(), b"\xff", None])
    pq.write_table(pa.table({"genre": cells}), tmp_path / "t.parquet")
    frame = _read(tmp_path / "t.parquet").frame
    assert frame["genre"].fillna("").tolist() == ["pop", "größer", "\\xff", ""]


def test_a_target_in_an_index_without_a_name_is_kept(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": range(20)}, index=pd.Index(CLASSES))
    frame.to_parquet(tmp_path / "t.parquet")
    read = read_table_file(tmp_path / "t.parquet").frame
    assert read["Unnamed: 0"].tolist() == CLASSES
    days = pd.date_range(dt.date(2020, 1, 1), periods=20, name="day")
    frame.set_index(days).to_parquet(tmp_path / "t.parquet")
    assert read_table_file(tmp_path / "t.parquet").frame["day"].tolist() == list(days)
    frame.reset_index(drop=True)[::2].to_parquet(tmp_path / "t.parquet")
    assert list(read_table_file(tmp_path / "t.parquet").frame.columns) == ["x"]


def test_what_is_unfinished_in_a_folder_is_left_out(tmp_path: Path) -> None:
    table = pa.table({"x": range(5)})
    for place in ("a=1", "_temporary/0", ".hidden"):
        (tmp_path / place).mkdir(parents=True)
        pq.write_table(table, tmp_path / place / "0.parquet")
    pq.write_table(table, tmp_path / "a=1" / "_0.parquet")
    assert len(read_table_file(tmp_path).frame) == 5
