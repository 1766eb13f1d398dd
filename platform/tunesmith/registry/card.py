"""The card of a model: what it is, what it was made from, how good it is, what it is not for.

Follows the model-card convention (Mitchell et al., 2019), as JSON that needs no code to read.
"""

import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from tunesmith.artifacts import layout
from tunesmith.artifacts.cards import (
    AuditLine,
    Card,
    InputShape,
    Libraries,
    Licence,
    Lineage,
    Split,
    Verdict,
)
from tunesmith.artifacts.preparation import Preparation, preparation_of_card
from tunesmith.artifacts.reports import ReportRecord
from tunesmith.artifacts.runs import Run, RunRecord
from tunesmith.inference.classifier import Classifier
from tunesmith.registry.bundles import sha256

__all__ = ["make_card"]

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "tunesmith")
# A class is missed where less than this share of its items is recognised.
_LOW_RECALL = 0.5
_FEW_ITEMS = 20
_LISTED = 8


def make_card(
    run: Run,
    report: ReportRecord,
    model: bytes,
    classifier: Classifier,
    verdicts: Sequence[Verdict],
) -> Card:
    """Return the card of the bundle made from a run, without its version.

    Parameters
    ----------
    run
        The run that the model comes from.
    report
        Its evaluation.
    model, classifier
        The ONNX model as it will be stored, and loaded.
    verdicts
        The verdicts of the rules of integrity.
    """
    record = run.record
    libraries = _libraries()
    inputs = {
        name: InputShape(dtype=schema.dtype, shape=schema.shape)
        for name, schema in classifier.inputs.items()
    }
    return Card(
        name=run.task,
        task=run.task,
        labels=run.classes,
        inputs=inputs,
        aggregate=record.aggregate,
        features=record.features,
        title=record.title,
        kind=record.kind,
        preparation=_preparation(record, inputs),
        sha256=sha256(model),
        bytes=len(model),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        run_id=run.run_id,
        summary=report.inputs,
        unit=report.unit,
        metrics=report.metrics,
        baseline=report.baseline,
        per_class=report.per_class,
        calibration=report.calibration,
        comparisons=report.comparisons,
        audit=tuple(
            AuditLine(check=finding.check, result=finding.result, message=finding.message)
            for finding in report.audit
        ),
        behaviour=report.behaviour,
        slices=report.slices,
        dataset=record.dataset,
        detector=record.detector,
        no_detector=record.no_detector,
        label_sets=record.label_sets,
        open_set=report.open_set,
        split=_split(run, report),
        lineage=_lineage(run, report),
        libraries=Libraries(training=record.versions, promotion=libraries),
        code_version=libraries.get("tunesmith"),
        gate=tuple(verdicts),
        intended_use=(
            f"{record.title or run.task}: answers input like its training data with one of "
            f"{len(run.classes)} labels and a probability for each."
        ),
        limits=tuple(_limits(run, report)),
        licence=Licence(
            code="Apache-2.0", data=report.licence or "not stated by the source of the data"
        ),
    )


def _preparation(record: RunRecord, inputs: Mapping[str, InputShape]) -> Preparation | None:
    """Return how raw items become the inputs of a run's model.

    Runs of earlier versions do not say how large their pictures are; the model's input does.
    """
    shapes = {name: shape.json_object() for name, shape in inputs.items()}
    return record.preparation or preparation_of_card({"inputs": shapes})


def _lineage(run: Run, report: ReportRecord) -> Lineage:
    record = run.record
    return Lineage(
        run="/".join(run.parts),
        study="/".join((*run.parts, layout.STUDY)),
        report="/".join(layout.report(run.task, run.run_id)),
        dataset=f"{record.dataset.name}@{record.dataset.version}",
        trial=record.best.trial,
        family=record.best.family,
        params=record.best.params,
        trials=record.counts,
        seed=record.seed,
        commit=record.commit,
        run_sha256=report.sha256,
    )


def _split(run: Run, report: ReportRecord) -> Split:
    counts = run.table("split")["part"].value_counts()
    return Split(
        protocol=report.protocol,
        seed=run.record.seed,
        parts={str(name): int(count) for name, count in counts.items()},
        test_groups=report.n_test_groups,
        rule=_rule(report),
    )


def _rule(report: ReportRecord) -> str:
    """Return what the audit counted about groups on both sides of the split."""
    counted = [f.message for f in report.audit if f.check == "groups on both sides"]
    return counted[0].removesuffix(".") if counted else "groups were not checked"


def _limits(run: Run, report: ReportRecord) -> list[str]:
    """Return what the metrics do not cover, from the metrics themselves."""
    limits = [_open_set_limit(run)]
    weak = [row for row in report.per_class if row.support and row.recall < _LOW_RECALL]
    if weak:
        names = ", ".join(f"{row.label} ({row.recall:.2f})" for row in weak[:_LISTED])
        limits.append(f"It misses more than half of: {names}.")
    limits += [
        f"Audit, {finding.check}: {finding.message}"
        for finding in report.audit
        if finding.result in {"leak", "caution"}
    ]
    limits += report.notes
    rare = [row for row in report.per_class if row.support < _FEW_ITEMS]
    if rare:
        names = ", ".join(f"{row.label} ({row.support})" for row in rare[:_LISTED])
        limits.append(f"Fewer than {_FEW_ITEMS} test {report.unit}s back the metrics of: {names}.")
    return limits


def _open_set_limit(run: Run) -> str:
    """Return what the model does with an input of none of its labels."""
    detector, n_labels = run.record.detector, len(run.classes)
    if detector is None:
        why = (
            f" It has no detector of such inputs: {reason}"
            if (reason := run.record.no_detector)
            else ""
        )
        return (
            f"It knows {n_labels} labels and names one of them for any input, also for one that "
            f"belongs to none.{why}"
        )
    recognised = (
        f"; it recognised {detector.recognised:.0%} of {detector.recognised_of:,} items of "
        f"{detector.recognised_labels:,} other labels that it had not met"
        if detector.recognised is not None
        else "; how many it recognises was not measured: the data has none with labels"
    )
    return (
        f"It knows {n_labels} labels and names one of them for any input. It recognises inputs "
        f"that belong to none of them, with {detector.promised:.0%} false alarms{recognised}."
    )


def _libraries() -> dict[str, str]:
    versions = {"python": platform.python_version(), "platform": sys.platform}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions
