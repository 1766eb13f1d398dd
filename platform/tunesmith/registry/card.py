"""The card of a model: what it is, what it was made from, how good it is, what it is not for.

Follows the model-card convention (Mitchell et al., 2019), as JSON that needs no code to read.
"""

import platform
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tunesmith.artifacts.preparation import preparation_of_card, preparation_of_run
from tunesmith.artifacts.runs import Run
from tunesmith.inference.classifier import OUTPUT, Classifier
from tunesmith.registry.bundles import sha256

__all__ = ["make_card"]

_LIBRARIES = ("numpy", "onnx", "onnxruntime", "tunesmith")


def make_card(
    run: Run,
    report: Mapping[str, Any],
    model: bytes,
    classifier: Classifier,
    verdicts: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return the card of the bundle made from a run, without its version.

    Parameters
    ----------
    run
        Where the model comes from.
    report
        The content of its ``report.json``.
    model, classifier
        The ONNX model as it will be stored, and loaded.
    verdicts
        What the rules of integrity found.
    """
    facts = run.facts
    # Runs of earlier versions do not say how large their pictures are; the model's input does.
    inputs = {name: schema.as_dict() for name, schema in classifier.inputs.items()}
    preparation = preparation_of_run(facts) or preparation_of_card({"inputs": inputs})
    return {
        "format": 1,
        "name": run.task,
        "task": run.task,
        "labels": list(run.classes),
        "inputs": inputs,
        "output": OUTPUT,
        "aggregate": facts.get("aggregate", "mean"),
        "title": facts.get("title"),
        "kind": facts.get("kind"),
        "features": facts.get("features"),
        "preparation": None if preparation is None else preparation.model_dump(mode="json"),
        "sha256": sha256(model),
        "bytes": len(model),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": run.run_id,
        "summary": report.get("inputs"),
        "unit": report["unit"],
        "metrics": report["metrics"],
        "baseline": report["baseline"],
        "per_class": report["per_class"],
        "calibration": report.get("calibration"),
        "comparisons": report.get("comparisons"),
        "audit": [
            {name: finding[name] for name in ("check", "result", "message")}
            for finding in report.get("audit") or ()
        ],
        "behaviour": report.get("behaviour"),
        "slices": report.get("slices"),
        "dataset": dict(facts["dataset"]),
        "split": _split(run, report),
        "lineage": {
            "run": "/".join(run.parts),
            "study": "/".join((*run.parts, "study.journal")),
            "report": f"reports/{run.task}/{run.run_id}",
            "dataset": "@".join(str(facts["dataset"][key]) for key in ("name", "version")),
            "trial": (facts.get("best") or {}).get("trial"),
            "family": (facts.get("best") or {}).get("family"),
            "params": (facts.get("best") or {}).get("params"),
            "trials": facts.get("counts"),
            "seed": facts.get("seed"),
            "commit": facts.get("commit"),
            "run_sha256": report.get("sha256"),
        },
        "libraries": {"training": facts.get("versions") or {}, "promotion": _libraries()},
        "code_version": _libraries().get("tunesmith"),
        "gate": verdicts,
        "intended_use": (
            f"{facts.get('title') or run.task}: answers input like its training data with one of "
            f"{len(run.classes)} labels and a probability for each."
        ),
        "limits": _limits(run, report),
        "licence": {
            "code": "Apache-2.0",
            "data": report.get("licence") or "not stated by the source of the data",
        },
    }


def _split(run: Run, report: Mapping[str, Any]) -> dict[str, Any]:
    counts = run.table("split")["part"].value_counts()
    return {
        "protocol": report.get("protocol"),
        "seed": run.facts.get("seed"),
        "parts": {str(name): int(count) for name, count in counts.items()},
        "test_groups": report.get("n_test_groups"),
        "rule": "whole groups of duplicates on one side",
    }


def _limits(run: Run, report: Mapping[str, Any]) -> list[str]:
    """Return what the figures do not cover, from the figures themselves."""
    unit = report["unit"]
    always = (
        f"It knows {len(run.classes)} labels and names one of them for any input, also for one "
        "that belongs to none."
    )
    found = [always]
    weak = [row for row in report["per_class"] if row["support"] and row["recall"] < 0.5]
    if weak:
        names = ", ".join(f"{row['class']} ({row['recall']:.2f})" for row in weak[:8])
        found.append(f"It misses more than half of: {names}.")
    found += [
        f"Audit, {finding['check']}: {finding['message']}"
        for finding in report.get("audit") or ()
        if finding["result"] in {"leak", "caution"}
    ]
    found += report.get("notes") or []
    rare = [row for row in report["per_class"] if row["support"] < 20]
    if rare:
        names = ", ".join(f"{row['class']} ({row['support']})" for row in rare[:8])
        found.append(f"Fewer than 20 test {unit}s back the figures of: {names}.")
    return found


def _libraries() -> dict[str, str]:
    found = {"python": platform.python_version(), "platform": sys.platform}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
