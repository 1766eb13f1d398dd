"""Search a task over model families: Ray Tune, Optuna and early stopping on the whole cluster."""

import json
from typing import Any

import click

from tunesmith.commands import DURATION, command, echo


def _settings(text: str) -> str:
    values = json.loads(text).items()
    return ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in values)


def _show(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for run in result["runs"]:
        table = Table(title=f"{run['task']} {run['run_id']}: {run['metric']} on validation")
        for column in ("trial", "family", "state", "score", "steps", "seconds", "settings"):
            table.add_column(column, overflow="fold")
        for row in sorted(run["table"], key=lambda row: -(row["score"] or 0.0)):
            mark = "*" if row["trial"] == run["best"]["trial"] else ""
            table.add_row(
                f"{row['trial']}{mark}",
                row["family"],
                row["state"],
                f"{row['score']:.4f}" if row["score"] is not None else "",
                str(row["steps"]),
                f"{row['duration_s']:.1f}" if row["duration_s"] else "",
                row["error"] or _settings(row["params"]),
            )
        console.print(table)
        counts = ", ".join(f"{count} {name}" for name, count in run["counts"].items())
        console.print(f"{counts}. Next: python jobs/evaluate.py {run['task']}")


@click.argument("task")
@click.option("--dataset", metavar="NAME", help="Dataset of the store, for tasks on MIDI.")
@click.option("--version", metavar="HASH", help="Its version [latest].")
@click.option("--trials", default=12, show_default=True, type=click.IntRange(1), help="Trials.")
@click.option("--time-budget", type=DURATION, help="End within this time: 90s, 15m, 1h30m.")
@click.option("--families", metavar="A,B", help="Families to search over [the task's own].")
@click.option("--seed", default=0, show_default=True, help="Fixes split, sampler and weights.")
@click.option("--max-failed", type=click.IntRange(0), help="Give up after more failed trials.")
@click.option("--resume", is_flag=True, help="Finish the search of this task that was interrupted.")
@click.option("--address", metavar="HOST:PORT", help="Cluster to join [RAY_ADDRESS, else local].")
@command(show=_show)
def main(  # noqa: PLR0917
    store: str | None,
    task: str,
    dataset: str | None,
    version: str | None,
    trials: int,
    time_budget: float | None,
    families: str | None,
    seed: int,
    max_failed: int | None,
    resume: bool,
    address: str | None,
) -> dict[str, Any]:
    """Search TASK over model families and publish the winner as a run."""
    from tunesmith import runtime
    from tunesmith.store import Store
    from tunesmith.tasks import Request, get_task

    get_task(task)
    with runtime.session(address):
        from tunesmith.search import Ask, search

        ask = Ask(
            task=task,
            request=Request(dataset=dataset, version=version, seed=seed),
            families=tuple(families.split(",")) if families else None,
            trials=trials,
            seed=seed,
            resume=resume,
        )
        runs = search(
            Store(store), [ask], time_budget_s=time_budget, max_failed=max_failed, say=echo
        )
    return {"runs": runs}


if __name__ == "__main__":
    main()
