"""Summaries of inputs, and the drift from them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tunesmith.artifacts.reports import InputSummary
from tunesmith.datasets.summary import columns_of, counts_of, drift, summarise


def table(seed: int, shift: float = 0.0, rows: int = 4000) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.normal(loc=[0, shift, 5], scale=[1, 1, 0], size=(rows, 3)).astype(np.float32)


def test_the_same_population_has_not_drifted_and_another_one_has() -> None:
    stored = summarise(table(0), ["a", "b", "constant"]).model_dump_json()
    summary = InputSummary.model_validate_json(stored)
    assert summary.columns == ("a", "b", "constant")
    same = drift(summary, counts_of(table(1, rows=500), summary.edges))
    assert same.max() < 0.1
    moved = drift(summary, counts_of(table(2, shift=1.0, rows=500), summary.edges))
    assert moved[1] > 0.25 > moved[0]
    assert moved[2] == pytest.approx(same[2])


def test_missing_values_are_a_kind_of_their_own() -> None:
    summary = summarise(table(0))
    gaps = table(1, rows=500)
    gaps[:250, 0] = np.nan
    assert drift(summary, counts_of(gaps, summary.edges))[0] > 0.25
    lacking = summarise(np.full((20, 1), np.nan, dtype=np.float32))
    assert lacking.shares[0][-1] == 1.0


def test_rolls_and_words_are_compared_by_mean_and_by_what_is_not_zero() -> None:
    rolls = np.zeros((2, 4, 5), dtype=np.uint8)
    rolls[1, 0] = 100
    assert columns_of(rolls).tolist() == [[0, 0], [25, 0.25]]
    assert summarise(rolls).columns == ("mean", "share above zero")
    assert columns_of(np.array([[0, 3]], dtype=np.int32)).tolist() == [[1.5, 0.5]]


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=30),
        elements=st.floats(width=32, allow_nan=True, allow_infinity=True),
    )
)
def test_every_value_is_counted_once(values: np.ndarray) -> None:
    summary = summarise(values)
    counts = counts_of(values, summary.edges)
    assert (counts.sum(axis=1) == len(values)).all()
    assert np.isfinite(drift(summary, counts)).all()
