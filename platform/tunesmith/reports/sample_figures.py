"""Plots of the data that a run learned from: class sizes, downsampling, correlations."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples
from tunesmith.reports.drawing import MOST_LABELLED, WIDTH, bare, cell, new_figure
from tunesmith.reports.style import ACCENT, GROUND, INK, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["balance", "correlation", "downsampling"]

_MOST_CORRELATED = 40
_DRAWN_ROWS = 20_000
# Of classes that differ less, downsampling is no question.
_UNEVEN = 1.1

Parts = Mapping[str, Mapping[str, int]]


def balance(parts: Parts) -> "Figure | None":
    """Draw the items of each class by part of the split."""
    classes = list(next(iter(parts.values())))
    if len(classes) > 2 * MOST_LABELLED:
        return None
    figure = new_figure(min(WIDTH, 3.0 + 0.6 * len(classes)), 2.8)
    axes = figure.subplots()
    places = range(len(classes))
    below = np.zeros(len(classes))
    for name, alpha in (("train", 0.9), ("validation", 0.55), ("test", 0.28)):
        values = np.array([parts[name][label] for label in classes])
        axes.bar(places, values, 0.62, bottom=below, color=ACCENT, alpha=alpha, label=name)
        below += values
    for x, total in zip(places, below, strict=True):
        axes.text(x, total, f"{total:.0f}", ha="center", va="bottom", fontsize=8)
    _class_ticks(axes, classes, most_upright=6)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderpad=0.2)
    axes.margins(y=0.12)
    return figure


def _class_ticks(axes: "Axes", classes: Sequence[str], most_upright: int) -> None:
    is_turned = len(classes) > most_upright
    axes.set_xticks(
        range(len(classes)), classes, rotation=45 if is_turned else 0,
        ha="right" if is_turned else "center",
    )  # fmt: skip
    axes.grid(visible=False, axis="x")


def downsampling(parts: Parts) -> "Figure | None":
    """Draw the items of each class as they are, and cut down to the smallest class."""
    total = {
        name: sum(part[name] for part in parts.values()) for name in next(iter(parts.values()))
    }
    least, everything = min(total.values()), sum(total.values())
    if len(total) > MOST_LABELLED or max(total.values()) < _UNEVEN * least:
        return None
    figure = new_figure(min(WIDTH, 4.0 + 0.9 * len(total)), 2.8)
    before, after = figure.subplots(1, 2, sharey=True)
    kept = least * len(total)
    for axes, counts, title in (
        (before, list(total.values()), f"All: {everything:,}"),
        (after, [least] * len(total), f"Downsampled: {kept:,}, {1 - kept / everything:.0%} lost"),
    ):
        axes.bar(range(len(total)), counts, 0.62, color=ACCENT, alpha=0.85)
        for x, count in enumerate(counts):
            axes.text(x, count, f"{count:,}", ha="center", va="bottom", fontsize=7.5)
        _class_ticks(axes, list(total), most_upright=4)
        axes.set_title(title)
        axes.margins(y=0.12)
    return figure


def correlation(learned: Examples, names: Sequence[str]) -> "Figure | None":
    """Draw the correlations of a table's columns, where they fit on a page."""
    view = learned.views.get("features")
    if view is None or len(names) < 3 or len(names) > _MOST_CORRELATED:
        return None
    x = np.asarray(view.x[:_DRAWN_ROWS], dtype=np.float64)
    if x.ndim != 2 or x.shape[1] != len(names):
        return None
    x = np.where(np.isfinite(x), x, np.nanmean(np.where(np.isfinite(x), x, np.nan), axis=0))
    varied = [j for j in range(x.shape[1]) if np.ptp(x[:, j]) > 0]
    r: npt.NDArray[np.float64] = np.atleast_2d(np.corrcoef(x[:, varied], rowvar=False))
    labels = [names[j] for j in varied]
    side = min(3.0 + 0.3 * len(labels), 8.5)
    figure = new_figure(side + 0.8, side)
    axes = figure.subplots()
    for i in range(len(labels)):
        for j in range(i + 1):
            cell(axes, (j, i), abs(r[i, j]), ACCENT if r[i, j] > 0 else SERIES[1])
            if len(labels) <= 16:
                colour = GROUND if abs(r[i, j]) > 0.55 else INK
                text = f"{round(r[i, j], 1) + 0.0:.1f}"  # never "-0.0"
                axes.text(
                    j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=7, color=colour
                )
    axes.set(xlim=(0, len(labels)), ylim=(len(labels), 0), aspect="equal")
    bare(axes)
    ticks = np.arange(len(labels)) + 0.5
    axes.set_xticks(ticks, labels, rotation=45, ha="right")
    axes.set_yticks(ticks, labels)
    return figure
