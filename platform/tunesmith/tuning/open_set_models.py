"""Data and models of detectors of items of no class."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.open_set import DETECTED, OPEN_SET_VIEW
from tunesmith.datasets.examples import Examples, View
from tunesmith.errors import SearchError
from tunesmith.models import (
    Fitted,
    beside,
    fit_discriminant,
    fit_distance,
    get_family,
    pool_odds,
    pooled_odds,
)

__all__ = ["DetectorData", "Learned", "drawn_evenly", "fit_detector", "n_mixed"]

_FAMILY = "boosting"
_SETTINGS = {"max_depth": 4, "learning_rate": 0.15}
_STEPS = 4
_MOST_SPLIT = 8
# Rows of others against those of the classes. As many of each label are drawn: what is of no class
# is of labels that nobody has seen, not of the most frequent one.
_OTHERS = 0.5
# A label of fewer rows is one of the rest: three pieces with two copies each.
_LEAST_ROWS = 9
# What parts a few labels from the classes says nothing of labels that nobody has seen.
_LEAST_LABELS = 8
# Probability of a class before an item is seen. What is of a label that nobody has met fits a class
# by chance more often than its own label, which is not there: with equal odds too much is taken for
# known. It must not depend on the number of labels, which is smaller in a fold.
_PRIOR = 0.05
_MIXED = 0.2  # rows with mixed columns, as a share of the items of the classes
_MIXED_ALONE = 1.0  # and where there is nothing else of no class

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.float32]


@dataclass(frozen=True)
class DetectorData:
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

    @property
    def has_many_labels(self) -> bool:
        """True if there are enough labels that telling them apart says what others are."""
        return len(set(self._frequent(self.others_label)) - {""}) >= _LEAST_LABELS

    def numbered_but(self, fold: int | None) -> tuple[Rows, npt.NDArray[np.int64]]:
        """Return the rows of all others that are not of the fold, and numbers of their labels.

        Labels of few rows have one number in common, with what was made up.
        """
        kept = np.ones(len(self.others), np.bool_) if fold is None else self.others_fold != fold
        _, number = np.unique(self._frequent(self.others_label[kept]), return_inverse=True)
        return self.others[kept], np.asarray(number, dtype=np.int64)

    @staticmethod
    def _frequent(label: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
        """Return the labels, "" in place of those of few rows."""
        _, number, size = np.unique(label, return_inverse=True, return_counts=True)
        return np.where(size[number] < _LEAST_ROWS, "", label)


@dataclass(frozen=True)
class Learned:
    """Models that learned from some of the items.

    Attributes
    ----------
    trees
        Trees that tell what is of a class from what is of none.
    of_labels
        A model that tells the classes from each label of the others, None where these are few.
    distance
        The distance from the items of the classes, None where it is no sign.
    n_classes
        Number of classes.
    """

    trees: Fitted
    of_labels: Fitted | None
    distance: Fitted | None
    n_classes: int

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the graph."""
        own = self.trees.classes if self.of_labels is None else DETECTED
        return own if self.distance is None else (*own, *self.distance.classes)

    @property
    def signs(self) -> list[int]:
        """Places of the columns that say how much an item is like none of the classes."""
        own = self.trees.classes if self.of_labels is None else DETECTED
        return sorted({len(own) - 1, len(self.columns) - 1})

    def answers(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Return what the graph answers, ``float32 [rows, columns]``."""
        own = self.trees.predict_proba(rows)
        if self.of_labels is not None:
            own = pool_odds([own, self.of_labels.predict_proba(rows)])
        if self.distance is None:
            return own
        return np.concatenate([own, self.distance.predict_proba(rows)], axis=1)

    def known(self, rows: Rows) -> Floats:
        """Return how sure each sign is that a row is of one of the classes, ``[rows, signs]``."""
        if not len(rows):
            return np.zeros((0, len(self.signs)))
        return 1.0 - self.answers(rows)[:, self.signs].astype(np.float64)

    def nearest(self, rows: Rows) -> Floats:
        """Return a 1 at the most probable class of each row, ``[rows, classes]``.

        Where the classes are not told apart, each is as near as another.
        """
        teller = self.trees if self.of_labels is None else self.of_labels
        if len(teller.classes) != self.n_classes + 1:
            return np.full((len(rows), self.n_classes), 1 / self.n_classes)
        answers = teller.predict_proba(rows)[:, :-1] if len(rows) else np.zeros((0, 1))
        return np.asarray(np.eye(self.n_classes)[answers.argmax(axis=1)])

    def exported(self) -> bytes:
        """Return the graph."""
        own = _exported(self.trees)
        if self.of_labels is not None:
            own = pooled_odds([own, _exported(self.of_labels)])
        return own if self.distance is None else beside([own, _exported(self.distance)])


def fit_detector(data: DetectorData, fold: int | None, seed: int, threads: int) -> Learned:
    """Return what is learned from all items but those of a fold; None is no fold.

    The distance is there where the trees meet mixed columns alone. Where they meet others it takes
    away more than it adds: an étude of one figure is far from every piece, and still of its
    composer.

    Where there are few classes the trees tell them apart, too: what is of a class is then like the
    items of one class, and not like something between several.
    """
    known = data.known if fold is None else data.known.take(np.flatnonzero(data.fold != fold))
    view = known.with_copies(OPEN_SET_VIEW).view(OPEN_SET_VIEW)
    rows = np.asarray(view.x, dtype=np.float32)
    y = known.y[view.item]
    n_classes = len(known.classes)
    told_apart = (*known.classes, DETECTED[1])
    drawn = data.others_but(fold, len(rows), np.random.default_rng([seed, 17]))
    mixed = _mixed(rows, n_mixed(len(known), drawn), np.random.default_rng([seed, 13]))
    unlike = np.concatenate([drawn, mixed])
    is_split = n_classes <= _MOST_SPLIT
    classes = told_apart if is_split else DETECTED
    own = y if is_split else np.zeros_like(y)
    trees = _trees(
        np.concatenate([rows, unlike]),
        np.concatenate([own, np.full(len(unlike), len(classes) - 1)]),
        classes,
        seed=seed,
        threads=threads,
    )
    of_labels = distance = None
    if not len(data.others):
        distance = fit_distance(rows, OPEN_SET_VIEW, (DETECTED[0], DETECTED[1]))
    elif data.has_many_labels:
        others, number = data.numbered_but(fold)
        stands_for = np.minimum(np.arange(n_classes + number.max() + 1), n_classes)
        of_labels = fit_discriminant(
            np.concatenate([rows, others]),
            np.concatenate([y, n_classes + number]),
            stands_for.tolist(),
            [_PRIOR / n_classes] * n_classes + [1 - _PRIOR],
            view=OPEN_SET_VIEW,
            classes=told_apart,
            threads=threads,
        )
    return Learned(trees, of_labels, distance, n_classes)


def _trees(
    x: Rows, y: npt.NDArray[np.int64], classes: tuple[str, ...], *, seed: int, threads: int
) -> Fitted:
    """Return trees that tell rows apart."""
    index = np.arange(len(x))
    examples = Examples(
        y, classes, index, index.astype(str).tolist(), {OPEN_SET_VIEW: View.one_row_each(x)}
    )
    family = get_family(_FAMILY)
    settings = {**family.default(), **_SETTINGS}
    trees = None
    for step in family.fit(settings, examples, seed=seed, max_steps=_STEPS, threads=threads):
        trees = step.model
    if trees is None:
        message = f"{_FAMILY} ended before its first step"
        raise SearchError(message)
    return trees


def n_mixed(n_known: int, others: Rows) -> int:
    """Return how many rows with mixed columns are learned from beside items of the classes."""
    share = _MIXED if len(others) else _MIXED_ALONE
    return int(np.ceil(share * n_known))


def _mixed(rows: Rows, n: int, rng: np.random.Generator) -> Rows:
    """Return rows each of whose columns has the value of another row: nothing fits together."""
    return np.column_stack([column[rng.integers(len(rows), size=n)] for column in rows.T])


def drawn_evenly(
    label: npt.NDArray[np.str_], n: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return `n` places, drawn with replacement, so that every label is as likely as another."""
    _, number, size = np.unique(label, return_inverse=True, return_counts=True)
    share = 1 / size[number]
    return rng.choice(len(label), n, p=share / share.sum())


def _exported(model: Fitted) -> bytes:
    """Return a model as ONNX."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.export_onnx(path)
        return path.read_bytes()
