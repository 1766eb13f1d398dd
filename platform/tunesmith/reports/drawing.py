"""Pieces that several plots are made of: empty figures, cells, bars, dots and legends."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tunesmith.artifacts.reports import Interval
from tunesmith.reports.style import ACCENT, MUTED, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "MOST_LABELLED",
    "WIDTH",
    "bare",
    "bars",
    "cell",
    "colours_of",
    "dots",
    "label_of",
    "legend",
    "legend_above",
    "new_figure",
    "readable",
    "whole_steps",
]

WIDTH = 9.2
"""Width of a figure as wide as a page, in inches."""
MOST_LABELLED = 24
"""Classes of which each gets a label; with more, cells are too small."""


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, in inches, that pyplot's global state does not hold."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def label_of(metric: str) -> str:
    """Return a metric's name for people."""
    return metric.replace("_", " ").replace("f1", "F1")


def readable(name: str) -> str:
    """Return a column's or setting's name for people."""
    return name.replace("_", " ")


def cell(axes: "Axes", corner: tuple[int, int], alpha: float, colour: str = ACCENT) -> None:
    """Draw one cell of a matrix, stronger with `alpha`."""
    from matplotlib.patches import Rectangle

    if alpha > 0:
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, alpha=min(alpha, 1), linewidth=0))


def bare(axes: "Axes") -> None:
    """Leave an axes without grid, frame and ticks."""
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)


def bars(axes: "Axes", names: Sequence[str], values: Any, colours: str | Sequence[str]) -> None:
    """Draw a horizontal bar to either side of zero for each name, the last on top."""
    axes.barh(names, values, color=colours, alpha=0.85, height=0.66)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def dots(
    axes: "Axes", names: Sequence[str], values: Sequence[Interval], colour: str, shift: float
) -> None:
    """Draw values with their intervals, one below the other."""
    y = np.arange(len(names))[::-1] + shift
    low, high = [value.low for value in values], [value.high for value in values]
    axes.hlines(y, low, high, color=colour, linewidth=1.4, alpha=0.6)
    axes.scatter([value.value for value in values], y, s=26, color=colour, zorder=3)
    axes.set_yticks(np.arange(len(names))[::-1], names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each of the names, in their order."""
    return {name: SERIES[index % len(SERIES)] for index, name in enumerate(dict.fromkeys(names))}


def _handles(colours: Mapping[str, str]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]


def legend(axes: "Axes", colours: Mapping[str, str], size: float = 8.0) -> None:
    """Name the colours where there is room for it."""
    axes.legend(handles=_handles(colours), loc="best", fontsize=size)


def legend_above(axes: "Axes", colours: Mapping[str, str]) -> None:
    """Name the colours above the axes."""
    axes.legend(
        handles=_handles(colours), loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderpad=0.2
    )


def whole_steps(axes: "Axes", most: int = 9) -> None:
    """Let the ticks of the x axis be whole numbers, at most so many."""
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=most, integer=True))
