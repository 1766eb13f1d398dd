"""Plots of one piece as piano rolls: in several representations and at several frame rates."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.reports.style import ACCENT, GRID, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["beside", "by_channel", "by_rate"]

_WIDTH = 9.2


def by_channel(channels: Mapping[str, npt.NDArray[np.uint8]], frames_per_second: float) -> "Figure":
    """Draw one excerpt in each representation, one above the other.

    Parameters
    ----------
    channels
        Rolls ``[frames, 128]`` by name, all of one length.
    frames_per_second
        Frame rate of the rolls.
    """
    return _rolls({name: (roll, frames_per_second) for name, roll in channels.items()})


def by_rate(rolls: Mapping[float, npt.NDArray[np.uint8]]) -> "Figure":
    """Draw one excerpt at several frame rates, one above the other.

    Parameters
    ----------
    rolls
        Rolls ``[frames, 128]`` by frames per second.
    """
    return _rolls({f"{rate:g} frames per second": (roll, rate) for rate, roll in rolls.items()})


def beside(
    parts: Sequence[tuple[npt.NDArray[np.uint8], float]], frames_per_second: float
) -> "Figure":
    """Draw parts of pieces side by side, each over its own pitches and time.

    Parameters
    ----------
    parts
        Roll ``[frames, 128]`` and the time at which it begins, in seconds, of each part.
    frames_per_second
        Frame rate of the rolls.
    """
    from matplotlib.figure import Figure

    with styled():
        figure = Figure(figsize=(_WIDTH, 1.9), layout="constrained")
        for axes, (roll, start_s) in zip(
            figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True
        ):
            _draw(axes, roll, frames_per_second, _range(roll), start_s)
            axes.set_xlabel("Seconds")
    return figure


def _range(*rolls: npt.NDArray[np.uint8]) -> tuple[int, int]:
    """Return the pitches to draw, from the lowest to one above the highest."""
    sounding = np.flatnonzero(np.any([roll.any(axis=0) for roll in rolls], axis=0))
    return (int(sounding[0]) - 2, int(sounding[-1]) + 3) if len(sounding) else (36, 96)


def _draw(
    axes: "Axes",
    roll: npt.NDArray[np.uint8],
    rate: float,
    pitches: tuple[int, int],
    start_s: float = 0.0,
) -> None:
    low, high = max(pitches[0], 0), min(pitches[1], 128)
    axes.imshow(
        _ink(roll[:, low:high].T), origin="lower", aspect="auto", interpolation="nearest",
        extent=(start_s, start_s + len(roll) / rate, low - 0.5, high - 0.5),
    )  # fmt: skip
    octaves = [p for p in range(0, 128, 12) if low <= p < high]
    axes.set_yticks(octaves, [f"C{p // 12 - 1}" for p in octaves])
    axes.grid(color=GRID, linewidth=0.5)


def _rolls(panels: Mapping[str, tuple[npt.NDArray[np.uint8], float]]) -> "Figure":
    from matplotlib.figure import Figure

    pitches = _range(*(roll for roll, _ in panels.values()))
    with styled():
        figure = Figure(figsize=(_WIDTH, 1.55 * len(panels) + 0.4))
        rows = figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0]
        for axes, (name, (roll, rate)) in zip(rows, panels.items(), strict=True):
            _draw(axes, roll, rate, pitches)
            axes.set_title(name)
        rows[-1].set_xlabel("Seconds")
        figure.subplots_adjust(hspace=0.42)
    return figure


def _ink(cells: npt.NDArray[np.uint8]) -> npt.NDArray[np.floating[Any]]:
    """Return cells as colour over nothing: the page's ground shows through, light or dark."""
    from matplotlib.colors import to_rgb

    image = np.empty((*cells.shape, 4))
    image[..., :3] = to_rgb(ACCENT)
    # What sounds at all can be seen.
    image[..., 3] = np.where(cells > 0, 0.35 + 0.65 * cells / max(int(cells.max()), 1), 0.0)
    return image
