import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.datasets.splits import FRACTIONS, folds, leaked, split_pieces
from tunesmith.errors import DatasetError


def make_corpus(n_items: int, n_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and duplicate clusters of 1 to 6 items, each of one class."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(n_items), rng.choice([1, 1, 1, 1, 2, 3, 6], n_items))[:n_items]
    labels = rng.integers(0, n_classes, n_items)[groups]
    return labels, groups


def test_shares_are_close_to_the_fractions_in_every_class():
    labels, groups = make_corpus(2000, 4, seed=1)
    parts = split_pieces(labels, groups, seed=3)
    for label in range(4):
        of_class = parts[labels == label]
        for part, share in FRACTIONS.items():
            assert abs((of_class == part).mean() - share) < 0.01


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), min_size=1, max_size=60),
    st.integers(0, 5),
)
def test_a_group_is_never_parted(items, seed):
    labels, groups = zip(*items, strict=True)
    parts = split_pieces(labels, groups, seed=seed)
    assert set(parts) <= set(FRACTIONS)
    assert all(len({p for p, g in zip(parts, groups, strict=True) if g == n}) <= 1 for n in groups)
    assert leaked(parts, groups) == 0


def with_a_table_of_groups_and_classes(labels, groups, fractions, seed):
    """Split as the rule says, with the count of every class in every group."""
    counts = np.zeros((groups.max() + 1, labels.max() + 1))
    np.add.at(counts, (groups, labels), 1)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(axis=1), kind="stable")]
    shares = np.array(list(fractions.values()))
    target = shares[:, None] * counts.sum(axis=0)
    filled = np.zeros_like(target)
    parts = np.empty(len(counts), dtype=np.int64)
    for group in order:
        behind = (counts[group] * (2 * filled + counts[group]) / target).sum(axis=1)
        parts[group] = np.lexsort((filled.sum(axis=1) / shares, behind.round(9)))[0]
        filled[parts[group]] += counts[group]
    return np.array(list(fractions))[parts[groups]]


def in_order_of_appearance(values):
    _, first, numbers = np.unique(values, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[numbers]


@given(
    items=st.lists(st.tuples(st.integers(0, 12), st.integers(0, 60)), min_size=1, max_size=120),
    seed=st.integers(0, 5),
)
def test_the_split_is_that_of_a_table_of_all_groups_and_classes(items, seed):
    labels, groups = (in_order_of_appearance(column) for column in zip(*items, strict=True))
    expected = with_a_table_of_groups_and_classes(labels, groups, FRACTIONS, seed)
    np.testing.assert_array_equal(split_pieces(labels, groups, seed=seed), expected)


def test_memory_does_not_grow_with_the_number_of_classes():
    n = 5_000
    tracemalloc.start()
    try:
        split_pieces(np.arange(n) % 1_000, np.arange(n))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 400 * n


def test_same_seed_same_split_other_seed_other_split():
    labels, groups = make_corpus(300, 3, seed=2)
    first = split_pieces(labels, groups, seed=0)
    assert (first == split_pieces(labels, groups, seed=0)).all()
    assert (first != split_pieces(labels, groups, seed=1)).any()


def test_split_does_not_depend_on_how_groups_are_numbered():
    labels, groups = make_corpus(200, 3, seed=4)
    renamed = np.random.default_rng(0).permutation(1000)[groups]
    assert (split_pieces(labels, groups) == split_pieces(labels, renamed)).all()


def test_a_single_item_of_a_class_is_trained_on():
    labels = ["common"] * 40 + ["rare"]
    assert split_pieces(labels, np.arange(41))[-1] == "train"


def test_split_of_nothing_is_nothing():
    assert len(split_pieces([], [])) == 0


@pytest.mark.parametrize("fractions", [{}, {"a": 0.5}, {"a": 1.2, "b": -0.2}])
def test_fractions_must_be_shares(fractions):
    with pytest.raises(DatasetError, match="sum to 1"):
        split_pieces(["x"], [0], fractions)


def test_lengths_must_agree():
    with pytest.raises(DatasetError, match="needs one of both"):
        split_pieces(["x", "y"], [0])


def test_folds_cover_every_item_once_and_keep_groups_whole():
    labels, groups = make_corpus(500, 4, seed=5)
    fold = folds(labels, groups, k=5, seed=0)
    assert sorted(set(fold)) == [0, 1, 2, 3, 4]
    for number in range(5):
        assert leaked(np.where(fold == number, "test", "rest"), groups) == 0
    for number in range(5):
        assert (fold == number).sum() < 0.25 * len(labels)


def test_folds_are_deterministic_and_tolerate_small_classes():
    labels = ["a"] * 20 + ["b"] * 2
    fold = folds(labels, np.arange(22), k=4, seed=7)
    assert (fold == folds(labels, np.arange(22), k=4, seed=7)).all()


@pytest.mark.parametrize(("n_groups", "k"), [(3, 4), (10, 1)])
def test_impossible_folds_are_refused(n_groups, k):
    with pytest.raises(DatasetError, match="fewer folds"):
        folds(["a"] * n_groups, np.arange(n_groups), k=k)


def test_leaked_counts_held_out_items_with_a_sibling_elsewhere():
    assert leaked(["test", "train", "test", "test"], [1, 1, 2, 1]) == 2
