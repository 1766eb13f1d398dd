"""The rules between a trial that won and a model that answers users.

Each rule gives a verdict that says what it looked at and, where it refuses, by how much. Rules of
integrity cannot be overruled; rules of judgement can, with a reason that the history keeps.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

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

LARGEST_DIFFERENCE = 1e-5
LEAST_REFERENCE_ROWS = 200
NOISE_TASK = "noise"
_SMOKE_ROWS = 64

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Verdict:
    """What a rule says.

    Attributes
    ----------
    rule
        Its name.
    passed
        None for a warning: there was nothing to judge by, or a person must.
    message
        What it found, with numbers.
    may_be_forced
        Whether `force` overrules it.
    facts
        The numbers themselves.
    """

    rule: str
    passed: bool | None
    message: str
    may_be_forced: bool = False
    facts: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as JSON holds it."""
        return asdict(self)


class Refused(PromotionError):  # noqa: N818 - what happened, not a fault
    """The gate refused a challenger.

    Attributes
    ----------
    verdicts
        Of every rule that was asked, the refusing ones among them.
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
    return Verdict("evaluated", False, f"run {run.run_id} has no report; {command}")


def evaluated_rule(report: Mapping[str, Any], model: bytes) -> Verdict:
    """Return whether the very model of the run was measured on its test part."""
    rule = "evaluated"
    measured, present = str(report.get("sha256")), sha256(model)
    if measured != present:
        message = (
            f"the report measured a model with SHA-256 {measured[:12]}…, the run now holds "
            f"{present[:12]}…: the file was changed or damaged"
        )
        return Verdict(rule, False, message)
    return Verdict(rule, True, f"measured on the test part on {report['created']}")


def schema_rule(run: Run, model: bytes) -> Verdict:
    """Return whether the graph takes the run's views and answers its labels."""
    rule = "schema"
    doubled = sorted({name for name in run.classes if run.classes.count(name) > 1})
    if doubled or len(run.classes) < 2:
        what = f"twice: {', '.join(doubled)}" if doubled else "too few to choose from"
        return Verdict(rule, False, f"labels must differ, at least two of them; {what}")
    try:
        classifier = Classifier(model, classes=run.classes, threads=0)
    except ModelError as error:
        return Verdict(rule, False, str(error))
    wanted, got = sorted(run.facts["views"]), sorted(classifier.inputs)
    if wanted != got:
        message = (
            f"the run promises the inputs {', '.join(wanted)}, the graph takes {', '.join(got)}"
        )
        return Verdict(rule, False, message)
    message = f"{', '.join(got)} in, probabilities of {len(run.classes)} classes out"
    return Verdict(rule, True, message)


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
        return Verdict(rule, False, message)
    try:
        answers = _in_batches(classifier, inputs, rows)
    except ModelError as error:
        return Verdict(rule, False, str(error))
    if answers.shape != expected.shape or not np.isfinite(answers).all():
        message = f"the graph answers {list(answers.shape)}, the model {list(expected.shape)}"
        if answers.shape == expected.shape:
            message = "the graph answers numbers that are not finite"
        return Verdict(rule, False, message)
    difference = float(np.abs(answers - expected).max())
    facts = {"rows": rows, "difference": difference, "limit": LARGEST_DIFFERENCE}
    if difference > LARGEST_DIFFERENCE:
        message = (
            f"on {rows} rows the graph differs from the trained model by up to {difference:.2g}, "
            f"{difference / LARGEST_DIFFERENCE:,.1f} times the limit {LARGEST_DIFFERENCE:g}"
        )
        return Verdict(rule, False, message, facts=facts)
    message = f"within {difference:.1g} of the trained model on {rows} rows"
    return Verdict(rule, True, message, facts=facts)


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


def smoke_rule(found: Smoke) -> Verdict:
    """Return whether a clean process under bounds loads the graph and answers."""
    rule = "smoke"
    facts = {name: value for name, value in found.facts.items() if name != "modules"}
    if found.problem is not None:
        return Verdict(rule, False, found.problem, facts=facts)
    message = (
        f"a clean process loads it in {facts['load_s']:.2f} s, answers {facts['rows']} rows in "
        f"{1000 * facts['predict_s']:.1f} ms and peaks at {facts['peak_bytes'] / 1e6:,.0f} MB"
    )
    return Verdict(rule, True, message, facts=facts)


def better_rule(report: Mapping[str, Any], champion: int | None) -> Verdict:
    """Return whether the challenger beats the champion, or the majority where there is none."""
    rule = "better"
    comparisons = report.get("comparisons") or {}
    name = "majority" if champion is None else "champion"
    found = comparisons.get(name)
    if found is None or found.get("version") != champion:
        against = f"champion {champion}" if champion else "the majority class"
        message = (
            f"the report has no comparison with {against}; "
            f"tunesmith evaluate {report['task']} --run {report['run_id']}"
        )
        return Verdict(rule, False, message, may_be_forced=True)
    opponent = f"champion {champion}" if champion else "the majority class"
    if found.get("problem"):
        message = f"it cannot be compared with {opponent}: {found['problem']}"
        return Verdict(rule, False, message, may_be_forced=True)
    gap = found["difference"]
    text = (
        f"{found['metric']} {gap['value']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}] against "
        f"{opponent} on {found['rows']} untouched {report['unit']}s, McNemar p = "
        f"{found['p_value']:.2g}"
    )
    if found["beyond_noise"]:
        return Verdict(rule, True, text, may_be_forced=True, facts=found)
    if gap["high"] < 0:
        message = f"worse beyond noise: {text}"
    else:
        message = (
            f"not better beyond noise, the interval reaches {-gap['low']:.4f} below zero: {text}"
        )
    return Verdict(rule, False, message, may_be_forced=True, facts=found)


def leaks_rule(report: Mapping[str, Any]) -> Verdict:
    """Return whether the audit found nothing that makes figures wrong; it warns, a person decides.

    An audit can mistake real repetition for a leak, so what it found is told and kept, and does not
    refuse.
    """
    rule = "leaks"
    found = [row for row in report.get("audit") or () if row["result"] == "leak"]
    if not found:
        return Verdict(rule, True, "the audit found none", may_be_forced=True)
    told = " ".join(f"{row['check']}: {row['message']}" for row in found)
    message = f"the figures may be too good. {told}"
    return Verdict(rule, None, message, may_be_forced=True)


def noise_rule(report: Mapping[str, Any] | None) -> Verdict:
    """Return whether the last search on pure noise found nothing, as it must."""
    rule = "noise"
    if report is None:
        message = (
            "not checked, this store has no evaluated run of the noise task; "
            "tunesmith tune noise && tunesmith evaluate noise"
        )
        return Verdict(rule, None, message, may_be_forced=True)
    accuracy = report["metrics"][report["unit"]]["accuracy"]
    chance = 1.0 / len(report["classes"])
    text = (
        f"accuracy {accuracy['value']:.3f} [{accuracy['low']:.3f}, {accuracy['high']:.3f}] "
        f"on noise, chance is {chance:.3f}"
    )
    if accuracy["low"] > chance:
        message = (
            f"the platform finds structure in noise, {accuracy['low'] - chance:.3f} beyond its "
            f"interval: {text}. Something leaks; no figure of this store can be trusted"
        )
        return Verdict(rule, False, message, may_be_forced=True)
    return Verdict(rule, True, text, may_be_forced=True)
