"""Plots of single items: pictures and segments of music beside what the model predicted."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import ChosenSegment, Pictures
from tunesmith.evaluation.music import Pieces
from tunesmith.reports.drawing import WIDTH, bare, new_figure
from tunesmith.reports.style import ACCENT, MUTED, SERIES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["pictures", "segments"]

_INK_OF_PICTURES = "#4a8fc0"
_LONGEST_NAME = 60
_MOST_CLASSES = 4


def pictures(chosen: Pictures | None) -> "Figure | None":
    """Draw pictures, a row per kind, each with its true and its predicted class."""
    if not chosen or not chosen.rows:
        return None
    from matplotlib.colors import to_rgba

    kinds = list(dict.fromkeys(row.kind for row in chosen.rows))
    by_kind = {kind: [row for row in chosen.rows if row.kind == kind] for kind in kinds}
    most = max(len(rows) for rows in by_kind.values())
    figure = new_figure(WIDTH, 1.62 * len(kinds) + 0.1)
    grid = figure.subplots(len(kinds), most, squeeze=False)
    for line, kind in zip(grid, kinds, strict=True):
        for axes, row in zip(line, by_kind[kind], strict=False):
            # Ink of one colour on nothing reads on a light and on a dark page.
            ink = np.empty((chosen.height, chosen.width, 4))
            ink[:] = to_rgba(_INK_OF_PICTURES)
            ink[..., 3] = np.reshape(row.pixels, ink.shape[:2]) / 255.0
            axes.imshow(ink, interpolation="none")
            is_wrong = row.label != row.answer
            text = f"{row.label} as {row.answer}" if is_wrong else row.label
            axes.set_xlabel(
                f"{text}, {row.confidence:.2f}", fontsize=7.5,
                color=SERIES[1] if is_wrong else MUTED,
            )  # fmt: skip
        for axes in line:
            axes.set(xticks=[], yticks=[])
            bare(axes)
        line[0].set_title(kind.capitalize(), fontsize=9)
    return figure


def segments(rows: Sequence[ChosenSegment], pieces: Pieces | None) -> "Figure | None":
    """Draw segments as piano rolls, each beside the probabilities of the likeliest classes."""
    if not rows or pieces is None:
        return None
    figure = new_figure(WIDTH, 1.75 * len(rows) + 0.3)
    grid = figure.subplots(len(rows), 2, width_ratios=[4, 1], squeeze=False)
    for (left, right), row in zip(grid, rows, strict=True):
        rate = pieces.frames_per_second
        first = round(row.start_s * rate)
        roll = pieces.rolls[row.index][first : first + pieces.chunk_frames]
        _roll(left, roll, row.start_s, rate)
        classes = row.label if row.label == row.answer else f"{row.label} taken for {row.answer}"
        left.set_title(f"{row.kind.capitalize()}: {classes}, {_file(row.path)}", fontsize=8.5)
        _probabilities(right, row)
    grid[-1][0].set_xlabel("Seconds")
    return figure


def _file(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}…"


def _roll(axes: "Axes", roll: npt.NDArray[np.uint8], start_s: float, rate: float) -> None:
    """Draw a roll as bars, one per note or tied notes, darker where louder."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    bars: list[Rectangle] = []
    loudness: list[float] = []
    for pitch in np.flatnonzero(roll.any(axis=0)).tolist():
        column = roll[:, pitch]
        edges = np.flatnonzero(np.diff(column.astype(np.int16), prepend=0, append=0))
        for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if column[begin]:
                bars.append(
                    Rectangle((start_s + begin / rate, pitch - 0.45), (end - begin) / rate, 0.9)
                )
                loudness.append(0.35 + 0.65 * float(column[begin]) / 127)
    # One collection would need one transparency for all: three steps of loudness are enough.
    steps = np.digitize(loudness, [0.6, 0.8])
    for step, alpha in enumerate((0.45, 0.7, 0.95)):
        part = [bar for bar, level in zip(bars, steps, strict=True) if level == step]
        axes.add_collection(PatchCollection(part, facecolor=ACCENT, alpha=alpha, linewidth=0))
    sounding = np.flatnonzero(roll.any(axis=0))
    low, high = (sounding[0], sounding[-1]) if len(sounding) else (48, 72)
    octaves = np.arange(low // 12 * 12, high + 12, 12)
    axes.set_yticks(octaves, [f"C{pitch // 12 - 1}" for pitch in octaves])
    axes.set(xlim=(start_s, start_s + len(roll) / rate), ylim=(low - 3, high + 3))
    axes.grid(visible=False, axis="x")


def _probabilities(axes: "Axes", row: ChosenSegment) -> None:
    """Draw the most probable classes, the true one in another colour."""
    ranked = sorted(row.probabilities.items(), key=lambda pair: -pair[1])
    shown = ranked[:_MOST_CLASSES]
    if row.label not in dict(shown):
        shown[-1] = (row.label, row.probabilities[row.label])
    names = [name for name, _ in shown][::-1]
    values = [value for _, value in shown][::-1]
    colours = [SERIES[2] if name == row.label else MUTED for name in names]
    axes.barh(names, values, color=colours, height=0.6, alpha=0.85)
    for y, value in enumerate(values):
        axes.text(value + 0.03, y, f"{value:.2f}", va="center", fontsize=7.5)
    axes.set(xlim=(0, 1.22), xticks=[])
    bare(axes)
