"""What a detector of items of no class learns from, and its models."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.open_set import DETECTED, OPEN_SET_VIEW
from tunesmith.datasets.examples import Examples, View
from tunesmith.errors import SearchError
from tunesmith.models import (
    LEAST_POOLED,
    Fitted,
    beside,
    fit_distance,
    fit_many_labels,
    get_family,
    pooled,
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

    def labelled_but(self, fold: int | None) -> tuple[Rows, npt.NDArray[np.str_]]:
        """Return the rows of all others that are not of the fold, and their labels."""
        kept = np.ones(len(self.others), np.bool_) if fold is None else self.others_fold != fold
        return self.others[kept], self.others_label[kept]


@dataclass(frozen=True)
class Learned:
    """What was learned from some of the items.

    Attributes
    ----------
    classes
        The classes that are told apart, and no class.
    pooled
        Models of these; their answers are pooled.
    distance
        The distance from the items of the classes, None where it is no sign.
    """

    classes: tuple[str, ...]
    pooled: tuple[Fitted, ...]
    distance: Fitted | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of the graph."""
        return self.classes if self.distance is None else (*self.classes, *self.distance.classes)

    @property
    def signs(self) -> list[int]:
        """Places of the columns that say how much an item is like none of the classes."""
        ends = {len(self.classes) - 1, len(self.columns) - 1}
        return sorted(ends)

    def answers(self, rows: Rows) -> npt.NDArray[np.float32]:
        """Return what the graph answers, ``float32 [rows, columns]``."""
        answers = [model.predict_proba(rows) for model in self.pooled]
        own = answers[0] if len(answers) == 1 else _pooled(answers)
        if self.distance is None:
            return own
        return np.concatenate([own, self.distance.predict_proba(rows)], axis=1)

    def known(self, rows: Rows) -> Floats:
        """Return how sure each sign is that a row is of one of the classes, ``[rows, signs]``."""
        if not len(rows):
            return np.zeros((0, len(self.signs)))
        return 1.0 - self.answers(rows)[:, self.signs].astype(np.float64)

    def exported(self) -> bytes:
        """Return the graph."""
        graphs = [_exported(model) for model in self.pooled]
        weight = 1 / len(graphs)
        own = graphs[0] if len(graphs) == 1 else pooled([(graph, weight) for graph in graphs])
        return own if self.distance is None else beside([own, _exported(self.distance)])


def fit_detector(data: DetectorData, fold: int | None, seed: int, threads: int) -> Learned:
    """Return what is learned from all items but those of a fold; None is no fold.

    The distance is there where the trees meet mixed columns alone. Where they meet others it takes
    away more than it adds: an étude of one figure is far from every piece, and still of its
    composer.

    Where there are few classes they are told apart, too: what is of a class is then like the items
    of one class, and not like something between several.

    A linear model of the classes alone, in place of one of all labels, adds nothing to the trees.
    """
    known = data.known if fold is None else data.known.take(np.flatnonzero(data.fold != fold))
    view = known.with_copies(OPEN_SET_VIEW).view(OPEN_SET_VIEW)
    rows = np.asarray(view.x, dtype=np.float32)
    y = known.y[view.item]
    is_split = len(known.classes) <= _MOST_SPLIT
    classes = (*known.classes, DETECTED[1]) if is_split else DETECTED
    drawn = data.others_but(fold, len(rows), np.random.default_rng([seed, 17]))
    mixed = _mixed(rows, n_mixed(len(known), drawn), np.random.default_rng([seed, 13]))
    unlike = np.concatenate([drawn, mixed])
    trees = _trees(
        np.concatenate([rows, unlike]),
        np.concatenate(
            [y if is_split else np.zeros_like(y), np.full(len(unlike), len(classes) - 1)]
        ),
        classes,
        seed=seed,
        threads=threads,
    )
    others, label = data.labelled_but(fold)
    if not len(others):
        distance = fit_distance(rows, OPEN_SET_VIEW, (DETECTED[0], DETECTED[1]))
        return Learned(classes, (trees,), distance)
    number = _numbered(label)
    if number.max() < _LEAST_LABELS:
        return Learned(classes, (trees,), None)
    n_known = len(known.classes)
    of_labels = fit_many_labels(
        np.concatenate([rows, others]),
        np.concatenate([y, n_known + number]),
        [
            *(range(n_known) if is_split else [0] * n_known),
            *[len(classes) - 1] * (1 + int(number.max())),
        ],
        OPEN_SET_VIEW,
        classes,
        threads=threads,
    )
    return Learned(classes, (trees, of_labels), None)


def _numbered(label: npt.NDArray[np.str_]) -> npt.NDArray[np.int64]:
    """Return numbers of labels, from 1; 0 is for those of few rows and for what was made up."""
    _, number, size = np.unique(label, return_inverse=True, return_counts=True)
    is_rest = (size[number] < _LEAST_ROWS) | (label == "")
    names, numbered = np.unique(np.where(is_rest, -1, number), return_inverse=True)
    return np.asarray(numbered + (names[0] >= 0), dtype=np.int64)


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


def _pooled(answers: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Return the answers as `tunesmith.models.pooled` puts them together."""
    logs = np.mean([np.log(np.maximum(p, np.float32(LEAST_POOLED))) for p in answers], axis=0)
    raised = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), dtype=np.float32)


def _exported(model: Fitted) -> bytes:
    """Return a model as ONNX."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.export_onnx(path)
        return path.read_bytes()
