"""The figures of cards and reports."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.evaluation.style import ACCENT, GROUND, INK, MUTED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["confusion_figure"]

# Above this many classes, cells are too small for numbers and labels for every class.
_MOST_LABELLED = 24


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, in inches, that no global state knows of."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def confusion_figure(counts: npt.NDArray[np.int64], classes: tuple[str, ...]) -> "Figure":
    """Draw a confusion matrix twice: counts, and shares of each true class.

    Parameters
    ----------
    counts
        True class by row, answered class by column, ``int [classes, classes]``.
    classes
        Names of the classes.
    """
    n = len(classes)
    side = min(max(2.6, 0.42 * n + 1.4), 9.0)
    figure = new_figure(2 * side + 0.6, side + 0.2)
    left, right = figure.subplots(1, 2)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    _matrix(left, counts / max(counts.max(), 1), [[str(v) for v in row] for row in counts], classes)
    _matrix(right, share, [[_percent(v) for v in row] for row in share], classes)
    left.set_title("Counts")
    right.set_title("Share of each true class, %")
    left.set_ylabel("True")
    return figure


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"


def _matrix(
    axes: "Axes", shade: npt.NDArray[Any], text: list[list[str]], classes: tuple[str, ...]
) -> None:
    from matplotlib.patches import Rectangle

    n = len(classes)
    for i in range(n):
        for j in range(n):
            if shade[i, j]:
                alpha = float(shade[i, j])
                axes.add_patch(Rectangle((j, i), 1, 1, facecolor=ACCENT, alpha=alpha, linewidth=0))
            if n <= _MOST_LABELLED:
                dark = shade[i, j] > 0.55
                nothing = text[i][j] == "0"
                axes.text(
                    j + 0.5,
                    i + 0.5,
                    "·" if nothing else text[i][j],
                    ha="center",
                    va="center",
                    fontsize=9 if n <= 12 else 6,
                    color=GROUND if dark else MUTED if nothing else INK,
                )
    axes.set(xlim=(0, n), ylim=(n, 0), aspect="equal", xlabel="Answered")
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)
    step = 1 if n <= _MOST_LABELLED else n // _MOST_LABELLED + 1
    ticks = np.arange(0, n, step)
    axes.set_xticks(ticks + 0.5, [classes[i] for i in ticks], rotation=45, ha="right")
    axes.set_yticks(ticks + 0.5, [classes[i] for i in ticks])
