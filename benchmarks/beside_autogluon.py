"""Tables beside AutoGluon: the same rows learned, the same rows judged, in one run.

    python -m venv ag && ag/bin/pip install "autogluon.tabular[lightgbm,xgboost,catboost]"
    python benchmarks/beside_autogluon.py --autogluon ag/bin/python genre emotion diamonds.csv:cut

A table is a task, or a CSV file and the column of its classes. `tunesmith tune` gets a tenth of the
time of AutoGluon's preset ``best_quality``. Both learn from the rows outside the task's test part,
in the columns that the task learns from; AutoGluon gets them as they stand in the file. Printed are
accuracy on the test part, wall and processor time of fitting, the size of what is needed to
predict, and the median time of one row.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from ingest import sample

_TICKS_S = os.sysconf("SC_CLK_TCK")
_ROWS_TIMED = 200
_SHARE = 10  # AutoGluon's time is so many times as long
_AUTOGLUON = """
import json, sys, time
from pathlib import Path
import pandas as pd
from autogluon.tabular import TabularPredictor

folder, target, seconds, n_timed = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
learned, test = (pd.read_csv(folder / name) for name in ("learned.csv", "test.csv"))
began = time.perf_counter()
predictor = TabularPredictor(target, eval_metric="accuracy", path=str(folder / "ag"), verbosity=0)
predictor.fit(learned, presets="best_quality", time_limit=seconds)
seconds = time.perf_counter() - began
answers = predictor.predict(test)
small = predictor.clone_for_deployment(str(folder / "small"), return_clone=True)
small.persist()
times = []
for row in range(min(n_timed, len(test))):
    one = test.iloc[[row]].drop(columns=target)
    began = time.perf_counter()
    small.predict(one)
    times.append(time.perf_counter() - began)
print(json.dumps({
    "accuracy": float((answers.astype(str) == test[target].astype(str)).mean()), "seconds": seconds,
    "megabytes": sum(f.stat().st_size for f in (folder / "small").rglob("*") if f.is_file()) / 1e6,
    "ms": sorted(times)[len(times) // 2] * 1e3, "best": predictor.model_best,
}))
"""


def last_json(*arguments: str, environment: dict[str, str] | None = None) -> tuple[Any, float]:
    """Run a program; return the JSON that it prints last, and its processor time."""
    ticks: dict[int, int] = {}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            arguments, stdout=out, stderr=errors, start_new_session=True, env=environment
        )
        while process.poll() is None:
            sample(process.pid, ticks)
            time.sleep(0.2)
        out.seek(0)
        errors.seek(0)
        if process.returncode:
            message = f"{' '.join(arguments)[:80]}: {errors.read().strip()[-2000:]}"
            raise click.ClickException(message)
        return json.loads(out.read().strip().splitlines()[-1]), sum(ticks.values()) / _TICKS_S


def command(*arguments: str) -> tuple[Any, float]:
    """Run a command of Tunesmith; return its JSON and its processor time."""
    return last_json(sys.executable, "-m", "tunesmith", *arguments, "--json")


def ours(task: str, table: Sequence[str], store: Path, seconds: float) -> dict[str, Any]:
    """Search, evaluate and promote a task, and time one row."""
    began = time.perf_counter()
    budget = ("--time-budget", f"{seconds:.0f}s", "--trials", "100", "--store", str(store))
    _, cpu_s = command("tune", task, *table, *budget)
    took_s = time.perf_counter() - began
    report, _ = command("evaluate", task, "--store", str(store))
    command("promote", task, "--force", "to time one row", "--store", str(store))
    model = next(store.glob(f"models/{task}/0*"))
    return {
        "accuracy": report["metrics"][report["unit"]]["accuracy"]["value"],
        "seconds": took_s, "cpu_s": cpu_s,
        "megabytes": sum(f.stat().st_size for f in model.rglob("*") if f.is_file()) / 1e6,
    }  # fmt: skip


def latency_ms(task: str, store: Path, rows: Sequence[dict[str, Any]]) -> float:
    """Return the median time of one row, in this process."""
    import tunesmith

    model = tunesmith.load_model(task, store=str(store))
    times = []
    for row in rows:
        began = time.perf_counter()
        model.predict(row)
        times.append(time.perf_counter() - began)
    return statistics.median(times) * 1e3


def read(task: str, store: Path) -> Any:
    """Return the data of the latest run of a task, split as its search was."""
    from tunesmith.artifacts.runs import open_run
    from tunesmith.artifacts.store import Store
    from tunesmith.tasks import Request, get_task

    run = open_run(Store(str(store)), task)
    return get_task(task).read(Store(str(store)), Request.of(run.record.request.model_dump()))


def theirs(data: Any, python: str, folder: Path, seconds: float) -> dict[str, Any]:
    """Fit AutoGluon on the rows outside the test part and judge it on those within."""
    source, examples = data.source, data.examples
    frame = source.frame[list(source.features)].copy()
    frame[source.target] = [examples.classes[label] for label in examples.y]
    test = data.parts == "test"
    frame[~test].to_csv(folder / "learned.csv", index=False)
    frame[test].to_csv(folder / "test.csv", index=False)
    content, cpu_s = last_json(
        python, "-c", _AUTOGLUON, str(folder), source.target, f"{seconds:.0f}", str(_ROWS_TIMED),
        environment={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )  # fmt: skip
    return {**content, "cpu_s": cpu_s}


@click.command()
@click.argument("tables", nargs=-1, required=True)
@click.option("--autogluon", required=True, help="Python of an environment that has AutoGluon.")
@click.option("--seconds", default=600, show_default=True, help="Time of AutoGluon for a table.")
@click.option("--report", type=click.Path(path_type=Path), help="Write all figures here as JSON.")
def main(tables: tuple[str, ...], autogluon: str, seconds: int, report: Path | None) -> None:
    """Learn TABLES with Tunesmith and with AutoGluon, and print both sides."""
    figures = {}
    for table in tables:
        path, _, target = table.rpartition(":")
        task = "emotion" if path else table
        with tempfile.TemporaryDirectory() as scratch:
            store, folder = Path(scratch) / "store", Path(scratch) / "beside"
            folder.mkdir()
            options = ("--csv", path, "--target", target) if path else ()
            sides = {"tunesmith": ours(task, options, store, seconds / _SHARE)}
            data = read(task, store)
            test = np.flatnonzero(data.parts == "test")
            timed = data.source.frame[list(data.source.features)].iloc[test[:_ROWS_TIMED]]
            rows = timed.astype(object).where(timed.notna(), None).to_dict("records")
            sides["tunesmith"]["ms"] = latency_ms(task, store, rows)
            sides["autogluon"] = theirs(data, autogluon, folder, seconds)
        figures[table] = sides
        click.echo(f"{Path(path).name or task}: {len(data.parts) - test.size:,} rows learned, "
                   f"{test.size:,} judged")  # fmt: skip
        for name, side in sides.items():
            click.echo(
                f"  {name:10} accuracy {side['accuracy']:.4f}; fitted in {side['seconds']:.0f} s "
                f"({side['cpu_s']:.0f} s of processors); {side['megabytes']:.1f} MB; "
                f"{side['ms']:.2f} ms a row"
            )
        if report:
            report.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
