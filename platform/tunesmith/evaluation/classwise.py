"""Metrics per class: shares, confusion, precision and recall, reliability."""

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import ClassScores, Reliability
from tunesmith.evaluation.metrics import BINS, bin_of, checked

__all__ = ["class_scores", "confusion", "prior", "reliability"]

Array = npt.NDArray[np.float64]


def prior(y: npt.ArrayLike, n_classes: int) -> Array:
    """Return the share of each class in `y`, ``float64 [classes]``.

    Predicted for every row it is the majority baseline, and the best constant prediction.
    """
    counts = np.bincount(np.asarray(y, dtype=np.int64), minlength=n_classes).astype(np.float64)
    return np.asarray(counts / max(counts.sum(), 1.0))


def confusion(y: npt.ArrayLike, probabilities: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the rows of true class i predicted as class j, ``int [classes, classes]``."""
    truth, p = checked(y, probabilities)
    c = p.shape[1]
    return np.bincount(truth * c + p.argmax(axis=1), minlength=c * c).reshape(c, c)


def class_scores(
    y: npt.ArrayLike, probabilities: npt.ArrayLike, classes: tuple[str, ...]
) -> tuple[ClassScores, ...]:
    """Return precision, recall, F1, area under the ROC curve and support of every class.

    The area is of one class against the rest, None where either has no item.
    """
    truth, p = checked(y, probabilities)
    counts = confusion(truth, p)
    hits, support, predicted = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    return tuple(
        ClassScores(
            label=name,
            precision=float(hits[i] / max(predicted[i], 1)),
            recall=float(hits[i] / max(support[i], 1)),
            f1=float(2 * hits[i] / max(support[i] + predicted[i], 1)),
            auc=_area(truth == i, p[:, i]),
            support=int(support[i]),
        )
        for i, name in enumerate(classes)
    )


def _area(is_class: npt.NDArray[np.bool_], share: Array) -> float | None:
    """Return the area under the ROC curve, None where one side has no row."""
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(is_class, share)) if 0 < is_class.sum() < len(is_class) else None


def reliability(y: npt.ArrayLike, probabilities: npt.ArrayLike) -> Reliability:
    """Return the reliability diagram of the bins that are not empty (Guo et al., 2017)."""
    truth, p = checked(y, probabilities)
    confidence = p.max(axis=1)
    hit = p.argmax(axis=1) == truth
    bins = bin_of(confidence)
    count = np.bincount(bins, minlength=BINS)
    used = np.flatnonzero(count)
    return Reliability(
        low=tuple(float(b / BINS) for b in used),
        high=tuple(float((b + 1) / BINS) for b in used),
        count=tuple(int(count[b]) for b in used),
        confidence=tuple(float(confidence[bins == b].mean()) for b in used),
        accuracy=tuple(float(hit[bins == b].mean()) for b in used),
    )
