"""Columns of a table as they were read, made comparable with the classes.

A model sees a text as many columns of 0 and 1, or not at all. What a column gives away shows only
in the column as a whole, so each one is read here in every way that could tell classes apart.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import MISSING_TEXTS
from tunesmith.inference.tables import Cell, number_of, text_of

__all__ = [
    "EXCEPTIONS",
    "MOST_ROWS",
    "Labels",
    "SourceColumn",
    "balanced_accuracy",
    "held_out_predictions",
    "is_function",
]

Array = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
"""A whole number for each row: its class, or which value it has."""

EXCEPTIONS = 0.005
"""Share of the rows that may contradict a rule, such as typing errors."""
MOST_ROWS = 5000
"""Rows that a column is judged on."""

# Values and words of a text that a tree may ask for.
_MOST_VALUES = 200
_MOST_WORDS = 200
_LEAST_ROWS = 3
_MOST_DIGITS = 15
_WORD = re.compile(r"\w+")
_FOLDS = 3


@dataclass(frozen=True)
class SourceColumn:
    """One column of the table.

    Attributes
    ----------
    name
        Its heading.
    cells
        Its cells, one for each item.
    classes
        Names of the classes, which texts may mention.
    """

    name: str
    cells: Sequence[Cell]
    classes: tuple[str, ...]

    @cached_property
    def texts(self) -> list[str]:
        """The cells as texts, in one case and without spaces around them; empty if missing."""
        return [(text_of(cell, MISSING_TEXTS) or "").casefold() for cell in self.cells]

    @cached_property
    def numbers(self) -> Array:
        """The cells as numbers, NaN where a cell is none."""
        return np.array([number_of(cell, MISSING_TEXTS) for cell in self.cells])

    @cached_property
    def values(self) -> Labels:
        """A number for each different value; equal cells have the same one."""
        if self.is_number:
            keys = np.where(np.isfinite(self.numbers), self.numbers, np.inf)
        else:
            keys = np.array(self.texts, dtype=object)
        return np.unique(keys, return_inverse=True)[1].astype(np.int64)

    @property
    def is_number(self) -> bool:
        """True if most of the cells that are not missing are numbers."""
        known = sum(text != "" for text in self.texts)
        return bool(np.isfinite(self.numbers).sum() > known / 2)

    @property
    def is_missing(self) -> npt.NDArray[np.bool_]:
        """True for each cell without a value."""
        if self.is_number:
            return ~np.isfinite(self.numbers)
        return np.array([text == "" for text in self.texts])

    @cached_property
    def inputs(self) -> npt.NDArray[np.float32]:
        """Everything that a tree may ask of the column, ``float32 [rows, inputs]``."""
        parts: list[npt.NDArray[np.generic]] = [self.is_missing]
        if self.is_number:
            # Below every value, so that one question tells missing cells from the others.
            parts.append(np.nan_to_num(_ranks(self.numbers), nan=-1.0))
        else:
            parts += [*self._values_of_text(), *self._words(), *self._mentions(), self._digits()]
        return np.column_stack(parts).astype(np.float32)

    def _values_of_text(self) -> list[npt.NDArray[np.bool_]]:
        frequent = Counter(self.texts).most_common(_MOST_VALUES)
        texts = np.array(self.texts, dtype=object)
        return [texts == text for text, count in frequent if text and count >= _LEAST_ROWS]

    def _words(self) -> list[npt.NDArray[np.bool_]]:
        """Return the presence of each frequent word in texts that hold several."""
        words = [frozenset(_WORD.findall(text)) for text in self.texts]
        count = Counter(word for own in words for word in own if len(own) > 1)
        least = max(_LEAST_ROWS, len(words) // 500)
        frequent = [word for word, times in count.most_common(_MOST_WORDS) if times >= least]
        return [np.array([word in own for own in words]) for word in frequent]

    def _mentions(self) -> list[npt.NDArray[np.bool_]]:
        """Return the presence of each class's name in the texts."""
        names = [name.casefold().strip() for name in self.classes]
        return [np.array([name in text for text in self.texts]) for name in names if len(name) > 1]

    def _digits(self) -> Array:
        """Return the digits of each text as one number: that of an id, or a date's order."""
        digits = ("".join(c for c in text if c.isdecimal())[:_MOST_DIGITS] for text in self.texts)
        return _ranks(np.array([float(text) if text else -1.0 for text in digits]))


def _ranks(x: Array) -> Array:
    """Return the dense rank of each number, NaN where it is NaN: trees ask for order alone."""
    ranks = np.unique(x, return_inverse=True)[1].astype(np.float64)
    return np.where(np.isfinite(x), ranks, np.nan)


def held_out_predictions(
    x: npt.NDArray[np.float32], y: Labels, groups: Labels, seed: int = 0
) -> Labels:
    """Return a small decision tree's prediction for each row, made without the row's group.

    Parameters
    ----------
    x
        ``float32 [rows, inputs]``.
    y
        Class of each row.
    groups
        Rows of one group are in the same fold.
    seed
        Seed of the folds.

    Returns
    -------
    numpy.ndarray
        ``int [rows]``.
    """
    from sklearn.tree import DecisionTreeClassifier

    values, index = np.unique(groups, return_inverse=True)
    fold = np.random.default_rng(seed).permutation(len(values))[index] % _FOLDS
    predictions = np.full(len(y), -1, dtype=np.int64)
    for number in range(_FOLDS):
        held = fold == number
        if held.all() or not held.any():
            continue
        tree = DecisionTreeClassifier(
            max_leaf_nodes=64, min_samples_leaf=3, class_weight="balanced", random_state=0
        )
        predictions[held] = tree.fit(x[~held], y[~held]).predict(x[held])
    return predictions


def balanced_accuracy(y: Labels, predictions: Labels) -> float:
    """Return the mean over classes of the share of each class's rows that are predicted."""
    return float(np.mean([np.mean(predictions[y == label] == label) for label in np.unique(y)]))


def is_function(of: Labels, values: Labels) -> bool:
    """Return whether equal values of `of` have equal `values`, a few rows aside.

    Values that occur once or twice show nothing.
    """
    n_of, n_values = int(of.max()) + 1, int(values.max()) + 1
    pairs, counts = np.unique(of.astype(np.int64) * n_values + values, return_counts=True)
    if len(pairs) > 20 * n_of + 200:
        return False
    most = np.zeros(n_of, dtype=np.int64)
    np.maximum.at(most, pairs // n_values, counts)
    times = np.bincount(of, minlength=n_of)
    if (times[times > 0] >= 3).mean() < 0.9:
        return False
    return bool(most.sum() >= (1 - EXCEPTIONS) * len(of))
