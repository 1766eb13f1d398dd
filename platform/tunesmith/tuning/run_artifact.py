"""Writing a run: what a search leaves behind."""

import io
import json
import platform
import secrets
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
from optuna.trial import TrialState

from tunesmith.artifacts import layout
from tunesmith.artifacts.runs import RunRecord
from tunesmith.artifacts.searches import TrialResult
from tunesmith.artifacts.store import Staging
from tunesmith.tuning.space import settings_of

__all__ = [
    "STATES", "code_commit", "new_run_id", "now", "trial_table", "versions", "write_run",
]  # fmt: skip

STATES = {
    TrialState.COMPLETE: "COMPLETE",
    TrialState.PRUNED: "PRUNED",
    TrialState.FAIL: "FAILED",
}
_LIBRARIES = (
    "keras", "numpy", "onnx", "onnxruntime", "optuna", "ray", "scikit-learn", "tensorflow",
    "tensorflow-cpu", "xgboost", "xgboost-cpu",
)  # fmt: skip


def now() -> str:
    """Return the time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_run_id() -> str:
    """Return a name that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(2)}"


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that take part."""
    versions_by_name = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions_by_name[name.removesuffix("-cpu")] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions_by_name


def code_commit() -> str | None:
    """Return the commit of the checkout this code runs from, None where it runs from none."""
    # An installed package may lie inside a checkout of its user's own: that commit says nothing.
    package = Path(__file__).resolve().parents[1]
    checkout = package.parents[1]
    if package.parent.name != "platform" or not (checkout / ".git").exists():
        return None
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(  # noqa: S603 - our own program, no shell
            command, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def trial_table(
    study: Any, history: Sequence[TrialResult], errors: Mapping[int, str]
) -> pd.DataFrame:
    """Return a row a trial: family, settings as JSON, state, best score, steps, duration, error."""
    steps: dict[int, int] = {}
    score: dict[int, float] = {}
    for result in history:
        steps[result.trial] = max(result.step, steps.get(result.trial, 0))
        score[result.trial] = max(result.score, score.get(result.trial, result.score))
    rows = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state not in STATES:
            continue
        family, params = settings_of(trial)
        rows.append(
            {
                "trial": trial.number,
                "family": family,
                "params": json.dumps(params, sort_keys=True),
                "state": STATES[trial.state],
                "score": score.get(trial.number),
                "steps": steps.get(trial.number, 0),
                "best_step": trial.user_attrs.get("best_step"),
                "duration_s": trial.user_attrs.get("time_total_s"),
                "error": errors.get(trial.number) or trial.user_attrs.get("error"),
            }
        )
    columns = {
        "trial": "int64", "family": "str", "params": "str", "state": "str", "score": "float64",
        "steps": "int64", "best_step": "Int64", "duration_s": "float64", "error": "str",
    }  # fmt: skip
    return pd.DataFrame(rows, columns=list(columns)).astype(columns)


def write_run(
    staging: Staging,
    record: RunRecord,
    tables: Mapping[str, pd.DataFrame],
    files: Mapping[str, bytes],
) -> None:
    """Write tables and files of a run into its staging folder, ``run.json`` last."""
    for name, table in tables.items():
        staging.write_bytes(_parquet(table), f"{name}.parquet")
    for path, content in files.items():
        staging.write_bytes(content, *path.split("/"))
    record.write(staging, layout.RECORD)


def _parquet(frame: pd.DataFrame) -> bytes:
    """Return a table as Parquet."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()
