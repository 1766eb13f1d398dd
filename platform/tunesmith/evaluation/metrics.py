"""Figures of merit with bootstrap intervals, alone and paired.

Rows are often not independent: the chunks of a piece, two copies of a piece. Every interval here
resamples whole *groups* of rows, so that what belongs together is drawn together (the cluster
bootstrap; Field and Welsh, 2007). All metrics are functions of sums over rows, so a replicate is
one row of a matrix product rather than another pass over the data.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.probabilities import losses
from tunesmith.errors import ModelError

__all__ = [
    "LOWER_IS_BETTER",
    "Comparison",
    "Interval",
    "class_table",
    "compare",
    "confusion",
    "mean",
    "prior",
    "reliability",
    "score",
    "top_k_of",
]

Array = npt.NDArray[np.float64]

REPLICATES = 1000
CONFIDENCE = 0.95
BINS = 15
LOWER_IS_BETTER = frozenset({"log_loss", "ece"})
_BATCH_CELLS = 4_000_000


@dataclass(frozen=True)
class Interval:
    """A figure and its percentile bootstrap interval at 95 %."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float]:
        """Return the three numbers as JSON holds them."""
        return {"value": self.value, "low": self.low, "high": self.high}

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def top_k_of(n_classes: int) -> int:
    """Return the k of the top-k accuracy: 2 for few classes, 3 and 5 for many."""
    if n_classes < 6:
        return 2
    return 3 if n_classes < 20 else 5


def _checked(y: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[npt.NDArray[np.int64], Array]:
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
        bins = _bin(confidence)

        def per(key: npt.NDArray[np.int64], size: int, weight: Array | None = None) -> Array:
            flat = np.bincount(group * size + key, weights=weight, minlength=n_groups * size)
            return flat.reshape(n_groups, size).astype(np.float64)

        one = np.zeros(n_rows, dtype=np.int64)
        self.columns = np.hstack(
            [
                per(y, n_classes),
                per(predicted, n_classes),
                per(y, n_classes, hit),
                per(one, 1),
                per(one, 1, loss),
                per(one, 1, top),
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
        found = {
            "accuracy": hits.sum(axis=1) / n,
            "balanced_accuracy": recall.sum(axis=1) / (true > 0).sum(axis=1),
            "macro_f1": f1.sum(axis=1) / (true + predicted > 0).sum(axis=1),
            "weighted_f1": (f1 * true).sum(axis=1) / n,
            f"top_{self.top_k}_accuracy": top / n,
            "log_loss": loss / n,
            "ece": np.abs(confidence - right).sum(axis=1) / n,
        }
        if c <= self.top_k:
            del found[f"top_{self.top_k}_accuracy"]
        return found


def _bin(confidence: Array) -> npt.NDArray[np.int64]:
    """Return the equal-width bin of each confidence, upper edges included (Guo et al., 2017)."""
    return np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)


def _group_index(groups: npt.ArrayLike | None, n_rows: int) -> tuple[npt.NDArray[np.int64], int]:
    if groups is None:
        return np.arange(n_rows, dtype=np.int64), n_rows
    values, index = np.unique(np.asarray(groups), return_inverse=True)
    return index.reshape(-1).astype(np.int64), len(values)


def _draws(
    n_groups: int, replicates: int, seed: int, columns: int
) -> list[npt.NDArray[np.float32]]:
    """Return how often each group is drawn, in batches ``[replicates of the batch, groups]``."""
    random = np.random.default_rng(seed)
    size = max(1, min(replicates, _BATCH_CELLS // max(n_groups, columns)))
    even = np.full(n_groups, 1.0 / n_groups)
    batches = []
    for start in range(0, replicates, size):
        batch = random.multinomial(n_groups, even, size=min(size, replicates - start))
        batches.append(batch.astype(np.float32))
    return batches


def _replicates(sums: _Sums, draws: list[npt.NDArray[np.float32]]) -> dict[str, Array]:
    parts = [sums.metrics(draw.astype(np.float64) @ sums.columns) for draw in draws]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _bounds(values: Array) -> tuple[float, float]:
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)


def score(
    y: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> dict[str, Interval]:
    """Return every metric with its interval.

    Parameters
    ----------
    y
        True class of each row, ``int [rows]``.
    probabilities
        ``float [rows, classes]``; the answer is the largest.
    groups
        Rows that share a value are drawn together, ``[rows]``; without groups each stands alone.
    replicates
        Bootstrap replicates.
    seed
        Of the bootstrap; equal seeds give equal intervals.

    Returns
    -------
    dict
        ``accuracy``, ``balanced_accuracy``, ``macro_f1``, ``weighted_f1``, ``top_k_accuracy`` (k in
        the name; left out where it would be 1), ``log_loss``, ``ece`` (15 equal-width bins of the
        largest probability; its draws are centred on the figure). Classes that neither occur nor
        are predicted do not count in means, as in scikit-learn.

    Raises
    ------
    ModelError
        When the shapes do not fit or a probability is not finite.
    """
    truth, p = _checked(y, probabilities)
    group, n_groups = _group_index(groups, len(truth))
    sums = _Sums(truth, p, group, n_groups)
    whole = sums.metrics(sums.columns.sum(axis=0, keepdims=True))
    value = {name: float(figure[0]) for name, figure in whole.items()}
    drawn = _replicates(sums, _draws(n_groups, replicates, seed, sums.columns.shape[1]))
    # A mean of absolute gaps grows with every noise, that of drawing included: taken off again.
    drawn["ece"] = np.maximum(drawn["ece"] - (np.median(drawn["ece"]) - value["ece"]), 0.0)
    return {name: Interval(value[name], *_bounds(drawn[name])) for name in value}


def mean(
    values: npt.ArrayLike,
    groups: npt.ArrayLike | None = None,
    *,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> Interval:
    """Return the mean of numbers with its interval.

    Parameters
    ----------
    values
        A number or a truth value a row, ``[rows]``, at least one.
    groups, replicates, seed
        As in `score`.
    """
    x = np.asarray(values, dtype=np.float64)
    group, n_groups = _group_index(groups, len(x))
    total = np.bincount(group, weights=x, minlength=n_groups)
    count = np.bincount(group, minlength=n_groups).astype(np.float64)
    draws = _draws(n_groups, replicates, seed, 2)
    drawn = np.concatenate([(draw @ total) / (draw @ count) for draw in draws])
    return Interval(float(x.mean()), *_bounds(drawn))


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    Attributes
    ----------
    metric
        What was compared.
    difference
        First minus second, turned so that above zero means the first is better.
    only_first, only_second
        Rows that one model alone has right.
    p_value
        Exact two-sided McNemar test on these rows: the chance of a split at least as uneven if
        both models were equally good. It takes rows as independent.
    rows, groups
        How much it rests on.
    """

    metric: str
    difference: Interval
    only_first: int
    only_second: int
    p_value: float
    rows: int
    groups: int

    @property
    def beyond_noise(self) -> bool:
        """Whether the whole interval of the difference lies above zero."""
        return self.difference.low > 0

    def as_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON holds it."""
        return {
            "metric": self.metric,
            "difference": self.difference.as_dict(),
            "only_first": self.only_first,
            "only_second": self.only_second,
            "p_value": self.p_value,
            "rows": self.rows,
            "groups": self.groups,
            "beyond_noise": self.beyond_noise,
        }


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
        As in `score`; both models see the same draws.

    Raises
    ------
    ModelError
        When the shapes do not fit or the metric is unknown.
    """
    truth, p = _checked(y, first)
    _, q = _checked(y, second)
    group, n_groups = _group_index(groups, len(truth))
    one, two = (_Sums(truth, answer, group, n_groups) for answer in (p, q))
    values = [sums.metrics(sums.columns.sum(axis=0, keepdims=True)) for sums in (one, two)]
    if metric not in values[0]:
        message = f"There is no metric {metric!r} to compare by. Known: {', '.join(values[0])}."
        raise ModelError(message)
    sign = -1.0 if metric in LOWER_IS_BETTER else 1.0
    draws = _draws(n_groups, replicates, seed, one.columns.shape[1])
    gap = _replicates(one, draws)[metric] - _replicates(two, draws)[metric]
    right_one, right_two = p.argmax(axis=1) == truth, q.argmax(axis=1) == truth
    only_first = int((right_one & ~right_two).sum())
    only_second = int((~right_one & right_two).sum())
    value = sign * float(values[0][metric][0] - values[1][metric][0])
    return Comparison(
        metric=metric,
        difference=Interval(value, *_bounds(sign * gap)),
        only_first=only_first,
        only_second=only_second,
        p_value=_mcnemar(only_first, only_second),
        rows=len(truth),
        groups=n_groups,
    )


def _mcnemar(first: int, second: int) -> float:
    """Return the exact two-sided binomial p-value of a split `first` : `second`."""
    n, fewer = first + second, min(first, second)
    if n == 0 or first == second:
        return 1.0
    tail = sum(math.exp(_log_binomial(n, k) - n * math.log(2.0)) for k in range(fewer + 1))
    return min(1.0, 2.0 * tail)


def _log_binomial(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def prior(y: npt.ArrayLike, n_classes: int) -> Array:
    """Return the share of each class in `y`, ``float64 [classes]``.

    Answered for every row it is the majority-class baseline, and the best constant answer.
    """
    counts = np.bincount(np.asarray(y, dtype=np.int64), minlength=n_classes).astype(np.float64)
    return np.asarray(counts / max(counts.sum(), 1.0))


def confusion(y: npt.ArrayLike, probabilities: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return how often true class i was answered with class j, ``int [classes, classes]``."""
    truth, p = _checked(y, probabilities)
    c = p.shape[1]
    return np.bincount(truth * c + p.argmax(axis=1), minlength=c * c).reshape(c, c)


def class_table(
    y: npt.ArrayLike, probabilities: npt.ArrayLike, classes: tuple[str, ...]
) -> list[dict[str, Any]]:
    """Return precision, recall, F1, area under the ROC curve and support of every class.

    The area is of one class against the rest, None where either has no item.
    """
    truth, p = _checked(y, probabilities)
    counts = confusion(truth, p)
    hits, support, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return [
        {
            "class": name,
            "precision": float(hits[i] / max(predicted[i], 1)),
            "recall": float(hits[i] / max(support[i], 1)),
            "f1": float(2 * hits[i] / max(support[i] + predicted[i], 1)),
            "auc": _area(truth == i, p[:, i]),
            "support": int(support[i]),
        }
        for i, name in enumerate(classes)
    ]


def _area(is_class: npt.NDArray[np.bool_], share: Array) -> float | None:
    """Return how often a row of the class gets more of it than another row; ties count half."""
    n_class = int(is_class.sum())
    n_rest = len(is_class) - n_class
    if not n_class or not n_rest:
        return None
    _, place, count = np.unique(share, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[is_class].sum() - n_class * (n_class + 1) / 2) / (n_class * n_rest))


def reliability(
    y: npt.ArrayLike, probabilities: npt.ArrayLike
) -> Mapping[str, list[float] | list[int]]:
    """Return the reliability diagram: per confidence bin the mean confidence and the accuracy.

    Returns
    -------
    Mapping
        ``low`` and ``high`` edges, ``count``, ``confidence`` and ``accuracy`` of the bins that are
        not empty (Guo et al., 2017).
    """
    truth, p = _checked(y, probabilities)
    confidence = p.max(axis=1)
    hit = p.argmax(axis=1) == truth
    bins = _bin(confidence)
    count = np.bincount(bins, minlength=BINS)
    used = np.flatnonzero(count)
    return {
        "low": [float(b / BINS) for b in used],
        "high": [float((b + 1) / BINS) for b in used],
        "count": [int(count[b]) for b in used],
        "confidence": [float(confidence[bins == b].mean()) for b in used],
        "accuracy": [float(hit[bins == b].mean()) for b in used],
    }
