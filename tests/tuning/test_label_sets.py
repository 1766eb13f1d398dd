"""Classes with few items share their values, and do not get those of the large ones."""

import numpy as np

from tunesmith.tuning.label_sets import LEAST_ITEMS, by_class


def test_small_classes_share_the_values_of_small_classes() -> None:
    y = np.repeat([0, 1, 2, 3], [200, 12, 9, 100])
    values = np.linspace(0, 1, len(y))
    of_classes, counts, pooled = by_class(values, y, "abcd")
    assert counts == {"a": 200, "b": 12, "c": 9, "d": 100}
    assert pooled == ("b", "c")
    np.testing.assert_array_equal(of_classes["a"], values[y == 0])
    np.testing.assert_array_equal(of_classes["d"], values[y == 3])
    for name in pooled:
        np.testing.assert_array_equal(of_classes[name], values[(y == 1) | (y == 2)])


def test_where_small_classes_have_too_few_together_they_get_those_of_all() -> None:
    y = np.repeat([0, 1, 2], [200, LEAST_ITEMS - 2, 1])
    values = np.linspace(0, 1, len(y))
    of_classes, counts, pooled = by_class(values, y, "abcd")
    assert pooled == ("b", "c", "d")
    assert counts["d"] == 0
    for name in pooled:
        np.testing.assert_array_equal(of_classes[name], values)
