"""The figures of cards and reports."""

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.runs import Run
from tunesmith.datasets.examples import Examples
from tunesmith.reports.style import ACCENT, GRID, GROUND, INK, MUTED, SERIES

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from tunesmith.evaluation.music import Pieces

__all__ = ["all_figures", "confusion_figure"]

# Above this many classes, cells are too small for numbers and labels for every class.
_MOST_LABELLED = 24
_WIDTH = 9.2
_LEAST_TRIALS = 4
_INK_OF_PICTURES = "#4a8fc0"
_MOST_AXES = 9
_MOST_PANELS = 3
_LEAST_EXPLAINED = 10
_MOST_CORRELATED = 40
_DRAWN_ROWS = 20_000
_LEAST_ANSWERS = 12
_MOST_SELECTED = 12
# Of classes that differ less, downsampling is no question.
_UNEVEN = 1.1


def all_figures(
    facts: Mapping[str, Any], run: Run, pieces: "Pieces | None", learned: Examples
) -> "dict[str, Figure]":
    """Draw every figure that there is something for, by name.

    Parameters
    ----------
    facts
        The content of ``report.json``.
    run
        The run, for its search.
    pieces
        The test pieces of a task on music.
    learned
        What training saw, for the figures of the data.
    """
    trials, history = run.table("trials"), run.table("history")
    best = (facts.get("model") or {}).get("trial")
    metric = str(facts["metric"])
    drawn: dict[str, Figure | None] = {
        "confusion": confusion_figure(np.asarray(facts["confusion"]), tuple(facts["classes"])),
        "curves": _curves(history, trials, metric, _winners(facts.get("model") or {})),
        "by_setting": _curves_by_setting(history, trials),
        "search": _search(trials, metric, best),
        "parallel": _parallel(trials, metric),
        "settings": _settings(trials),
        "calibration": _reliability(facts["calibration"]),
        "importance": _importance(facts.get("importance")),
        "words": _words(facts.get("words")),
        "slices": _slices(facts.get("slices") or [], facts["metrics"][facts["unit"]]),
        "behaviour": _behaviour(facts.get("behaviour")),
        "balance": _balance(facts["parts"]),
        "downsampling": _downsampling(facts["parts"]) if run.facts.get("kind") == "table" else None,
        "selection": _selection(facts.get("selection")),
        "correlation": _correlation(learned, run.facts.get("features") or ()),
        "pictures": _pictures(facts.get("pictures")),
        "segments": _segments(facts.get("segments") or [], pieces),
    }
    return {name: figure for name, figure in drawn.items() if figure is not None}


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, in inches, that no global state knows of."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def label_of(metric: str) -> str:
    """Return a metric's name for people."""
    return metric.replace("_", " ").replace("f1", "F1")


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
    side = min(max(3.4, 0.42 * n + 1.4), 9.0)
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
    axes: "Axes", shade: npt.NDArray[Any], text: list[list[str]], classes: Sequence[str]
) -> None:
    n = len(classes)
    for i in range(n):
        for j in range(n):
            _cell(axes, (j, i), float(shade[i, j]))
            if n <= _MOST_LABELLED:
                nothing = text[i][j] == "0"
                axes.text(
                    j + 0.5,
                    i + 0.5,
                    "·" if nothing else text[i][j],
                    ha="center",
                    va="center",
                    fontsize=9 if n <= 12 else 6,
                    color=GROUND if shade[i, j] > 0.55 else MUTED if nothing else INK,
                )
    axes.set(xlim=(0, n), ylim=(n, 0), aspect="equal", xlabel="Answered")
    _bare(axes)
    step = 1 if n <= _MOST_LABELLED else n // _MOST_LABELLED + 1
    ticks = range(0, n, step)
    places = [i + 0.5 for i in ticks]
    axes.set_xticks(places, [classes[i] for i in ticks], rotation=45, ha="right")
    axes.set_yticks(places, [classes[i] for i in ticks])


def _cell(axes: "Axes", corner: tuple[int, int], alpha: float, colour: str = ACCENT) -> None:
    from matplotlib.patches import Rectangle

    if alpha > 0:
        axes.add_patch(Rectangle(corner, 1, 1, facecolor=colour, alpha=min(alpha, 1), linewidth=0))


def _bare(axes: "Axes") -> None:
    """Leave an axes without grid, frame and ticks."""
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.tick_params(length=0)


def _colours(families: Sequence[str]) -> dict[str, str]:
    return {name: SERIES[i % len(SERIES)] for i, name in enumerate(sorted(set(families)))}


def _handles(colours: Mapping[str, str]) -> list[Any]:
    from matplotlib.lines import Line2D

    return [Line2D([], [], color=colour, label=name) for name, colour in colours.items()]


def _legend(axes: "Axes", colours: Mapping[str, str]) -> None:
    axes.legend(handles=_handles(colours), loc="best")


def _legend_above(axes: "Axes", colours: Mapping[str, str]) -> None:
    axes.legend(
        handles=_handles(colours), loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderpad=0.2
    )


def _winners(best: Mapping[str, Any]) -> set[Any]:
    """Return the winning trial and, of an ensemble, those of its members."""
    return {best.get("trial"), *(member["trial"] for member in best.get("members") or ())}


def _curves(
    history: "pd.DataFrame", trials: "pd.DataFrame", metric: str, winners: set[Any]
) -> "Figure | None":
    """Draw the metric and the losses of every trial step by step, the winners on top."""
    if history.empty or metric not in history:
        return None
    family = dict(zip(trials["trial"], trials["family"], strict=True))
    colours = _colours(list(family.values()))
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(_WIDTH, 3.3)
    left, right = figure.subplots(1, 2)
    for trial, rows in history.groupby("trial", sort=False):
        wins = trial in winners
        look: dict[str, Any] = {
            "color": colours.get(str(family.get(trial)), MUTED),
            "alpha": 1.0 if wins else 0.35,
            "linewidth": 2.2 if wins else 1.0,
            "zorder": 3 if wins else 2,
        }
        marker = "o" if len(rows) == 1 else ""
        left.plot(rows["step"], rows[metric], marker=marker, markersize=3, **look)
        if "log_loss" in rows:
            right.plot(rows["step"], rows["log_loss"], marker=marker, markersize=3, **look)
        if "loss" in rows and rows["loss"].notna().any():
            right.plot(rows["step"], rows["loss"], linestyle=(0, (2, 1.5)), **look)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    left.set(title=f"Validation {label_of(metric)}", xlabel="Step")
    right.set(title="Loss: validation solid, training dashed", xlabel="Step")
    _legend(left, colours)
    return figure


def _curves_by_setting(history: "pd.DataFrame", trials: "pd.DataFrame") -> "Figure | None":
    """Draw the validation loss of a family's trials step by step, once for each telling setting."""
    if "log_loss" not in history:
        return None
    steps = history.dropna(subset=["log_loss"]).groupby("trial")["step"].nunique()
    gradual = trials[trials["trial"].isin(steps[steps > 2].index)].dropna(subset=["score"])
    counts = gradual["family"].value_counts()
    if counts.empty or counts.iloc[0] < _LEAST_TRIALS:
        return None
    family = str(counts.index[0])
    part = gradual[gradual["family"] == family].sort_values("trial")
    settings = [json.loads(text) for text in part["params"]]
    shown = _most_related(settings, part["score"].to_numpy())[-_MOST_PANELS:][::-1]
    if not shown:
        return None
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(_WIDTH, 3.2)
    all_axes = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
    for axes, name in zip(all_axes, shown, strict=True):
        values = [row.get(name) for row in settings]
        groups = _grouped_values(values)
        colours = _colours_of_groups(groups)
        for trial, value in zip(part["trial"], values, strict=True):
            rows = history[history["trial"] == trial].dropna(subset=["log_loss"])
            if value is not None:
                axes.plot(
                    rows["step"], rows["log_loss"], color=colours[groups[value]], alpha=0.75,
                    linewidth=1.2,
                )  # fmt: skip
        axes.set_title(f"{family}: {name.replace('_', ' ')}")
        axes.set(xlabel="Step")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
        axes.legend(handles=_handles(colours), loc="best", fontsize=7.5)
    all_axes[0].set_ylabel("Validation log loss")
    # A trial that went astray must not flatten all others.
    losses = history.loc[history["trial"].isin(part["trial"]), "log_loss"].dropna()
    low, high = float(losses.min()), float(losses.quantile(0.95))
    room = max(0.05 * (high - low), 1e-3)
    all_axes[0].set_ylim(low - room, high + room)
    return figure


def _grouped_values(values: Sequence[Any]) -> dict[Any, str]:
    """Return a name for each value: itself where there are few, else one of three ranges."""
    known = [value for value in values if value is not None]
    distinct = sorted(set(known), key=lambda value: (str(type(value)), value))
    scale = _Scale(known)
    if not scale.is_number or len(distinct) <= 4:
        return {value: _short(value) for value in distinct}
    low, high = np.quantile(np.asarray(known, dtype=np.float64), [1 / 3, 2 / 3])
    names = (f"up to {low:.2g}", f"{low:.2g} to {high:.2g}", f"over {high:.2g}")
    return {value: names[int(value > low) + int(value > high)] for value in distinct}


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _colours_of_groups(groups: Mapping[Any, str]) -> dict[str, str]:
    names = list(dict.fromkeys(groups.values()))
    return {name: SERIES[i % len(SERIES)] for i, name in enumerate(names)}


def _search(trials: "pd.DataFrame", metric: str, best: Any) -> "Figure | None":
    """Draw the score of each trial in order, and the best so far."""
    scored = trials.dropna(subset=["score"]).reset_index(drop=True)
    if scored.empty:
        return None
    colours = _colours(scored["family"].tolist())
    figure = new_figure(_WIDTH, 3.0)
    axes = figure.subplots()
    number = np.arange(1, len(scored) + 1)
    best_so_far = scored["score"].cummax()
    axes.step(number, best_so_far, where="post", color=MUTED, linewidth=1.2, zorder=1)
    for state, filled in (("COMPLETE", True), ("PRUNED", False)):
        part = (scored["state"] == state).to_numpy()
        edge = [colours[name] for name in scored.loc[part, "family"]]
        face = edge if filled else "none"
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
    from matplotlib.ticker import MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="Trial; hollow when pruned", title=f"Best {label_of(metric)} of each trial")
    axes.margins(y=0.15)
    _legend(axes, colours)
    return figure


def _parallel(trials: "pd.DataFrame", metric: str) -> "Figure | None":
    """Draw the settings of every trial of a family as a line from axis to axis."""
    scored = trials.dropna(subset=["score"])
    counts = scored["family"].value_counts()
    families = [str(name) for name in counts.index if counts[name] >= _LEAST_TRIALS][:3]
    if not families:
        return None
    figure = new_figure(_WIDTH, 2.9 * len(families))
    all_axes = figure.subplots(len(families), 1, squeeze=False)[:, 0]
    for axes, family in zip(all_axes, families, strict=True):
        part = scored[scored["family"] == family]
        settings = [json.loads(text) for text in part["params"]]
        _parallel_axes(axes, settings, part["score"].to_numpy(), label_of(metric))
        axes.set_title(family)
    return figure


def _parallel_axes(
    axes: "Axes", settings: list[dict[str, Any]], score: npt.NDArray[np.float64], metric: str
) -> None:
    # Axes next to the score say most; the ones most related to it are kept.
    varied = _most_related(settings, score)[-_MOST_AXES:]
    scales = {name: _Scale([row.get(name) for row in settings]) for name in varied}
    scales[metric] = _Scale(score.tolist())
    columns = [*varied, metric]
    rank = (score - score.min()) / max(float(np.ptp(score)), 1e-12)
    for row, value, strength in zip(settings, score, rank, strict=True):
        known = row | {metric: float(value)}
        y = [scales[name].place(known.get(name)) for name in columns]
        axes.plot(
            range(len(columns)),
            y,
            color=ACCENT if strength > 0.8 else MUTED,
            alpha=0.25 + 0.75 * strength,
            linewidth=0.8 + 1.2 * strength,
            zorder=2 + strength,
        )
    for index, name in enumerate(columns):
        axes.axvline(index, color=GRID, linewidth=1, zorder=1)
        for where, text in scales[name].ends():
            va = "top" if where < 0.5 else "bottom"
            offset = -0.03 if where < 0.5 else 0.03
            axes.text(index, where + offset, text, ha="center", va=va, fontsize=7, color=MUTED)
    labels = [name.replace("_", "\n", 1).replace("_", " ") for name in columns]
    axes.set_xticks(range(len(columns)), labels, fontsize=7.5)
    axes.set(ylim=(-0.16, 1.16), xlim=(-0.3, len(columns) - 0.7), yticks=[])
    _bare(axes)


def _most_related(
    settings: Sequence[Mapping[str, Any]], score: npt.NDArray[np.float64]
) -> list[str]:
    """Return the settings that were varied, those that go with the score most last."""
    names = sorted({name for row in settings for name in row})
    scales = {name: _Scale([row.get(name) for row in settings]) for name in names}
    varied = [name for name in names if scales[name].varies]
    return sorted(varied, key=lambda name: abs(_related(scales[name], settings, name, score)))


def _settings(trials: "pd.DataFrame") -> "Figure | None":
    """Draw how much of the difference between trials each setting explains."""
    scored = trials.dropna(subset=["score"])
    counts = scored["family"].value_counts()
    families = [str(name) for name in counts.index if counts[name] >= _LEAST_EXPLAINED][:3]
    if not families:
        return None
    figure = new_figure(_WIDTH, 2.6)
    all_axes = figure.subplots(1, len(families), squeeze=False)[0]
    for axes, family in zip(all_axes, families, strict=True):
        part = scored[scored["family"] == family]
        shares = _explained([json.loads(text) for text in part["params"]], part["score"].to_numpy())
        shown = sorted(shares, key=lambda name: shares[name])[-8:]
        axes.barh(
            [name.replace("_", " ") for name in shown], [shares[name] for name in shown],
            color=ACCENT, alpha=0.85, height=0.66,
        )  # fmt: skip
        axes.set(title=f"{family}, {len(part)} trials", xlim=(0, 1), xlabel="Share")
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
    return figure


def _explained(
    settings: Sequence[Mapping[str, Any]], score: npt.NDArray[np.float64]
) -> dict[str, float]:
    """Return the share of each setting in what a forest of regression trees explains."""
    from sklearn.ensemble import RandomForestRegressor

    names = _most_related(settings, score)
    if not names:
        return {}
    scales = {name: _Scale([row.get(name) for row in settings]) for name in names}
    # A setting that a trial does not have lies outside of the scale of those that do.
    x = [[np.nan_to_num(scales[n].place(row.get(n)), nan=-1.0) for n in names] for row in settings]
    forest = RandomForestRegressor(200, min_samples_leaf=2, random_state=0).fit(x, score)
    return dict(zip(names, forest.feature_importances_.tolist(), strict=True))


class _Scale:
    """Where the values of one setting stand on its axis, from 0 to 1."""

    def __init__(self, values: list[Any]) -> None:
        known = [value for value in values if value is not None]
        self.is_number = all(isinstance(v, int | float) and not isinstance(v, bool) for v in known)
        self.names = sorted({str(value) for value in known})
        self.varies = len(self.names) > 1
        self.low = self.high = 0.0
        self.is_log = False
        if self.is_number and known:
            self.low, self.high = float(min(known)), float(max(known))
            self.is_log = self.low > 0 and self.high / self.low > 15

    def place(self, value: Any) -> float:
        if value is None:
            return float("nan")
        if not self.is_number:
            return self.names.index(str(value)) / max(len(self.names) - 1, 1)
        low, high, x = self.low, self.high, float(value)
        if self.is_log:
            low, high, x = np.log(low), np.log(high), np.log(x)
        return float((x - low) / (high - low)) if high > low else 0.5

    def ends(self) -> list[tuple[float, str]]:
        if self.is_number:
            return [(0.0, f"{self.low:.3g}"), (1.0, f"{self.high:.3g}")]
        if len(self.names) == 1:
            return [(0.0, self.names[0])]
        return [(0.0, self.names[0]), (1.0, self.names[-1])]


def _related(
    scale: _Scale, settings: Sequence[Mapping[str, Any]], name: str, score: npt.NDArray[np.float64]
) -> float:
    """Return how strongly a setting goes with the score, a rank correlation."""
    x = np.array([scale.place(row.get(name)) for row in settings])
    known = np.isfinite(x)
    if known.sum() < 3 or np.ptp(x[known]) == 0 or np.ptp(score[known]) == 0:
        return 0.0
    first, second = (np.argsort(np.argsort(v[known])).astype(np.float64) for v in (x, score))
    return float(np.corrcoef(first, second)[0, 1])


def _reliability(calibration: Mapping[str, Any]) -> "Figure":
    """Draw how often answers of a confidence are right, and how many there are."""
    figure = new_figure(4.6, 4.4)
    top, bottom = figure.subplots(2, 1, height_ratios=[4, 1], sharex=True)
    top.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle=(0, (3, 3)))
    shown = [
        ("calibrated" if "reliability_before" in calibration else "model", "reliability", ACCENT)
    ]
    if "reliability_before" in calibration:
        shown.insert(0, ("as trained", "reliability_before", SERIES[1]))
    for shift, (name, key, colour) in zip((-0.006, 0.006), shown[::-1], strict=False):
        confidence, share, low, high, count = _merged(calibration[key])
        top.vlines(confidence + shift, low, high, color=colour, linewidth=1.2, alpha=0.5)
        size = 14 + 90 * count / count.sum()
        top.scatter(confidence + shift, share, s=size, color=colour, zorder=3, label=name)
        top.plot(confidence + shift, share, color=colour, linewidth=0.9, alpha=0.6)
    bins = calibration["reliability"]
    middle = (np.asarray(bins["low"]) + np.asarray(bins["high"])) / 2
    bottom.bar(middle, bins["count"], width=0.055, color=ACCENT, alpha=0.7)
    top.set(xlim=(0, 1), ylim=(0, 1), ylabel="Share right")
    if len(shown) > 1:
        top.legend(loc="upper left")
    bottom.set(xlabel="Confidence of the answer", ylabel="Answers")
    return figure


def _merged(bins: Mapping[str, Any]) -> tuple[npt.NDArray[np.float64], ...]:
    """Return neighbouring bins as one until each holds enough answers to say something.

    Returns
    -------
    tuple
        Mean confidence, share right, the ends of its interval at 95 % (Wilson, 1927) and the
        number of answers, each ``float [bins]``.
    """
    least = min(_LEAST_ANSWERS, sum(bins["count"]))
    rows: list[list[float]] = []
    held = np.zeros(3)
    # From the surest answers down: most are there, and the rest joins the least sure bin.
    for count, sure, right in zip(
        reversed(bins["count"]), reversed(bins["confidence"]), reversed(bins["accuracy"]),
        strict=True,
    ):  # fmt: skip
        held += [count, count * sure, count * right]
        if held[0] >= least:
            rows.append(held.tolist())
            held = np.zeros(3)
    if held[0]:
        rows[-1] = (np.asarray(rows[-1]) + held).tolist()
    n, sure, right = np.array(rows[::-1]).T
    share, z = right / n, 1.96
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    return sure / n, share, middle - half, middle + half, n


def _importance(found: Mapping[str, Any] | None) -> "Figure | None":
    if not found or not found["parts"]:
        return None
    if "grid" in found:
        return _importance_grid(found)
    parts = found["parts"][:15][::-1]
    figure = new_figure(_WIDTH * 0.75, 0.26 * len(parts) + 0.9)
    axes = figure.subplots()
    names = [
        f"{part['name'].replace('_', ' ')}" + (f" ({part['columns']})" if _grouped(found) else "")
        for part in parts
    ]
    rises = [part["rise"] for part in parts]
    _bars(axes, names, rises, ACCENT)
    axes.set(xlabel=f"Rise of the log loss, {found['method']}")
    return figure


def _bars(axes: "Axes", names: Sequence[str], values: Any, colours: str | Sequence[str]) -> None:
    """Draw a bar to each side of zero for each name."""
    axes.barh(names, values, color=colours, alpha=0.85, height=0.66)
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _importance_grid(found: Mapping[str, Any]) -> "Figure":
    """Draw the importance of each patch of a picture where it stands."""
    rises = np.maximum(np.asarray(found["grid"]), 0.0)
    height, width = rises.shape
    figure = new_figure(3.6, 3.6 * height / width + 0.4)
    axes = figure.subplots()
    for i in range(height):
        for j in range(width):
            _cell(axes, (j, i), float(rises[i, j] / max(rises.max(), 1e-12)))
    axes.set(xlim=(0, width), ylim=(height, 0), aspect="equal", xticks=[], yticks=[])
    axes.set_title(f"{found['method'].capitalize()}: at most {rises.max():.3f}")
    _bare(axes)
    axes.plot([0, width, width, 0, 0], [0, 0, height, height, 0], color=GRID, linewidth=1)
    return figure


def _words(found: Mapping[str, Any] | None) -> "Figure | None":
    """Draw by how much each word raises or lowers the probability of a class."""
    if not found:
        return None
    rows = found["words"][::-1]
    effects = np.array([row["effect"] for row in rows])
    figure = new_figure(_WIDTH * 0.75, 0.24 * len(rows) + 0.9)
    axes = figure.subplots()
    colours = [ACCENT if effect > 0 else SERIES[1] for effect in effects]
    names = [f"{row['word']} ({row['texts']})" for row in rows]
    _bars(axes, names, effects, colours)
    axes.set(xlabel=f"Raises the probability of {found['class']!r} by")
    return figure


def _pictures(found: Mapping[str, Any] | None) -> "Figure | None":
    """Draw pictures in a row for each kind, each with what it is and what was answered."""
    if not found or not found["rows"]:
        return None
    from matplotlib.colors import to_rgba

    kinds = list(dict.fromkeys(row["kind"] for row in found["rows"]))
    by_kind = {kind: [row for row in found["rows"] if row["kind"] == kind] for kind in kinds}
    most = max(len(rows) for rows in by_kind.values())
    figure = new_figure(_WIDTH, 1.62 * len(kinds) + 0.1)
    grid = figure.subplots(len(kinds), most, squeeze=False)
    for line, kind in zip(grid, kinds, strict=True):
        for axes, row in zip(line, by_kind[kind], strict=False):
            # Ink of one colour on nothing reads on a light and on a dark page.
            ink = np.empty((found["height"], found["width"], 4))
            ink[:] = to_rgba(_INK_OF_PICTURES)
            ink[..., 3] = np.reshape(row["pixels"], ink.shape[:2]) / 255.0
            axes.imshow(ink, interpolation="none")
            wrong = row["label"] != row["answer"]
            answer = f"{row['label']} as {row['answer']}" if wrong else row["label"]
            axes.set_xlabel(
                f"{answer}, {row['confidence']:.2f}", fontsize=7.5,
                color=SERIES[1] if wrong else MUTED,
            )  # fmt: skip
        for axes in line:
            axes.set(xticks=[], yticks=[])
            _bare(axes)
        line[0].set_title(kind.capitalize(), fontsize=9)
    return figure


def _grouped(found: Mapping[str, Any]) -> bool:
    return "shuffled" in found["method"] and any(p["columns"] > 1 for p in found["parts"])


def _dots(
    axes: "Axes",
    names: Sequence[str],
    rows: Sequence[Mapping[str, float]],
    colour: str,
    shift: float,
) -> None:
    """Draw figures with their intervals, one below the other."""
    y = np.arange(len(names))[::-1] + shift
    value = np.array([row["value"] for row in rows])
    low, high = (np.array([row[end] for row in rows]) for end in ("low", "high"))
    axes.hlines(y, low, high, color=colour, linewidth=1.4, alpha=0.6)
    axes.scatter(value, y, s=26, color=colour, zorder=3)
    axes.set_yticks(np.arange(len(names))[::-1], names)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def _slices(rows: Sequence[Mapping[str, Any]], whole: Mapping[str, Any]) -> "Figure | None":
    if not rows:
        return None
    figure = new_figure(_WIDTH * 0.8, 0.3 * len(rows) + 1.0)
    axes = figure.subplots()
    names = [f"{row['by']}: {row['slice']}  ({row['items']})" for row in rows]
    for shift, (metric, colour) in zip(
        (0.12, -0.12), (("accuracy", ACCENT), ("balanced_accuracy", SERIES[1])), strict=True
    ):
        axes.axvline(whole[metric]["value"], color=colour, linewidth=0.8, alpha=0.5)
        _dots(axes, names, [row[metric] for row in rows], colour, shift)
    _legend_above(axes, {"accuracy": ACCENT, "balanced accuracy": SERIES[1]})
    axes.set(xlabel="With 95 % interval; lines: all test items")
    return figure


def _behaviour(found: Mapping[str, Any] | None) -> "Figure | None":
    if not found:
        return None
    rows = found["changes"]
    figure = new_figure(_WIDTH * 0.8, 0.3 * len(rows) + 1.0)
    axes = figure.subplots()
    names = [row["change"] for row in rows]
    _dots(axes, names, [row["unchanged"] for row in rows], ACCENT, 0.12)
    _dots(axes, names, [row["accuracy"] for row in rows], SERIES[1], -0.12)
    axes.axvline(found["accuracy"]["value"], color=SERIES[1], linewidth=0.8, alpha=0.5)
    _legend_above(axes, {"answer unchanged": ACCENT, "accuracy after the change": SERIES[1]})
    axes.set(xlabel="Share of test pieces; line: accuracy without a change")
    return figure


def _balance(parts: Mapping[str, Mapping[str, int]]) -> "Figure | None":
    classes = list(next(iter(parts.values())))
    if len(classes) > 2 * _MOST_LABELLED:
        return None
    figure = new_figure(min(_WIDTH, 3.0 + 0.6 * len(classes)), 2.8)
    axes = figure.subplots()
    left = range(len(classes))
    below = np.zeros(len(classes))
    for name, alpha in (("train", 0.9), ("validation", 0.55), ("test", 0.28)):
        values = np.array([parts[name][c] for c in classes])
        axes.bar(left, values, 0.62, bottom=below, color=ACCENT, alpha=alpha, label=name)
        below += values
    for x, total in zip(left, below, strict=True):
        axes.text(x, total, f"{total:.0f}", ha="center", va="bottom", fontsize=8)
    turned = len(classes) > 6
    axes.set_xticks(left, classes, rotation=45 if turned else 0, ha="right" if turned else "center")
    axes.grid(visible=False, axis="x")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderpad=0.2)
    axes.margins(y=0.12)
    return figure


def _downsampling(parts: Mapping[str, Mapping[str, int]]) -> "Figure | None":
    """Draw the items of each class as they are, and cut down to the smallest class."""
    total = {
        name: sum(part[name] for part in parts.values()) for name in next(iter(parts.values()))
    }
    least, everything = min(total.values()), sum(total.values())
    if len(total) > _MOST_LABELLED or max(total.values()) < _UNEVEN * least:
        return None
    figure = new_figure(min(_WIDTH, 4.0 + 0.9 * len(total)), 2.8)
    before, after = figure.subplots(1, 2, sharey=True)
    turned = len(total) > 4
    kept = least * len(total)
    for axes, counts, title in (
        (before, list(total.values()), f"As they are: {everything:,}"),
        (after, [least] * len(total), f"Downsampled: {kept:,}, {1 - kept / everything:.0%} lost"),
    ):
        axes.bar(range(len(total)), counts, 0.62, color=ACCENT, alpha=0.85)
        for x, count in enumerate(counts):
            axes.text(x, count, f"{count:,}", ha="center", va="bottom", fontsize=7.5)
        axes.set_xticks(
            range(len(total)), list(total), rotation=45 if turned else 0,
            ha="right" if turned else "center",
        )  # fmt: skip
        axes.grid(visible=False, axis="x")
        axes.set_title(title)
        axes.margins(y=0.12)
    return figure


def _selection(found: Mapping[str, Any] | None) -> "Figure | None":
    """Draw the importance of each column, those that correlation drops in another colour."""
    if not found:
        return None
    columns = [
        column
        for place, column in enumerate(found["columns"])
        if place < _MOST_SELECTED or column["dropped"]
    ][::-1]
    figure = new_figure(_WIDTH * 0.75, 0.27 * len(columns) + 1.1)
    axes = figure.subplots()
    colours = [SERIES[1] if column["dropped"] else ACCENT for column in columns]
    names = [column["name"].replace("_", " ") for column in columns]
    rises = np.array([column["importance"] for column in columns])
    axes.barh(names, rises, color=colours, alpha=0.85, height=0.66)
    for y, (column, rise) in enumerate(zip(columns, rises, strict=True)):
        if column["dropped"]:
            why = f"goes with {column['with'].replace('_', ' ')}"
            axes.annotate(
                why, (max(rise, 0.0), y), xytext=(4, 0), textcoords="offset points",
                va="center", fontsize=7.5, color=MUTED,
            )  # fmt: skip
    axes.axvline(0, color=MUTED, linewidth=0.8)
    axes.set(xlabel="Rise of the log loss when the column is shuffled")
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    _legend_above(axes, {"kept by correlation": ACCENT, "dropped by correlation": SERIES[1]})
    return figure


def _correlation(learned: Examples, names: Sequence[str]) -> "Figure | None":
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
            _cell(axes, (j, i), abs(r[i, j]), ACCENT if r[i, j] > 0 else SERIES[1])
            if len(labels) <= 16:
                colour = GROUND if abs(r[i, j]) > 0.55 else INK
                text = f"{round(r[i, j], 1) + 0.0:.1f}"  # never "-0.0"
                axes.text(
                    j + 0.5, i + 0.5, text, ha="center", va="center", fontsize=7, color=colour
                )
    axes.set(xlim=(0, len(labels)), ylim=(len(labels), 0), aspect="equal")
    _bare(axes)
    ticks = np.arange(len(labels)) + 0.5
    axes.set_xticks(ticks, labels, rotation=45, ha="right")
    axes.set_yticks(ticks, labels)
    return figure


def _segments(rows: Sequence[Mapping[str, Any]], pieces: "Pieces | None") -> "Figure | None":
    """Draw chunks as rolls, each beside what the model made of it."""
    if not rows or pieces is None:
        return None
    figure = new_figure(_WIDTH, 1.75 * len(rows) + 0.3)
    grid = figure.subplots(len(rows), 2, width_ratios=[4, 1], squeeze=False)
    for (left, right), row in zip(grid, rows, strict=True):
        rate = pieces.frames_per_second
        first = round(row["start_s"] * rate)
        roll = pieces.rolls[row["index"]][first : first + pieces.chunk_frames]
        _roll(left, roll, row["start_s"], rate)
        left.set_title(f"{row['kind'].capitalize()}: {_file(row['path'])}", fontsize=8.5)
        _answers(right, row)
    grid[-1][0].set_xlabel("Seconds")
    return figure


def _file(path: str) -> str:
    name = path.rsplit("/", 1)[-1]
    return name if len(name) <= 60 else f"{name[:57]}…"


def _roll(axes: "Axes", roll: npt.NDArray[np.uint8], start_s: float, rate: float) -> None:
    """Draw a roll as bars, one a note or tied notes, darker where louder."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    bars: list[Rectangle] = []
    loud: list[float] = []
    for pitch in np.flatnonzero(roll.any(axis=0)).tolist():
        column = roll[:, pitch]
        edges = np.flatnonzero(np.diff(column.astype(np.int16), prepend=0, append=0))
        for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
            if column[begin]:
                bars.append(
                    Rectangle((start_s + begin / rate, pitch - 0.45), (end - begin) / rate, 0.9)
                )
                loud.append(0.35 + 0.65 * float(column[begin]) / 127)
    # One collection would need one transparency for all: three steps of loudness are enough.
    steps = np.digitize(loud, [0.6, 0.8])
    for step, alpha in enumerate((0.45, 0.7, 0.95)):
        part = [bar for bar, level in zip(bars, steps, strict=True) if level == step]
        axes.add_collection(PatchCollection(part, facecolor=ACCENT, alpha=alpha, linewidth=0))
    sounding = np.flatnonzero(roll.any(axis=0))
    low, high = (sounding[0], sounding[-1]) if len(sounding) else (48, 72)
    octaves = np.arange(low // 12 * 12, high + 12, 12)
    axes.set_yticks(octaves, [f"C{pitch // 12 - 1}" for pitch in octaves])
    axes.set(xlim=(start_s, start_s + len(roll) / rate), ylim=(low - 3, high + 3))
    axes.grid(visible=False, axis="x")


def _answers(axes: "Axes", row: Mapping[str, Any]) -> None:
    """Draw the most probable classes, the true one in another colour."""
    ranked = sorted(row["probabilities"].items(), key=lambda pair: -pair[1])
    shown = ranked[:4]
    if row["label"] not in dict(shown):
        shown[-1] = (row["label"], row["probabilities"][row["label"]])
    names = [name for name, _ in shown][::-1]
    values = [value for _, value in shown][::-1]
    colours = [SERIES[2] if name == row["label"] else MUTED for name in names]
    axes.barh(names, values, color=colours, height=0.6, alpha=0.85)
    for y, value in enumerate(values):
        axes.text(value + 0.03, y, f"{value:.2f}", va="center", fontsize=7.5)
    axes.set(xlim=(0, 1.22), xticks=[])
    _bare(axes)
