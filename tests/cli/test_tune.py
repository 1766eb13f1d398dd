"""The command line of the search."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests import records
from tunesmith.artifacts.searches import read_history
from tunesmith.artifacts.store import Store
from tunesmith.cli.tune import main

ROOT = Path(__file__).parent.parent.parent


def test_help_is_quick_and_starts_no_engine() -> None:
    started = time.perf_counter()
    run = subprocess.run(
        [sys.executable, "-X", "importtime", "jobs/tune.py", "--help"],
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=True,
    )  # fmt: skip
    elapsed_s = time.perf_counter() - started
    for option in ("--dataset", "--trials", "--time-budget", "--families", "--seed", "--json"):
        assert option in run.stdout
    loaded = {line.rsplit("|", 1)[-1].strip() for line in run.stderr.splitlines()}
    assert "click" in loaded
    assert not loaded & {"tensorflow", "keras", "ray", "pandas", "xgboost", "optuna"}
    # Half of what is promised to users leaves room for a busy machine to be twice as slow.
    assert elapsed_s < 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digitz"], "Did you mean digits"),
        (["noise", "--trials", "0"], "0 is not in the range"),
        (["noise", "--seed", "-1"], "-1 is not in the range"),
        (["noise", "--seed", str(2**32)], "is not in the range"),
        (["noise", "--time-budget", "soon"], "not a length of time"),
        ([], "Name the tasks, or give --all"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what_was_wrong(
    arguments: list[str], message: str, tmp_path: Path
) -> None:
    result = CliRunner().invoke(main, [*arguments, "--store", str(tmp_path)])
    assert result.exit_code == 2
    assert message in result.output


def test_a_search_is_discarded_without_a_ray(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for run_id in ("20260101T000000-aaaa", "20260102T000000-bbbb"):
        records.write_unfinished(store, records.make_plan(run_id, "noise"))
    several = CliRunner().invoke(main, ["noise", "--discard", "--store", str(tmp_path)])
    assert several.exit_code == 2
    assert "noise has 2 unfinished searches: name one" in several.output
    for arguments in (["noise", "--discard", "20260101"], ["--discard", "noise"]):
        result = CliRunner().invoke(main, [*arguments, "--store", str(tmp_path)])
        assert result.exit_code == 0, result.output
        assert "Discarded the unfinished search 2026" in result.output
    assert store.staged("runs", "noise") == ()


@pytest.mark.cluster
def test_a_dry_run_shows_the_plan_and_writes_nothing(
    ray_cluster: dict[str, float], tmp_path: Path
) -> None:
    arguments = ["--dry-run", "--store", str(tmp_path)]
    result = CliRunner().invoke(main, ["noise", "--families", "linear", *arguments])
    assert result.exit_code == 0, result.output
    assert "family    linear on features: 1 CPU" in result.stdout
    assert list(tmp_path.iterdir()) == []
    plan = records.make_plan("20260101T000000-aaaa", "noise", families=("linear",))
    records.write_unfinished(Store(tmp_path), plan)
    result = CliRunner().invoke(main, ["--resume", "noise", "--seed", "9", *arguments])
    assert result.exit_code == 2
    assert "--seed: 9 is asked for" in result.output


@pytest.mark.cluster
@pytest.mark.slow
def test_json_is_one_object_on_stdout(ray_cluster: dict[str, float], tmp_path: Path) -> None:
    arguments = ["noise", "--trials", "1", "--families", "boosting", "--no-mlflow", "--json"]
    result = CliRunner().invoke(main, [*arguments, "--store", str(tmp_path)])
    assert result.exit_code == 0
    (run,) = json.loads(result.stdout)["runs"]
    assert run["task"] == "noise"
    assert run["counts"]["planned"] == 1
    assert "noise: published run" in result.stderr


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _begin(folder: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "jobs/tune.py", "noise", "--trials", "6", "--families", "boosting"]
    return subprocess.Popen(
        [*command, "--store", str(folder)], cwd=ROOT, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        env={key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"},
    )  # fmt: skip


def _trials_begun(folder: Path) -> set[int]:
    files = list(folder.glob("runs/noise/.staging-*/history.jsonl"))
    return {row.trial for path in files for row in read_history(path)}


def _tracked(folder: Path) -> dict[str, int]:
    """Return how many runs MLflow has, by status."""
    with contextlib.closing(sqlite3.connect(folder / "mlflow" / "mlflow.sqlite3")) as mlflow:
        return dict(mlflow.execute("SELECT status, COUNT(*) FROM runs GROUP BY status").fetchall())


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of MLflow's use of SQLAlchemy
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_search_that_was_stopped_goes_on_without_losing_or_doubling_a_trial(
    how: signal.Signals, ray_cluster: dict[str, float], tmp_path: Path
) -> None:
    process = _begin(tmp_path)
    _wait_for(lambda: len(_trials_begun(tmp_path)) >= 3, process)
    os.kill(process.pid, how)
    _, errors = process.communicate(timeout=60)
    (run_id,) = Store(tmp_path).staged("runs", "noise")
    if how != signal.SIGKILL:
        assert process.returncode == 128 + how
        line = f"Continue with: tunesmith tune noise --resume {run_id} --store {tmp_path}"
        assert line in errors
        assert "RUNNING" not in _tracked(tmp_path)
    before = _trials_begun(tmp_path)
    assert len(before) < 6

    result = CliRunner().invoke(main, ["noise", "--resume", "--json", "--store", str(tmp_path)])
    assert result.exit_code == 0, result.output
    (run,) = json.loads(result.stdout)["runs"]
    assert run["run_id"] == run_id
    assert [row["trial"] for row in run["table"]] == list(range(6))
    assert run["counts"]["completed"] + run["counts"]["pruned"] == 6
    assert [path.name for path in (tmp_path / "runs" / "noise").glob(".staging-*")] == []
    assert not (tmp_path / "runs" / "noise" / run_id / "owner.json").exists()
    assert _tracked(tmp_path) == {"FINISHED": 6}
