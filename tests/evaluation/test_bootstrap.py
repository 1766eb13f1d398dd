import numpy as np
import pytest

from tunesmith.evaluation.bootstrap import mean


def test_the_interval_of_a_mean_agrees_with_the_normal_approximation():
    x = np.random.default_rng(0).normal(2.0, 1.0, 500)
    interval = mean(x, replicates=4000)
    assert interval.value == pytest.approx(x.mean())
    half = 1.96 * x.std() / np.sqrt(500)
    assert (interval.high - interval.low) / 2 == pytest.approx(half, rel=0.08)


def test_rows_of_a_group_are_drawn_together():
    x = np.random.default_rng(1).random(60) < 0.6
    assert mean(np.repeat(x, 5), np.repeat(np.arange(60), 5)) == mean(x)
