"""Settings of trials as numbers: their place on an axis, and how they relate to the score."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Scale", "Settings", "explained", "grouped_values", "most_related"]

Settings = Mapping[str, Any]
"""The settings of one trial by name; the values are a family's own."""

_MOST_NAMED = 4
_LOGARITHMIC_FROM = 15


class Scale:
    """The axis of one setting, from 0 to 1; logarithmic where values span more than a power of ten.

    Parameters
    ----------
    values
        Values of the setting in all trials; None where a trial does not have it.
    """

    def __init__(self, values: Sequence[Any]) -> None:
        known = [value for value in values if value is not None]
        self.is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in known)
        self.names = sorted({str(value) for value in known})
        self.varies = len(self.names) > 1
        self.low = self.high = 0.0
        self.is_log = False
        if self.is_number and known:
            self.low, self.high = float(min(known)), float(max(known))
            self.is_log = self.low > 0 and self.high / self.low > _LOGARITHMIC_FROM

    def place(self, value: Any) -> float:
        """Return the place of a value, NaN for None."""
        if value is None:
            return float("nan")
        if not self.is_number:
            return self.names.index(str(value)) / max(len(self.names) - 1, 1)
        low, high, x = self.low, self.high, float(value)
        if self.is_log:
            low, high, x = np.log(low), np.log(high), np.log(x)
        return float((x - low) / (high - low)) if high > low else 0.5

    def ends(self) -> list[tuple[float, str]]:
        """Return the places of the lowest and highest value with their texts."""
        if self.is_number:
            return [(0.0, f"{self.low:.3g}"), (1.0, f"{self.high:.3g}")]
        if len(self.names) == 1:
            return [(0.0, self.names[0])]
        return [(0.0, self.names[0]), (1.0, self.names[-1])]


def most_related(settings: Sequence[Settings], score: npt.NDArray[np.float64]) -> list[str]:
    """Return the settings that vary, those that correlate with the score most last."""
    names = sorted({name for row in settings for name in row})
    scales = {name: Scale([row.get(name) for row in settings]) for name in names}
    varied = [name for name in names if scales[name].varies]
    return sorted(varied, key=lambda name: abs(_rank_correlation(scales, settings, name, score)))


def _rank_correlation(
    scales: Mapping[str, Scale],
    settings: Sequence[Settings],
    name: str,
    score: npt.NDArray[np.float64],
) -> float:
    x = np.array([scales[name].place(row.get(name)) for row in settings])
    known = np.isfinite(x)
    if known.sum() < 3 or np.ptp(x[known]) == 0 or np.ptp(score[known]) == 0:
        return 0.0
    first, second = (np.argsort(np.argsort(v[known])).astype(np.float64) for v in (x, score))
    return float(np.corrcoef(first, second)[0, 1])


def explained(settings: Sequence[Settings], score: npt.NDArray[np.float64]) -> dict[str, float]:
    """Return the share of each setting in what a forest of regression trees explains."""
    from sklearn.ensemble import RandomForestRegressor

    names = most_related(settings, score)
    if not names:
        return {}
    scales = {name: Scale([row.get(name) for row in settings]) for name in names}
    # A setting that a trial does not have lies outside of the scale of those that do.
    x = [[np.nan_to_num(scales[n].place(row.get(n)), nan=-1.0) for n in names] for row in settings]
    forest = RandomForestRegressor(200, min_samples_leaf=2, random_state=0).fit(x, score)
    return dict(zip(names, forest.feature_importances_.tolist(), strict=True))


def grouped_values(values: Sequence[Any]) -> dict[Any, str]:
    """Return a name for each value: itself where there are few, else one of three ranges."""
    known = [value for value in values if value is not None]
    distinct = sorted(set(known), key=lambda value: (str(type(value)), value))
    if not Scale(known).is_number or len(distinct) <= _MOST_NAMED:
        return {value: _short(value) for value in distinct}
    low, high = np.quantile(np.asarray(known, dtype=np.float64), [1 / 3, 2 / 3])
    names = (f"up to {low:.2g}", f"{low:.2g} to {high:.2g}", f"over {high:.2g}")
    return {value: names[int(value > low) + int(value > high)] for value in distinct}


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
