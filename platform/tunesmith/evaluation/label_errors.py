"""Confident learning: how many labels are wrong, and which, by held-out predictions.

Northcutt, Jiang and Chuang: Confident Learning: Estimating Uncertainty in Dataset Labels. Journal
of Artificial Intelligence Research 70 (2021), pages 1373 to 1411. The package of its authors,
cleanlab, is under the AGPL; the method is a few lines.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["confident_joint", "confident_labels", "estimated_errors"]


def confident_labels(
    probabilities: npt.NDArray[np.float64], given: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Return the label that each item has with confidence, -1 where it is none.

    A class is counted where its probability is at least the mean probability that items of the
    class have for it; of several, the likeliest (equation 1 of the paper).

    Parameters
    ----------
    probabilities
        Held-out predictions, ``float64 [items, classes]``.
    given
        Label of each item, ``int [items]``.
    """
    thresholds = np.full(probabilities.shape[1], np.inf)
    for label in np.unique(given):
        thresholds[label] = probabilities[given == label, label].mean()
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    return np.where(reached.max(axis=1) >= 0, reached.argmax(axis=1), -1)


def confident_joint(
    probabilities: npt.NDArray[np.float64], given: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the estimated number of items by given and true label, ``float64 [given, true]``.

    The counts of `confident_labels`, scaled so that each row adds up to the items of its label.
    """
    n_classes = probabilities.shape[1]
    confident = confident_labels(probabilities, given)
    counts = np.zeros((n_classes, n_classes))
    is_counted = confident >= 0
    np.add.at(counts, (given[is_counted], confident[is_counted]), 1)
    sizes = np.bincount(given, minlength=n_classes)
    empty = counts.sum(axis=1) == 0
    counts[empty, empty] = 1
    joint: npt.NDArray[np.float64] = counts * (sizes / counts.sum(axis=1))[:, None]
    return joint


def estimated_errors(probabilities: npt.NDArray[np.float64], given: npt.NDArray[np.int64]) -> int:
    """Return the estimated number of wrong labels: the joint's counts off the diagonal."""
    joint = confident_joint(probabilities, given)
    return round(float(joint.sum() - np.trace(joint)))
