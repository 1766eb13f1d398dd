"""Importance of the parts of a model's input: how much worse the model gets without each."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.importances import Importance, ImportancePart
from tunesmith.artifacts.preparation import TEXT_COUNTS
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.probabilities import log_loss
from tunesmith.datasets.text_ngrams import VIEW as TEXT_NGRAMS
from tunesmith.evaluation.predictions import Predictions, predict
from tunesmith.inference.explain import PART_OF
from tunesmith.midi.rolls import sounding

if TYPE_CHECKING:
    from tunesmith.inference.classifier import Classifier

__all__ = ["importance"]

_MOST_ITEMS = 1500
# A prediction per patch, and networks of pictures are slow.
_MOST_PICTURES = 500
_MOST_PARTS = 48
_REPEATS = 3
_OCTAVE = 12
_PITCHES = 128
# Patches along each side of a picture.
_PATCHES = 7
_NGRAMS = {
    "ngrams": "Runs of melody, bass, chords and rhythm (n-grams)",
    TEXT_NGRAMS: "Words and characters of the texts (n-grams)",
}
# What a table's preparation counts in a text.
_COUNTED = re.compile(rf"(.*) \((?:{'|'.join(map(re.escape, TEXT_COUNTS))})\)")
_PIXEL = re.compile(r"(?:pixel|patch)_(\d+)_(\d+)")

Parts = Mapping[str, list[int]]
"""Indices of the columns, pitches or pixels of each part, by its name."""
Loss = Callable[[View], float]
"""Log loss of the model with one of its views replaced."""


def importance(
    classifier: "Classifier",
    examples: Examples,
    calibrate: Callable[[Predictions], npt.NDArray[np.float64]],
    columns: Sequence[str],
    seed: int = 0,
) -> Importance | None:
    """Return the increase in log loss when a part of the input is masked.

    Columns of a table are shuffled between items (Breiman, 2001), together with those that have
    the same name but for a trailing number: a histogram is one part. Features of music are parts
    by what a listener would name together. Of piano rolls one octave after the other is silenced,
    of pictures one patch after the other is blanked (Zeiler and Fergus, 2014).

    Parameters
    ----------
    classifier
        The model.
    examples
        Held-out items; of very many the first are taken.
    calibrate
        Returns the probabilities that users get, ``float [items, classes]``.
    columns
        Names of the columns of the table.
    seed
        Seed of the shuffles.

    Returns
    -------
    Importance | None
        None for inputs of another kind.
    """
    has_pictures = any(_is_pictures(examples.view(name)) for name in classifier.inputs)
    most = _MOST_PICTURES if has_pictures else _MOST_ITEMS
    few = examples.take(range(min(len(examples), most)))
    views = {name: few.view(name) for name in classifier.inputs}
    parts = {name: _parts(name, view, columns) for name, view in views.items()}
    if not all(parts.values()):
        return None

    def loss(name: str) -> Loss:
        def of(view: View) -> float:
            changed = _without_silence({**views, name: view}, view)
            other = Examples(few.y, few.classes, few.groups, few.ids, changed)
            return log_loss(calibrate(predict(classifier, other)), few.y)

        return of

    rows: list[ImportancePart] = []
    for name, view in views.items():
        measure = _shuffled if view.x.ndim == 2 else _masked
        rises = measure(view, parts[name], loss(name), seed)
        rows += [
            ImportancePart(name=part, rise=rise, columns=len(indices))
            for (part, indices), rise in zip(parts[name].items(), rises, strict=True)
        ]
    base = log_loss(calibrate(predict(classifier, few)), few.y)
    return Importance(
        method=" or ".join(sorted({_method(view, columns) for view in views.values()})),
        log_loss=base,
        parts=tuple(sorted(rows, key=lambda row: (row.rise, row.name), reverse=True)),
        grid=_grid(rows) if len(views) == 1 else None,
    )


@dataclass(frozen=True)
class _Shuffled:
    """A model of which rows each part of its input is taken from, as scikit-learn shuffles them.

    Attributes
    ----------
    view
        The rows as they are.
    parts
        Columns of each part.
    loss
        Log loss with other rows.
    """

    view: View
    parts: Parts
    loss: Loss

    def fit(self, rows: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> "_Shuffled":
        """Return the model: it was fitted long ago, but scikit-learn asks for the method."""
        del rows, y
        return self

    def score(self, rows: npt.NDArray[np.int64], y: npt.NDArray[np.int64]) -> float:
        """Return the negative log loss when part `k` of row `i` comes from ``rows[i, k]``."""
        del y
        x = self.view.x.copy()
        for source, columns in zip(rows.T, self.parts.values(), strict=True):
            x[:, columns] = self.view.x[source][:, columns]
        return -self.loss(View(x, self.view.item))


def _shuffled(view: View, parts: Parts, loss: Loss, seed: int) -> list[float]:
    """Return the increase in log loss when each part is shuffled between rows.

    scikit-learn shuffles single columns. What it shuffles here is a table with a column per part
    that says from which row the part is taken, so that all columns of a part move together.
    """
    from sklearn.inspection import permutation_importance

    rows = np.repeat(np.arange(len(view))[:, None], len(parts), axis=1)
    result = permutation_importance(
        _Shuffled(view, parts, loss), rows, np.zeros(len(view)),
        n_repeats=_REPEATS, random_state=seed,
    )  # fmt: skip
    rises: list[float] = result.importances_mean.tolist()
    return rises


def _masked(view: View, parts: Parts, loss: Loss, seed: int) -> list[float]:
    """Return the increase in log loss when each part is silent or blank."""
    del seed
    base = loss(view)
    rises = []
    for indices in parts.values():
        x = view.x.copy()
        if _is_rolls(view):
            x[:, :, indices] = 0
        else:
            x.reshape(len(x), -1)[:, indices] = 0
        rises.append(loss(View(x, view.item)) - base)
    return rises


def _without_silence(views: Mapping[str, View], changed: View) -> Mapping[str, View]:
    """Return the views without the rows of rolls that are silent now: models read no silence."""
    if not _is_rolls(changed):
        return views
    heard = sounding(changed.x)
    return {
        name: View(view.x[heard], view.item[heard])
        if np.array_equal(view.item, changed.item)
        else view
        for name, view in views.items()
    }


def _parts(name: str, view: View, columns: Sequence[str]) -> Parts:
    """Return the indices of each part of a view; none of a view of another kind."""
    if not isinstance(view.x, np.ndarray):
        return {}
    if name in _NGRAMS:
        # A slot is shared by many n-grams, and says nothing by itself.
        return {_NGRAMS[name]: list(range(view.x.shape[1]))}
    if view.x.ndim == 2 and view.x.dtype.kind == "f":
        return _columns(columns, view.x.shape[1])
    if _is_rolls(view):
        return _octaves()
    if _is_pictures(view):
        return _patches(*view.x.shape[1:3])
    return {}


def _is_rolls(view: View) -> bool:
    return isinstance(view.x, np.ndarray) and view.x.ndim == 3 and view.x.shape[2] == _PITCHES


def _is_pictures(view: View) -> bool:
    if not isinstance(view.x, np.ndarray) or _is_rolls(view):
        return False
    shape: tuple[int, ...] = view.x.shape
    return len(shape) in {3, 4} and shape[1] == shape[2] and shape[3:] in {(), (1,)}


def _method(view: View, columns: Sequence[str]) -> str:
    """Return how the parts of a view are masked."""
    if _is_rolls(view):
        return "one octave silenced"
    if view.x.ndim > 2:
        return "one patch blanked"
    pixels = bool(columns) and all(_PIXEL.fullmatch(name) for name in columns)
    return "one pixel shuffled between items" if pixels else "columns shuffled between items"


def _patches(height: int, width: int) -> Parts:
    """Return the pixels of each patch, as indices into a flattened picture, by row and column."""
    rows, columns = (np.arange(size) * min(_PATCHES, size) // size for size in (height, width))
    number = np.arange(height * width).reshape(height, width)
    return {
        f"patch_{i}_{j}": number[np.ix_(rows == i, columns == j)].ravel().tolist()
        for i in range(rows[-1] + 1)
        for j in range(columns[-1] + 1)
    }


def _grid(rows: Sequence[ImportancePart]) -> tuple[tuple[float, ...], ...] | None:
    """Return the importance of parts that are named by their row and column, in their places."""
    places = [_PIXEL.fullmatch(row.name) for row in rows]
    if not all(places):
        return None
    at = [(int(place[1]), int(place[2])) for place in places if place]
    grid: npt.NDArray[Any] = np.zeros((max(i for i, _ in at) + 1, max(j for _, j in at) + 1))
    for (i, j), row in zip(at, rows, strict=True):
        grid[i, j] = row.rise
    return tuple(tuple(line) for line in grid.tolist())


def _octaves() -> Parts:
    """Return the pitches of each octave by its name, C4 being middle C."""
    return {
        f"C{low // _OCTAVE - 1} to {'G' if low == 120 else 'B'}{low // _OCTAVE - 1}": list(
            range(low, min(low + _OCTAVE, _PITCHES))
        )
        for low in range(0, _PITCHES, _OCTAVE)
    }


def _columns(names: Sequence[str], width: int) -> Parts:
    """Return the columns of each part; every column is one where there are few."""
    known = list(names) if len(names) == width else [f"column {j}" for j in range(width)]
    known = [_COUNTED.sub(r"\1, how it is written", name) for name in known]
    if all(name in PART_OF for name in known):
        of_columns = [PART_OF[name] for name in known]
    elif width <= _MOST_PARTS or all(_PIXEL.fullmatch(name) for name in known):
        of_columns = known
    else:
        of_columns = [re.sub(r"([_ ]-?\d+)+$", "", name) for name in known]
    parts: dict[str, list[int]] = {}
    for j, part in enumerate(of_columns):
        parts.setdefault(part, []).append(j)
    return parts
