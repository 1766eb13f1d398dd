"""Learning to recognise items of no class.

Boosted trees learn what items of no class are like, from items that the data has beside its
classes, from background datasets, and from rows whose columns were mixed. Where the others have
many labels, a linear model learns to tell these apart, too, and both are pooled: it knows what is
typical of each label, the trees what all of them are like. Where there are mixed columns alone, the
distance from the training items finds items that are like nothing that was learned from. What they
say of items that they did not learn from, fold by fold, gives the thresholds: so the promised rate
of false alarms holds on new items.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.open_set import (
    OPEN_SET_VIEW,
    Detector,
    DetectorPart,
    Exposure,
)
from tunesmith.datasets.examples import Examples
from tunesmith.datasets.others import Others
from tunesmith.datasets.splits import folds
from tunesmith.errors import DatasetError, SearchError
from tunesmith.tuning.label_sets import LEAST_ITEMS, by_class
from tunesmith.tuning.open_set_models import DetectorData, fit_detector, n_mixed
from tunesmith.tuning.trial_data import TrialData

__all__ = ["PROMISED", "RANGE_PROMISED", "Detection", "learn_detector"]

PROMISED = 0.05
"""Share of the items of all classes that are recognised as of no class by mistake."""
RANGE_PROMISED = (0.025, 0.075)
"""The least and the largest such share of a class. One that is close to items of no class has more
than one that is not: with the same share for each, hardly an item would be recognised that is
answered as the former. With none, nothing would be that is answered as the latter."""

# The more folds, the more alike are the models that calibrate and the one that judges: with three,
# a class of few pieces got limits that nearly everything else passes as well.
_FOLDS = 6
_FEWEST_FOLDS = 3
_MOST_ITEMS = 6_000
_QUANTILES = 201
_SIGNS = ("like items of no class", "far from every item")

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Detection:
    """A detector: the ONNX graph, and its part of the card."""

    graph: bytes
    facts: Detector


def learn_detector(
    trial_data: TrialData, others: Others | None, *, seed: int, threads: int = 1
) -> Detection:
    """Return the detector of items of no class.

    Parameters
    ----------
    trial_data
        The items that the search saw.
    others
        Items of no class, None where there are none.
    seed
        Seed of folds, choice and training.
    threads
        Threads of training.

    Raises
    ------
    SearchError
        When the data does not allow one; the message says why.
    """
    data = _data(trial_data, others, seed)
    known, copied = data.known, data.known.as_copied()
    own = _rows(known) if copied is None else np.concatenate([_rows(known), _rows(copied)])
    n_parts = 1 if len(data.others) else 2
    scores = np.empty((len(own), n_parts))
    other_scores = np.full((len(data.others), n_parts), np.nan)
    nearest = np.zeros((len(data.others), len(known.classes)))
    for fold in range(data.n_folds):
        out, others_out = data.fold == fold, data.others_fold == fold
        learned = fit_detector(data, fold, seed, threads)
        # A copy is in the fold of its item.
        of_fold = np.resize(out, len(own))
        scores[of_fold] = learned.known(own[of_fold])
        other_scores[others_out] = learned.known(data.others[others_out])
        nearest[others_out] = learned.nearest(data.others[others_out])
    learned = fit_detector(data, None, seed, threads)
    n_items = len(known)
    # Of copies as well, which are less usual: a short excerpt must not be an alarm.
    parts = [
        _part(name, column, values, known)
        for name, column, values in zip(_SIGNS, learned.signs, scores.T, strict=False)
    ]
    facts = Detector(
        input=OPEN_SET_VIEW,
        columns=learned.columns,
        promised=PROMISED,
        threshold=PROMISED,
        thresholds=_thresholds(parts[0]) if len(parts) == 1 else {},
        parts=tuple(part.model_copy(update={"share": 1.0 / len(parts)}) for part in parts),
        exposures=(
            *(others.exposures if others is not None else ()),
            Exposure(source="rows with mixed columns", items=n_mixed(len(known), data.others)),
        ),
    )
    judged = ~np.isnan(other_scores[:, 0])
    if others is not None and judged.any():
        judged &= ~others.is_copy
        limits = _limits(facts, known.classes)
        below = other_scores[judged] < limits
        figures = {
            "recognised": float((below * nearest[judged]).sum(axis=1).mean()),
            "auroc": _auroc(scores[:n_items, 0], other_scores[judged, 0]),
            "recognised_of": int(judged.sum()),
            "recognised_labels": len(np.unique(others.label[judged])),
        }
        facts = facts.model_copy(update=figures)
    graph = learned.exported()
    return Detection(graph, facts.model_copy(update={"sha256": hashlib.sha256(graph).hexdigest()}))


def _data(trial_data: TrialData, others: Others | None, seed: int) -> DetectorData:
    """Return what a detector can learn from.

    Raises
    ------
    SearchError
        When the items have no row of numbers, or there are too few of them.
    """
    development = trial_data.development
    view = development.views.get(OPEN_SET_VIEW)
    rows = None if view is None else np.asarray(view.x)
    if view is None or rows is None or rows.ndim != 2 or len(view) != len(development):
        message = "its items are no rows of numbers, but pictures, texts or sequences"
        raise SearchError(message)
    rng = np.random.default_rng([seed, 11])
    if len(development) > _MOST_ITEMS:
        development = development.take(
            np.sort(rng.choice(len(development), _MOST_ITEMS, replace=False))
        )
    n_groups = len(np.unique(development.groups))
    n_folds = _FOLDS if n_groups >= LEAST_ITEMS else _FEWEST_FOLDS
    try:
        fold = folds(development.y, development.groups, k=n_folds, seed=seed)
    except DatasetError as error:
        message = f"there are too few items to calibrate one: {error}"
        raise SearchError(message) from error
    if len(development) < LEAST_ITEMS:
        message = f"{len(development)} items are too few to calibrate one; {LEAST_ITEMS} are needed"
        raise SearchError(message)
    if others is None:
        none = np.zeros((0, np.asarray(development.view(OPEN_SET_VIEW).x).shape[1]), np.float32)
        no_label = np.zeros(0, dtype=np.str_)
        return DetectorData(development, fold, none, no_label, np.zeros(0, dtype=np.int64))
    names = [name for name in np.unique(others.label) if name]
    turn = {name: place % n_folds for place, name in enumerate(rng.permutation(names))}
    # With fewer labels some folds would have none of another kind to learn from.
    fold_of = turn if len(names) >= _FEWEST_FOLDS else {}
    others_fold = np.array([fold_of.get(name, -1) for name in others.label], dtype=np.int64)
    return DetectorData(development, fold, others.x, others.label, others_fold)


def _rows(examples: Examples) -> Rows:
    """Return the row of each item."""
    return np.asarray(examples.view(OPEN_SET_VIEW).x, dtype=np.float32)


def _part(name: str, column: int, values: Floats, known: Examples) -> DetectorPart:
    """Return a part of the detector, calibrated on values for the items and their copies."""
    y = np.resize(known.y, len(values))
    of_classes, counts, pooled = by_class(values, y, known.classes)
    levels = np.linspace(0, 1, _QUANTILES)
    return DetectorPart(
        name=name,
        column=column,
        share=1.0,
        calibration={
            label: tuple(np.quantile(of_class, levels, method="lower").tolist())
            for label, of_class in of_classes.items()
        },
        calibrated_on=counts,
        pooled=pooled,
    )


def _thresholds(part: DetectorPart) -> dict[str, float]:
    """Return the share of each class that may be a false alarm.

    They are the shares below one limit for all classes, each kept within `RANGE_PROMISED`. The
    limit is the highest at which no more of all items are false alarms than promised. The sign says
    as much about an item of one class as of another, so one limit recognises the most items of no
    class for the false alarms.
    """
    names = list(part.calibration)
    weights = np.array([part.calibrated_on[name] for name in names], dtype=np.float64)
    quantiles = [np.array(part.calibration[name]) for name in names]
    limits = np.unique(np.concatenate(quantiles))
    levels = np.linspace(0, 1, _QUANTILES)
    least, most = (round(share * (_QUANTILES - 1)) for share in RANGE_PROMISED)
    below = np.stack([np.searchsorted(of_class, limits) for of_class in quantiles])
    shares = levels[np.clip(below, least, most)]
    allowed = np.flatnonzero(weights @ shares / weights.sum() <= PROMISED + 1e-9)[-1]
    return dict(zip(names, shares[:, allowed].tolist(), strict=True))


def _limits(facts: Detector, classes: Sequence[str]) -> Floats:
    """Return the value below which an item answered as each class is of none."""
    (part,) = facts.parts
    places = [round(facts.threshold_of(name) * (_QUANTILES - 1)) for name in classes]
    return np.array(
        [part.calibration[name][place] for name, place in zip(classes, places, strict=True)]
    )


def _auroc(known: Floats, others: Floats) -> float:
    """Return how well values tell items of the classes from others."""
    from sklearn.metrics import roc_auc_score

    is_known = np.repeat([1, 0], [len(known), len(others)])
    return float(roc_auc_score(is_known, np.concatenate([known, others])))
