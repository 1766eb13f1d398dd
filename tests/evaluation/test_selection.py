import numpy as np
import pytest

from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation.selection import dropped_by_correlation, selection

NAMES = ("useful", "noise", "copy of useful", "copy of noise", "spare")


def table(n: int = 1500, seed: int = 0) -> Examples:
    """Return a table whose third column, a sharper copy of the first, tells the class best."""
    random = np.random.default_rng(seed)
    y = np.arange(n) % 3
    useful = y + random.normal(size=n)
    noise = random.normal(size=n)
    sharper = 2.0 * useful + 1.5 * y
    x = np.stack([useful, noise, sharper, -noise + random.normal(size=n) / 10,
                  random.normal(size=n)], axis=1)  # fmt: skip
    x[::17, 1] = np.nan
    ids = [f"row-{seed}-{i}" for i in range(n)]
    return Examples(
        y, ("a", "b", "c"), np.arange(n), ids, {"features": View.one_row_each(x.astype("f4"))}
    )


@pytest.fixture(scope="module")
def found():
    return selection(table(), table(900, seed=1), NAMES)


def test_of_two_columns_that_go_together_the_later_one_is_dropped():
    assert dropped_by_correlation(table().view("features").x.astype(float)) == {2: 0, 3: 1}


def test_importance_finds_what_correlation_throws_away(found):
    first = found.columns[0]
    assert (first.name, first.dropped, first.correlates_with) == ("copy of useful", True, "useful")


def test_both_choices_keep_as_many_columns_and_are_judged_on_the_test(found):
    choices = {row.choice: row for row in found.choices}
    assert [row.columns for row in choices.values()] == [5, 3, 3]
    assert choices["all"].against_all is None
    assert choices["by correlation"].against_all.high < 0
    assert choices["by importance"].accuracy.value > 0.05 + (
        choices["by correlation"].accuracy.value
    )


def test_tables_without_such_columns_say_nothing():
    examples = table(90)
    few = examples.view("features").x[:, [0, 1, 4, 4]] + np.eye(90, 4)
    few[:, 3] = np.random.default_rng(3).normal(size=90)
    apart = Examples(
        examples.y, examples.classes, examples.groups, examples.ids,
        {"features": View.one_row_each(few)},
    )  # fmt: skip
    assert selection(apart, apart, ("a", "b", "c", "d")) is None
    assert selection(examples, examples, NAMES[:3]) is None
    bare = Examples(examples.y, examples.classes, examples.groups, examples.ids, {})
    assert selection(bare, bare, NAMES) is None
