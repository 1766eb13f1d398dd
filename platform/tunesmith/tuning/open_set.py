"""Learning to recognise items of no class.

Boosted trees learn what items of no class are like, from items that the data has beside its
classes, from background datasets, and from rows whose columns were mixed. Where there are mixed
columns alone, the distance from the training items finds items that are like nothing that was
learned from. What both say of items that they did not learn from, fold by fold, gives the
thresholds: so the promised rate of false alarms holds on new items.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.open_set import (
    DETECTED,
    OPEN_SET_VIEW,
    Detector,
    DetectorPart,
    Exposure,
)
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.others import Others
from tunesmith.datasets.splits import folds
from tunesmith.errors import DatasetError, SearchError
from tunesmith.models import Fitted, beside, fit_distance, get_family
from tunesmith.tuning.label_sets import LEAST_ITEMS, by_class
from tunesmith.tuning.trial_data import TrialData

__all__ = ["PROMISED", "Detection", "drawn_evenly", "learn_detector"]

PROMISED = 0.05
"""Share of the items of each class that are recognised as of no class by mistake."""

_FAMILY = "boosting"
_SETTINGS = {"max_depth": 4, "learning_rate": 0.15}
_STEPS = 4
_MOST_SPLIT = 8
# The more folds, the more alike are the models that calibrate and the one that judges: with three,
# a class of few pieces got limits that nearly everything else passes as well.
_FOLDS = 6
_FEWEST_FOLDS = 3
_MOST_ITEMS = 6_000
_QUANTILES = 201
# Rows of others against those of the classes. As many of each label are drawn: what is of no class
# is of labels that nobody has seen, not of the most frequent one.
_OTHERS = 0.5
_MIXED = 0.2  # rows with mixed columns, as a share of the items of the classes
_MIXED_ALONE = 1.0  # and where there is nothing else of no class

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Detection:
    """A detector: the ONNX graph, and its part of the card."""

    graph: bytes
    facts: Detector


@dataclass(frozen=True)
class _Data:
    """Items that a detector learns from.

    Attributes
    ----------
    known
        Items of the classes, with copies.
    fold
        Fold of each, ``int [items]``.
    others
        Rows of items of no class.
    others_label
        What each of these rows is of, "" where it was made up.
    others_fold
        Fold of each of these rows, whole labels at a time; -1 for rows that every fold learns.
    """

    known: Examples
    fold: npt.NDArray[np.int64]
    others: Rows
    others_label: npt.NDArray[np.str_]
    others_fold: npt.NDArray[np.int64]

    @property
    def n_folds(self) -> int:
        """Number of folds."""
        return int(self.fold.max()) + 1

    def others_but(self, fold: int | None, n_known: int, rng: np.random.Generator) -> Rows:
        """Return rows to learn from beside `n_known` rows of the classes.

        They are drawn evenly from the labels that are not of the fold; None is no fold.
        """
        is_kept = np.ones(len(self.others), np.bool_) if fold is None else self.others_fold != fold
        kept = np.flatnonzero(is_kept)
        label = self.others_label[kept]
        made_up, of_label = kept[label == ""], kept[label != ""]
        places = made_up
        if len(of_label):
            drawn = drawn_evenly(label[label != ""], int(_OTHERS * n_known), rng)
            places = np.concatenate([made_up, of_label[drawn]])
        rows: Rows = self.others[places]
        return rows


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
        models = _fit(data, fold, seed, threads)
        # A copy is in the fold of its item.
        of_fold = np.resize(out, len(own))
        scores[of_fold] = _known(models, own[of_fold])
        other_scores[others_out] = _known(models, data.others[others_out])
    models = _fit(data, None, seed, threads)
    columns = tuple(name for model in models for name in model.classes)
    n_items = len(known)
    parts = [
        _part("like items of no class", len(models[0].classes) - 1, scores[:n_items, 0], known)
    ]
    if len(models) > 1:
        # Copies are farther away: a short excerpt must not be an alarm.
        parts.append(_part("far from every item", len(columns) - 1, scores[:, 1], known))
    facts = Detector(
        input=OPEN_SET_VIEW,
        columns=columns,
        promised=PROMISED,
        threshold=PROMISED,
        parts=tuple(part.model_copy(update={"share": 1.0 / len(parts)}) for part in parts),
        exposures=(
            *(others.exposures if others is not None else ()),
            Exposure(source="rows with mixed columns", items=_n_mixed(known, data.others)),
        ),
    )
    if others is not None:
        judged = ~np.isnan(other_scores[:, 0]) & ~others.is_copy
        labels = len(np.unique(others.label[judged]))
        facts = _with_recognised(facts, scores[:n_items], other_scores[judged], labels)
    graph = _exported(models)
    return Detection(graph, facts.model_copy(update={"sha256": hashlib.sha256(graph).hexdigest()}))


def _data(trial_data: TrialData, others: Others | None, seed: int) -> _Data:
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
        return _Data(development, fold, none, no_label, np.zeros(0, dtype=np.int64))
    names = [name for name in np.unique(others.label) if name]
    turn = {name: place % n_folds for place, name in enumerate(rng.permutation(names))}
    # With fewer labels some folds would have none of another kind to learn from.
    fold_of = turn if len(names) >= _FEWEST_FOLDS else {}
    others_fold = np.array([fold_of.get(name, -1) for name in others.label], dtype=np.int64)
    return _Data(development, fold, others.x, others.label, others_fold)


def drawn_evenly(
    label: npt.NDArray[np.str_], n: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return `n` places, drawn with replacement, so that every label is as likely as another."""
    _, number, size = np.unique(label, return_inverse=True, return_counts=True)
    share = 1 / size[number]
    return rng.choice(len(label), n, p=share / share.sum())


def _rows(examples: Examples) -> Rows:
    """Return the row of each item."""
    return np.asarray(examples.view(OPEN_SET_VIEW).x, dtype=np.float32)


def _fit(data: _Data, fold: int | None, seed: int, threads: int) -> tuple[Fitted, ...]:
    """Return trees that tell items of the classes from others, and perhaps the distance from them.

    They learn from all items but those of a fold.

    The distance is there where the trees meet mixed columns alone. Where they meet others it takes
    away more than it adds: an étude of one figure is far from every piece, and still of its
    composer.

    Where there are few classes the trees tell them apart, too: what is of a class is then like the
    items of one class, and not like something between several.
    """
    is_kept = np.ones(len(data.known), dtype=np.bool_) if fold is None else data.fold != fold
    known = data.known.take(np.flatnonzero(is_kept))
    view = known.with_copies(OPEN_SET_VIEW).view(OPEN_SET_VIEW)
    rows = np.asarray(view.x, dtype=np.float32)
    others = data.others_but(fold, len(rows), np.random.default_rng([seed, 17]))
    mixed = _mixed(rows, _n_mixed(known, others), np.random.default_rng([seed, 13]))
    x = np.concatenate([rows, others, mixed])
    is_split = len(known.classes) <= _MOST_SPLIT
    classes = (*known.classes, DETECTED[1]) if is_split else DETECTED
    own = known.y[view.item] if is_split else np.zeros(len(rows), dtype=np.int64)
    y = np.concatenate([own, np.full(len(others) + len(mixed), len(classes) - 1)])
    index = np.arange(len(x))
    examples = Examples(
        y, classes, index, index.astype(str).tolist(), {OPEN_SET_VIEW: View.one_row_each(x)}
    )
    family = get_family(_FAMILY)
    trees = None
    settings = {**family.default(), **_SETTINGS}
    fit = family.fit(settings, examples, seed=seed, max_steps=_STEPS, threads=threads)
    for step in fit:
        trees = step.model
    if trees is None:
        message = f"{_FAMILY} ended before its first step"
        raise SearchError(message)
    if len(others):
        return (trees,)
    return trees, fit_distance(rows, OPEN_SET_VIEW, (DETECTED[0], DETECTED[1]))


def _n_mixed(known: Examples, others: Rows) -> int:
    """Return how many rows with mixed columns are learned from."""
    share = _MIXED if len(others) else _MIXED_ALONE
    return int(np.ceil(share * len(known)))


def _mixed(rows: Rows, n: int, rng: np.random.Generator) -> Rows:
    """Return rows each of whose columns has the value of another row: nothing fits together."""
    return np.column_stack([column[rng.integers(len(rows), size=n)] for column in rows.T])


def _known(models: Sequence[Fitted], rows: Rows) -> Floats:
    """Return how sure each model is that a row is of one of the classes, ``[rows, models]``."""
    if not len(rows):
        return np.zeros((0, len(models)))
    columns = [1.0 - model.predict_proba(rows)[:, -1].astype(np.float64) for model in models]
    return np.column_stack(columns)


def _exported(models: Sequence[Fitted]) -> bytes:
    graphs = []
    with tempfile.TemporaryDirectory() as folder:
        for number, model in enumerate(models):
            path = Path(folder) / f"{number}.onnx"
            model.export_onnx(path)
            graphs.append(path.read_bytes())
    return graphs[0] if len(graphs) == 1 else beside(graphs)


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
