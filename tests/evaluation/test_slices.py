import numpy as np
import pandas as pd
import pytest

from tunesmith.datasets.examples import Examples
from tunesmith.evaluation.slices import slices
from tunesmith.tasks.support.eras import composers_by_era


def make(n=60):
    y = np.arange(n) % 2
    test = Examples(y, ("a", "b"), np.arange(n) // 2, [f"i{i}" for i in range(n)], {})
    right = np.arange(n) >= 20
    p = np.where((y[:, None] == np.arange(2)) == right[:, None], 0.9, 0.1)
    facts = pd.DataFrame(
        {
            "length_s": np.arange(n) * 10.0,
            "n_notes": 1000,
            "n_instruments": np.where(np.arange(n) < 50, 1, 2),
        }
    )
    return test, p, facts


def by_slice(found):
    return {(row.by, row.slice): row for row in found}


def test_slices_find_where_the_errors_are():
    test, p, facts = make()
    found = by_slice(slices(test, p, test.groups, facts))
    first = found["length", "up to 3:16 min"]
    assert first.accuracy.value == 0
    assert first.items == 20
    assert found["length", "over 6:33 min"].accuracy.value == 1
    assert found["instruments", "1"].accuracy.value == pytest.approx(0.6)


def test_items_that_occur_more_than_once_are_told_apart():
    test, p, _ = make()
    others = np.array([0, 0, 1, 1, 99])
    groups = np.concatenate([others, np.arange(60)])
    alone = Examples(test.y, test.classes, np.arange(60), test.ids, {})
    found = by_slice(slices(alone, p, groups))
    assert ("occurrences", "more than once") not in found  # two items are too few
    found = by_slice(slices(test, p, test.groups))
    assert not found  # every one occurs twice: a slice that holds all tells nothing


def test_slices_that_hold_everything_or_nearly_nothing_are_left_out():
    test, p, facts = make()
    names = {name for name, _ in by_slice(slices(test, p, test.groups, facts))}
    assert names == {"length", "instruments"}


def test_groups_of_classes_are_slices():
    y = np.arange(60) % 3
    composers = ("Bach", "Handel", "Chopin")
    test = Examples(y, composers, np.arange(60), [f"i{i}" for i in range(60)], {})
    found = by_slice(
        slices(
            test, np.eye(3)[np.minimum(y, 1)], test.groups, class_groups=composers_by_era(composers)
        )
    )
    assert found["era", "Baroque"].items == 40
    assert found["era", "Baroque"].accuracy.value == 1
    assert found["era", "Romantic"].accuracy.value == 0


def test_played_pieces_are_told_from_written_ones():
    test, p, facts = make()
    facts["on_grid"] = np.where(np.arange(60) < 20, 0.3, 0.97)
    found = by_slice(slices(test, p, test.groups, facts))
    assert found["onsets", "played freely"].accuracy.value == 0
    assert found["onsets", "on the grid"].accuracy.value == 1
