"""Learning to recognise items of no class.

Boosted trees learn what items of no class are like, from items that the data has beside its
classes, from background datasets, and from rows whose columns were mixed. Where the others have
many labels, a linear model learns to tell these apart, too, and both are pooled: the trees know the
classes better, the linear model what is typical of others. Where there are mixed columns alone,
the distance from the training items finds items that are like nothing that was learned from. What
they say of items that they did not learn from, fold by fold, gives the thresholds: so the promised
rate of false alarms holds on new items.
"""

import hashlib
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

__all__ = ["PROMISED", "Detection", "learn_detector"]

PROMISED = 0.05
"""Share of the items of each class that are recognised as of no class by mistake."""

# The more folds, the more alike are the models that calibrate and the one that judges: with three,
# a class of few pieces got limits that nearly everything else passes as well.
_FOLDS = 6
_FEWEST_FOLDS = 3
_MOST_ITEMS = 6_000
_QUANTILES = 201

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
    for fold in range(data.n_folds):
        out, others_out = data.fold == fold, data.others_fold == fold
        learned = fit_detector(data, fold, seed, threads)
        # A copy is in the fold of its item.
        of_fold = np.resize(out, len(own))
        scores[of_fold] = learned.known(own[of_fold])
        other_scores[others_out] = learned.known(data.others[others_out])
    learned = fit_detector(data, None, seed, threads)
    n_items = len(known)
    parts = [_part("like items of no class", learned.signs[0], scores[:n_items, 0], known)]
    if learned.distance is not None:
        # Copies are farther away: a short excerpt must not be an alarm.
        parts.append(_part("far from every item", learned.signs[1], scores[:, 1], known))
    facts = Detector(
        input=OPEN_SET_VIEW,
        columns=learned.columns,
        promised=PROMISED,
        threshold=PROMISED,
        parts=tuple(part.model_copy(update={"share": 1.0 / len(parts)}) for part in parts),
        exposures=(
            *(others.exposures if others is not None else ()),
            Exposure(source="rows with mixed columns", items=n_mixed(len(known), data.others)),
        ),
    )
    if others is not None:
        judged = ~np.isnan(other_scores[:, 0]) & ~others.is_copy
        labels = len(np.unique(others.label[judged]))
        facts = _with_recognised(facts, scores[:n_items], other_scores[judged], labels)
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
    """Return a part of the detector, calibrated on values for the items, or for copies as well."""
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


def _with_recognised(
    facts: Detector, scores: Floats, other_scores: Floats, labels: int
) -> Detector:
    """Return the facts with what the detector says of items whose labels it had not learned.

    Their scores are compared with those of the items of all classes: no model answers here.
    """
    if not len(other_scores):
        return facts
    from sklearn.metrics import roc_auc_score

    shares = np.array([part.share for part in facts.parts])
    ordered = [np.sort(column) for column in scores.T]

    def score(values: Floats) -> Floats:
        places = [
            np.searchsorted(own, column, side="right")
            for own, column in zip(ordered, values.T, strict=True)
        ]
        return np.asarray((np.column_stack(places) / len(scores) / shares).min(axis=1))

    of_known, of_others = score(scores), score(other_scores)
    is_known = np.repeat([1, 0], [len(of_known), len(of_others)])
    return facts.model_copy(
        update={
            "recognised": float((of_others < facts.threshold).mean()),
            "auroc": float(roc_auc_score(is_known, np.concatenate([of_known, of_others]))),
            "recognised_of": len(of_others),
            "recognised_labels": labels,
        }
    )
