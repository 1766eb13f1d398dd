"""The verdict at the head of a report: how good a model is, and whether to trust it, in words."""

from dataclasses import dataclass

import numpy as np

from tunesmith.artifacts.reports import Comparison, Elsewhere, Interval, ReportRecord
from tunesmith.reports.metric_text import metric_inside
from tunesmith.reports.pages import counted

__all__ = ["BASELINES", "Verdict", "gain_of", "verdict"]

BASELINES = {"majority": "majority baseline", "linear": "linear baseline"}
"""Names of the baselines, the weakest first."""

# Wider intervals than this leave a reader in doubt about a model.
_WIDE = 0.05
_FEW_GROUPS = 20
# How much worse than at home a model may be on other music.
_ELSEWHERE = 0.05
_WEAK_RECALL = 0.9
# A class of fewer test items says nothing about itself.
_LEAST_OF_A_CLASS = 5
_SURE = 0.8


@dataclass(frozen=True)
class Verdict:
    """The first things that a reader of a report should know.

    Attributes
    ----------
    headline
        How often the model is right, and whether that can be trusted.
    reasons
        A sentence for each thing that the headline rests on.
    """

    headline: str
    reasons: tuple[str, ...]


def verdict(report: ReportRecord) -> Verdict:
    """Return the report for a reader in a hurry.

    Parameters
    ----------
    report
        The content of ``report.json``.
    """
    reasons = (
        _share(report),
        _baselines(report),
        _weakest(report),
        _copies(report),
        *(_other(row) for row in report.elsewhere if not row.is_own_test),
        _confidence(report),
        _unknown(report),
    )
    return Verdict(_headline(report), tuple(reason for reason in reasons if reason))


def _headline(report: ReportRecord) -> str:
    right = f"Right about {_right(report):,} of {counted(report.n_test, report.unit)}"
    if report.is_noise_check:
        beats_chance = gain_of(report.comparisons["majority"]) == "better"
        return f"{right}, {_ON_NOISE[beats_chance]}"
    doubts = (doubt for doubt, holds in _doubts(report) if holds)
    return f"{right}, {next(doubts, 'and nothing was found against believing it')}"


_ON_NOISE = {
    True: "more often than chance: the evaluation finds a pattern in noise",
    False: "as often as chance: the evaluation invents nothing",
}


def _doubts(report: ReportRecord) -> list[tuple[str, bool]]:
    """Return the reasons not to trust a model and whether they hold, the gravest first."""
    others = [row for row in report.elsewhere if not row.is_own_test]
    copies = [row for row in report.elsewhere if row.is_own_test]
    return [
        (f"but do not believe it: test {report.unit}s can be recognised", bool(report.leaks)),
        (
            f"but those are {report.n_test_groups} independent groups, too few to tell",
            report.n_test_groups < _FEW_GROUPS,
        ),
        ("no better than a much simpler model", _is_no_better(report)),
        ("fewer than a much simpler model", _is_behind_as_they_are(report)),
        ("but worse on music from elsewhere", any(_is_worse(report, row) for row in others)),
        (
            "but worse on files made in another way, or on excerpts",
            any(_is_worse(report, row) for row in copies),
        ),
    ]


def _share(report: ReportRecord) -> str:
    accuracy, wrong = report.item_metrics["accuracy"], report.n_test - _right(report)
    odds = f"One answer in {round(report.n_test / wrong):,} is wrong. " if wrong else ""
    few = accuracy.high - accuracy.low > _WIDE
    size = f"; {counted(report.n_test, report.unit)} cannot show it more closely" if few else ""
    return (
        f"{odds}It should be right about {_percent(accuracy.low)} to {_percent(accuracy.high)} of "
        f"new {report.unit}s like those of {report.dataset.name} (95\N{NO-BREAK SPACE}% "
        f"interval){size}."
    )


def _strongest(report: ReportRecord) -> tuple[str, Comparison, Interval] | None:
    """Return the strongest baseline that the model was compared with, and the difference."""
    for key in reversed(BASELINES):
        comparison = report.comparisons.get(key)
        if comparison is not None and comparison.difference is not None:
            return key, comparison, comparison.difference
    return None


def _is_no_better(report: ReportRecord) -> bool:
    strongest = _strongest(report)
    return strongest is not None and gain_of(strongest[1]) != "better"


def _is_behind_as_they_are(report: ReportRecord) -> bool:
    """Tell whether a model that wins with the copies loses on the items by themselves."""
    strongest = _strongest(report)
    if strongest is None or not strongest[1].copies:
        return False
    scores = report.baseline.get(strongest[0], {}).get(report.unit)
    return scores is not None and scores["accuracy"].value > report.item_metrics["accuracy"].value


def _baselines(report: ReportRecord) -> str | None:
    """Say whether the model beats the strongest baseline in the metric of the search."""
    strongest = _strongest(report)
    if strongest is None:
        return None
    key, comparison, difference = strongest
    metric, name = metric_inside(report.metric), BASELINES[key]
    span = (
        f"(95\N{NO-BREAK SPACE}% interval: {_signed(difference.low)} to {_signed(difference.high)})"
    )
    if comparison.copies:
        span = f"on the test {report.unit}s and copies of them {span}"
    reached = [
        f"{label} {_percent(scores[report.unit]['accuracy'].value)}"
        for each, label in BASELINES.items()
        if (scores := report.baseline.get(each))
    ]
    beside = f" Accuracy of the {' and of the '.join(reached)}." if reached else ""
    if _is_behind_as_they_are(report):
        own = _percent(report.item_metrics["accuracy"].value)
        beside += f" On the {report.unit}s as they are the {name} is ahead: the model has {own}."
    result, amount = gain_of(comparison), f"{abs(difference.value):.3f}"
    if result == "better":
        return f"It beats the {name}: its {metric} is {amount} higher {span}.{beside}"
    if result == "worse":
        return f"The {name} is better: its {metric} is {amount} higher {span}.{beside}"
    return (
        f"It cannot be told from the {name}: its {metric} differs by "
        f"{_signed(difference.value)} {span}.{beside}"
    )


def _weakest(report: ReportRecord) -> str | None:
    """Name the class that is recognised least, and what it is taken for."""
    counts = np.asarray(report.confusion)
    if counts.ndim != 2 or not counts.size:
        return None
    support = counts.sum(axis=1)
    recall = np.divide(counts.diagonal(), support, out=np.ones(len(counts)), where=support > 0)
    is_judged = support >= min(_LEAST_OF_A_CLASS, support.max())
    weakest = int(np.where(is_judged, recall, np.inf).argmin())
    if recall[weakest] >= _WEAK_RECALL or report.is_noise_check:
        return None
    others = counts[weakest].copy()
    others[weakest] = 0
    n_never = int(((recall == 0) & (support > 0)).sum())
    never = f" {n_never:,} of {len(counts):,} classes are never recognised." if n_never > 1 else ""
    return (
        f"It is weakest on {report.classes[weakest]}: it recognises "
        f"{counts[weakest, weakest]:,} of {support[weakest]:,}, and takes {others.max():,} for "
        f"{report.classes[int(others.argmax())]}.{never}"
    )


def _copies(report: ReportRecord) -> str | None:
    """Say how the model does on copies of its test items."""
    rows = [row for row in report.elsewhere if row.is_own_test]
    if len(rows) < 2:
        return None
    own, *copies = rows
    worst = min(copies, key=lambda row: row.metrics["accuracy"].value)
    value, at_home = worst.metrics["accuracy"].value, own.metrics["accuracy"].value
    kept = [row for row in copies if row.metrics["accuracy"].value > at_home - _ELSEWHERE / 2]
    holds = f"It is as good on {len(kept)} of {len(copies)} kinds of copies of its test"
    name = worst.data.split(", ", 1)[-1]
    return f"{holds}; worst are those {_kind(name)}: right about {_percent(value)}."


def _kind(name: str) -> str:
    return f"cut to {name}" if name.startswith("excerpts") else name


def _other(row: Elsewhere) -> str:
    """Say how the model does on another dataset."""
    accuracy = row.metrics["accuracy"]
    lowest = min(row.recall, key=lambda label: row.recall[label].value)
    weak = (
        f" It is weakest on {lowest}: {_percent(row.recall[lowest].value)}."
        if row.recall[lowest].value < _WEAK_RECALL
        else ""
    )
    left_out = (
        f"; {row.left_out:,} near-duplicates of what it learned from are left out"
        if row.left_out
        else ""
    )
    return (
        f"On {row.data.split('@')[0]} it is right about {_percent(accuracy.value)} of "
        f"{counted(row.items, 'piece')} ({_percent(accuracy.low)} to {_percent(accuracy.high)}"
        f"{left_out}).{weak}"
    )


def _is_worse(report: ReportRecord, row: Elsewhere) -> bool:
    """Tell whether a model is worse on other music than at home, by accuracy or beyond doubt."""
    home, there = report.item_metrics, row.metrics
    return (
        there["accuracy"].value < home["accuracy"].value - _ELSEWHERE
        or there["balanced_accuracy"].high < home["balanced_accuracy"].value
    )


def _confidence(report: ReportRecord) -> str | None:
    """Say how far the model's confidence can be believed."""
    calibration = report.calibration
    if calibration is None or report.is_noise_check:
        return None
    bins = calibration.reliability
    low, count, accuracy = (np.asarray(x) for x in (bins.low, bins.count, bins.accuracy))
    sure = low >= _SURE - 1e-9
    sentences = []
    for part, words in ((sure, f"of {_SURE:g} or more"), (~sure, "below that")):
        if n := int(count[part].sum()):
            share = float((count[part] * accuracy[part]).sum() / n)
            sentences.append(
                f"of {counted(n, 'answer')} with a confidence {words}, {_percent(share)} are right"
            )
    if "ece" in report.item_metrics:
        error = f"Its confidence is off by {report.item_metrics['ece'].value:.3f} on average"
        if calibration.before and "ece" in calibration.before:
            error += f" ({calibration.before['ece'].value:.3f} before it was calibrated)"
        return f"{error}: {', and '.join(sentences)}."
    return None


def _unknown(report: ReportRecord) -> str | None:
    """Say what the model answers for an item of no class."""
    if report.is_noise_check:
        return None
    detector = report.detector
    if detector is None:
        return (
            f"It names one of its {len(report.classes):,} classes for any {report.unit}, also for "
            "one of none."
        )
    if detector.recognised is None:
        return (
            f"It can answer none of these; how often it does so for {report.unit}s of other "
            "classes was not measured."
        )
    return (
        f"It can answer none of these, and did so for {_percent(detector.recognised)} of "
        f"{counted(detector.recognised_of, report.unit)} with labels that it had not met."
    )


def _right(report: ReportRecord) -> int:
    return round(report.item_metrics["accuracy"].value * report.n_test)


def gain_of(comparison: Comparison) -> str:
    """Return ``better``, ``worse``, or ``no clear difference`` where the interval holds zero."""
    difference = comparison.difference
    if comparison.beyond_noise:
        return "better"
    if difference is not None and difference.high < 0:
        return "worse"
    return "no clear difference"


def _percent(share: float) -> str:
    # Whole per cents would round an imperfect model up to 100 %.
    digits = 1 if 0.99 <= share < 1 or 0 < share < 0.01 else 0
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "\N{MINUS SIGN}")
