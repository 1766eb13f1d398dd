"""Tables as people and programs write them: read as meant, or refused with the option to give."""

import datetime as dt
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunesmith.artifacts.preparation import (
    CategoryColumn,
    NgramsColumn,
    NumberColumn,
    WordsColumn,
)
from tunesmith.artifacts.store import Store
from tunesmith.datasets.table_files import read_table_file
from tunesmith.errors import DatasetError, InputError, UsageError
from tunesmith.inference.items import decode_row
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
    "typographic apostrophes": (["1\u2019234", "12\u2019345,5", "7"], [1234, 12345.5, 7]),
    "decimals below one": (["0,123", "-0,456"], [0.123, -0.456]),
    "decimals without a zero": ([",5", "-,25", "1,5"], [0.5, -0.25, 1.5]),
    "reais": (["R$ 1.234,56", "R$ 5,00", "R$ 12,00"], [1234.56, 5, 12]),
    "rupees": (["Rs. 500", "Rs. 1,500.50"], [500, 1500.5]),
    "roubles": (["5,50 руб.", "1 234,25 руб."], [5.5, 1234.25]),  # noqa: RUF001 - Cyrillic
    "korunas": (["5,50 Kč", "1 234,25 Kč"], [5.5, 1234.25]),
    "yuan": (["5元", "12.5元"], [5, 12.5]),
    "euros in words": (["5,50 Euro", "12,25 Euro"], [5.5, 12.25]),
    "percent": (["45%", "7.5 %", "100%"], [45, 7.5, 100]),
    "percent with commas": (["45,5 %", "7,25 %", "100 %"], [45.5, 7.25, 100]),
    "euros behind": (["5,99 €", "12,50 €", "100 €"], [5.99, 12.5, 100]),
    "dollars in front": (["$5.99", "$1,250.00", "$100"], [5.99, 1250, 100]),
    "currency codes": (["USD 5.50", "USD 12.25", "USD 100"], [5.5, 12.25, 100]),
    "units": (["120 bpm", "98.5 bpm", "140 bpm"], [120, 98.5, 140]),
    "decibels": (["-5.2 dB", "-11 dB", "0 dB"], [-5.2, -11, 0]),
    "typographic minus": (["\u22125.2", "\u221211", "\u22123"], [-5.2, -11, -3]),
    "k and M": (["1.5k", "2M", "300"], [1500, 2e6, 300]),
    "euros and thousands": (["1.234,56 €", "12,00 €", "999,99 €"], [1234.56, 12, 999.99]),
    "euros in front": (["€ 1.234,56", "€5,50", "€ 12,00"], [1234.56, 5.5, 12]),
    "signs before a currency": (["-$5.00", "+$12.50", "$1,000.00"], [-5, 12.5, 1000]),
    "as accountants write": (["(1,234.50)", "12.00", "(5.25)"], [-1234.5, 12, -5.25]),
    "whole francs": (["CHF 1'234.50", "CHF 12.00", "CHF 5.-"], [1234.5, 12, 5]),
    "Indian thousands": (["₹1,00,000", "₹12,50,000.50", "₹5,000"], [1e5, 1250000.5, 5000]),
    "percent and thousands": (["1,250%", "12.5%", "3%"], [1250, 12.5, 3]),
    "per mille": (["3.5‰", "2‰"], [3.5, 2]),
    "metres, not millions": (["5.5 m", "300.25 m"], [5.5, 300.25]),
    "thousands throughout": (["5k", "300k"], [5e3, 3e5]),
    "exponents with commas": (["1,5e3", "2,5E-2", "3"], [1500, 0.025, 3]),
    "durations": (["3:45", "1:02:03", "0:07.5"], [225, 3723, 7.5]),
    "durations in words": (["3 min 45 s", "1h 2m 3s", "45 s"], [225, 3723, 45]),
    "durations with primes": (["3'45\"", "12\u203201\u2033"], [225, 721]),
    "ISO durations": (["PT3M45S", "PT1H", "PT12M1S"], [225, 3600, 721]),
    "durations by pandas": (["0 days 00:03:45", "1 days 01:02:03"], [225, 90123]),
    "long durations": (["125:30", "3:45.250"], [7530, 225.25]),
    "hours and minutes": (["1 hour 2 minutes", "45 seconds"], [3720, 45]),
    "times of a clock": ([dt.time(0, 3, 45), dt.time(0, 12, 1)], [225, 721]),
    "durations with their unit": (["3:45 min", "4:00 min"], [225, 240]),
    "hours with their unit": (["2:30 h", "1:05 h"], [9000, 3900]),
    "French hours": (["1h30", "2h05", "3h"], [5400, 7500, 10800]),
    "fractions of minutes": (["3.5 min", "45 s", "2 min 5,5 s"], [210, 45, 125.5]),
    "German durations": (["3 Min. 45 Sek.", "1 Std. 5 Min."], [225, 3900]),
    "durations in sentences": (["3 minutes and 45 seconds", "2 minutes, 1 second"], [225, 121]),
    "ISO days": (["P3D", "P1DT2H"], [259200, 93600]),
    "clocks of twelve hours": (["6:30 PM", "7:05 a.m.", "12:15 AM"], [66600, 25500, 900]),
    "Japanese dates": (["2020年1月31日", "1999年12月1日"],
                       [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "Korean dates": (["2020년 1월 31일", "1999년 12월 1일"],
                     [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "Russian months": (["31 января 2020", "1 мая 1999"], [_day(2020, 1, 31), _day(1999, 5, 1)]),
    "Polish months": (["31 stycznia 2020", "1 października 1999"],
                      [_day(2020, 1, 31), _day(1999, 10, 1)]),
    "Swedish months": (["31 augusti 2020", "1 maj 1999"], [_day(2020, 8, 31), _day(1999, 5, 1)]),
    "short French months": (["31 janv. 2020", "1 déc. 1999", "3 févr. 2001"],
                            [_day(2020, 1, 31), _day(1999, 12, 1), _day(2001, 2, 3)]),
    "short German months": (["31. Jan. 2020", "1. Dez. 1999", "3. Mär 2001"],
                            [_day(2020, 1, 31), _day(1999, 12, 1), _day(2001, 3, 3)]),
    "short months and years": (["31-Jan-20", "01-Dec-99"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "dates typed beside real ones": (["31.01.2020", "1999-12-01 00:00:00"],
                                     [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "as PostgreSQL writes": (["2020-01-31 12:00:00+00", "1999-12-01 06:00:00+06"],
                             [_day(2020, 1, 31) + 0.5, _day(1999, 12, 1)]),
    "compact times": (["20200131T120000", "19991201T060000Z"],
                      [_day(2020, 1, 31) + 0.5, _day(1999, 12, 1) + 0.25]),
    "times of mails": (["Fri, 31 Jan 2020 12:00:00 GMT", "Wed, 1 Dec 1999 06:00:00 +0000"],
                       [_day(2020, 1, 31) + 0.5, _day(1999, 12, 1) + 0.25]),
    "German times": (["31.01.2020, 12:00 Uhr", "01.12.1999 6:00 Uhr"],
                     [_day(2020, 1, 31) + 0.5, _day(1999, 12, 1) + 0.25]),
    "months and years": (["01/2020", "12/1999"], [_day(2020, 1, 1), _day(1999, 12, 1)]),
    "ISO dates": (["2020-01-31", "1999-12-01"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "ISO times": (["2020-01-31T12:00:00Z", "1999-12-01 06:00"],
                  [_day(2020, 1, 31) + 0.5, _day(1999, 12, 1) + 0.25]),
    "German dates": (["31.01.2020", "01.12.1999"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "dates, year first": (["2020.01.31", "1999.12.01"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "dates by slashes": (["2020/01/31", "1999/12/01"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "dates and years": (["2020-01-31", "1999", "2001-05"],
                        [_day(2020, 1, 31), _day(1999, 1, 1), _day(2001, 5, 1)]),
    "short years": (["31/01/20", "01/12/99"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "short years, month first": (["1/31/20", "12/1/99"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "times in the afternoon": (["1/31/2020 6:00 PM", "12/1/1999 12:00 AM"],
                               [_day(2020, 1, 31) + 0.75, _day(1999, 12, 1)]),
    "German months": (["31. Januar 2020", "1. März 1999"], [_day(2020, 1, 31), _day(1999, 3, 1)]),
    "French months": (["31 janvier 2020", "1er août 1999"], [_day(2020, 1, 31), _day(1999, 8, 1)]),
    "Spanish months": (["31 de enero de 2020", "1 de diciembre de 1999"],
                       [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "ordinals": (["January 31st, 2020", "December 1st, 1999"],
                 [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "weekdays": (["Fri, 31 Jan 2020", "Wed, 1 Dec 1999"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "dates, day first": (["31/01/2020", "01/12/1999"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "dates, month first": (["01/31/2020", "12/01/1999"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "month names": (["31 January 2020", "1 December 1999"],
                    [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "short month names": (["Jan 31, 2020", "Dec 1, 1999"], [_day(2020, 1, 31), _day(1999, 12, 1)]),
    "large whole numbers": ([2**24, 2**24 + 1, 2**24 + 2], [2**24, 2**24 + 1, 2**24 + 2]),
    "large texts": (["1700000001", "1700000002", "1700000003"],
                    [1700000001, 1700000002, 1700000003]),
    "far apart": ([1, 2**30 + 1, 2**30 + 2], [1, 2**30 + 1, 2**30 + 2]),
    "large differences": ([20191201, 20200131], [20191201, 20200131]),
    "large and negative": ([-(2**24), -(2**24) - 1], [-(2**24), -(2**24) - 1]),
    "large with fractions": ([2**24 + 0.5, 2**24 + 1.5], [2**24 + 0.5, 2**24 + 1.5]),
    "large with thousands": (["16,777,216", "16,777,217"], [2**24, 2**24 + 1]),
    "whole numbers as decimals": ([2.0**24, 2.0**24 + 1], [2**24, 2**24 + 1]),
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
    if column.offset:
        np.testing.assert_array_equal(read, values)
    assert len(np.unique(x, axis=0)) == len(values)
    # A server reads the same cell to the same bits.
    row: dict[str, str | float | bool | None] = {"odd": str(cells[0]), "plain": 0}
    served = RowReader(items.preparation).views(row)["features"][: len(column.features)]
    if not isinstance(cells[0], pd.Timedelta):
        np.testing.assert_array_equal(served, x[0])
    if isinstance(cells[0], str) and column.format is not None:
        assert any(note.startswith("odd is read as") for note in items.notes)


AMBIGUOUS = {
    "thousands or decimals": (["1,234", "5,678"], "odd=point"),
    "day or month first": (["01/02/2020", "03/04/2021"], "odd=day-first"),
    "day or month first beside years": (["01/02/2020", "2021-04-03"], "odd=day-first"),
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
     ["3/4", "4/4", "6/8"], ["5 €", "5 $"], ["rock", "pop"], ["7/10", "9/10"],
     ["s1", "s2"], ["g4", "g7"], ["k5", "k10"], ["x1", "x2"], ["Op. 27", "Op. 28"],
     ["16:9", "4:3"], ["3:75", "1:60"], ["192.168.0.1", "10.0.0.1"], ["1.2.345", "1.10.345"],
     ["1 234", "12 34"], ["1-5", "6-10"], ["1 MB", "300 KB"], ["5 km", "300 m"], ["0x10", "0xff"]],
)  # fmt: skip
def test_texts_stay_texts(cells: list[str]) -> None:
    assert isinstance(_items(cells).preparation.columns[0], CategoryColumn)


@pytest.mark.parametrize(
    ("cells", "listed"), [(["1.5 MB", "300 KB"], "KB, MB"), (["5 km", "300 m"], "km, m"),
                          (["5 €", "5 $"], "$, €")],
)  # fmt: skip
def test_several_units_are_told(cells: list[str], listed: str) -> None:
    assert any(f"in several units ({listed})" in note for note in _items(cells).notes)


@pytest.mark.parametrize("odd", ["n.a.", "-", "unknown"])
def test_texts_for_nothing_among_written_numbers_are_told(odd: str) -> None:
    items = _items(["1,5", "2,5", "3,5", odd])
    assert isinstance(items.preparation.columns[0], NumberColumn)
    assert f"odd is no such value in 10 rows, such as {odd!r}; they count as missing." in (
        items.notes
    )
    assert np.isnan(items.examples.view("features").x[3, 0])


@pytest.mark.parametrize("cell", ["0000-00-00", "0000-00-00 00:00:00"])
def test_a_date_of_zeros_is_missing_and_told(cell: str) -> None:
    items = _items([cell, "2020-01-31", "1999-12-01"])
    x = items.examples.view("features").x[:3, 0]
    np.testing.assert_array_equal(x, [np.nan, _day(2020, 1, 31), _day(1999, 12, 1)])
    assert any(f"such as {cell!r}; they count as missing" in note for note in items.notes)


@pytest.mark.parametrize("cell", [np.inf, 1e39, True])
def test_a_cell_that_is_no_number_for_a_model_is_told(cell: object) -> None:
    items = _items([cell, 1.5, 2.5])
    assert np.isnan(items.examples.view("features").x[0, 0])
    told = f"odd is not a number in 14 rows, such as '{cell}'; they count as missing."
    assert told in items.notes


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        (
            ["01234", "90210"],
            "begin with 0, such as '01234'. If they are codes: --read-as odd=text",
        ),
        (["1.234", "7.100"], "such as '1.234'. If they separate thousands: --read-as odd=comma"),
        (["9007199254740993", "9007199254740992"], "whole numbers above 2^53"),
    ],
)
def test_plain_numbers_that_may_be_something_else_are_told(cells: list[str], told: str) -> None:
    assert any(told in note for note in _items(cells).notes)


def test_plain_decimals_are_not_doubted() -> None:
    assert not any("thousands" in note for note in _items(["1.234", "7.1"]).notes)
    assert not any("thousands" in note for note in _items(["0.234", "7.125"]).notes)


def test_years_alone_are_plain_numbers() -> None:
    assert _items(["1999", "2020"]).examples.view("features").x[:2, 0].tolist() == [1999, 2020]
    assert _items(["1999", "2020", "?!"]).examples.view("features").x[1, 0] == 2020


@pytest.mark.parametrize(
    "cells",
    [["Rock", "rock"], ["ROCK", "Rock"], ["01", "1"], ["007", "7"], ["Hip Hop", "Hip\u00a0Hop"],
     ["Caf\u00e9", "Cafe\u0301"], ["rock", "rock\u200b"]],
)  # fmt: skip
@pytest.mark.parametrize("is_target", [True, False], ids=["class", "column"])
def test_spellings_of_one_value_are_told(cells: list[str], *, is_target: bool) -> None:
    others = cells * (N // 2)
    frame = pd.DataFrame({"x": range(N), "odd": others, "kind": ["a", "b"] * (N // 2)})
    if is_target:
        frame["kind"] = [*cells, "b", "c"] * (N // 4)
    told = " ".join(table_examples(frame, Table("kind", least_rows=2)).notes)
    assert "may be the same" in told or "are one class" in told
    assert all(repr(cell) in told for cell in cells)


def test_a_table_without_rows_is_named(tmp_path: Path) -> None:
    path = tmp_path / "songs.csv"
    path.write_text("tempo,genre\n")
    with pytest.raises(DatasetError, match="no rows, only the columns tempo, genre"):
        table_examples(read_table_file(path).frame, Table("genre"))


def test_a_column_written_in_two_ways_is_told_with_an_example() -> None:
    notes = _items(["1,5", "2.5"]).notes
    assert "odd is not a number in 20 rows, such as '1,5'; they count as missing." in notes


def test_numbers_written_in_two_ways_that_stay_texts_are_told() -> None:
    items = _items(["1,5", "2.5", "3,5"])
    assert isinstance(items.preparation.columns[0], CategoryColumn)
    assert any("--read-as odd=comma or --read-as odd=point" in note for note in items.notes)


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        ([str(2**60), str(2**60 + 1)], (str(2**60), str(2**60 + 1))),
        ([2**60, 2**60 + 1], (str(2**60), str(2**60 + 1))),
        (["1_000", "1000"], ("1000", "1_000")),
        (["1.0", "2"], ("1", "2")),
    ],
)
def test_classes_that_are_numbers_stay_apart(labels: list[Any], classes: tuple[str, ...]) -> None:
    frame = pd.DataFrame({"x": range(N), "kind": labels * (N // 2)})
    assert table_examples(frame, Table("kind")).examples.classes == classes


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
    views = RowReader(items.preparation).views({"title": "FAST, but not slow!"})
    assert views["features"].tolist() == [1, 1]


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
    views = RowReader(items.preparation).views({"title": "День (REMIX)", "bpm": 1.0})
    assert views["features"].tolist() == [0, 1, 0, 1, 0, 0, 1]


def test_names_that_group_rows_may_be_read_by_ngrams() -> None:
    plain = table_examples(_songs(), Table("kind", groups=("artist", "title")))
    read_as = {"title": "ngrams", "artist": "ngrams"}
    items = table_examples(_songs(), Table("kind", groups=("artist", "title"), read_as=read_as))
    artist, title, bpm = items.preparation.columns
    assert isinstance(artist, NgramsColumn)
    assert isinstance(title, NgramsColumn)
    assert bpm.name == "bpm"
    # The split is the one without the names.
    np.testing.assert_array_equal(items.examples.groups, plain.examples.groups)
    assert items.version != plain.version
    ngrams = items.examples.view("text_ngrams").x
    assert ngrams.shape == (120, artist.most + title.most)
    # Columns have slots of their own: the same name in both is not the same.
    row = RowReader(items.preparation).views({"title": "Intro", "artist": "Intro", "bpm": None})
    first, second = np.split(row["text_ngrams"], [artist.most])
    assert not set(first[first > 0]) & set(second[second > 0])
    assert row["features"].tolist()[:3] == [5, 1, 1]
    with pytest.raises(InputError, match="lacks title"):
        RowReader(items.preparation).views({"artist": "Intro", "bpm": 1.0})


def test_of_texts_alone_equal_ones_are_one_item() -> None:
    texts = [f"{kind} text {number % 30}" for number in range(60) for kind in ("ham", "spam")]
    frame = pd.DataFrame({"text": texts, "kind": ["a", "b"] * 60})
    items = table_examples(frame, Table("kind", read_as={"text": "ngrams"}))
    assert len(np.unique(items.examples.groups)) == 60


def test_a_very_long_text_is_read_by_its_first_ngrams_and_that_is_told() -> None:
    rng = np.random.default_rng(0)
    long = " ".join("".join(rng.choice(list("abcdefgh"), 9)) for _ in range(400))
    cells = [*(f"short {number}" for number in range(119)), long]
    frame = pd.DataFrame({"text": cells, "kind": ["a", "b"] * 60})
    items = table_examples(frame, Table("kind", read_as={"text": "ngrams"}))
    (column,) = items.preparation.columns
    assert isinstance(column, NgramsColumn)
    assert column.most == 512
    assert any("of 1 longer ones the first 512" in note for note in items.notes)


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


def _titled(frame: pd.DataFrame, path: Path) -> None:
    with pd.ExcelWriter(path) as book:
        frame.to_excel(book, index=False, startrow=2, startcol=1)
        book.book.active["B1"] = "My songs"


def _second_sheet(frame: pd.DataFrame, path: Path) -> None:
    with pd.ExcelWriter(path) as book:
        pd.DataFrame().to_excel(book, sheet_name="Notes")
        frame.to_excel(book, sheet_name="Songs", index=False)


def _below(lines: str, **options: Any) -> Callable[[pd.DataFrame, Path], object]:
    def write(frame: pd.DataFrame, path: Path) -> None:
        path.write_text(lines + frame.to_csv(index=False, **options))

    return write


def _partitions(frame: pd.DataFrame, path: Path) -> None:
    for genre, part in frame.groupby("genre"):
        (path / f"genre={genre}").mkdir(parents=True)
        part.drop(columns="genre").to_parquet(path / f"genre={genre}" / "0.parquet")


def _changing(frame: pd.DataFrame, path: Path) -> None:
    """Write a folder whose later file has other types and one more column."""
    path.mkdir()
    frame.iloc[:30].to_parquet(path / "0.PARQUET", index=False)
    later = frame.iloc[30:].astype({"tempo": float})
    later.to_parquet(path / "1.parquet", index=False)


def _stream(frame: pd.DataFrame, path: Path) -> None:
    table = pa.Table.from_pandas(frame)
    with pa.ipc.new_stream(str(path), table.schema) as writer:
        writer.write_table(table)


def _zipped(frame: pd.DataFrame, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("__MACOSX/._songs.csv", "\0\0")
        archive.writestr("songs.csv", frame.to_csv(index=False))


def _nested(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = frame.to_dict("records")
    return [
        {"audio": {"tempo": r["tempo"], "energy": r["energy"]}, "genre": r["genre"]} for r in rows
    ]


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
    "titled.xlsx": _titled,
    "second_sheet.xlsx": _second_sheet,
    "titled.csv": _below("My songs of 2024\n\n"),
    "commented.csv": _below("# exported\n# by me\n"),
    "excel_says.csv": _below("sep=;\n", sep=";"),
    "no_mark.csv": lambda f, p: f.to_csv(p, index=False, encoding="utf-16-le"),
    "old_mac.csv": lambda f, p: f.to_csv(p, index=False, lineterminator="\r"),
    "by_a_mac.csv.zip": _zipped,
    "partitions": _partitions,
    "changing": _changing,
    "stream.arrow": _stream,
    "lines.json": lambda f, p: f.to_json(p, orient="records", lines=True),
    "list.jsonl": lambda f, p: f.to_json(p, orient="records"),
    "nested.jsonl": lambda f, p: p.write_text("\n".join(map(json.dumps, _nested(f)))),
    "nested.json": lambda f, p: p.write_text(json.dumps(_nested(f))),
    "nested.parquet": lambda f, p: pq.write_table(pa.Table.from_pylist(_nested(f)), p),
    "deep.jsonl": lambda f, p: p.write_text(
        "\n".join(json.dumps({"song": row}) for row in f.to_dict("records"))
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files_of_every_make_give_the_same_table(name: str, tmp_path: Path, store: Store) -> None:
    path = tmp_path / name
    FILES[name](_frame(), path)
    options = {"csv": str(path), "target": "song.genre" if name == "deep.jsonl" else "genre"}
    data = get_task("genre").read(store, Request(options=options))
    assert data.examples.classes == ("None", "jazz", "pop")
    assert len(data.examples) == 60
    x = data.examples.view("features").x
    assert x.shape == (60, 2)
    energy = _frame()["energy"].to_numpy(dtype=np.float32)
    assert np.isclose(np.sort(x, axis=0), np.sort(energy)[:, None], atol=1e-6).all(axis=0).any()
    if name in {"semicolons.csv", "tabs.csv", "bars.txt"}:
        assert any("are separated by" in note for note in data.notes)
    if name in {"titled.csv", "commented.csv", "titled.xlsx"}:
        assert any("the header of" in note and "left out" in note for note in data.notes)
    if name == "latin.csv":
        assert any("Windows-1252" in note for note in data.notes)


def test_semicolons_settle_what_a_comma_means(tmp_path: Path) -> None:
    path = tmp_path / "songs.csv"
    path.write_text("x;kind\n1,234;a\n5,678;b\n")
    file = read_table_file(path)
    table = Table("kind", least_rows=1, prefers_comma=file.has_semicolons)
    items = table_examples(file.frame, table)
    assert items.examples.view("features").x[:, 0].tolist() == pytest.approx([1.234, 5.678])


def test_a_separator_of_the_first_line_is_no_title(tmp_path: Path) -> None:
    path = tmp_path / "songs.csv"
    path.write_text("x;kind\n1,5,2;a\n5,6,7;b\n")
    assert list(read_table_file(path).frame.columns) == ["x", "kind"]


def test_a_heading_that_stands_twice_is_told_and_both_columns_are_read(tmp_path: Path) -> None:
    path = tmp_path / "songs.csv"
    path.write_text("genre,x,genre\n" + "pop,1,pop\nrock,2,rock\n" * 20)
    file = read_table_file(path)
    assert list(file.frame.columns) == ["genre", "x", "genre.1"]
    assert "names genre more than once" in file.notes[0]


@pytest.mark.parametrize("name", ["t.xlsx", "t.parquet", "t.jsonl"])
def test_repeated_names_of_every_format_are_told(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "t.xlsx":
        pd.DataFrame([["x", "x", "k"], [1, 2, "a"]]).to_excel(path, header=False, index=False)
    elif name == "t.parquet":
        columns = [pa.array([1]), pa.array([2]), pa.array(["a"])]
        pq.write_table(pa.Table.from_arrays(columns, names=["x", "x", "k"]), path)
    else:
        path.write_text('{"x": {"y": 1}, "x.y": 2}')
        # Of two values of one name in an object JSON keeps the last.
        assert read_table_file(path).frame.to_dict("list") == {"x.y": [2]}
        return
    file = read_table_file(path)
    assert file.frame.to_dict("list") == {"x": [1], "x.1": [2], "k": ["a"]}
    assert "names x more than once" in file.notes[0]


def test_a_column_that_some_files_lack_is_told(tmp_path: Path) -> None:
    _frame().to_parquet(tmp_path / "0.parquet")
    _frame().assign(loud=1.5).to_parquet(tmp_path / "1.parquet")
    file = read_table_file(tmp_path)
    assert file.frame["loud"].notna().sum() == 60
    assert file.notes[-1].endswith("has loud: it counts as missing there.")


def test_nested_values_are_read_as_a_server_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "songs.jsonl"
    rows = [
        {**row, "tags": ["x", "yz"[number % 2]]} for number, row in enumerate(_nested(_frame()))
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    items = table_examples(read_table_file(path).frame, Table("genre"))
    assert [column.name for column in items.preparation.columns] == [
        "audio.tempo", "audio.energy", "tags",
    ]  # fmt: skip
    assert "tags holds lists, which are read as whole texts." in items.notes
    reader = RowReader(items.preparation)
    for row, x in zip(rows, items.examples.view("features").x, strict=True):
        np.testing.assert_array_equal(reader.views(decode_row(row))["features"], x)


MISNAMED = {
    "old.xls": (b"\xd0\xcf\x11\xe0", "Excel file of the old kind: save it as .xlsx"),
    "parquet.csv": (b"PAR1", "Parquet file: give it the ending .parquet"),
    "packed.csv": (b"\x1f\x8b\x08", "compressed: give it the ending .gz"),
    "archive.csv": (b"PK\x03\x04", "Excel file or an archive"),
    "text.xlsx": (b"a,b\n", "no Excel file of this kind"),
    "empty.csv": (b"", "No columns"),
    "ragged.csv": (b"a,b\n1,2\n1,2\n3,4,5\n", "line 4"),
    "wrapped.json": (b'{"data": [1]}', "no list of JSON objects"),
}


@pytest.mark.parametrize("name", MISNAMED)
def test_a_file_of_another_kind_is_named_with_what_to_do(name: str, tmp_path: Path) -> None:
    content, words = MISNAMED[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DatasetError, match=words) as refusal:
        read_table_file(tmp_path / name)
    assert name in str(refusal.value)


def test_an_archive_of_several_tables_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "two.csv.zip", "w") as archive:
        archive.writestr("a.csv", "a,b\n")
        archive.writestr("b.csv", "a,b\n")
    with pytest.raises(DatasetError, match=r"holds 2 files \(a\.csv, b\.csv\): unpack it"):
        read_table_file(tmp_path / "two.csv.zip")


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
