"""What a bag of words and pairs reads, and what it does not."""

import numpy as np
import pytest

from tunesmith.datasets.examples import Examples, View
from tunesmith.models.text_linear import FAMILY, FittedTextLinear


@pytest.fixture(scope="module")
def fitted() -> FittedTextLinear:
    """Return a model of texts in which 7 is good, 8 is bad, and 5 turns what follows round."""
    rng = np.random.default_rng(0)
    y = np.arange(400) % 2
    tokens = rng.integers(10, 60, (400, 12)).astype(np.int32)
    tokens[:, 3] = np.where(y, 7, 8)
    turned = rng.random(400) < 0.3
    tokens[turned, 2] = 5
    tokens[turned, 3] = np.where(y[turned], 8, 7)
    examples = Examples(
        y=y,
        classes=("bad", "good"),
        groups=np.arange(400),
        ids=[str(i) for i in range(400)],
        views={"tokens": View.one_row_each(tokens)},
    )
    (step,) = FAMILY.fit({"pairs": 5000, "C": 1.0, "smoothing": 1.0}, examples, seed=0)
    assert isinstance(step.model, FittedTextLinear)
    return step.model


def _good(fitted: FittedTextLinear, *words: int) -> float:
    text = np.zeros((1, 12), dtype=np.int32)
    text[0, 12 - len(words) :] = words
    return float(fitted.predict_proba(text)[0, 1])


def test_words_tell_and_a_pair_overrules_them(fitted: FittedTextLinear) -> None:
    assert _good(fitted, 20, 7, 30) > 0.5 > _good(fitted, 20, 8, 30)
    assert _good(fitted, 5, 7) < _good(fitted, 7, 5)


def test_a_word_counts_once_and_padding_never(fitted: FittedTextLinear) -> None:
    assert _good(fitted, 7, 7, 7) == pytest.approx(_good(fitted, 7, 7), abs=1e-6)
    bias = fitted.arrays["bias"]
    assert _good(fitted) == pytest.approx(1 / (1 + np.exp(bias[0] - bias[1])), abs=1e-6)


def test_an_unknown_word_is_the_last_one_known(fitted: FittedTextLinear) -> None:
    assert _good(fitted, 7, 999) == _good(fitted, 7, 59)
