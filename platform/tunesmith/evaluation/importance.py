"""What a model looks at, asked of the model as a whole: how much worse it gets without."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.probabilities import log_loss
from tunesmith.evaluation.predictions import Predictions, predict

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.inference.classifier import Classifier

__all__ = ["importance"]

_MOST_ITEMS = 1500
# Every patch of them is asked about, and networks of pictures are slow.
_MOST_PICTURES = 500
_MOST_PARTS = 48
_REPEATS = 3
_OCTAVE = 12
_PITCHES = 128
# Patches along each side of a picture.
_PATCHES = 7
_PIXEL = re.compile(r"(?:pixel|patch)_(\d+)_(\d+)")


def importance(
    classifier: "Classifier",
    examples: Examples,
    answer: "Callable[[Predictions], npt.NDArray[np.float64]]",
    columns: Sequence[str],
    seed: int = 0,
) -> dict[str, Any] | None:
    """Return the rise of the log loss when a part of the input says nothing any more.

    Columns of a table are shuffled between items (Breiman, 2001), together with those they share a
    name with but for a trailing number: a histogram is one thing. Of piano rolls one octave after
    the other is silenced, of pictures one patch after the other is blanked (Zeiler and Fergus,
    2014).

    Parameters
    ----------
    classifier
        The model.
    examples
        Held-out items; of very many the first are taken.
    answer
        Gives the probabilities that users see, ``float [items, classes]``.
    columns
        Names of the columns of the table.
    seed
        Of the shuffles.

    Returns
    -------
    dict | None
        ``method`` and ``parts``, each with its ``name``, ``rise`` and ``columns``, most important
        first; for pictures also ``grid``, the rise of each patch where it stands. None for inputs
        of another kind.
    """
    pictures = any(_is_pictures(examples.view(name)) for name in classifier.inputs)
    most = _MOST_PICTURES if pictures else _MOST_ITEMS
    few = examples.take(range(min(len(examples), most)))
    views = {name: few.view(name) for name in classifier.inputs}
    parts = {name: _parts(view, columns) for name, view in views.items()}
    if not all(parts.values()):
        return None
    random = np.random.default_rng(seed)
    before = log_loss(answer(predict(classifier, few)), few.y)
    found: list[tuple[float, str, int]] = []
    for name, of_view in parts.items():
        repeats = _REPEATS if views[name].x.ndim == 2 else 1
        for part, indices in of_view.items():
            rises = []
            for _ in range(repeats):
                changed = views | {name: _without(views[name], indices, random)}
                other = Examples(few.y, few.classes, few.groups, few.ids, changed)
                rises.append(log_loss(answer(predict(classifier, other)), few.y) - before)
            found.append((float(np.mean(rises)), part, len(indices)))
    grid = _grid(found) if len(views) == 1 else None
    found.sort(reverse=True)
    rows = [{"name": part, "rise": rise, "columns": n} for rise, part, n in found]
    method = " or ".join(sorted({_way(view, columns) for view in views.values()}))
    told: dict[str, Any] = {"method": method, "log_loss": before, "parts": rows}
    return told if grid is None else told | {"grid": grid}


def _parts(view: View, columns: Sequence[str]) -> dict[str, list[int]]:
    """Return the indices of each part of a view; none of a view of another kind."""
    if not isinstance(view.x, np.ndarray):
        return {}
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


def _way(view: View, columns: Sequence[str]) -> str:
    """Return how a part of a view is made to say nothing."""
    if _is_rolls(view):
        return "one octave silenced"
    if view.x.ndim > 2:
        return "one patch blanked"
    pixels = bool(columns) and all(_PIXEL.fullmatch(name) for name in columns)
    return "one pixel shuffled between items" if pixels else "columns shuffled between items"


def _patches(height: int, width: int) -> dict[str, list[int]]:
    """Return the pixels of each patch, as indices into a flattened picture, by row and column."""
    rows, columns = (np.arange(size) * min(_PATCHES, size) // size for size in (height, width))
    number = np.arange(height * width).reshape(height, width)
    return {
        f"patch_{i}_{j}": number[np.ix_(rows == i, columns == j)].ravel().tolist()
        for i in range(rows[-1] + 1)
        for j in range(columns[-1] + 1)
    }


def _grid(found: Sequence[tuple[float, str, int]]) -> list[list[float]] | None:
    """Return the rises of parts that are named by their row and column, in their places."""
    places = [_PIXEL.fullmatch(name) for _, name, _ in found]
    if not all(places):
        return None
    at = [(int(place[1]), int(place[2])) for place in places if place]
    grid = np.zeros((max(i for i, _ in at) + 1, max(j for _, j in at) + 1))
    for (i, j), (rise, _, _) in zip(at, found, strict=True):
        grid[i, j] = rise
    return [[float(value) for value in row] for row in grid]


def _octaves() -> dict[str, list[int]]:
    """Return the pitches of each octave by its name, C4 being middle C."""
    return {
        f"C{low // _OCTAVE - 1} to {'G' if low == 120 else 'B'}{low // _OCTAVE - 1}": list(
            range(low, min(low + _OCTAVE, _PITCHES))
        )
        for low in range(0, _PITCHES, _OCTAVE)
    }


def _columns(names: Sequence[str], width: int) -> dict[str, list[int]]:
    """Return columns by part; one part a column where there are few."""
    known = list(names) if len(names) == width else [f"column {j}" for j in range(width)]
    if width <= _MOST_PARTS or all(_PIXEL.fullmatch(name) for name in known):
        return {name: [j] for j, name in enumerate(known)}
    parts: dict[str, list[int]] = {}
    for j, name in enumerate(known):
        parts.setdefault(re.sub(r"([_ ]-?\d+)+$", "", name), []).append(j)
    return parts


def _without(view: View, indices: list[int], random: np.random.Generator) -> View:
    """Return rows whose parts at `indices` say nothing: shuffled, silent or blank."""
    x = view.x.copy()
    if _is_rolls(view):
        x[:, :, indices] = 0
    elif x.ndim > 2:
        x.reshape(len(x), -1)[:, indices] = 0
    else:
        x[:, indices] = x[random.permutation(len(x))][:, indices]
    return View(x, view.item)
