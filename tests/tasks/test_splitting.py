"""Groups of items, and the words for a split."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.artifacts.store import Store
from tunesmith.datasets.splits import leaked
from tunesmith.tasks import Request, TaskData, equal_rows, get_task, groups_of, split


def test_items_that_share_any_key_are_one_group() -> None:
    artist = ["a", "a", "b", None, "c", ""]
    song = [1, 2, 3, 3, float("nan"), float("nan")]
    assert groups_of(artist, song).tolist() == [0, 0, 1, 1, 2, 3]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40))
def test_groups_are_the_finest_that_keep_every_key_whole(pairs: list[tuple[int, int]]) -> None:
    keys = [list(key) for key in zip(*pairs, strict=True)]
    groups = groups_of(*keys)
    for key in keys:
        for value in set(key):
            assert len(set(groups[np.array(key) == value])) == 1
    # Every group hangs together: from its first item all others are reached over shared keys.
    for group in set(groups):
        members = set(np.flatnonzero(groups == group).tolist())
        reached = {min(members)}
        while True:
            values = [{key[item] for item in reached} for key in keys]
            more = {m for m in members if any(k[m] in v for k, v in zip(keys, values, strict=True))}
            if more == reached:
                break
            reached = more
        assert reached == members


def test_equal_rows_share_a_group() -> None:
    rows = np.array([[1.0, np.nan], [2.0, 3.0], [1.0, np.nan]])
    assert equal_rows(rows).tolist() == [0, 1, 0]


def test_the_protocol_is_counted_in_the_data(store: Store) -> None:
    task = get_task("digits")
    data = task.read(store, Request())
    n_test = int((data.parts == "test").sum())
    text = task.protocol(data)
    assert text.startswith(f"{n_test:,} of 1,797 images ({n_test / 1797:.0%}) are the test: the")
    assert "images of one block stay on one side of a split (13 groups)" in text
    assert text.endswith(f"the mean of 5 folds of the other {1797 - n_test:,}")


def test_the_protocol_says_when_groups_are_torn(store: Store) -> None:
    task = get_task("noise")
    data = task.read(store, Request())
    torn = TaskData(
        data.examples.take(np.arange(len(data.examples))), data.parts, data.name, data.version
    )
    torn.examples.groups[:] = 0
    assert leaked(torn.parts, torn.examples.groups) == 2000
    assert "2,000 of them share a group with rows of another part" in task.protocol(torn)
    assert "measured on 1,000 of the others" in task.protocol(data)


def test_split_keeps_groups_whole(store: Store) -> None:
    examples = get_task("digits").read(store, Request()).examples
    parts = split(examples, 3)
    assert leaked(parts, examples.groups) == 0
    assert set(parts) == {"train", "validation", "test"}
