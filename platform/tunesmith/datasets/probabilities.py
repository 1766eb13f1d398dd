"""Calibrated probabilities: log loss, scaling by a temperature, and fitting it."""

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import aggregate

__all__ = ["fit_temperature", "log_loss", "losses", "temper"]

_COLDEST, _HOTTEST = 0.1, 10.0
_ROUNDS, _GRID = 4, 13
# Keeps the logarithm of a zero finite; as in the graph of a calibrated model.
_SMALLEST = 1e-12
# Probabilities are float32 and cannot tell smaller ones apart. scikit-learn uses the same.
_SMALLEST_PROBABILITY = float(np.finfo(np.float32).eps)


def temper(probabilities: npt.ArrayLike, temperature: float) -> npt.NDArray[np.float64]:
    """Return probabilities of the same logits divided by `temperature` (Guo et al., 2017).

    Above 1 predictions become less confident, below 1 more; the order of the classes stays.

    Parameters
    ----------
    probabilities
        ``float [rows, classes]``.
    temperature
        Above zero.

    Returns
    -------
    numpy.ndarray
        ``float64 [rows, classes]``.
    """
    p = np.asarray(probabilities, dtype=np.float64)
    logits = np.log(np.maximum(p, _SMALLEST)) / temperature
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True))


def losses(
    probabilities: npt.NDArray[np.floating], y: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the log loss of each prediction, ``float64 [items]``, at most 15.9.

    Parameters
    ----------
    probabilities
        ``float [items, classes]``.
    y
        True class of each item, ``int [items]``.
    """
    chosen = np.asarray(probabilities, dtype=np.float64)[np.arange(len(y)), y]
    return np.asarray(-np.log(np.clip(chosen, _SMALLEST_PROBABILITY, 1.0)))


def log_loss(probabilities: npt.NDArray[np.floating], y: npt.NDArray[np.int64]) -> float:
    """Return the mean log loss of predictions; see `losses`."""
    return float(losses(probabilities, y).mean())


def fit_temperature(
    probabilities: npt.ArrayLike, item: npt.NDArray[np.int64], y: npt.NDArray[np.int64]
) -> float:
    """Return the temperature with the smallest log loss of the items.

    The loss is that of the mean over an item's rows, which users get: rows that are each calibrated
    have a mean that is not.

    Parameters
    ----------
    probabilities
        Predictions for rows that were not trained on, ``float [rows, classes]``.
    item
        Item of each row, ``int [rows]``.
    y
        True class of each item, ``int [items]``.

    Returns
    -------
    float
        Between 0.1 and 10.
    """

    def loss(log_temperature: float) -> float:
        p = aggregate(temper(probabilities, float(np.exp(log_temperature))), item, len(y))
        return log_loss(p, y)

    low, high = np.log(_COLDEST), np.log(_HOTTEST)
    for _ in range(_ROUNDS):
        grid = np.linspace(low, high, _GRID)
        best = int(np.argmin([loss(value) for value in grid]))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, _GRID - 1)]
    return float(np.exp((low + high) / 2))
