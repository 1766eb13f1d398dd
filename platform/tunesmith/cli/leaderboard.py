"""Show the best of every run and family, running searches included."""

from typing import Any

import click

from tunesmith.cli.command import command, wide_console
from tunesmith.cli.plugin import plugin_option


def _show(result: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table

    console = wide_console(130)
    if not result["rows"]:
        console.print("Nothing was searched yet: tunesmith tune TASK.")
        return
    columns = ("task", "metric", "score", "test", "family", "trial", "steps", "run", "data")
    table = Table(box=box.SIMPLE_HEAD)
    for column in columns:
        table.add_column(column, no_wrap=True)
    for row in result["rows"]:
        score = "" if row["score"] is None else f"{row['score']:.4f}"
        noise = f" ± {row['noise']:.3f}" if row["noise"] is not None and score else ""
        sample = " SAMPLE" if row["is_sample"] else ""
        table.add_row(
            row["task"],
            row["metric"] or "",
            score + noise,
            _test(row),
            row["family"],
            str(row["trial"]),
            str(row["steps"]),
            row["run_id"] + ("" if row["status"] == "finished" else " unfinished"),
            row["dataset"] + sample,
        )
    console.print(table)
    console.print(
        "Scores are on validation, chosen as the best of many trials; test figures are of items "
        "no search saw. Differences within ± are ties."
    )


def _test(row: dict[str, Any]) -> str:
    figure = (row["test"] or {}).get(row["metric"])
    return f"{figure['value']:.4f} [{figure['low']:.3f}, {figure['high']:.3f}]" if figure else ""


@click.argument("tasks", nargs=-1)
@click.option(
    "--by",
    default="family",
    show_default=True,
    type=click.Choice(["run", "family", "trial"]),
    help="A row for each run, each family of a run, or each trial.",
)
@click.option("--top", default=20, show_default=True, type=click.IntRange(1), help="Rows a task.")
@command(show=_show, extras=("train",))
@plugin_option
def main(store: str | None, tasks: tuple[str, ...], by: str, top: int) -> dict[str, Any]:
    """Show what was found so far for TASKS (all by default), best first."""
    from tunesmith.artifacts.store import Store
    from tunesmith.tasks import get_task
    from tunesmith.tuning.leaderboard import leaderboard

    for name in tasks:
        get_task(name)
    return {"rows": leaderboard(Store(store), tasks, level=by, top=top)}
