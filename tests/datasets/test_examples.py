from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.datasets.examples import Examples, View, aggregate
from tunesmith.errors import DatasetError, UsageError
from tunesmith.testing import small_examples


def make_examples() -> Examples:
    """Three items with 2, 0 and 3 chunks."""
    return Examples(
        y=np.array([0, 1, 1]),
        classes=("bach", "chopin"),
        groups=np.array([7, 8, 8]),
        ids=["a", "b", "c"],
        views={
            "chunks": View(np.arange(5)[:, None] * np.ones((1, 4)), np.array([0, 2, 0, 2, 2])),
            "features": View.one_row_each(np.array([[10.0], [11.0], [12.0]])),
            "notes": View.one_row_each([np.arange(1), np.arange(2), np.arange(3)]),
        },
    )


def test_take_keeps_rows_with_their_items_and_renumbers_them():
    taken = make_examples().take([2, 0])
    assert taken.ids == ["c", "a"]
    assert taken.y.tolist() == [1, 0]
    assert taken.groups.tolist() == [8, 7]
    assert taken.view("chunks").item.tolist() == [0, 0, 0, 1, 1]
    assert taken.view("chunks").x[:, 0].tolist() == [1, 3, 4, 0, 2]
    assert taken.view("features").x.tolist() == [[12.0], [10.0]]
    assert [len(row) for row in taken.view("notes").x] == [3, 1]


def test_take_may_repeat_an_item_and_may_take_one_without_rows():
    taken = make_examples().take([1, 0, 0])
    assert taken.view("chunks").item.tolist() == [1, 1, 2, 2]
    assert taken.view("chunks").x[:, 0].tolist() == [0, 2, 0, 2]
    assert len(taken) == 3


def test_take_nothing():
    taken = make_examples().take([])
    assert len(taken) == 0
    assert len(taken.view("chunks")) == 0


@given(st.lists(st.integers(0, 5), max_size=30), st.lists(st.integers(0, 5), max_size=10))
def test_take_equals_the_loop_over_items(item, wanted):
    view = View(np.arange(len(item)), np.array(item, dtype=int))
    taken = view.take(wanted)
    expected = [
        (n, row) for n, want in enumerate(wanted) for row, i in enumerate(item) if i == want
    ]
    assert list(zip(taken.item.tolist(), taken.x.tolist(), strict=True)) == expected


def test_unknown_view_lists_the_known():
    with pytest.raises(UsageError, match="Did you mean chunks"):
        make_examples().view("chunk")


@pytest.mark.parametrize(
    "change",
    [
        {"ids": ["a"]},
        {"y": np.array([0, 1, 2])},
        {"views": {"features": View.one_row_each(np.zeros((4, 1)))}},
    ],
)
def test_inconsistent_examples_are_refused(change):
    whole = make_examples()
    parts = {name: getattr(whole, name) for name in ("y", "classes", "groups", "ids", "views")}
    with pytest.raises(DatasetError):
        Examples(**(parts | change))


def test_view_needs_an_item_a_row():
    with pytest.raises(DatasetError, match="one item index per row"):
        View(np.zeros((3, 2)), np.array([0, 1]))


def test_aggregate_is_the_mean_over_an_items_rows():
    probabilities = [[0.2, 0.8], [0.6, 0.4], [1.0, 0.0]]
    mean = aggregate(probabilities, [0, 0, 2], 3)
    np.testing.assert_allclose(mean, [[0.4, 0.6], [0.5, 0.5], [1.0, 0.0]])


def copied_examples() -> Examples:
    views = {"rows": View.one_row_each(np.arange(3.0)[:, None])}
    first = {
        "rows": View.one_row_each(np.arange(10.0, 13.0)[:, None]),
        "chunks": View(np.zeros((4, 2)), np.array([0, 0, 1, 2])),
    }
    second = {"rows": View.one_row_each(np.arange(20.0, 23.0)[:, None])}
    return Examples(
        y=np.array([0, 1, 0]), classes=("a", "b"), groups=np.arange(3), ids=list("xyz"),
        views={**views, "chunks": View(np.ones((3, 2)), np.array([0, 1, 2]))},
        copies=(first, second),
    )  # fmt: skip


def test_a_model_learns_from_the_rows_of_all_copies():
    together = copied_examples().with_copies("rows")
    assert together.view("rows").x.ravel().tolist() == [0, 1, 2, 10, 11, 12, 20, 21, 22]
    assert together.view("rows").item.tolist() == [0, 1, 2] * 3
    assert len(copied_examples().with_copies("chunks").view("chunks")) == 7
    assert together.copies == ()


def test_items_that_are_taken_keep_their_copies():
    few = copied_examples().take([2, 0])
    assert few.copies[0]["rows"].x.ravel().tolist() == [12, 10]
    assert few.copies[0]["chunks"].item.tolist() == [0, 1, 1]
    assert few.copies[1]["rows"].x.ravel().tolist() == [22, 20]


def test_the_first_copies_are_judged_as_items():
    copied = copied_examples().as_copied()
    assert copied is not None
    assert copied.view("rows").x.ravel().tolist() == [10, 11, 12]
    assert copied.as_copied() is None
    few = copied_examples()
    assert replace(few, copies=()).with_copies("rows").view("rows") is few.view("rows")


def test_a_copy_outside_of_the_items_is_refused():
    broken = {"rows": View(np.zeros((1, 1)), np.array([3]))}
    with pytest.raises(DatasetError, match="outside"):
        replace(copied_examples(), copies=(broken,))


def test_joined_views_have_the_rows_of_all() -> None:
    examples = small_examples()
    view = examples.view("features+ngrams")
    assert len(view) == len(examples)
    some = view.x[3:5]
    assert len(some) == 2
    for name in ("features", "ngrams"):
        np.testing.assert_array_equal(some.arrays[name], examples.view(name).x[3:5])


def test_joined_views_need_the_same_rows() -> None:
    examples = small_examples()
    with pytest.raises(DatasetError, match="features, chunks have different rows"):
        examples.view("features+chunks")
    with pytest.raises(UsageError, match="Did you mean features"):
        examples.view("ngrams+feature")


def test_copies_of_joined_views_are_those_that_have_all() -> None:
    examples = small_examples()
    both = {name: examples.view(name) for name in ("features", "ngrams")}
    copied = replace(examples, copies=(both, {"ngrams": both["ngrams"]}))
    view = copied.with_copies("features+ngrams").view("features+ngrams")
    assert len(view) == 2 * len(examples)
    assert len(copied.with_copies("ngrams").view("ngrams")) == 3 * len(examples)
