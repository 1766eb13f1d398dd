"""Plots of what a model predicts: confusion, calibration, slices, robustness, importance."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.importances import ColumnSelection, Importance, WordEffects
from tunesmith.artifacts.reports import Behaviour, Calibration, Metrics, Reliability, SliceScores
from tunesmith.reports.drawing import (
    MOST_LABELLED,
    WIDTH,
    bare,
    bars,
    cell,
    dots,
    legend_above,
    new_figure,
    readable,
)
from tunesmith.reports.style import ACCENT, GRID, GROUND, INK, MUTED, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "behaviour",
    "calibration",
    "confusion",
    "importance",
    "merged_bins",
    "selection",
    "slices",
    "words",
]

_LEAST_PREDICTIONS = 12
_MOST_PARTS = 15
_MOST_WITH_COUNTS = 60
"""Classes whose names and counts can be read in a matrix as wide as a page."""
_MOST_SELECTED = 12


def confusion(counts: npt.NDArray[np.int64], classes: Sequence[str]) -> "Figure":
    """Draw a confusion matrix: counts and shares of each true class, in one where they are many.

    Parameters
    ----------
    counts
        True class by row, predicted class by column, ``int [classes, classes]``.
    classes
        Names of the classes.
    """
    n = len(classes)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    in_words = [[str(v) for v in row] for row in counts]
    if n > MOST_LABELLED:
        figure = new_figure(WIDTH, WIDTH)
        axes = figure.subplots()
        _matrix(axes, share, in_words, classes)
        axes.set_title("Counts, shaded by their share of the true class")
        axes.set_ylabel("True class")
        return figure
    side = min(max(3.4, 0.42 * n + 1.4), 9.0)
    figure = new_figure(2 * side + 0.6, side + 0.2)
    left, right = figure.subplots(1, 2)
    _matrix(left, counts / max(counts.max(), 1), in_words, classes)
    _matrix(right, share, [[f"{100 * v:.0f}" for v in row] for row in share], classes)
    left.set_title("Counts")
    right.set_title("Share of each true class, %")
    left.set_ylabel("True class")
    return figure


def _matrix(
    axes: "Axes", shade: npt.NDArray[Any], text: list[list[str]], classes: Sequence[str]
) -> None:
    n = len(classes)
    is_large = n > MOST_LABELLED
    for i in range(n):
        for j in range(n):
            cell(axes, (j, i), float(shade[i, j]))
            is_zero = text[i][j] == "0"
            if n <= _MOST_WITH_COUNTS and not (is_large and is_zero):
                axes.text(
                    j + 0.5,
                    i + 0.5,
                    "·" if is_zero else text[i][j],
                    ha="center",
                    va="center",
                    fontsize=9 if n <= 12 else 6,
                    color=GROUND if shade[i, j] > 0.55 else MUTED if is_zero else INK,
                )
    axes.set(xlim=(0, n), ylim=(n, 0), aspect="equal", xlabel="Predicted class")
    bare(axes)
    step = -(-n // _MOST_WITH_COUNTS)
    ticks = range(0, n, step)
    places = [i + 0.5 for i in ticks]
    turn = {"rotation": 90} if is_large else {"rotation": 45, "ha": "right"}
    axes.set_xticks(places, [classes[i] for i in ticks], **turn)
    axes.set_yticks(places, [classes[i] for i in ticks])
    if is_large:
        axes.tick_params(labelsize=6.5)


def calibration(scores: Calibration) -> "Figure":
    """Draw the accuracy of predictions by their confidence, and how many there are."""
    figure = new_figure(4.6, 4.4)
    top, bottom = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
    top.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    before = scores.reliability_before
    shown = [("calibrated" if before else "model", scores.reliability, ACCENT)]
    if before:
        shown.append(("as trained", before, SERIES[1]))
    for shift, (name, bins, colour) in zip((-0.006, 0.006), shown, strict=False):
        confidence, share, low, high, count = merged_bins(bins)
        top.vlines(confidence + shift, low, high, color=colour, linewidth=1.2, alpha=0.5)
        size = 14 + 90 * count / count.sum()
        top.scatter(confidence + shift, share, s=size, color=colour, zorder=3, label=name)
        top.plot(confidence + shift, share, color=colour, linewidth=0.9, alpha=0.6)
    bins = scores.reliability
    middle = (np.asarray(bins.low) + np.asarray(bins.high)) / 2
    bottom.bar(middle, bins.count, width=0.055, color=ACCENT, alpha=0.7)
    top.set(xlim=(0, 1), ylim=(0, 1), ylabel="Accuracy")
    if len(shown) > 1:
        top.legend(loc="upper left")
    bottom.set(xlabel="Confidence", ylabel="Predictions")
    return figure


def merged_bins(bins: Reliability) -> tuple[npt.NDArray[np.float64], ...]:
    """Merge neighbouring bins until each holds at least a dozen predictions.

    Returns
    -------
    tuple
        Mean confidence, accuracy, the ends of its 95 % interval (Wilson, 1927) and the number of
        predictions, each ``float [bins]``.
    """
    least = min(_LEAST_PREDICTIONS, sum(bins.count))
    rows: list[list[float]] = []
    held = np.zeros(3)
    # From the most confident down: most are there, and the rest joins the least confident bin.
    for count, confidence, accuracy in zip(
        reversed(bins.count), reversed(bins.confidence), reversed(bins.accuracy), strict=True
    ):
        held += [count, count * confidence, count * accuracy]
        if held[0] >= least:
            rows.append(held.tolist())
            held = np.zeros(3)
    if held[0]:
        rows[-1] = (np.asarray(rows[-1]) + held).tolist()
    n, confidence_sum, right = np.array(rows[::-1]).T
    share, z = right / n, 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return confidence_sum / n, share, middle - half, middle + half, n


def importance(scores: Importance | None) -> "Figure | None":
    """Draw how much the log loss grows without each part of the input."""
    if not scores or not scores.parts:
        return None
    if scores.grid is not None:
        return _importance_map(scores, np.asarray(scores.grid))
    parts = scores.parts[:_MOST_PARTS][::-1]
    is_grouped = "shuffled" in scores.method and any(part.columns > 1 for part in scores.parts)
    figure = new_figure(WIDTH * 0.75, 0.26 * len(parts) + 0.9)
    axes = figure.subplots()
    names = [readable(part.name) + f" ({part.columns})" * is_grouped for part in parts]
    bars(axes, names, [part.rise for part in parts], ACCENT)
    axes.set(xlabel=f"Increase in log loss, {scores.method}")
    return figure


def _importance_map(scores: Importance, grid: npt.NDArray[np.float64]) -> "Figure":
    """Draw the importance of each patch of a picture where it stands."""
    rises = np.maximum(grid, 0.0)
    height, width = rises.shape
    figure = new_figure(3.6, 3.6 * height / width + 0.4)
    axes = figure.subplots()
    for i in range(height):
        for j in range(width):
            cell(axes, (j, i), float(rises[i, j] / max(rises.max(), 1e-12)))
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xticks=[], yticks=[])
    axes.set_title(f"{scores.method.capitalize()}: at most {rises.max():.3f}")
    bare(axes)
    axes.plot([0, width, width, 0, 0], [0, 0, height, height, 0], color=GRID, linewidth=1)
    return figure


def words(effects: WordEffects | None) -> "Figure | None":
    """Draw by how much each word raises or lowers the probability of a class."""
    if not effects:
        return None
    rows = effects.words[::-1]
    figure = new_figure(WIDTH * 0.75, 0.24 * len(rows) + 0.9)
    axes = figure.subplots()
    colours = [ACCENT if row.effect > 0 else SERIES[1] for row in rows]
    bars(axes, [f"{row.word} ({row.texts})" for row in rows], [row.effect for row in rows], colours)
    axes.set(xlabel=f"Change in the probability of {effects.label!r}")
    return figure


def slices(rows: Sequence[SliceScores], whole: Metrics) -> "Figure | None":
    """Draw accuracy and balanced accuracy of each slice beside those of all test items."""
    if not rows:
        return None
    figure = new_figure(WIDTH * 0.8, 0.3 * len(rows) + 1.0)
    axes = figure.subplots()
    names = [f"{row.by}: {row.slice}  ({row.items})" for row in rows]
    balanced = [row.balanced_accuracy for row in rows]
    for name, values, colour, shift in (
        ("accuracy", [row.accuracy for row in rows], ACCENT, 0.12),
        ("balanced_accuracy", balanced, SERIES[1], -0.12),
    ):
        axes.axvline(whole[name].value, color=colour, linewidth=0.8, alpha=0.5)
        dots(axes, names, values, colour, shift)
    legend_above(axes, {"accuracy": ACCENT, "balanced accuracy": SERIES[1]})
    axes.set(xlabel="With 95 % intervals; vertical lines: all test items")
    return figure


def behaviour(scores: Behaviour | None) -> "Figure | None":
    """Draw how often predictions stay the same when pieces are changed."""
    if not scores:
        return None
    rows = scores.changes
    figure = new_figure(WIDTH * 0.8, 0.3 * len(rows) + 1.0)
    axes = figure.subplots()
    names = [row.change for row in rows]
    dots(axes, names, [row.unchanged for row in rows], ACCENT, 0.12)
    dots(axes, names, [row.accuracy for row in rows], SERIES[1], -0.12)
    axes.axvline(scores.accuracy.value, color=SERIES[1], linewidth=0.8, alpha=0.5)
    legend_above(axes, {"same prediction": ACCENT, "accuracy after the change": SERIES[1]})
    axes.set(xlabel="Share of test pieces; vertical line: accuracy on unchanged pieces")
    return figure


def selection(scores: ColumnSelection | None) -> "Figure | None":
    """Draw the importance of each column, those that correlation drops in another colour."""
    if not scores:
        return None
    columns = [
        column
        for place, column in enumerate(scores.columns)
        if place < _MOST_SELECTED or column.dropped
    ][::-1]
    figure = new_figure(WIDTH * 0.75, 0.27 * len(columns) + 1.1)
    axes = figure.subplots()
    colours = [SERIES[1] if column.dropped else ACCENT for column in columns]
    bars(
        axes, [readable(column.name) for column in columns],
        [column.importance for column in columns], colours,
    )  # fmt: skip
    for y, column in enumerate(columns):
        if column.correlates_with is not None:
            axes.annotate(
                f"correlates with {readable(column.correlates_with)}",
                (max(column.importance, 0.0), y), xytext=(4, 0), textcoords="offset points",
                va="center", fontsize=7.5, color=MUTED,
            )  # fmt: skip
    axes.set(xlabel="Increase in log loss when the column is shuffled")
    legend_above(axes, {"kept": ACCENT, "dropped for its correlation": SERIES[1]})
    return figure
