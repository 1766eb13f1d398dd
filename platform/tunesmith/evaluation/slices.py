"""Metrics of slices of the test items: where the model is good and where it is not."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import SliceScores
from tunesmith.datasets.examples import Examples
from tunesmith.evaluation.metrics import score

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["slices"]

_LEAST = 5
# Shares are near 0.25, which is chance, or above 0.8; few files lie between.
_ON_GRID = 0.6

ClassGroups = Mapping[str, Mapping[str, Sequence[str]]]
"""Classes of each group by its name, by what groups them, such as the era of composers."""
Cut = tuple[str, str, npt.NDArray[np.bool_]]
"""The property that slices differ in, the name of one slice, and its items."""


def slices(
    test: Examples,
    probabilities: npt.NDArray[np.float64],
    learned_and_test_groups: npt.NDArray[np.int64],
    facts: "pd.DataFrame | None" = None,
    class_groups: ClassGroups | None = None,
) -> tuple[SliceScores, ...]:
    """Return accuracy and balanced accuracy of slices with at least five items.

    Parameters
    ----------
    test
        The items.
    probabilities
        Their predictions, ``float [items, classes]``.
    learned_and_test_groups
        Groups of all items of the data; a group of several is music that occurs more than once.
    facts
        A row per test item with any of ``length_s``, ``n_notes``, ``n_instruments`` and
        ``on_grid``, the share of its notes that begin on a fine grid of the beat.
    class_groups
        Groups of classes that the task knows of, such as composers by era.
    """
    values, counts = np.unique(learned_and_test_groups, return_counts=True)
    several = np.isin(test.groups, values[counts > 1])
    cuts: list[Cut] = [
        ("occurrences", "once", ~several),
        ("occurrences", "more than once", several),
        *_by_class(test, class_groups or {}),
    ]
    if facts is not None:
        cuts += _thirds(facts, "length_s", "length", _duration)
        cuts += _thirds(facts, "n_notes", "notes", lambda value: f"{value:,.0f}")
        cuts += _instruments(facts)
        cuts += _performance(facts)
    rows = []
    for by, name, mask in cuts:
        if mask.sum() < _LEAST or mask.all():
            continue
        part = np.flatnonzero(mask)
        metrics = score(test.y[part], probabilities[part], test.groups[part])
        rows.append(
            SliceScores(
                by=by,
                slice=name,
                items=len(part),
                accuracy=metrics["accuracy"],
                balanced_accuracy=metrics["balanced_accuracy"],
            )
        )
    # One slice alone compares with nothing.
    shown = [row.by for row in rows]
    return tuple(row for row in rows if shown.count(row.by) > 1)


def _thirds(facts: "pd.DataFrame", column: str, by: str, text: Callable[[float], str]) -> list[Cut]:
    if column not in facts:
        return []
    x = facts[column].to_numpy(dtype=np.float64)
    low, high = np.nanquantile(x, [1 / 3, 2 / 3])
    return [
        (by, f"up to {text(low)}", x <= low),
        (by, f"{text(low)} to {text(high)}", (x > low) & (x <= high)),
        (by, f"over {text(high)}", x > high),
    ]


def _duration(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"


def _instruments(facts: "pd.DataFrame") -> list[Cut]:
    if "n_instruments" not in facts:
        return []
    n = facts["n_instruments"].to_numpy()
    cuts = (("1", n == 1), ("2", n == 2), ("3 to 5", (n >= 3) & (n <= 5)), ("6 or more", n >= 6))
    return [("instruments", name, mask) for name, mask in cuts]


def _by_class(test: Examples, class_groups: ClassGroups) -> list[Cut]:
    place = {name: index for index, name in enumerate(test.classes)}
    return [
        (by, name, np.isin(test.y, [place[label] for label in labels if label in place]))
        for by, groups in class_groups.items()
        for name, labels in groups.items()
    ]


def _performance(facts: "pd.DataFrame") -> list[Cut]:
    """Return pieces that were quantised, and those that a person played."""
    if "on_grid" not in facts:
        return []
    quantised = facts["on_grid"].to_numpy(dtype=np.float64) >= _ON_GRID
    return [("onsets", "on the grid", quantised), ("onsets", "played freely", ~quantised)]
