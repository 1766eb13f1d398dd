"""Figures of parts of the test items: where the model is good and where it is not."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples
from tunesmith.evaluation.eras import ERAS, era_of
from tunesmith.evaluation.metrics import score

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["slices"]

_LEAST = 5
# Shares are near 0.25, which is chance, or above 0.8; few files lie between.
_ON_GRID = 0.6


def slices(
    test: Examples,
    probabilities: npt.NDArray[np.float64],
    learned_and_test_groups: npt.NDArray[np.int64],
    facts: "pd.DataFrame | None" = None,
) -> list[dict[str, Any]]:
    """Return accuracy and balanced accuracy of slices with at least five items.

    Parameters
    ----------
    test
        The items.
    probabilities
        Their answers, ``float [items, classes]``.
    learned_and_test_groups
        Groups of all items of the data; a group of several is music that occurs more than once.
    facts
        A row a test item with any of ``length_s``, ``n_notes``, ``n_instruments`` and ``on_grid``,
        the share of its notes that begin on a fine grid of the beat.

    Returns
    -------
    list of dict
        ``by``, ``slice``, ``items`` and the two figures with intervals.
    """
    values, counts = np.unique(learned_and_test_groups, return_counts=True)
    several = np.isin(test.groups, values[counts > 1])
    cuts: list[tuple[str, str, npt.NDArray[np.bool_]]] = [
        ("occurs in the data", "once", ~several),
        ("occurs in the data", "more than once", several),
        *_eras(test),
    ]
    if facts is not None:
        cuts += _thirds(facts, "length_s", "length", _duration)
        cuts += _thirds(facts, "n_notes", "notes", lambda value: f"{value:,.0f}")
        cuts += _instruments(facts)
        cuts += _performance(facts)
    found = []
    for by, name, mask in cuts:
        if mask.sum() < _LEAST or mask.all():
            continue
        part = np.flatnonzero(mask)
        figures = score(test.y[part], probabilities[part], test.groups[part])
        found.append(
            {
                "by": by,
                "slice": name,
                "items": len(part),
                "accuracy": figures["accuracy"].as_dict(),
                "balanced_accuracy": figures["balanced_accuracy"].as_dict(),
            }
        )
    # A slice says something beside another one.
    told = [row["by"] for row in found]
    return [row for row in found if told.count(row["by"]) > 1]


def _thirds(
    facts: "pd.DataFrame", column: str, by: str, tell: Any
) -> list[tuple[str, str, npt.NDArray[np.bool_]]]:
    if column not in facts:
        return []
    x = facts[column].to_numpy(dtype=np.float64)
    low, high = np.nanquantile(x, [1 / 3, 2 / 3])
    return [
        (by, f"up to {tell(low)}", x <= low),
        (by, f"{tell(low)} to {tell(high)}", (x > low) & (x <= high)),
        (by, f"over {tell(high)}", x > high),
    ]


def _duration(seconds: float) -> str:
    return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"


def _instruments(facts: "pd.DataFrame") -> list[tuple[str, str, npt.NDArray[np.bool_]]]:
    if "n_instruments" not in facts:
        return []
    n = facts["n_instruments"].to_numpy()
    cuts = (("1", n == 1), ("2", n == 2), ("3 to 5", (n >= 3) & (n <= 5)), ("6 or more", n >= 6))
    return [("instruments", name, mask) for name, mask in cuts]


def _eras(test: Examples) -> list[tuple[str, str, npt.NDArray[np.bool_]]]:
    """Return the items of each era, where the classes are composers."""
    of_class = era_of(test.classes)
    return [
        ("era", name, np.isin(test.y, [i for i, era in enumerate(of_class) if era == name]))
        for name, *_ in ERAS
    ]


def _performance(facts: "pd.DataFrame") -> list[tuple[str, str, npt.NDArray[np.bool_]]]:
    """Return items that were played by a person, and those written note by note."""
    if "on_grid" not in facts:
        return []
    quantised = facts["on_grid"].to_numpy(dtype=np.float64) >= _ON_GRID
    return [("onsets", "on the grid", quantised), ("onsets", "played freely", ~quantised)]
