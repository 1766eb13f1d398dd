import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.datasets.examples import aggregate
from tunesmith.datasets.probabilities import fit_temperature, temper


def honest_answers(n: int, seed: int, rows: int = 1):
    """Return answers that are right as often as they say, `rows` of them an item."""
    random = np.random.default_rng(seed)
    logits = random.normal(scale=1.5, size=(n, 4))
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    y = np.array([random.choice(4, p=row) for row in p])
    return np.repeat(p, rows, axis=0), np.repeat(np.arange(n), rows), y


@settings(max_examples=10, deadline=None)
@given(st.floats(0.3, 4.0), st.integers(0, 50))
def test_finds_the_temperature_that_was_applied(temperature, seed):
    p, item, y = honest_answers(3000, seed)
    spoilt = temper(p, 1 / temperature)
    assert fit_temperature(spoilt, item, y) == pytest.approx(temperature, rel=0.12)


def test_honest_answers_are_left_nearly_alone():
    p, item, y = honest_answers(4000, 1)
    assert fit_temperature(p, item, y) == pytest.approx(1.0, abs=0.06)


def test_overconfidence_on_items_of_many_rows_goes_down():
    p, item, y = honest_answers(1500, 2, rows=5)
    sure = temper(p, 0.4)
    temperature = fit_temperature(sure, item, y)
    before = aggregate(sure, item, 1500)
    after = aggregate(temper(sure, temperature), item, 1500)
    right = before.argmax(axis=1) == y
    assert temperature > 1.5
    assert before.max(axis=1).mean() - right.mean() > 0.1
    assert abs(after.max(axis=1).mean() - right.mean()) < 0.03


@given(st.floats(0.2, 5.0), st.integers(0, 100))
def test_temper_is_softmax_of_scaled_logits(temperature, seed):
    logits = np.random.default_rng(seed).normal(size=(5, 4))
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    scaled = np.exp(logits / temperature)
    expected = scaled / scaled.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(temper(softmax, temperature), expected, atol=1e-9)
