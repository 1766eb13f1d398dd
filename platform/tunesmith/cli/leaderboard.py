"""``tunesmith leaderboard``: the best trials of all searches, running ones included."""

from typing import Any

import click

from tunesmith.cli.command import command
from tunesmith.cli.plugin import plugin_option
from tunesmith.cli.tables import Column, console, print_table
from tunesmith.cli.wording import interval

_COLUMNS = (
    Column("task"),
    Column("family"),
    Column("validation", right=True),
    Column("test", right=True, rank=1),
    Column("metric", rank=2),
    Column("run", rank=3),
    Column("trial", right=True, rank=4),
    Column("steps", right=True, rank=6),
    Column("data", rank=5),
)


def _show(result: dict[str, Any]) -> None:
    if not result["rows"]:
        click.echo("No search has been run yet. Start one: tunesmith tune TASK")
        return
    print_table(_COLUMNS, [_cells(row) for row in result["rows"]])
    console().print(
        "validation: best of the search's trials, so a little too high; scores within ± of each "
        "other are ties. test: on items that no search saw, with a 95 % interval."
    )


def _cells(row: dict[str, Any]) -> list[str]:
    score = "" if row["score"] is None else f"{row['score']:.4f}"
    noise = f" ± {row['noise']:.3f}" if row["noise"] is not None and score else ""
    test = (row["test"] or {}).get(row["metric"])
    return [
        row["task"],
        row["family"],
        score + noise,
        interval(test) if test else "",
        row["metric"] or "",
        row["run_id"] + ("" if row["status"] == "finished" else " unfinished"),
        str(row["trial"]),
        str(row["steps"]),
        row["dataset"] + (" SAMPLE" if row["is_sample"] else ""),
    ]


@command(
    show=_show,
    extras=("train",),
    table=True,
    sections={"What": ("by", "top", "plugins"), "Where": ("store",)},
)
@click.argument("tasks", nargs=-1)
@click.option(
    "--by",
    default="family",
    show_default=True,
    type=click.Choice(["run", "family", "trial"]),
    help="Print a row for each run, each family of a run, or each trial.",
)
@click.option(
    "--top",
    default=20,
    show_default=True,
    type=click.IntRange(1),
    metavar="N",
    help="Rows for each task.",
)
@plugin_option
def main(store: str | None, tasks: tuple[str, ...], by: str, top: int) -> dict[str, Any]:
    """List the best trials of TASKS, or of all tasks, best first.

    Running and interrupted searches are included.

    \b
    Examples:
      tunesmith leaderboard
      tunesmith leaderboard digits --by trial --top 5
    """
    from tunesmith.artifacts.store import Store
    from tunesmith.tasks import get_task
    from tunesmith.tuning.leaderboard import leaderboard

    for name in tasks:
        get_task(name)
    return {"rows": leaderboard(Store(store), tasks, level=by, top=top)}
