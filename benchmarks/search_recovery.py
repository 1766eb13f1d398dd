"""Kill a search at random moments and see whether `--resume` ends as if nothing had happened.

python benchmarks/search_recovery.py --kills 10 --trial-kills 5

The driver is killed with SIGKILL while it starts, after any of its results or while the winner is
trained again, then the search is continued to its end; processes of trials are killed while they
train. Every search must end with the planned number of trials, none twice and none lost, and with
the winner of the undisturbed one. One core, so that trials follow each other: then the seed fixes
every draw and every early stop. With more, which trial ends first is chance, and so is what later
ones learn.
"""

import contextlib
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Search:
    """Search that is repeated."""

    task: str
    families: str
    trials: int
    cpus: int

    def start(self, store: Path, *, resume: bool = False) -> subprocess.Popen[str]:
        """Start the job in a session of its own."""
        how = ["--resume"] if resume else ["--trials", str(self.trials), "--families",
                                           self.families]  # fmt: skip
        return subprocess.Popen(
            [sys.executable, str(ROOT / "jobs" / "tune.py"), self.task, *how, "--cpus",
             str(self.cpus), "--store", str(store), "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def begun(self, store: Path) -> bool:
        """Return whether there is a search to continue."""
        return any((store / "runs" / self.task).glob(".staging-*/plan.json"))

    def ended(self, store: Path) -> bool:
        """Return whether the run is published."""
        return (store / "runs" / self.task / "latest.json").exists()


def finish(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the job's end and return its run."""
    out, errors = process.communicate(timeout=600)
    if process.returncode:
        raise SystemExit(errors)
    run: dict[str, Any] = json.loads(out)["runs"][0]
    return run


def faults(search: Search, run: dict[str, Any], store: Path) -> list[str]:
    """Return what is wrong with how a search ended."""
    faults = []
    numbers = [row["trial"] for row in run["table"] if row["family"] != "ensemble"]
    if sorted(numbers) != list(range(search.trials)):
        faults.append(f"trials {sorted(numbers)}")
    failed = [row["trial"] for row in run["table"] if row["state"] == "FAILED"]
    if failed:
        faults.append(f"failed {failed}")
    folder = store / "runs" / search.task / run["run_id"]
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    if {row["trial"] for row in rows} != set(numbers):
        faults.append("a trial without a history")
    with contextlib.closing(sqlite3.connect(store / "mlflow" / "mlflow.sqlite3")) as mlflow:
        query = "SELECT value FROM tags WHERE key = 'tunesmith.trial'"
        tracked = Counter(int(number) for (number,) in mlflow.execute(query))
        open_runs = mlflow.execute("SELECT COUNT(*) FROM runs WHERE status = 'RUNNING'").fetchone()
    if tracked != Counter(numbers) or open_runs != (0,):
        faults.append(f"runs of MLflow by trial {dict(tracked)}, {open_runs[0]} left open")
    return faults


def outcome(run: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Return what the seed fixes: settings, score, length and state of every trial."""
    rows = sorted(run["table"], key=lambda row: row["trial"])
    return [
        (r["trial"], r["family"], r["params"], r["score"], r["steps"], r["state"]) for r in rows
    ]


def compare(search: Search, run: dict[str, Any], expected: dict[str, Any], store: Path) -> bool:
    """Say how a search ended beside the undisturbed one; return whether all is well."""
    wrong = faults(search, run, store)
    same_best = (run["best"]["trial"], run["best"]["score"], run["best"]["params"]) == (
        expected["best"]["trial"], expected["best"]["score"], expected["best"]["params"],
    )  # fmt: skip
    pairs = zip(outcome(run), outcome(expected), strict=False)
    n_same = sum(ours == theirs for ours, theirs in pairs)
    best = "same best" if same_best else f"OTHER BEST {run['best']['trial']}"
    click.echo(
        f"    {len(run['table'])} trials, {n_same} equal to the undisturbed ones, {best}"
        + "".join(f"; WRONG: {fault}" for fault in wrong)
    )
    return same_best and not wrong


def trial_processes(session: int) -> list[int]:
    """Return the processes of a session that train."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "-s", str(session)], capture_output=True, text=True, check=False
    ).stdout
    return [int(line.split()[0]) for line in listed.splitlines() if "Trainable" in line]


def n_results(store: Path) -> int:
    """Return how many results a running search has written."""
    return sum(
        len(path.read_bytes().splitlines())
        for path in store.glob("runs/*/.staging-*/history.jsonl")
    )


def wait_for(process: subprocess.Popen[str], store: Path, wanted: int) -> None:
    """Wait until so many results are there; fewer than none: for a second each from the start."""
    if wanted < 0:
        time.sleep(-wanted)
    while n_results(store) < wanted and process.poll() is None:
        time.sleep(0.02)


@click.command()
@click.option("--task", default="noise", show_default=True)
@click.option("--families", default="boosting,linear", show_default=True)
@click.option("--trials", default=12, show_default=True)
@click.option("--cpus", default=1, show_default=True)
@click.option("--kills", default=10, show_default=True, help="Kills of the driver.")
@click.option("--trial-kills", default=5, show_default=True, help="Kills of a trial's process.")
@click.option("--seed", default=0, show_default=True)
def main(kills: int, trial_kills: int, seed: int, **options: Any) -> None:
    """Kill a search at random moments and compare what comes out."""
    dice = random.Random(seed)
    search = Search(**options)
    with tempfile.TemporaryDirectory() as folder:
        stores = Path(folder)
        began = time.monotonic()
        expected = finish(search.start(stores / "undisturbed"))
        length_s = time.monotonic() - began
        best = expected["best"]
        click.echo(f"undisturbed: {length_s:.1f} s, best #{best['trial']} {best['score']:.4f}")
        well = compare(search, expected, expected, stores / "undisturbed")
        history = stores / "undisturbed" / "runs" / search.task / expected["run_id"]
        n_all = len((history / "history.jsonl").read_bytes().splitlines())
        for number in range(kills):
            store = stores / "killed"
            shutil.rmtree(store, ignore_errors=True)
            process = search.start(store)
            wait_for(process, store, dice.randrange(-n_all // 5, n_all + 1))
            pause_s = dice.uniform(0.0, 1.0)
            time.sleep(pause_s)
            results = n_results(store)
            process.kill()
            process.communicate()
            click.echo(f"driver killed {number + 1}, {results} of {n_all} results:")
            if search.ended(store):
                click.echo("    it had ended")
                continue
            run = finish(search.start(store, resume=search.begun(store)))
            well &= compare(search, run, expected, store)
        for number in range(trial_kills):
            store = stores / "trial"
            shutil.rmtree(store, ignore_errors=True)
            process = search.start(store)
            wanted = dice.randrange(1, n_all // 2)
            wait_for(process, store, wanted)
            # Between two families there is none for a moment.
            while not (pids := trial_processes(process.pid)) and process.poll() is None:
                time.sleep(0.02)
            if pids:
                os.kill(dice.choice(pids), signal.SIGKILL)
            click.echo(f"trial killed {number + 1} after {wanted} results ({pids}):")
            well &= compare(search, finish(process), expected, store) and bool(pids)
    click.echo("all as undisturbed" if well else "NOT all as undisturbed")
    sys.exit(not well)


if __name__ == "__main__":
    main()
