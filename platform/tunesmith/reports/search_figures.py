"""Plots of a search: its trials one after the other, their learning curves, their settings."""

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.runs import Winner
from tunesmith.reports.drawing import (
    WIDTH,
    bare,
    bars,
    colours_of,
    label_of,
    legend,
    new_figure,
    readable,
    whole_steps,
)
from tunesmith.reports.settings import Scale, Settings, explained, grouped_values, most_related
from tunesmith.reports.style import ACCENT, GRID, MUTED

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curves", "curves_by_setting", "parallel", "settings", "trials", "winners"]

_LEAST_TRIALS = 4
_LEAST_EXPLAINED = 10
_MOST_AXES = 9
_MOST_PANELS = 3
_MOST_SETTINGS = 8


def winners(winner: Winner | None) -> set[int]:
    """Return the winning trial and, of an ensemble, those of its members."""
    if winner is None:
        return set()
    return {winner.trial, *(member.trial for member in winner.members)}


def trials(table: "pd.DataFrame", metric: str, best: int | None) -> "Figure | None":
    """Draw the score of each trial in order, and the best so far."""
    scored = table.dropna(subset=["score"]).reset_index(drop=True)
    if scored.empty:
        return None
    colours = colours_of(sorted(scored["family"]))
    figure = new_figure(WIDTH, 3.0)
    axes = figure.subplots()
    number = np.arange(1, len(scored) + 1)
    best_so_far = scored["score"].cummax()
    axes.step(number, best_so_far, where="post", color=MUTED, linewidth=1.2, zorder=1)
    for state, is_filled in (("COMPLETE", True), ("PRUNED", False)):
        part = (scored["state"] == state).to_numpy()
        edge = [colours[name] for name in scored.loc[part, "family"]]
        face = edge if is_filled else "none"
        axes.scatter(
            number[part], scored.loc[part, "score"], s=34, c=face, edgecolors=edge, zorder=3
        )
    place = np.flatnonzero((scored["trial"] == best).to_numpy())
    if len(place):
        at = int(place[0])
        axes.annotate(
            f"best {scored['score'][at]:.3f}",
            (number[at], scored["score"][at]),
            xytext=(6, 6),
            textcoords="offset points",
            fontsize=8,
        )
    whole_steps(axes)
    axes.set(xlabel="Trial (hollow: pruned)", title=f"Best {label_of(metric)} of each trial")
    axes.margins(y=0.15)
    legend(axes, colours)
    return figure


def curves(
    history: "pd.DataFrame", table: "pd.DataFrame", metric: str, best: set[int]
) -> "Figure | None":
    """Draw the metric and the losses of every trial step by step, the winners on top."""
    if history.empty or metric not in history:
        return None
    family = dict(zip(table["trial"], table["family"], strict=True))
    colours = colours_of(sorted(family.values()))
    figure = new_figure(WIDTH, 3.3)
    left, right = figure.subplots(1, 2)
    for trial, rows in history.groupby("trial", sort=False):
        is_best = trial in best
        look: dict[str, Any] = {
            "color": colours.get(str(family.get(trial)), MUTED),
            "alpha": 1.0 if is_best else 0.35,
            "linewidth": 2.2 if is_best else 1.0,
            "zorder": 3 if is_best else 2,
        }
        marker = "o" if len(rows) == 1 else ""
        left.plot(rows["step"], rows[metric], marker=marker, markersize=3, **look)
        if "log_loss" in rows:
            right.plot(rows["step"], rows["log_loss"], marker=marker, markersize=3, **look)
        if "loss" in rows and rows["loss"].notna().any():
            right.plot(rows["step"], rows["loss"], linestyle=(0, (2, 1.5)), **look)
    for axes in (left, right):
        whole_steps(axes)
    left.set(title=f"Validation {label_of(metric)}", xlabel="Step")
    right.set(title="Log loss (solid: validation, dashed: training)", xlabel="Step")
    legend(left, colours)
    return figure


def curves_by_setting(history: "pd.DataFrame", table: "pd.DataFrame") -> "Figure | None":
    """Draw a family's validation loss step by step, coloured by the settings that matter most."""
    if "log_loss" not in history:
        return None
    steps = history.dropna(subset=["log_loss"]).groupby("trial")["step"].nunique()
    gradual = table[table["trial"].isin(steps[steps > 2].index)].dropna(subset=["score"])
    counts = gradual["family"].value_counts()
    if counts.empty or counts.iloc[0] < _LEAST_TRIALS:
        return None
    family = str(counts.index[0])
    part = gradual[gradual["family"] == family].sort_values("trial")
    rows = _settings_of(part)
    shown = most_related(rows, part["score"].to_numpy())[-_MOST_PANELS:][::-1]
    if not shown:
        return None
    figure = new_figure(WIDTH, 3.2)
    panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, shown, strict=True):
        _panel(axes, history, part["trial"].tolist(), [row.get(name) for row in rows])
        axes.set_title(f"{family}: {readable(name)}")
    panels[0].set_ylabel("Validation log loss")
    # A trial that diverged must not flatten all others.
    losses = history.loc[history["trial"].isin(part["trial"]), "log_loss"].dropna()
    low, high = float(losses.min()), float(losses.quantile(0.95))
    room = max(0.05 * (high - low), 1e-3)
    panels[0].set_ylim(low - room, high + room)
    return figure


def _panel(axes: "Axes", history: "pd.DataFrame", numbers: list[int], values: list[Any]) -> None:
    """Draw the loss of trials step by step, coloured by the value of one setting."""
    groups = grouped_values(values)
    colours = colours_of(groups.values())
    for trial, value in zip(numbers, values, strict=True):
        rows = history[history["trial"] == trial].dropna(subset=["log_loss"])
        if value is not None:
            axes.plot(
                rows["step"], rows["log_loss"], color=colours[groups[value]], alpha=0.75,
                linewidth=1.2,
            )  # fmt: skip
    axes.set(xlabel="Step")
    whole_steps(axes, 6)
    legend(axes, colours, 7.5)


def _settings_of(table: "pd.DataFrame") -> list[Settings]:
    return [json.loads(text) for text in table["params"]]


def _largest_families(scored: "pd.DataFrame", least: int) -> list[str]:
    """Return up to three families with at least so many trials, those with most first."""
    counts = scored["family"].value_counts()
    return [str(name) for name in counts.index if counts[name] >= least][:_MOST_PANELS]


def settings(table: "pd.DataFrame") -> "Figure | None":
    """Draw how much of the difference between trials each setting explains."""
    scored = table.dropna(subset=["score"])
    families = _largest_families(scored, _LEAST_EXPLAINED)
    if not families:
        return None
    figure = new_figure(WIDTH, 2.6)
    panels = figure.subplots(1, len(families), squeeze=False)[0]
    for axes, family in zip(panels, families, strict=True):
        part = scored[scored["family"] == family]
        shares = explained(_settings_of(part), part["score"].to_numpy())
        shown = sorted(shares, key=lambda name: shares[name])[-_MOST_SETTINGS:]
        bars(axes, [readable(name) for name in shown], [shares[name] for name in shown], ACCENT)
        axes.set(title=f"{family}, {len(part)} trials", xlim=(0, 1), xlabel="Share")
    return figure


def parallel(table: "pd.DataFrame", metric: str) -> "Figure | None":
    """Draw the settings of every trial of a family as a line from axis to axis."""
    scored = table.dropna(subset=["score"])
    families = _largest_families(scored, _LEAST_TRIALS)
    if not families:
        return None
    figure = new_figure(WIDTH, 2.9 * len(families))
    panels = figure.subplots(len(families), 1, squeeze=False)[:, 0]
    for axes, family in zip(panels, families, strict=True):
        part = scored[scored["family"] == family]
        _parallel_axes(axes, _settings_of(part), part["score"].to_numpy(), label_of(metric))
        axes.set_title(family)
    return figure


def _parallel_axes(
    axes: "Axes", rows: list[Settings], score: npt.NDArray[np.float64], metric: str
) -> None:
    # The axes next to the score correlate with it most.
    varied = most_related(rows, score)[-_MOST_AXES:]
    scales = {name: Scale([row.get(name) for row in rows]) for name in varied}
    scales[metric] = Scale(score.tolist())
    columns = [*varied, metric]
    rank = (score - score.min()) / max(float(np.ptp(score)), 1e-12)
    for row, value, strength in zip(rows, score, rank, strict=True):
        known = {**row, metric: float(value)}
        axes.plot(
            range(len(columns)),
            [scales[name].place(known.get(name)) for name in columns],
            color=ACCENT if strength > 0.8 else MUTED,
            alpha=0.25 + 0.75 * strength,
            linewidth=0.8 + 1.2 * strength,
            zorder=2 + strength,
        )
    for index, name in enumerate(columns):
        axes.axvline(index, color=GRID, linewidth=1, zorder=1)
        for height, text in scales[name].ends():
            va = "top" if height < 0.5 else "bottom"
            offset = -0.03 if height < 0.5 else 0.03
            axes.text(index, height + offset, text, ha="center", va=va, fontsize=7, color=MUTED)
    labels = [name.replace("_", "\n", 1).replace("_", " ") for name in columns]
    axes.set_xticks(range(len(columns)), labels, fontsize=7.5)
    axes.set(ylim=(-0.16, 1.16), xlim=(-0.3, len(columns) - 0.7), yticks=[])
    bare(axes)
