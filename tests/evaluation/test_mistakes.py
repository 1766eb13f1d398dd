"""Rows that a model gets wrong are told by what a person knows them by."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from tunesmith.evaluation.mistakes import most_confident_mistakes, told_by
from tunesmith.evaluation.table_rows import TableSides
from tunesmith.tasks.support.tables import Table, table_examples

N = 60


def songs() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "id": [str(number) for number in range(N)],
            "artist": [f"Artist {number % 20}" for number in range(N)],
            "title": [
                None if number == 5 else f"Song {number} " + 30 * "la " for number in range(N)
            ],
            "mode": rng.choice(["Major", "Minor"], N),
            "energy": rng.random(N).round(3),
            "tempo": rng.random(N).round(3),
            "genre": ["Jazz", "Rock"] * (N // 2),
        }
    )


def sides(frame: pd.DataFrame, **table: Any) -> TableSides:
    items = table_examples(frame, Table("genre", least_rows=2, **table))
    rows = np.arange(len(items.examples))
    return TableSides(items.source, items.examples, rows[: N // 2], rows[N // 2 :])


def test_names_tell_a_row_and_numbers_that_are_texts_do_not() -> None:
    assert told_by(sides(songs(), groups=("artist",))) == ("artist", "title")


def test_without_names_the_first_features_tell_it() -> None:
    assert told_by(sides(songs()[["energy", "tempo", "mode", "genre"]])) == (
        "energy", "tempo", "mode",
    )  # fmt: skip


@pytest.mark.parametrize(("place", "title"), [(0, "Song 30 la la"), (4, "Song 34")])
def test_a_wrong_answer_has_the_cells_of_its_own_row(place: int, title: str) -> None:
    table = sides(songs(), groups=("artist",))
    test = table.examples.take(table.test)
    p = np.zeros((len(test), 2))
    p[np.arange(len(test)), test.y] = 1.0
    p[place] = p[place, ::-1]
    subject: Any = SimpleNamespace(
        predictions=SimpleNamespace(examples=test, by_item=p), pieces=None, by_chunk=None,
        parts=SimpleNamespace(table=table),
    )  # fmt: skip
    (mistake,) = most_confident_mistakes(cast("Any", subject))
    cells = dict(mistake.cells)
    assert cells["artist"] == f"Artist {(30 + place) % 20}"
    assert cells["title"].startswith(title)
    assert len(cells["title"]) <= 60


def test_an_empty_cell_is_left_out() -> None:
    frame = songs()
    table = sides(frame.iloc[::-1].reset_index(drop=True), groups=("artist",))
    place = N - 1 - 5 - N // 2
    test = table.examples.take(table.test)
    p = np.eye(2)[test.y]
    p[place] = p[place, ::-1]
    subject: Any = SimpleNamespace(
        predictions=SimpleNamespace(examples=test, by_item=p), pieces=None, by_chunk=None,
        parts=SimpleNamespace(table=table),
    )  # fmt: skip
    (mistake,) = most_confident_mistakes(subject)
    assert mistake.cells == (("artist", "Artist 5"),)
