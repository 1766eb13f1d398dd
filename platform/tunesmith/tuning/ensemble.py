"""Weighing the best of each family against each other."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.probabilities import fit_temperature, log_loss
from tunesmith.tuning.scoring import scores

__all__ = ["Candidate", "Mixture", "mix"]

_ROUNDS = 20
# A score this much lower than the best single model's is within what chance gave that model.
_TOLERANCE = 0.01


@dataclass(frozen=True)
class Candidate:
    """The best trial of a family.

    Attributes
    ----------
    trial, family, params, steps
        What to refit.
    score
        Its best.
    refit_s
        Seconds that refitting it should take.
    answers
        Its probabilities for held-out items, ``[items, classes]``, None where they were not kept.
    """

    trial: int
    family: str
    params: Mapping[str, Any]
    steps: int
    score: float
    answers: npt.NDArray[np.float32] | None = None
    refit_s: float = 0.0


@dataclass(frozen=True)
class Mixture:
    """Candidates and their weights, which sum to 1."""

    members: tuple[Candidate, ...]
    weights: tuple[float, ...]
    figures: Mapping[str, float]
    temperature: float


def mix(
    candidates: Sequence[Candidate],
    y: npt.NDArray[np.int64],
    metric: str,
    *,
    until: float = math.inf,
) -> Mixture | None:
    """Return the mixture of candidates with the smallest log loss, where it is worth having.

    Members are added one at a time, with replacement, each the one that lowers the loss most
    (Caruana et al., 2004). The loss decides, not the metric: it is far less noisy on a few hundred
    items.

    Parameters
    ----------
    candidates
        The best of each family, the best of all first.
    y
        Class of each held-out item, ``int [items]``.
    metric
        What the search maximised.
    until
        `time.monotonic` at which no further member is tried.

    Returns
    -------
    Mixture or None
        None where a single candidate is as good, or the mixture scores clearly lower.
    """
    known = [c for c in candidates if c.answers is not None]
    if len(known) < 2 or known[0].trial != candidates[0].trial:
        return None
    answers = np.stack([np.asarray(c.answers, dtype=np.float64) for c in known])
    counts = np.zeros(len(known))
    best_loss, best_counts = np.inf, counts
    for _ in range(_ROUNDS):
        if time.monotonic() >= until:
            break
        losses = [
            _loss((counts @ answers.reshape(len(known), -1)).reshape(answers[0].shape) + extra, y)
            for extra in answers
        ]
        counts = counts.copy()
        counts[int(np.argmin(losses))] += 1
        if min(losses) < best_loss:
            best_loss, best_counts = min(losses), counts
    if not best_counts.any():
        return None
    weights = best_counts / best_counts.sum()
    mixed = np.tensordot(weights, answers, axes=1)
    figures = scores(mixed, y)
    worse = figures[metric] < scores(answers[0], y)[metric] - _TOLERANCE
    if np.count_nonzero(weights) < 2 or worse:
        return None
    used = np.flatnonzero(weights)
    return Mixture(
        tuple(known[index] for index in used),
        tuple(float(weights[index]) for index in used),
        figures,
        fit_temperature(mixed, np.arange(len(y)), y),
    )


def _loss(total: npt.NDArray[np.float64], y: npt.NDArray[np.int64]) -> float:
    return log_loss(total / total.sum(axis=1, keepdims=True), y)
