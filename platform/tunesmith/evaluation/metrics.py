"""Metrics with bootstrap intervals, alone and paired.

All metrics are functions of sums over rows, so a bootstrap replicate is one row of a matrix product
rather than another pass over the data.
"""

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import Comparison, Interval, Metrics
from tunesmith.datasets.probabilities import losses
from tunesmith.errors import ModelError
from tunesmith.evaluation.bootstrap import (
    REPLICATES,
    bounds,
    draws,
    group_index,
    share_interval,
)

__all__ = ["BINS", "bin_of", "checked", "compare", "score", "top_k_of"]

Array = npt.NDArray[np.float64]

BINS = 15
"""Bins of confidence, of equal width."""
_LOWER_IS_BETTER = frozenset({"log_loss", "ece"})


def top_k_of(n_classes: int) -> int:
    """Return the k of the top-k accuracy: 2 for few classes, 3 and 5 for many."""
    if n_classes < 6:
        return 2
    return 3 if n_classes < 20 else 5


def checked(y: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], Array]:
    """Return labels and probabilities as arrays, each row of probabilities summing to 1.

    Raises
    ------
    ModelError
        When the shapes do not fit, there is no row, or a probability is negative or not finite.
    """
    truth = np.asarray(y, dtype=np.int64)
    p = np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or len(truth) != len(p):
        message = f"{len(truth)} labels need probabilities [{len(truth)}, classes], got {p.shape}."
        raise ModelError(message)
    if not len(p):
        message = "There is no row to measure: the part is empty."
        raise ModelError(message)
    if truth.min() < 0 or truth.max() >= p.shape[1]:
        message = (
            f"Labels run from {truth.min()} to {truth.max()}, the model has {p.shape[1]} classes."
        )
        raise ModelError(message)
    if not np.isfinite(p).all() or p.min() < 0:
        message = "Probabilities must be finite and not negative; check the model's last layer."
        raise ModelError(message)
    return truth, p / p.sum(axis=1, keepdims=True)


class _Sums:
    """Per-group sums from which every metric follows.

    Columns, for C classes: C true counts, C predicted counts, C hits, rows, log loss, top-k hits,
    then per confidence bin the confidence and the hits.
    """

    def __init__(
        self, y: npt.NDArray[np.int64], p: Array, group: npt.NDArray[np.int64], n_groups: int
    ) -> None:
        n_rows, n_classes = p.shape
        self.n_classes = n_classes
        self.top_k = top_k_of(n_classes)
        predicted = p.argmax(axis=1)
        hit = (predicted == y).astype(np.float64)
        confidence = p.max(axis=1)
        loss = losses(p, y)
        # As scikit-learn breaks ties: the class that comes last of equals ranks first.
        order = np.argsort(p, axis=1, kind="stable")[:, ::-1][:, : self.top_k]
        top = (order == y[:, None]).any(axis=1).astype(np.float64)
        bins = bin_of(confidence)

        def per(key: npt.NDArray[np.int64], size: int, weight: Array | None = None) -> Array:
            flat = np.bincount(group * size + key, weights=weight, minlength=n_groups * size)
            return flat.reshape(n_groups, size).astype(np.float64)

        zero = np.zeros(n_rows, dtype=np.int64)
        self.columns = np.hstack(
            [
                per(y, n_classes),
                per(predicted, n_classes),
                per(y, n_classes, hit),
                per(zero, 1),
                per(zero, 1, loss),
                per(zero, 1, top),
                per(bins, BINS, confidence),
                per(bins, BINS, hit),
            ]
        )

    def metrics(self, sums: Array) -> dict[str, Array]:
        """Return every metric of each row of `sums` (``[replicates, columns]``)."""
        c = self.n_classes
        true, predicted, hits = sums[:, :c], sums[:, c : 2 * c], sums[:, 2 * c : 3 * c]
        n, loss, top = sums[:, 3 * c], sums[:, 3 * c + 1], sums[:, 3 * c + 2]
        confidence = sums[:, 3 * c + 3 : 3 * c + 3 + BINS]
        right = sums[:, 3 * c + 3 + BINS :]
        recall = hits / np.maximum(true, 1.0)
        f1 = 2.0 * hits / np.maximum(true + predicted, 1.0)
        values = {
            "accuracy": hits.sum(axis=1) / n,
            "balanced_accuracy": recall.sum(axis=1) / (true > 0).sum(axis=1),
            "macro_f1": f1.sum(axis=1) / (true + predicted > 0).sum(axis=1),
            "weighted_f1": (f1 * true).sum(axis=1) / n,
            f"top_{self.top_k}_accuracy": top / n,
            "log_loss": loss / n,
            "ece": np.abs(confidence - right).sum(axis=1) / n,
        }
        if c <= self.top_k:
            del values[f"top_{self.top_k}_accuracy"]
        return values


def bin_of(confidence: Array) -> npt.NDArray[np.int64]:
    """Return the equal-width bin of each confidence, upper edges included (Guo et al., 2017)."""
    return np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)


def _replicates(sums: _Sums, batches: list[npt.NDArray[np.float32]]) -> dict[str, Array]:
    parts = [sums.metrics(batch.astype(np.float64) @ sums.columns) for batch in batches]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def score(
    y: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Metrics:
    """Return every metric with its interval.

    Parameters
    ----------
    y
        True class of each row, ``int [rows]``.
    probabilities
        ``float [rows, classes]``; the largest is the prediction.
    groups
        Rows that share a value are drawn together, ``[rows]``; without groups each stands alone.
    replicates
        Bootstrap replicates.
    seed
        Seed of the bootstrap; equal seeds give equal intervals.

    Returns
    -------
    dict
        ``accuracy``, ``balanced_accuracy``, ``macro_f1``, ``weighted_f1``, ``top_k_accuracy`` (k in
        the name; left out where it would be 1), ``log_loss``, ``ece`` (15 equal-width bins of the
        largest probability; its replicates are centred on the value). Shares of 0 and 1 have the
        exact interval of `share_interval`. Classes that neither occur
        nor are predicted do not count in means, as in scikit-learn.

    Raises
    ------
    ModelError
        When the shapes do not fit or a probability is not finite.
    """
    truth, p = checked(y, probabilities)
    group, n_groups = group_index(groups, len(truth))
    sums = _Sums(truth, p, group, n_groups)
    whole = sums.metrics(sums.columns.sum(axis=0, keepdims=True))
    value = {name: float(single[0]) for name, single in whole.items()}
    drawn = _replicates(sums, draws(n_groups, replicates, seed, sums.columns.shape[1]))
    # A mean of absolute gaps grows with any noise, that of resampling included: it is taken off.
    drawn["ece"] = np.maximum(drawn["ece"] - (np.median(drawn["ece"]) - value["ece"]), 0.0)
    return {
        name: share_interval(value[name], drawn[name], _fewest(name, truth, group, n_groups))
        if name not in _LOWER_IS_BETTER
        else _interval(value[name], drawn[name])
        for name in value
    }


def _fewest(
    metric: str, truth: npt.NDArray[np.int64], group: npt.NDArray[np.int64], n_groups: int
) -> int:
    """Return the number of groups behind a metric: of a mean over classes, those of the rarest."""
    if metric not in {"balanced_accuracy", "macro_f1"}:
        return n_groups
    return min(len(np.unique(group[truth == label])) for label in np.unique(truth))


def _interval(value: float, drawn: Array) -> Interval:
    low, high = bounds(drawn)
    return Interval(value=value, low=low, high=high)


def compare(
    y: npt.ArrayLike,
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    metric: str = "macro_f1",
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Comparison:
    """Compare two models on the same rows by a paired bootstrap and McNemar's test.

    Parameters
    ----------
    y
        True class of each row, ``int [rows]``.
    first, second
        Probabilities of the two models, ``float [rows, classes]``.
    groups
        Rows that share a value are drawn together, ``[rows]``.
    metric
        One of those that `score` gives.
    replicates, seed
        As in `score`; both models get the same bootstrap samples.

    Returns
    -------
    Comparison
        The difference is first minus second, turned so that above zero means the first is better.
        The p-value is that of McNemar's exact test, which takes rows as independent.

    Raises
    ------
    ModelError
        When the shapes do not fit or the metric is unknown.
    """
    truth, p = checked(y, first)
    _, q = checked(y, second)
    group, n_groups = group_index(groups, len(truth))
    both = [_Sums(truth, probabilities, group, n_groups) for probabilities in (p, q)]
    values = [sums.metrics(sums.columns.sum(axis=0, keepdims=True)) for sums in both]
    if metric not in values[0]:
        message = f"There is no metric {metric!r} to compare by. Known: {', '.join(values[0])}."
        raise ModelError(message)
    sign = -1.0 if metric in _LOWER_IS_BETTER else 1.0
    batches = draws(n_groups, replicates, seed, both[0].columns.shape[1])
    ours, theirs = (_replicates(sums, batches)[metric] for sums in both)
    is_right, other_is_right = p.argmax(axis=1) == truth, q.argmax(axis=1) == truth
    only_first = int((is_right & ~other_is_right).sum())
    only_second = int((~is_right & other_is_right).sum())
    value = sign * float(values[0][metric][0] - values[1][metric][0])
    difference = _interval(value, sign * (ours - theirs))
    return Comparison(
        metric=metric,
        difference=difference,
        only_first=only_first,
        only_second=only_second,
        p_value=_mcnemar(only_first, only_second),
        beyond_noise=difference.low > 0,
        rows=len(truth),
        groups=n_groups,
    )


def _mcnemar(first: int, second: int) -> float:
    """Return the exact two-sided binomial p-value of a split `first` : `second`."""
    from scipy.stats import binomtest

    return float(binomtest(first, first + second).pvalue) if first + second else 1.0
