"""What a model looks at, asked of the model as a whole: how much worse it gets without."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation.predictions import Predictions, predict

if TYPE_CHECKING:
    from collections.abc import Callable

    from tunesmith.registry.classifier import Classifier

__all__ = ["importance"]

_MOST_ITEMS = 1500
_MOST_PARTS = 48
_REPEATS = 3
_SMALLEST = 1e-7
_OCTAVE = 12
_PITCHES = 128


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
    the other is silenced.

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
        first; None for inputs of another kind.
    """
    few = examples.take(range(min(len(examples), _MOST_ITEMS)))
    views = {name: few.view(name) for name in classifier.inputs}
    parts = {name: _parts(view, columns) for name, view in views.items()}
    if not all(parts.values()):
        return None
    random = np.random.default_rng(seed)
    before = _loss(answer(predict(classifier, few)), few.y)
    found: list[tuple[float, str, int]] = []
    for name, of_view in parts.items():
        repeats = _REPEATS if views[name].x.ndim == 2 else 1
        for part, indices in of_view.items():
            rises = []
            for _ in range(repeats):
                changed = views | {name: _without(views[name], indices, random)}
                other = Examples(few.y, few.classes, few.groups, few.ids, changed)
                rises.append(_loss(answer(predict(classifier, other)), few.y) - before)
            found.append((float(np.mean(rises)), part, len(indices)))
    found.sort(reverse=True)
    rows = [{"name": part, "rise": rise, "columns": n} for rise, part, n in found]
    ways = {2: "columns shuffled between items", 3: "one octave silenced"}
    method = " or ".join(sorted({ways[view.x.ndim] for view in views.values()}))
    return {"method": method, "log_loss": before, "parts": rows}


def _parts(view: View, columns: Sequence[str]) -> dict[str, list[int]]:
    """Return the indices of each part of a view; none of a view of another kind."""
    if not isinstance(view.x, np.ndarray):
        return {}
    if view.x.ndim == 2 and view.x.dtype.kind == "f":
        return _columns(columns, view.x.shape[1])
    if view.x.ndim == 3 and view.x.shape[2] == _PITCHES:
        return _octaves()
    return {}


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
    if width <= _MOST_PARTS:
        return {name: [j] for j, name in enumerate(known)}
    parts: dict[str, list[int]] = {}
    for j, name in enumerate(known):
        parts.setdefault(re.sub(r"([_ ]-?\d+)+$", "", name), []).append(j)
    return parts


def _without(view: View, indices: list[int], random: np.random.Generator) -> View:
    """Return rows whose columns at `indices` say nothing: shuffled numbers, silent pitches."""
    x = view.x.copy()
    if x.ndim == 3:
        x[:, :, indices] = 0
    else:
        x[:, indices] = x[random.permutation(len(x))][:, indices]
    return View(x, view.item)


def _loss(p: npt.NDArray[np.float64], y: npt.NDArray[np.int64]) -> float:
    return float(-np.log(np.maximum(p[np.arange(len(y)), y], _SMALLEST)).mean())
