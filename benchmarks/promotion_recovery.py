"""Kill promotions at random moments and see whether one valid champion answers afterwards.

python benchmarks/promotion_recovery.py digits --kills 20

A run of TASK that was searched and evaluated is copied into a store of its own, once a kill under
another name, so that every promotion has a bundle of its own to write. The whole command, with its
trial in a clean process and what it tells MLflow, is killed with SIGKILL at a random moment of its
length. After each kill the aliases must name one champion, its model must be the one that its card
describes and must load, and every other bundle must be whole; then `history` is asked once, as a
person would, and MLflow's registry must name the same champion.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import click

from tunesmith.artifacts import layout
from tunesmith.artifacts.reports import Comparison, open_report
from tunesmith.artifacts.runs import Run, open_run
from tunesmith.artifacts.store import Store
from tunesmith.artifacts.tracking import open_client, tracking_uri
from tunesmith.registry import aliases, bundles, champion, history
from tunesmith.registry.mlflow_registry import model_name
from tunesmith.reports.publishing import ensure_report

ROOT = Path(__file__).resolve().parent.parent


def copy_run(run: Run, store: Store, name: str) -> None:
    """Write a run and its report into another store under another name."""
    source, parts = run.store, layout.run(run.task, name)
    files = ["split.parquet", "trials.parquet", "history.parquet", "model/model.onnx",
             "model/reference.npz"]  # fmt: skip
    for file in files:
        data = source.read_bytes(*run.parts, *file.split("/"))
        store.write_bytes(data, *parts, *file.split("/"))
    run.record.model_copy(update={"run_id": name}).write(store, *parts, layout.RECORD)
    report = open_report(source, run.task, run.run_id)
    if report is None:
        message = f"Evaluate run {run.run_id} first: tunesmith evaluate {run.task}."
        raise click.UsageError(message)
    comparisons = dict(report.record.comparisons)
    now = aliases(store, run.task).champion
    if now is not None:
        # Up to date, or the command would measure the model again first.
        comparisons["champion"] = Comparison(version=now, problem="a drill")
    changes = {"run_id": name, "comparisons": comparisons}
    record = report.record.model_copy(update=changes)
    record.write(store, *layout.report(run.task, name, layout.REPORT))


def start(job: str, store: Store, *arguments: str) -> subprocess.Popen[str]:
    """Start a job in a session of its own."""
    environment = {**os.environ, "MLFLOW_TRACKING_URI": tracking_uri(store)}
    return subprocess.Popen(
        [sys.executable, str(ROOT / "jobs" / f"{job}.py"), *arguments, "--store", store.uri,
         "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=environment,
    )  # fmt: skip


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for a job's end and return what it tells."""
    out, errors = process.communicate(timeout=600)
    if process.returncode:
        raise SystemExit(errors)
    return dict(json.loads(out))


def check(store: Store, task: str) -> int:
    """Return the one champion, or end the benchmark with what is wrong."""
    now, current = aliases(store, task), champion(store, task)
    last = history(store, task)[0]
    if current is None or not current.version == now.champion == last.champion:
        message = f"the aliases {now} and the last record {last} do not agree"
        raise SystemExit(message)
    current.load()
    for bundle in bundles(store, task):
        bundle.model_bytes()
    return current.version


def champion_of_mlflow(store: Store, task: str) -> int:
    """Return the bundle that MLflow's registry names champion."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = open_client(tracking_uri(store))
        version = client.get_model_version_by_alias(model_name(task), "champion")
    return int(version.tags["tunesmith.version"])


@click.command()
@click.argument("task")
@click.option("--store", "source", metavar="URI", help="Where the run is.")
@click.option("--kills", default=20, show_default=True)
@click.option("--seed", default=0, show_default=True)
def main(task: str, source: str | None, kills: int, seed: int) -> None:
    """Kill promotions of TASK at random moments and look at what is left."""
    dice = random.Random(seed)
    report, _ = ensure_report(Store(source), task)
    run = open_run(Store(source), task, report.run_id)
    with tempfile.TemporaryDirectory() as folder:
        store = Store(folder)
        lengths_s = []
        for name in ("first", "second", "third"):
            copy_run(run, store, name)
            began = time.monotonic()
            finish(start("promote", store, task, "--run", name, "--force", "a drill"))
            lengths_s.append(time.monotonic() - began)
        # The first one also makes MLflow's tables.
        length_s = min(lengths_s)
        click.echo(f"undisturbed: {length_s:.1f} s")
        moved = healed = running = 0
        for number in range(kills):
            before = check(store, task)
            name = f"drill-{number:02d}"
            copy_run(run, store, name)
            process = start("promote", store, task, "--run", name, "--force", "a drill")
            after_s = dice.uniform(0.0, 1.0) * length_s
            time.sleep(after_s)
            ended = process.poll() is not None
            running += not ended
            if not ended:
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            now = check(store, task)
            left = [p.name for p in Path(store.path("models", task)).glob(".*")]
            repairs = finish(start("history", store, task))["mlflow"]
            if champion_of_mlflow(store, task) != now:
                message = f"MLflow names another champion than {now} after {name}"
                raise SystemExit(message)
            moved += now != before
            healed += bool(repairs["added"] or repairs["moved"])
            click.echo(
                f"kill {number + 1:2d} at {after_s:4.1f} s{' (had ended)' if ended else ''}: "
                f"champion {before} -> {now}, {len(left)} unfinished, MLflow caught up with "
                f"{len(repairs['added'])} versions and {len(repairs['moved'])} aliases"
            )
        swept = store.sweep("models", task, older_s=0.0)
        left = [p.name for p in Path(store.path("models", task)).glob(".*")]
        click.echo(
            f"{kills} of {kills} kills, {running} of them before the command had ended, left one "
            f"valid champion, {moved} times the new one; "
            f"MLflow had to catch up {healed} times; {len(swept)} leftovers swept, {len(left)} left"
        )


if __name__ == "__main__":
    main()
