"""A report in two sentences: how good the model is, on what data, compared with what."""

from tunesmith.artifacts.reports import Comparison, ReportRecord
from tunesmith.reports.metric_text import metric_inside

__all__ = ["BASELINES", "gain_of", "summary"]

BASELINES = {"majority": "majority baseline", "linear": "linear baseline"}
"""Names of the baselines, the weakest first."""


def summary(report: ReportRecord) -> list[str]:
    """Return the report for a reader in a hurry.

    Returns
    -------
    list of str
        The accuracy beside those of the baselines, and whether the model beats the strongest
        baseline. A warning where the leak checks failed.
    """
    accuracy = report.item_metrics["accuracy"]
    first = (
        f"The model classifies {_percent(accuracy.value)} of {report.n_test:,} unseen "
        f"{report.unit}s of {report.dataset.name} correctly (95\N{NO-BREAK SPACE}% interval: "
        f"{_percent(accuracy.low)} to {_percent(accuracy.high)})."
    )
    others = [
        (name, _percent(report.baseline[key][report.unit]["accuracy"].value))
        for key, name in BASELINES.items()
        if key in report.baseline
    ]
    if others:
        reached = " and the ".join(
            f"{name} reaches {value}" if not place else f"{name} {value}"
            for place, (name, value) in enumerate(others)
        )
        first += f" The {reached}."
    sentences = [first]
    if (second := _against_strongest(report)) is not None:
        sentences.append(second)
    if report.leaks:
        sentences.append("Leak checks failed, so these numbers are too good.")
    return sentences


def _against_strongest(report: ReportRecord) -> str | None:
    """Return whether the model beats the strongest baseline in the metric of the search."""
    compared = [(name, report.comparisons.get(key)) for key, name in BASELINES.items()]
    metric = metric_inside(report.metric)
    for name, comparison in reversed(compared):
        if comparison is None or comparison.difference is None:
            continue
        difference = comparison.difference
        span = (
            f"(95\N{NO-BREAK SPACE}% interval: {_signed(difference.low)} to "
            f"{_signed(difference.high)})"
        )
        if comparison.copies:
            span = f"on the test {report.unit}s and copies of them {span}"
        result, amount = gain_of(comparison), f"{abs(difference.value):.3f}"
        if result == "better":
            return f"Its {metric} is {amount} above that of the {name} {span}."
        if result == "worse":
            return f"Its {metric} is {amount} below that of the {name} {span}."
        return (
            f"Its {metric} is not distinguishable from that of the {name}: it differs by "
            f"{_signed(difference.value)} {span}."
        )
    return None


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
