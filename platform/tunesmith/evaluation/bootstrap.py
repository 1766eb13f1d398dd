"""Percentile bootstrap intervals over whole groups of rows.

Rows are often not independent: the chunks of a piece, two copies of a piece. Every interval here
resamples *groups* of rows (the cluster bootstrap; Field and Welsh, 2007).
"""

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import Interval

__all__ = [
    "EXACT",
    "REPLICATES",
    "bounds",
    "draws",
    "group_index",
    "mean",
    "share_interval",
]

Array = npt.NDArray[np.float64]

EXACT = "Clopper-Pearson"
"""Name of the method of an interval that no bootstrap can give."""
REPLICATES = 1000
"""Bootstrap samples behind an interval."""
_CONFIDENCE = 0.95
_BATCH_CELLS = 4_000_000


def group_index(groups: npt.ArrayLike | None, n_rows: int) -> tuple[npt.NDArray[np.int64], int]:
    """Return the group of each row as an index, and the number of groups."""
    if groups is None:
        return np.arange(n_rows, dtype=np.int64), n_rows
    values, index = np.unique(np.asarray(groups), return_inverse=True)
    return index.reshape(-1).astype(np.int64), len(values)


def draws(n_groups: int, replicates: int, seed: int, columns: int) -> list[npt.NDArray[np.float32]]:
    """Return the number of times each group is drawn, in batches ``[replicates, groups]``."""
    random = np.random.default_rng(seed)
    size = max(1, min(replicates, _BATCH_CELLS // max(n_groups, columns)))
    even = np.full(n_groups, 1.0 / n_groups)
    batches = []
    for start in range(0, replicates, size):
        batch = random.multinomial(n_groups, even, size=min(size, replicates - start))
        batches.append(batch.astype(np.float32))
    return batches


def bounds(values: Array) -> tuple[float, float]:
    """Return the ends of the interval at 95 % of bootstrapped values."""
    tail = (1.0 - _CONFIDENCE) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)


def share_interval(value: float, drawn: Array, n_groups: int) -> Interval:
    """Return a share with its interval.

    A bootstrap of groups that are all right, or all wrong, gives an interval of no width: it cannot
    see what did not occur. Then the interval is the exact binomial one over groups (Clopper and
    Pearson, 1934), and says so.
    """
    low, high = bounds(drawn)
    if low < high or value not in {0.0, 1.0}:
        return Interval(value=value, low=low, high=high)
    missed = 1.0 - ((1.0 - _CONFIDENCE) / 2.0) ** (1.0 / n_groups)
    low, high = (1.0 - missed, 1.0) if value == 1.0 else (0.0, missed)
    return Interval(value=value, low=low, high=high, method=EXACT)


def mean(
    values: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval:
    """Return the mean of values with its interval.

    Parameters
    ----------
    values
        A number or a truth value per row, ``[rows]``, at least one.
    groups, replicates, seed
        As in `tunesmith.evaluation.metrics.score`.
    """
    x = np.asarray(values, dtype=np.float64)
    group, n_groups = group_index(groups, len(x))
    total = np.bincount(group, weights=x, minlength=n_groups)
    count = np.bincount(group, minlength=n_groups).astype(np.float64)
    batches = draws(n_groups, replicates, seed, 2)
    drawn = np.concatenate([(draw @ total) / (draw @ count) for draw in batches])
    return share_interval(float(x.mean()), drawn, n_groups)
