"""Small artefacts of the store, valid and made in one line, for tests that only need them there."""

from typing import Any

from tunesmith.artifacts import layout
from tunesmith.artifacts.reports import ReportRecord
from tunesmith.artifacts.runs import RunRecord
from tunesmith.artifacts.searches import Plan, RunPointer
from tunesmith.artifacts.store import Store

_DATASET = {"name": "tiny", "version": "0123456789ab"}


def make_plan(run_id: str = "r1", task: str = "noise", **changes: Any) -> Plan:
    """Return the plan of a search."""
    content = {
        "run_id": run_id, "study": f"{task}/{run_id}", "task": task, "metric": "accuracy",
        "request": {}, "families": ["ann"], "trials": 4, "seed": 0, "created": "2030-01-01",
        "dataset": _DATASET,
    }  # fmt: skip
    return Plan.model_validate(content | changes)


def make_run(run_id: str = "r1", task: str = "noise", **changes: Any) -> RunRecord:
    """Return the content of a ``run.json``."""
    best = {"trial": 0, "family": "ann", "params": {}, "score": 0.5, "steps": 1}
    content = {
        "run_id": run_id, "task": task, "kind": "table", "unit": "row", "metric": "accuracy",
        "dataset": _DATASET, "seed": 0, "created": "2030-01-01T00:00:00+00:00",
        "finished": "2030-01-01T00:10:00+00:00", "classes": ["a", "b"], "counts": {"planned": 4},
        "best": best, "views": ["features"],
    }  # fmt: skip
    return RunRecord.model_validate(content | changes)


def make_report(run_id: str = "r1", task: str = "noise", **changes: Any) -> ReportRecord:
    """Return the content of a ``report.json``."""
    interval = {"value": 0.6, "low": 0.5, "high": 0.7}
    content = {
        "run_id": run_id, "task": task, "created": "2030-01-02T00:00:00+00:00",
        "dataset": _DATASET, "metric": "accuracy", "unit": "row", "sha256": "0" * 64,
        "classes": ["a", "b"], "n_test": 10, "n_test_groups": 10,
        "metrics": {"row": {"accuracy": interval}},
    }  # fmt: skip
    return ReportRecord.model_validate(content | changes)


def write_run(store: Store, record: RunRecord, *, is_latest: bool = True) -> None:
    """Write a ``run.json`` and nothing else of a run."""
    record.write(store, *layout.run(record.task, record.run_id, layout.RECORD))
    if is_latest:
        RunPointer(run_id=record.run_id).write(store, *layout.latest_run(record.task))


def write_report(store: Store, record: ReportRecord) -> None:
    """Write a ``report.json`` and nothing else of a report."""
    record.write(store, *layout.report(record.task, record.run_id, layout.REPORT))


def write_unfinished(store: Store, plan: Plan) -> None:
    """Write the plan of a search that did not finish."""
    plan.write(store, *layout.staged_run(plan.task, plan.run_id, layout.PLAN))
