"""Limits of sets of labels that hold the truth with 90 % probability.

They are split conformal prediction with the score 1 - probability, for each class by itself
(Sadinle, Lei and Wasserman, 2019). It is ten lines on arrays that the search has anyway; MAPIE and
crepes wrap estimators of scikit-learn, which a champion is not.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.open_set import LabelSets
from tunesmith.datasets.probabilities import temper
from tunesmith.tuning.trial_data import TrialData

__all__ = ["COVERAGE", "LEAST_ITEMS", "by_class", "label_sets"]

COVERAGE = 0.9
# A quantile of 5 % needs 20 items at least.
LEAST_ITEMS = 20

Floats = npt.NDArray[np.float64]


def label_sets(trial_data: TrialData, answers: npt.NDArray[Any], temperature: float) -> LabelSets:
    """Return the limits of sets of labels that hold the truth with 90 % probability.

    Parameters
    ----------
    trial_data
        The items that the search saw.
    answers
        Probabilities for the held-out items, in the order of `TrialData.held_out_y`, by models that
        did not learn from them, ``float [items, classes]``.
    temperature
        That which calibrates the model.
    """
    # Copies were made in ways that new items need not be.
    as_they_are = ~trial_data.held_out_is_copy
    y, classes = trial_data.held_out_y[as_they_are], trial_data.ring.classes
    p = temper(answers[as_they_are], temperature)
    of_truth = p[np.arange(len(y)), y]
    of_classes, counts, pooled = by_class(of_truth, y, classes)
    return LabelSets(
        coverage=COVERAGE,
        least={name: _limit(values) for name, values in of_classes.items()},
        calibrated_on=counts,
        pooled=pooled,
    )


def _limit(values: Floats) -> float:
    """Return the probability that a new item of the class reaches in 90 % of the cases."""
    allowed = int(np.floor((1 - COVERAGE) * (len(values) + 1)))
    return float(np.sort(values)[allowed - 1]) if allowed else 0.0


def by_class(
    values: Floats, y: npt.NDArray[np.int64], classes: Sequence[str]
) -> tuple[dict[str, Floats], dict[str, int], tuple[str, ...]]:
    """Return the values of each class, their number, and the classes that have too few.

    Classes of fewer than `LEAST_ITEMS` items share the values of all of these: a model knows small
    classes less well than large ones, whose values would make limits that they miss. Where they
    have too few together, too, they get the values of every class.

    Parameters
    ----------
    values, y
        A value and the class of each item, ``[items]``.
    classes
        Names of the classes.
    """
    sizes = np.bincount(y, minlength=len(classes))
    is_small = sizes < LEAST_ITEMS
    of_small = values[is_small[y]]
    shared = of_small if len(of_small) >= LEAST_ITEMS else values
    of_classes = {
        name: shared if is_small[number] else values[y == number]
        for number, name in enumerate(classes)
    }
    counts = {name: int(size) for name, size in zip(classes, sizes, strict=True)}
    pooled = tuple(name for number, name in enumerate(classes) if is_small[number])
    return of_classes, counts, pooled
