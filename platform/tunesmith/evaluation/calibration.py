"""Fitting the temperature that makes a model as sure as it is right."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import aggregate
from tunesmith.evaluation.predictions import temper

__all__ = ["Calibration", "fit_temperature"]

_COLDEST, _HOTTEST = 0.1, 10.0
_SMALLEST = 1e-12


@dataclass(frozen=True)
class Calibration:
    """A temperature and what it rests on.

    Attributes
    ----------
    temperature
        What the model's logits are divided by; 1 leaves it as it is.
    note
        What it was fitted on, or why it was not.
    """

    temperature: float = 1.0
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the calibration as JSON holds it."""
        return {"temperature": self.temperature, "note": self.note}


def fit_temperature(
    probabilities: npt.ArrayLike, item: npt.NDArray[np.int64], y: npt.NDArray[np.int64]
) -> float:
    """Return the temperature with the smallest log loss of the items.

    The loss is that of the answer users get, the mean over an item's rows: rows that are each
    calibrated have a mean that is not.

    Parameters
    ----------
    probabilities
        Answers to held-out rows, ``float [rows, classes]``.
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
        return float(-np.log(np.maximum(p[np.arange(len(y)), y], _SMALLEST)).mean())

    low, high = np.log(_COLDEST), np.log(_HOTTEST)
    for _ in range(4):
        grid = np.linspace(low, high, 13)
        best = int(np.argmin([loss(value) for value in grid]))
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    return float(np.exp((low + high) / 2))
