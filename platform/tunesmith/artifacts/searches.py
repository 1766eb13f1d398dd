"""Where searches keep their records, and reading them without Ray or Optuna."""

import json
import os
from pathlib import Path
from typing import Any

from tunesmith.artifacts.store import Store

__all__ = [
    "CLUSTER",
    "PLAN",
    "ROOT",
    "STUDY",
    "UNFINISHED",
    "mend",
    "parse_history",
    "read_history",
    "unfinished_run",
    "work_folder",
]

ROOT = "runs"
CLUSTER = (ROOT, ".cluster.json")
"""What the newest search runs on: its Ray's dashboard and metrics."""
PLAN = "plan.json"
STUDY = "study.journal"
UNFINISHED = ".unfinished.json"


def parse_history(text: str) -> list[dict[str, Any]]:
    """Return results, one JSON object a line, the newest of each trial's step, in order.

    A last line that the writer did not live to finish is left out.
    """
    rows: dict[tuple[int, int], dict[str, Any]] = {}
    for line in text.split("\n")[:-1]:
        row = json.loads(line)
        rows[row["trial"], row["step"]] = row
    return [rows[key] for key in sorted(rows)]


def read_history(path: Path) -> list[dict[str, Any]]:
    """Return the results in a file, none where there is no file; see `parse_history`."""
    return parse_history(path.read_text(encoding="utf-8")) if path.exists() else []


def mend(path: Path) -> None:
    """Cut off a last line that its writer did not finish, for what is appended next.

    A killed process leaves one, and so does a disk that is full.
    """
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


def unfinished_run(store: Store, task: str) -> dict[str, Any] | None:
    """Return the plan of a task's search that did not finish, None where there is none."""
    if not store.exists(ROOT, task, UNFINISHED):
        return None
    run_id = store.read_json(ROOT, task, UNFINISHED)["run_id"]
    plan: dict[str, Any] = store.read_json(ROOT, task, f".staging-{run_id}", PLAN)
    return plan


def work_folder(run_id: str) -> Path:
    """Return the folder of this machine where a run grows whose store is elsewhere.

    The study's journal and event files need real files.
    """
    return Path.home() / ".tunesmith" / "work" / run_id
