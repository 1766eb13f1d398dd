"""The rules between a trial that won and a model that answers users.

Each rule gives a verdict that says what it looked at and, where it refuses, by how much. Rules of
integrity cannot be overruled; rules of judgement can, with a reason that the history keeps.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.cards import Verdict
from tunesmith.artifacts.documents import JsonObject
from tunesmith.artifacts.reports import ReportRecord
from tunesmith.artifacts.runs import Run
from tunesmith.errors import ModelError, PromotionError
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.smoke import Bounds, Smoke, smoke
from tunesmith.registry.bundles import sha256

__all__ = [
    "LARGEST_DIFFERENCE",
    "LEAST_REFERENCE_ROWS",
    "Refused",
    "Verdict",
    "baseline_rule",
    "better_rule",
    "equality_rule",
    "evaluated_rule",
    "leaks_rule",
    "noise_rule",
    "schema_rule",
    "smoke_rule",
    "try_out",
    "unevaluated",
]

BASELINE_FAMILY = "linear"
"""Family of the simple baseline."""
LARGEST_DIFFERENCE = 1e-5
LEAST_REFERENCE_ROWS = 200
_SMOKE_ROWS = 64
# Fewer independent test items cannot show that a good model is better than the simple baseline.
_FEW_GROUPS = 50

Arrays = Mapping[str, npt.NDArray[Any]]


class Refused(PromotionError):  # noqa: N818 - what happened, not a fault
    """The gate refused a challenger.

    Attributes
    ----------
    verdicts
        The verdict of every rule that was applied, the refusing ones among them.
    """

    def __init__(self, task: str, verdicts: tuple[Verdict, ...]) -> None:
        self.verdicts = verdicts
        refusing = [v for v in verdicts if v.passed is False]
        reasons = "; ".join(f"{v.rule}: {v.message}" for v in refusing)
        hint = ""
        if refusing and all(v.may_be_forced for v in refusing):
            hint = " Overrule it with --force REASON; the reason is kept in the history."
        super().__init__(f"{task} is not promoted, the champion stays as it is. {reasons}.{hint}")


def unevaluated(run: Run) -> Verdict:
    """Return the verdict on a run without a report."""
    command = f"tunesmith evaluate {run.task} --run {run.run_id}"
    message = f"run {run.run_id} has no report; {command}"
    return Verdict(rule="evaluated", passed=False, message=message)


def evaluated_rule(report: ReportRecord, model: bytes) -> Verdict:
    """Return whether the very model of the run was measured on its test part."""
    rule = "evaluated"
    measured, present = report.sha256, sha256(model)
    if measured != present:
        message = (
            f"the report measured a model with SHA-256 {measured[:12]}…, the run now holds "
            f"{present[:12]}…: the file was changed or damaged"
        )
        return Verdict(rule=rule, passed=False, message=message)
    message = f"measured on the test part on {report.created}"
    return Verdict(rule=rule, passed=True, message=message)


def schema_rule(run: Run, model: bytes) -> Verdict:
    """Return whether the graph takes the run's views and answers its labels."""
    rule = "schema"
    doubled = sorted({name for name in run.classes if run.classes.count(name) > 1})
    if doubled or len(run.classes) < 2:
        fault = f"twice: {', '.join(doubled)}" if doubled else "too few to choose from"
        message = f"labels must differ, at least two of them; {fault}"
        return Verdict(rule=rule, passed=False, message=message)
    try:
        classifier = Classifier(model, classes=run.classes, threads=0)
    except ModelError as error:
        return Verdict(rule=rule, passed=False, message=str(error))
    wanted, got = sorted(run.record.views), sorted(classifier.inputs)
    if wanted != got:
        message = (
            f"the run promises the inputs {', '.join(wanted)}, the graph takes {', '.join(got)}"
        )
        return Verdict(rule=rule, passed=False, message=message)
    message = f"{', '.join(got)} in, probabilities of {len(run.classes)} classes out"
    return Verdict(rule=rule, passed=True, message=message)


def equality_rule(
    classifier: Classifier, inputs: Arrays, expected: npt.NDArray[np.floating]
) -> Verdict:
    """Return whether the graph answers as the trained model did."""
    rule = "equality"
    rows = len(expected)
    if rows < LEAST_REFERENCE_ROWS:
        message = (
            f"the run kept {rows} reference rows, {LEAST_REFERENCE_ROWS - rows} fewer than the "
            f"{LEAST_REFERENCE_ROWS} needed to compare"
        )
        return Verdict(rule=rule, passed=False, message=message)
    try:
        answers = _in_batches(classifier, inputs, rows)
    except ModelError as error:
        return Verdict(rule=rule, passed=False, message=str(error))
    if answers.shape != expected.shape or not np.isfinite(answers).all():
        message = f"the graph answers {list(answers.shape)}, the model {list(expected.shape)}"
        if answers.shape == expected.shape:
            message = "the graph answers numbers that are not finite"
        return Verdict(rule=rule, passed=False, message=message)
    difference = float(np.abs(answers - expected).max())
    facts: JsonObject = {"rows": rows, "difference": difference, "limit": LARGEST_DIFFERENCE}
    if difference > LARGEST_DIFFERENCE:
        message = (
            f"on {rows} rows the graph differs from the trained model by up to {difference:.2g}, "
            f"{difference / LARGEST_DIFFERENCE:,.1f} times the limit {LARGEST_DIFFERENCE:g}"
        )
        return Verdict(rule=rule, passed=False, message=message, facts=facts)
    message = f"within {difference:.1g} of the trained model on {rows} rows"
    return Verdict(rule=rule, passed=True, message=message, facts=facts)


def _in_batches(classifier: Classifier, inputs: Arrays, rows: int) -> npt.NDArray[np.float32]:
    """Predict as many rows at a time as a clean process was seen to bear."""
    parts = [slice(start, start + _SMOKE_ROWS) for start in range(0, rows, _SMOKE_ROWS)]
    answers = [classifier.predict({k: x[part] for k, x in inputs.items()}) for part in parts]
    return np.concatenate(answers)


def try_out(model: bytes, run: Run, bounds: Bounds) -> Smoke:
    """Return how the first reference rows went in a clean process under bounds."""
    inputs, expected = run.reference()
    few = {name: array[:_SMOKE_ROWS] for name, array in inputs.items()}
    return smoke(model, few, expected[:_SMOKE_ROWS], bounds)


def smoke_rule(smoke: Smoke) -> Verdict:
    """Return whether a clean process under bounds loads the graph and answers."""
    rule = "smoke"
    facts = {name: value for name, value in smoke.facts.items() if name != "modules"}
    if smoke.problem is not None:
        return Verdict(rule=rule, passed=False, message=smoke.problem, facts=facts)
    message = (
        f"a clean process loads it in {facts['load_s']:.2f} s, answers {facts['rows']} rows in "
        f"{1000 * facts['predict_s']:.1f} ms and peaks at {facts['peak_bytes'] / 1e6:,.0f} MB"
    )
    return Verdict(rule=rule, passed=True, message=message, facts=facts)


def better_rule(report: ReportRecord, champion: int | None) -> Verdict:
    """Return whether the challenger beats the champion, or the majority where there is none."""
    rule = "better"
    opponent = f"champion {champion}" if champion else "the majority class"
    comparison = report.comparisons.get("majority" if champion is None else "champion")
    if comparison is None or comparison.version != champion:
        message = (
            f"the report has no comparison with {opponent}; "
            f"tunesmith evaluate {report.task} --run {report.run_id}"
        )
        return Verdict(rule=rule, passed=False, message=message, may_be_forced=True)
    gap = comparison.difference
    if gap is None:
        message = f"it cannot be compared with {opponent}: {comparison.problem}"
        return Verdict(rule=rule, passed=False, message=message, may_be_forced=True)
    text = (
        f"{comparison.metric} {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}] against "
        f"{opponent} on {comparison.rows} untouched {report.unit}s, McNemar p = "
        f"{comparison.p_value:.2g}"
    )
    if comparison.beyond_noise:
        message = text
    elif gap.high < 0:
        message = f"worse beyond noise: {text}"
    else:
        message = f"not better beyond noise, the interval reaches {-gap.low:.4f} below zero: {text}"
    return Verdict(
        rule=rule,
        passed=comparison.beyond_noise,
        message=message,
        may_be_forced=True,
        facts=comparison.json_object(),
    )


def baseline_rule(report: ReportRecord) -> Verdict:
    """Return whether the model is better beyond noise than logistic regression on the same items.

    A model that is no better is not worth its size and its opacity; the baseline can be promoted
    in its place. Few test items cannot tell the two apart: there the rule warns, unless the model
    is worse beyond noise.
    """
    rule = "baseline"
    comparison = report.comparisons.get("linear")
    if report.model is not None and report.model.family == BASELINE_FAMILY:
        message = "the model is the simple baseline itself, logistic regression"
        return Verdict(rule=rule, passed=True, message=message, may_be_forced=True)
    if comparison is None or comparison.difference is None:
        message = "logistic regression cannot read this task; see the rule `better`"
        return Verdict(rule=rule, passed=True, message=message, may_be_forced=True)
    gap = comparison.difference
    text = (
        f"{comparison.metric} {gap.value:+.4f} [{gap.low:+.4f}, {gap.high:+.4f}] against logistic "
        f"regression on {comparison.rows // (1 + comparison.copies)} untouched {report.unit}s"
    )
    if comparison.copies:
        text += f", as they are and as {comparison.copies} copies of each"
    elif report.baseline.get("linear"):
        reached = report.baseline["linear"][report.unit].get(comparison.metric)
        own = report.item_metrics.get(comparison.metric)
        if reached is not None and own is not None:
            text += f" ({own.value:.4f} against {reached.value:.4f})"
    message = text
    passed: bool | None = comparison.beyond_noise or None
    if passed is None and gap.high >= 0 and comparison.groups < _FEW_GROUPS:
        message = (
            f"{comparison.groups} independent test {report.unit}s are too few to tell it from the "
            f"simple baseline: {text}"
        )
    elif passed is None:
        passed = False
        message = (
            f"no better than the simple baseline beyond noise: {text}. Promote the baseline: "
            f"tunesmith promote {report.task} --baseline"
        )
    return Verdict(
        rule=rule,
        passed=passed,
        message=message,
        may_be_forced=True,
        facts=comparison.json_object(),
    )


def leaks_rule(report: ReportRecord) -> Verdict:
    """Return whether the audit found a leak.

    An audit can mistake real repetition for a leak, so a person may overrule it with a reason.
    """
    rule = "leaks"
    if not report.leaks:
        message = "the audit found none"
        return Verdict(rule=rule, passed=True, message=message, may_be_forced=True)
    findings = " ".join(f"{finding.check}: {finding.message}" for finding in report.leaks)
    message = f"the metrics are too good. {findings.removesuffix('.')}"
    return Verdict(rule=rule, passed=False, message=message, may_be_forced=True)


def noise_rule(report: ReportRecord | None) -> Verdict:
    """Return whether the last search on pure noise found nothing, as it must.

    Parameters
    ----------
    report
        On the newest run of a task whose data is noise; see `Task.is_noise_check`.
    """
    rule = "noise"
    if report is None:
        message = (
            "not checked: this store has no evaluated run of a task on pure noise; search and "
            "evaluate one"
        )
        return Verdict(rule=rule, passed=None, message=message, may_be_forced=True)
    accuracy = report.item_metrics["accuracy"]
    chance = 1.0 / len(report.classes)
    text = (
        f"accuracy {accuracy.value:.3f} [{accuracy.low:.3f}, {accuracy.high:.3f}] "
        f"on noise, chance is {chance:.3f}"
    )
    if accuracy.low > chance:
        message = (
            f"the platform finds structure in noise, {accuracy.low - chance:.3f} beyond its "
            f"interval: {text}. Something leaks; no metric of this store can be trusted"
        )
        return Verdict(rule=rule, passed=False, message=message, may_be_forced=True)
    return Verdict(rule=rule, passed=True, message=text, may_be_forced=True)
