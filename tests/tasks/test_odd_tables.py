"""Tables as people and programs write them: read as meant, or refused with the option to give."""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunesmith.artifacts.preparation import CategoryColumn, NumberColumn, WordsColumn
from tunesmith.artifacts.store import Store
from tunesmith.datasets.table_files import read_table_file
from tunesmith.errors import DatasetError, UsageError
from tunesmith.inference.tables import RowReader
from tunesmith.tasks import Request, get_task
from tunesmith.tasks.support.tables import Table, TableItems, table_examples

N = 40


def _items(cells: Sequence[object], **table: Any) -> TableItems:
    """Return a table of one odd column, its cells repeated, and a plain one."""
    repeated = [cells[row % len(cells)] for row in range(N)]
    frame = pd.DataFrame({"odd": repeated, "plain": range(N), "kind": ["a", "b"] * (N // 2)})
    return table_examples(frame, Table("kind", **table))


def _day(year: int, month: int, day: int) -> int:
    return (dt.date(year, month, day) - dt.date(1970, 1, 1)).days


NUMBERS: dict[str, tuple[list[object], list[float]]] = {
    "decimal commas": (["1,5", "22,75", "3", "-0,5"], [1.5, 22.75, 3, -0.5]),
    "commas and thousands": (["1.234,5", "12,25", "1.000.000,5"], [1234.5, 12.25, 1000000.5]),
    "points and thousands": (["1,234.5", "12.25", "1,000,000.5"], [1234.5, 12.25, 1000000.5]),
    "many thousands": (["1,234,567", "2,345", "12"], [1234567, 2345, 12]),
    "thousands by points": (["1.234.567", "2.345", "12"], [1234567, 2345, 12]),
    "thousands by spaces": (["1 234,5", "12 345,25", "7"], [1234.5, 12345.25, 7]),
    "thin spaces": (["1\u202f234", "12\u202f345", "7"], [1234, 12345, 7]),
    "hard spaces": (["1\u00a0234", "12\u00a0345", "7"], [1234, 12345, 7]),
    "Swiss thousands": (["1'234.5", "12'345.25", "7"], [1234.5, 12345.25, 7]),
    "percent": (["45%", "7.5 %", "100%"], [45, 7.5, 100]),
    "percent with commas": (["45,5 %", "7,25 %", "100 %"], [45.5, 7.25, 100]),
    "euros behind": (["5,99 €", "12,50 €", "100 €"], [5.99, 12.5, 100]),
    "dollars in front": (["$5.99", "$1,250.00", "$100"], [5.99, 1250, 100]),
    "currency codes": (["USD 5.50", "USD 12.25", "USD 100"], [5.5, 12.25, 100]),
    "units": (["120 bpm", "98.5 bpm", "140 bpm"], [120, 98.5, 140]),
    "decibels": (["-5.2 dB", "-11 dB", "0 dB"], [-5.2, -11, 0]),
    "typographic minus": (["\u22125.2", "\u221211", "\u22123"], [-5.2, -11, -3]),
    "k and M": (["1.5k", "2M", "300"], [1500, 2e6, 300]),
    "durations": (["3:45", "1:02:03", "0:07.5"], [225, 3723, 7.5]),
    "durations in words": (["3 min 45 s", "1h 2m 3s", "45 s"], [225, 3723, 45]),
    "ISO dates": (["2020-01-31", "1999-12-01"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "ISO times": (["2020-01-31T12:00:00Z", "1999-12-01 06:00"],
                  [_day(2020, 1, 31) + 0.5, _day(1999, 12, 1) + 0.25]),
    "German dates": (["31.01.2020", "01.12.1999"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "dates, day first": (["31/01/2020", "01/12/1999"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "dates, month first": (["01/31/2020", "12/01/1999"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "month names": (["31 January 2020", "1 December 1999"],
                    [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "short month names": (["Jan 31, 2020", "Dec 1, 1999"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "large whole numbers": ([2**24, 2**24 + 1, 2**24 + 2], [2**24, 2**24 + 1, 2**24 + 2]),
    "large texts": (["1700000001", "1700000002", "1700000003"],
                    [1700000001, 1700000002, 1700000003]),
    "far apart": ([1, 2**30 + 1, 2**30 + 2], [1, 2**30 + 1, 2**30 + 2]),
    "timestamps": ([pd.Timestamp(2020, 1, 31), pd.Timestamp(1999, 12, 1)],
                   [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "timedeltas": ([pd.Timedelta("3m45s"), pd.Timedelta("7s")], [225, 7]),
}  # fmt: skip


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_read_as_meant(name: str) -> None:
    cells, values = NUMBERS[name]
    items = _items(cells)
    column = items.preparation.columns[0]
    assert isinstance(column, NumberColumn), items.notes
    x = items.examples.view("features").x[: len(cells), : len(column.features)]
    read = x.astype(np.float64).sum(axis=1) + column.offset
    np.testing.assert_allclose(read, values, rtol=1e-6)
    assert len(np.unique(x, axis=0)) == len(values)
    # A server reads the same cell to the same bits.
    row = {"odd": str(cells[0]), "plain": 0}
    served = RowReader(items.preparation).row(row)[: len(column.features)]
    if not isinstance(cells[0], pd.Timedelta):
        np.testing.assert_array_equal(served, x[0])
    if isinstance(cells[0], str) and column.format is not None:
        assert any(note.startswith("odd is read as") for note in items.notes)


AMBIGUOUS = {
    "thousands or decimals": (["1,234", "5,678"], "odd=point"),
    "day or month first": (["01/02/2020", "03/04/2021"], "odd=day-first"),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_can_be_read_in_two_ways_is_asked(name: str) -> None:
    cells, option = AMBIGUOUS[name]
    with pytest.raises(DatasetError, match=f"--read-as {option}") as refusal:
        _items(cells)
    assert "'odd'" in str(refusal.value)
    assert repr(cells[0]) in str(refusal.value)


@pytest.mark.parametrize(
    ("cells", "how", "value"),
    [
        (["1,234", "5,678"], "comma", 1.234),
        (["1,234", "5,678"], "point", 1234),
        (["01/02/2020", "03/04/2021"], "day-first", _day(2020, 2, 1)),
        (["01/02/2020", "03/04/2021"], "month-first", _day(2020, 1, 2)),
    ],
)
def test_the_option_decides(cells: list[str], how: str, value: float) -> None:
    items = _items(cells, read_as={"odd": how})
    assert items.examples.view("features").x[0, 0] == pytest.approx(value)


def test_texts_that_look_like_numbers_can_stay_texts() -> None:
    items = _items(["01", "1", "02"], read_as={"odd": "text"})
    column = items.preparation.columns[0]
    assert isinstance(column, CategoryColumn)
    assert column.categories == ("01", "02", "1")
    assert "odd has values that may be the same: '01' (14) and '1' (13)." in items.notes


@pytest.mark.parametrize(
    "cells",
    [["A#", "C", "D"], ["4-Apr", "5-Apr"], ["8A", "12B", "3A"], ["Take 5", "Take 7"],
     ["3/4", "4/4", "6/8"], ["5 €", "5 $"], ["rock", "pop"]],
)  # fmt: skip
def test_texts_stay_texts(cells: list[str]) -> None:
    assert isinstance(_items(cells).preparation.columns[0], CategoryColumn)


def test_a_column_written_in_two_ways_is_told_with_an_example() -> None:
    notes = _items(["1,5", "2.5"]).notes
    assert "odd is not a number in 20 rows, such as '1,5'; they count as missing." in notes


def test_spellings_that_may_be_the_same_are_told() -> None:
    items = _items(["Rock", "rock", "Pop"])
    assert "odd has values that may be the same: 'Rock' (14) and 'rock' (13)." in items.notes


def test_long_texts_are_read_by_their_words() -> None:
    cells = [f"a {name} song of {number}" for number in range(60) for name in ("slow", "fast")]
    frame = pd.DataFrame({"title": cells, "kind": ["a", "b"] * 60})
    items = table_examples(frame, Table("kind"))
    (column,) = items.preparation.columns
    assert isinstance(column, WordsColumn)
    assert column.words == ("fast", "slow")
    assert items.examples.view("features").x[:2].tolist() == [[0, 1], [1, 0]]
    assert RowReader(items.preparation).row({"title": "FAST, but not slow!"}).tolist() == [1, 1]


def _songs() -> pd.DataFrame:
    """Return ten songs each of twelve artists; each has a word of its own, all share others."""
    rows = [
        {"artist": f"Artist {number}", "title": title, "bpm": float(tempo), "kind": "ab"[tempo % 2]}
        for number in range(12)
        for tempo, title in enumerate(
            [f"own{number}", "Remix", "Ночь", "夜"] * 2 + [f"own{number} remix", "Intro"]
        )
    ]
    return pd.DataFrame(rows)


def test_names_that_group_rows_may_be_read_by_words_that_several_share() -> None:
    plain = table_examples(_songs(), Table("kind", groups=("artist", "title")))
    table = Table("kind", groups=("artist", "title"), read_as={"title": "words"})
    items = table_examples(_songs(), table)
    title, bpm = items.preparation.columns
    assert isinstance(title, WordsColumn)
    assert title.words == ("[cjk]", "[cyrillic]", "intro", "remix", "ночь", "夜")
    assert bpm.name == "bpm"
    # The split is the one without the words.
    np.testing.assert_array_equal(items.examples.groups, plain.examples.groups)
    assert [column.name for column in plain.preparation.columns] == ["bpm"]
    row = RowReader(items.preparation).row({"title": "День (REMIX)", "bpm": 1.0})
    assert row.tolist() == [0, 1, 0, 1, 0, 0, 1]


def test_names_without_a_shared_word_are_left_out() -> None:
    frame = _songs().drop(columns="title")
    frame["title"] = [f"only{number}" for number in range(len(frame))]
    items = table_examples(frame, Table("kind", groups=("artist",), read_as={"title": "words"}))
    assert [column.name for column in items.preparation.columns] == ["bpm"]
    assert any("without a word in common" in note for note in items.notes)


def test_a_column_of_names_that_is_left_out_tells_how_to_read_it() -> None:
    frame = _songs().drop(columns="artist")
    frame["title"] = [f"only{number}" for number in range(len(frame))]
    assert any(
        "--read-as title=words" in note for note in table_examples(frame, Table("kind")).notes
    )


@pytest.mark.parametrize("name", ["None", "NA", "n/a", "null", "nan", "N/A", "?"])
def test_a_class_may_be_called_like_nothing(name: str) -> None:
    frame = pd.DataFrame({"x": range(N), "kind": [name, "b"] * (N // 2)})
    items = table_examples(frame, Table("kind"))
    assert set(items.examples.classes) == {name, "b"}
    assert any("not a missing one" in note for note in items.notes)


def test_classes_in_several_spellings_are_told() -> None:
    frame = pd.DataFrame({"x": range(N), "kind": ["Rock", "rock", "01", "1"] * (N // 4)})
    items = table_examples(frame, Table("kind"))
    assert items.examples.classes == ("1", "Rock", "rock")
    told = " ".join(items.notes)
    assert "'01', '1' are one class of kind, '1'." in told
    assert "'Rock' (10) and 'rock' (10)" in told


def _frame() -> pd.DataFrame:
    random = np.random.default_rng(0)
    names = ["None", "jazz", "pop"]
    return pd.DataFrame(
        {"tempo": random.integers(60, 180, 60), "energy": random.random(60), "genre": names * 20}
    )


def _folder(frame: pd.DataFrame, path: Path) -> None:
    path.mkdir()
    for number in range(3):
        part = pa.Table.from_pandas(frame.iloc[number * 20 : number * 20 + 20])
        pq.write_table(part, path / f"{number}_000000.parquet")


def _latin(frame: pd.DataFrame, path: Path) -> None:
    frame.rename(columns={"tempo": "Geschwindigkeit ½"}).to_csv(
        path, index=False, encoding="cp1252"
    )


FILES: dict[str, Callable[[pd.DataFrame, Path], object]] = {
    "songs.csv": lambda f, p: f.to_csv(p, index=False),
    "SONGS.CSV": lambda f, p: f.to_csv(p, index=False),
    "semicolons.csv": lambda f, p: f.to_csv(p, index=False, sep=";", decimal=","),
    "tabs.csv": lambda f, p: f.to_csv(p, index=False, sep="\t"),
    "bars.txt": lambda f, p: f.to_csv(p, index=False, sep="|"),
    "mark.csv": lambda f, p: f.to_csv(p, index=False, encoding="utf-8-sig"),
    "wide.csv": lambda f, p: f.to_csv(p, index=False, encoding="utf-16"),
    "latin.csv": _latin,
    "packed.csv.gz": lambda f, p: f.to_csv(p, index=False),
    "numbered.csv": lambda f, p: f.to_csv(p),
    "songs.pq": lambda f, p: f.to_parquet(p),
    "SONGS.PARQUET": lambda f, p: f.to_parquet(p),
    "index.parquet": lambda f, p: f.set_index("genre").to_parquet(p),
    "two_levels.parquet": lambda f, p: f.set_index(["genre", "tempo"]).to_parquet(p),
    "written_by_ray": _folder,
    "songs.xlsx": lambda f, p: f.to_excel(p, index=False),
    "songs.feather": lambda f, p: f.to_feather(p),
    "songs.arrow": lambda f, p: f.to_feather(p, compression="uncompressed"),
    "songs.jsonl": lambda f, p: f.to_json(p, orient="records", lines=True),
    "songs.json": lambda f, p: f.to_json(p, orient="records"),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_every_make_give_the_same_table(name: str, tmp_path: Path, store: Store) -> None:
    path = tmp_path / name
    FILES[name](_frame(), path)
    options = {"csv": str(path), "target": "genre"}
    data = get_task("genre").read(store, Request(options=options))
    assert data.examples.classes == ("None", "jazz", "pop")
    assert len(data.examples) == 60
    x = data.examples.view("features").x
    assert x.shape == (60, 2)
    energy = _frame()["energy"].to_numpy(dtype=np.float32)
    assert np.isclose(np.sort(x, axis=0), np.sort(energy)[:, None], atol=1e-6).all(axis=0).any()
    if name in {"semicolons.csv", "tabs.csv", "bars.txt"}:
        assert any("are separated by" in note for note in data.notes)
    if name == "latin.csv":
        assert any("Windows-1252" in note for note in data.notes)


def test_semicolons_settle_what_a_comma_means(tmp_path: Path) -> None:
    path = tmp_path / "songs.csv"
    path.write_text("x;kind\n1,234;a\n5,678;b\n")
    file = read_table_file(path)
    table = Table("kind", least_rows=1, prefers_comma=file.has_semicolons)
    items = table_examples(file.frame, table)
    assert items.examples.view("features").x[:, 0].tolist() == pytest.approx([1.234, 5.678])


def test_a_heading_that_stands_twice_is_told_and_both_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "songs.csv"
    path.write_text("genre,x,genre\n" + "pop,1,pop\nrock,2,rock\n" * 20)
    file = read_table_file(path)
    assert list(file.frame.columns) == ["genre", "x", "genre.1"]
    assert "names genre more than once" in file.notes[0]


def test_an_unknown_way_to_read_a_column_lists_the_known() -> None:
    with pytest.raises(
        UsageError, match="Known: comma, point, day-first, month-first, text, words"
    ):
        _items(["1", "2"], read_as={"odd": "commas"})
    with pytest.raises(UsageError, match="Did you mean odd"):
        _items(["1", "2"], read_as={"od": "comma"})


def test_the_search_keeps_how_each_column_is_read() -> None:
    items = _items(["1,5", "2,5"])
    assert "odd is read as numbers: decimal commas." in items.notes
    assert "Columns are read as numbers odd, plain." in items.notes
