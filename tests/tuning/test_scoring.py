"""Scores against scikit-learn, the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from tunesmith.tuning.scoring import scores, scores_with_copies


@given(st.integers(0, 2000), st.integers(2, 9), st.integers(1, 60))
def test_scores_equal_those_of_scikit_learn(seed: int, n_classes: int, n_items: int) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n_items)
    probabilities = rng.dirichlet(np.ones(n_classes), n_items)
    got = scores(probabilities, y)
    predicted = probabilities.argmax(axis=1)
    recall = [np.mean(predicted[y == label] == label) for label in np.unique(y)]
    assert got["accuracy"] == pytest.approx(metrics.accuracy_score(y, predicted))
    assert got["balanced_accuracy"] == pytest.approx(np.mean(recall))
    assert got["macro_f1"] == pytest.approx(
        metrics.f1_score(y, predicted, average="macro", zero_division=0)
    )
    assert got["log_loss"] == pytest.approx(
        metrics.log_loss(y, probabilities, labels=range(n_classes))
    )
    assert ("top5" in got) == (n_classes > 5)
    if n_classes > 5:
        top = metrics.top_k_accuracy_score(y, probabilities, k=5, labels=range(n_classes))
        assert got["top5"] == pytest.approx(top)


def test_certainty_about_the_wrong_class_stays_finite() -> None:
    assert np.isfinite(scores(np.array([[1.0, 0.0]]), np.array([1]))["log_loss"])


def test_with_copies_every_figure_is_the_mean_of_items_and_copies() -> None:
    y = np.array([0, 1, 1, 0])
    items = np.eye(2)[[0, 1, 1, 0]]
    copies = np.eye(2)[[0, 0, 0, 0]]
    got = scores_with_copies(np.concatenate([items, copies]), np.tile(y, 2), n_items=4)
    assert got["accuracy"] == pytest.approx((1.0 + 0.5) / 2)
    assert got["as_is_accuracy"] == pytest.approx(1.0)
    assert got["balanced_accuracy"] == pytest.approx((1.0 + 0.5) / 2)


def test_without_copies_the_figures_are_those_of_the_items() -> None:
    y, answers = np.array([0, 1]), np.eye(2)
    assert scores_with_copies(answers, y, n_items=2) == scores(answers, y)
