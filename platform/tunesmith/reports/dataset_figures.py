"""Plots of a dataset version: its labels, lengths, tempos, keys and duplicates."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.reports.style import ACCENT, GRID, GROUND, INK, MUTED, SERIES, styled

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "MAX_POINTS",
    "THRESHOLDS",
    "Groups",
    "boxes",
    "class_shares",
    "clip_outliers",
    "cluster_sizes",
    "doublings",
    "histogram",
    "key_signatures",
    "time_signatures",
]

THRESHOLDS = (0.0, 0.001, 0.01, 0.1)
"""Minimum shares of the chunks below which a label may be dropped."""

# Shares of this ratio are not told apart on a linear axis.
_LONG_TAIL = 50
_WIDTH = 9.2
_MAX_CLASSES = 20
MAX_POINTS = 400
"""Most dots beside a box; of more values a sample is drawn."""

Groups = Mapping[str, npt.NDArray[np.floating[Any]]]
"""Values by name."""


def clip_outliers(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.floating[Any]]:
    """Return the values within 1.5 times the interquartile range of the quartiles.

    Parameters
    ----------
    values
        Any numbers, ``[n]``.

    Returns
    -------
    numpy.ndarray
        The values that are no outliers by Tukey's rule, in their order.
    """
    if len(values) == 0:
        return values
    low, high = np.percentile(values, [25, 75])
    margin = 1.5 * (high - low)
    inside: npt.NDArray[np.bool_] = (values >= low - margin) & (values <= high + margin)
    return values[inside]


def boxes(groups: Groups, label: str, *, logarithmic: bool = False) -> "Figure":
    """Draw one box per group with its values as dots, the groups from top to bottom.

    Parameters
    ----------
    groups
        Values by name, in the order of drawing.
    label
        Name of the values, with their unit.
    logarithmic
        Whether the axis is logarithmic.
    """
    names = list(groups)
    random = np.random.default_rng(0)
    with styled():
        figure = _figure(_WIDTH, 0.7 + 0.42 * len(names))
        axes = figure.subplots()
        for row, name in enumerate(names):
            values = groups[name]
            shown = values
            if len(values) > MAX_POINTS:
                shown = random.choice(values, MAX_POINTS, replace=False)
            jitter = random.uniform(-0.17, 0.17, len(shown))
            axes.plot(
                shown, row + jitter, ".", markersize=3.4, markeredgewidth=0, color=ACCENT,
                alpha=0.28 if len(shown) > 100 else 0.55,
            )  # fmt: skip
        axes.boxplot(
            [groups[name] for name in names],
            positions=range(len(names)),
            orientation="horizontal",
            widths=0.56,
            showfliers=False,
            manage_ticks=False,
            boxprops={"color": INK, "linewidth": 0.9},
            whiskerprops={"color": MUTED, "linewidth": 0.9},
            capprops={"color": MUTED, "linewidth": 0.9},
            medianprops={"color": SERIES[1], "linewidth": 2.2},
        )
        axes.set_yticks(range(len(names)), [f"{name}  ({len(groups[name])})" for name in names])
        axes.set_ylim(len(names) - 0.45, -0.55)
        if logarithmic:
            _log_scale(axes)
        axes.set_xlabel(label)
        _only_x_grid(axes)
    return figure


def histogram(
    values: npt.NDArray[np.floating[Any]],
    label: str,
    *,
    bins: int = 40,
    logarithmic: bool = False,
) -> "Figure":
    """Draw the distribution of a value over pieces.

    Parameters
    ----------
    values
        One value per piece.
    label
        Name of the values, with their unit.
    bins
        Number of bars, at most.
    logarithmic
        Whether the bars are spaced by ratios.
    """
    with styled():
        figure = _figure(4.4, 2.5)
        axes = figure.subplots()
        edges = _edges(values, bins, logarithmic=logarithmic)
        axes.hist(
            values, bins=list(edges), color=ACCENT, alpha=0.85, edgecolor=GROUND, linewidth=0.4
        )
        if len(values):
            median = float(np.median(values))
            axes.axvline(median, color=SERIES[1], linewidth=1.6)
            axes.annotate(
                f"median {median:,.4g}", (median, 1), xycoords=("data", "axes fraction"),
                xytext=(5, -2), textcoords="offset points", va="top", color=SERIES[1], fontsize=8,
            )  # fmt: skip
        if logarithmic:
            _log_scale(axes)
        axes.set_xlabel(label)
        axes.set_ylabel("Pieces")
        axes.grid(visible=False, axis="x")
    return figure


def doublings(values: npt.NDArray[np.integer[Any]], label: str) -> "Figure":
    """Draw how many pieces have 0, 1, 2 to 3, 4 to 7 … of something.

    Parameters
    ----------
    values
        Whole numbers from 0, one per piece.
    label
        Name of what is counted.
    """
    places = np.ceil(np.log2(values.astype(np.float64) + 1)).astype(np.int64)
    counts = np.bincount(places, minlength=1)
    names = ["0", "1", *(f"{1 << (p - 1)}\u2013{(1 << p) - 1}" for p in range(2, len(counts)))]
    with styled():
        figure = _figure(4.4, 2.5)
        axes = figure.subplots()
        axes.bar(range(len(counts)), counts, 0.8, color=ACCENT, alpha=0.85)
        axes.set_xticks(
            range(len(counts)),
            names[: len(counts)],
            rotation=40,
            ha="right",
            rotation_mode="anchor",
        )
        axes.set_xlabel(label)
        axes.set_ylabel("Pieces")
        axes.grid(visible=False, axis="x")
    return figure


def class_shares(pieces: "pd.DataFrame") -> "Figure":
    """Draw each class's share of the chunks, and the minimum shares of `THRESHOLDS`.

    Parameters
    ----------
    pieces
        Labelled rows of `pieces`.
    """
    chunks = pieces.groupby("label")["n_chunks"].sum().sort_values(ascending=False)
    share = 100 * chunks / chunks.sum()
    shown = share.head(30)
    names = list(shown.index)
    if len(share) > len(shown):
        names.append(f"{len(share) - len(shown)} more, each at most")
    values = [*shown.to_numpy(), *share.to_numpy()[len(shown) : len(shown) + 1]]
    with styled():
        figure = _figure(_WIDTH, 0.8 + 0.235 * len(names))
        axes = figure.subplots()
        # A bar's length means nothing on a logarithmic axis.
        is_long_tailed = bool(max(values) > _LONG_TAIL * min(values))
        if is_long_tailed:
            axes.plot(values, range(len(names)), "o", markersize=5, color=ACCENT)
            _log_scale(axes)
            axes.set_xlim(max(min(*values, 100 * THRESHOLDS[1]) / 2, 1e-3), 190)
        else:
            axes.barh(range(len(names)), values, height=0.68, color=ACCENT, alpha=0.85)
            axes.set_xlim(0, 1.12 * max(values))
        for row, value in enumerate(values):
            axes.annotate(
                f"{value:.2g} %", (value, row), xytext=(6, 0), textcoords="offset points",
                va="center", fontsize=7.5, color=MUTED,
                bbox={"facecolor": GROUND, "edgecolor": "none", "pad": 0.8},
            )  # fmt: skip
        least = min(values) / 2 if is_long_tailed else max(values) / 20
        for threshold in THRESHOLDS[1:]:
            if not least <= 100 * threshold <= max(values):
                continue
            axes.axvline(100 * threshold, color=SERIES[1], linewidth=1.2, linestyle=(0, (4, 2)))
            axes.annotate(
                f"{100 * threshold:g} %", (100 * threshold, 1),
                xycoords=("data", "axes fraction"), xytext=(3, 2), textcoords="offset points",
                color=SERIES[1], fontsize=8,
            )  # fmt: skip
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_xlabel(f"Share of the chunks, %{' (logarithmic)' * is_long_tailed}")
        _only_x_grid(axes)
    return figure


def time_signatures(pieces: "pd.DataFrame", classes: Sequence[str]) -> "Figure":
    """Draw the shares of time signatures in which each class's pieces begin.

    Parameters
    ----------
    pieces
        Labelled rows of `pieces`.
    classes
        Names of the classes, from top to bottom.
    """
    written = pieces["time_signature"]
    common = written.value_counts().index[:7].tolist()
    grouped = written.where(written.isin(common) | written.isna(), "others").fillna("none given")
    colours = dict(zip([*common, "others"], [*SERIES[: len(common)], MUTED], strict=True))
    colours["none given"] = GRID
    columns = [name for name in colours if (grouped == name).any()]
    with styled():
        figure = _figure(_WIDTH, 1.0 + 0.27 * len(classes))
        axes = figure.subplots()
        left = np.zeros(len(classes))
        for column in columns:
            shares = np.array(
                [100 * (grouped[pieces["label"] == name] == column).mean() for name in classes]
            )
            axes.barh(
                range(len(classes)), shares, left=left, height=0.74, label=column,
                color=colours[column], edgecolor=GROUND, linewidth=0.7,
            )  # fmt: skip
            left += shares
        axes.set_yticks(range(len(classes)), classes)
        axes.set_ylim(len(classes) - 0.45, -0.55)
        axes.set_xlim(0, 100)
        axes.set_xlabel("Share of the class's pieces, %")
        axes.grid(visible=False)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), ncols=len(columns), borderpad=0.2,
                    handlelength=1, handleheight=1, columnspacing=1.4)  # fmt: skip
    return figure


def key_signatures(pieces: "pd.DataFrame") -> "Figure":
    """Draw how many pieces begin in each key, along the circle of fifths.

    Parameters
    ----------
    pieces
        Rows of `pieces`.
    """
    counts = pieces["key_signature"].value_counts()
    major = ["Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#"]
    minor = ["Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#", "G#", "D#"]
    spelled = {"Gb": "F#", "Cb": "B", "C#": "Db", "D#": "Eb", "G#": "Ab", "A#": "Bb"}
    spelled_minor = {"Db": "C#", "Eb": "D#", "Ab": "G#", "A#": "Bb", "Gb": "F#"}
    totals = {"Major": dict.fromkeys(major, 0), "minor": dict.fromkeys(minor, 0)}
    for name, count in counts.items():
        tonic, mode = str(name).split(" ", 1)
        mode = "Major" if mode.lower() == "major" else "minor"
        table = spelled if mode == "Major" else spelled_minor
        totals[mode][table.get(tonic, tonic)] += int(count)
    with styled():
        figure = _figure(_WIDTH, 2.4)
        axes = figure.subplots()
        places = np.arange(12)
        axes.bar(places - 0.2, list(totals["Major"].values()), 0.38, color=ACCENT, label="major")
        axes.bar(places + 0.2, list(totals["minor"].values()), 0.38, color=SERIES[1], label="minor")
        names = [f"{a}\n{b.lower()}" for a, b in zip(major, minor, strict=True)]
        axes.set_xticks(places, names)
        axes.set_ylabel("Pieces")
        axes.grid(visible=False, axis="x")
        axes.legend(loc="upper right")
    return figure


def cluster_sizes(clusters: npt.NDArray[np.int64]) -> "Figure":
    """Draw how many duplicate clusters there are of each size.

    Parameters
    ----------
    clusters
        Cluster of each piece.
    """
    from matplotlib.ticker import MaxNLocator

    sizes = np.bincount(clusters)
    sizes = sizes[sizes > 1]
    number, count = np.unique(sizes, return_counts=True)
    with styled():
        figure = _figure(4.4, 2.5)
        axes = figure.subplots()
        places = np.arange(len(number))
        axes.bar(places, count, 0.7, color=ACCENT, alpha=0.85)
        for place, value in zip(places, count, strict=True):
            axes.annotate(str(value), (place, value), xytext=(0, 2), textcoords="offset points",
                          ha="center", fontsize=7.5, color=MUTED)  # fmt: skip
        axes.set_xticks(places, [str(size) for size in number])
        axes.set_xlabel("Pieces in the cluster")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel("Clusters")
        axes.grid(visible=False, axis="x")
    return figure


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def _edges(
    values: npt.NDArray[np.floating[Any]], bins: int, *, logarithmic: bool
) -> npt.NDArray[np.floating[Any]]:
    if len(values) == 0:
        return np.array([0.0, 1.0])
    low, high = float(values.min()), float(values.max())
    if logarithmic and low > 0 and high > low:
        return np.asarray(np.geomspace(low, high, bins + 1))
    return np.linspace(low, high if high > low else low + 1, bins + 1)


def _log_scale(axes: "Axes") -> None:
    """Make the x axis logarithmic, with plain numbers: powers would be drawn as formulas."""
    from matplotlib.ticker import NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(_plain_number)
    axes.xaxis.set_minor_formatter(NullFormatter())


def _only_x_grid(axes: "Axes") -> None:
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _plain_number(value: float, _: float) -> str:
    return f"{value:,.6g}"
