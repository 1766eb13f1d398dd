"""Weighing the best of each family."""

import numpy as np
import pytest

from tunesmith.tuning.ensemble import Candidate, mix
from tunesmith.tuning.scoring import scores


def _candidate(trial: int, answers: np.ndarray | None, y: np.ndarray) -> Candidate:
    score = 0.0 if answers is None else scores(answers, y)["macro_f1"]
    return Candidate(trial, f"family{trial}", {}, 1, score, answers)


def _noisy(rng: np.random.Generator, y: np.ndarray, strength: float) -> np.ndarray:
    logits = rng.normal(size=(len(y), 3))
    logits[np.arange(len(y)), y] += strength
    raised = np.exp(logits)
    return raised / raised.sum(axis=1, keepdims=True)


def test_models_that_err_apart_are_mixed_and_beat_each() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 400)
    candidates = [_candidate(n, _noisy(rng, y, 2.0), y) for n in range(3)]
    candidates.sort(key=lambda c: -c.score)
    mixture = mix(candidates, y, "macro_f1")
    assert mixture is not None
    assert sum(mixture.weights) == pytest.approx(1)
    assert min(mixture.weights) > 0
    assert mixture.figures["macro_f1"] > candidates[0].score
    assert mixture.temperature > 0


def test_a_useless_model_is_left_out() -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 400)
    # Certain and right half of the time: its errors cost more than it can bring.
    useless = np.eye(3)[rng.integers(0, 3, 400)] * 0.999998 + 1e-6
    candidates = [_candidate(0, _noisy(rng, y, 4.0), y), _candidate(1, useless, y)]
    assert mix(candidates, y, "macro_f1") is None


def test_without_the_answers_of_the_best_there_is_nothing_to_mix() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, 50)
    known = [_candidate(n, _noisy(rng, y, 2.0), y) for n in (1, 2)]
    assert mix([_candidate(0, None, y), *known], y, "macro_f1") is None
    assert mix(known[:1], y, "macro_f1") is None
