"""Figures of one set of predictions, an item at a time."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.probabilities import log_loss

__all__ = ["AS_IS", "scores", "scores_with_copies"]

_TOP = 5
AS_IS = "as_is_"
"""Begins the names of figures of the items alone, where copies of them are judged too."""


def scores(probabilities: npt.NDArray[Any], y: npt.NDArray[np.int64]) -> dict[str, float]:
    """Return figures by name.

    Parameters
    ----------
    probabilities
        ``float [items, classes]``.
    y
        Class of each item, ``int [items]``.

    Returns
    -------
    dict
        ``accuracy``, ``balanced_accuracy`` (mean recall of the classes present), ``macro_f1`` (of
        the classes present or predicted), ``log_loss``, and ``top5`` where there are more classes
        than that.
    """
    n_classes = probabilities.shape[1]
    predicted = probabilities.argmax(axis=1)
    hits = np.bincount(y[predicted == y], minlength=n_classes)
    present = np.bincount(y, minlength=n_classes)
    named = np.bincount(predicted, minlength=n_classes)
    seen = present > 0
    either = present + named > 0
    figures = {
        "accuracy": hits.sum() / len(y),
        "balanced_accuracy": (hits[seen] / present[seen]).mean(),
        "macro_f1": (2 * hits[either] / (present + named)[either]).mean(),
        "log_loss": log_loss(probabilities, y),
    }
    if n_classes > _TOP:
        best = np.argpartition(-probabilities, _TOP, axis=1)[:, :_TOP]
        figures["top5"] = (best == y[:, None]).any(axis=1).mean()
    return {name: float(value) for name, value in figures.items()}


def scores_with_copies(
    probabilities: npt.NDArray[Any], y: npt.NDArray[np.int64], n_items: int
) -> dict[str, float]:
    """Return figures of items and of copies of them; each is the mean of the two.

    A model that knows a class by the way its files were made is right on the items alone.

    Parameters
    ----------
    probabilities
        ``float [items, classes]``, or those of the items and then of one copy of each.
    y
        Class of each row.
    n_items
        Number of items.

    Returns
    -------
    dict
        As `scores`; where there are copies also the figures of the items alone, their names
        beginning with `AS_IS`.
    """
    items = scores(probabilities[:n_items], y[:n_items])
    if len(y) == n_items:
        return items
    copies = scores(probabilities[n_items:], y[n_items:])
    alone = {f"{AS_IS}{name}": value for name, value in items.items()}
    return {**{name: (items[name] + copies[name]) / 2 for name in items}, **alone}
