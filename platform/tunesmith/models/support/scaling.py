"""Scaling of features that is learned from training rows and travels inside the model."""

import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["min_max_scale", "standard_scale", "standardise"]

Row = npt.NDArray[np.float32]


def standard_scale(x: npt.NDArray[Any]) -> tuple[Row, Row]:
    """Return the mean and the standard deviation of each column, NaN left out, never 0."""
    with warnings.catch_warnings():
        # A column without any number gets mean 0 and deviation 1.
        warnings.simplefilter("ignore", RuntimeWarning)
        mean = np.nan_to_num(np.nanmean(x, axis=0, dtype=np.float64))
        deviation = np.nan_to_num(np.nanstd(x, axis=0, dtype=np.float64))
    return _float32(mean), _float32(np.where(deviation > 1e-9, deviation, 1.0))


def min_max_scale(x: npt.NDArray[Any]) -> tuple[Row, Row]:
    """Return the least value and the range of each column, NaN left out, never 0."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        least = np.nan_to_num(np.nanmin(x, axis=0))
        spread = np.nan_to_num(np.nanmax(x, axis=0)) - least
    return _float32(least), _float32(np.where(spread > 1e-9, spread, 1.0))


def standardise(x: Any, mean: Row, scale: Row) -> npt.NDArray[np.float32]:
    """Return ``(x - mean) / scale``, 0 where `x` is NaN."""
    scaled = (np.asarray(x, dtype=np.float32) - mean) / scale
    return np.where(np.isnan(scaled), np.float32(0), scaled)


def _float32(values: npt.NDArray[Any]) -> Row:
    return np.asarray(values, dtype=np.float32)
