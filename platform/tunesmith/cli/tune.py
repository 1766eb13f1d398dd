"""Search tasks over model families: Ray Tune, Optuna and early stopping on the whole cluster."""

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.command import DURATION, command, echo, wide_console
from tunesmith.cli.plugin import plugin_option
from tunesmith.errors import UsageError

if TYPE_CHECKING:
    from tunesmith.tuning import SearchOptions

# What NumPy, scikit-learn and Keras take.
_LARGEST_SEED = 2**32 - 1


def _settings(text: str) -> str:
    values = json.loads(text).items()
    return ", ".join(f"{k} {v:.3g}" if isinstance(v, float) else f"{k} {v}" for k, v in values)


def _show(result: dict[str, Any]) -> None:
    if "plan" in result:
        _show_plan(result)
        return
    from rich import box
    from rich.table import Table

    # Settings are long: in 80 columns they would be a word a line.
    console = wide_console(140)
    for run in result["runs"]:
        title = f"{run['task']} {run['run_id']}: {run['metric']} on validation"
        table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
        for column in ("trial", "family", "state", "score", "steps", "seconds"):
            table.add_column(column, no_wrap=True)
        table.add_column("settings", overflow="fold")
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
        counts = ", ".join(f"{count} {name}" for name, count in run["counts"].items() if count)
        sample = " GENERATED SAMPLE, not the real data." if run["dataset"]["is_sample"] else ""
        console.print(f"{counts}.{sample} Next: tunesmith evaluate {run['task']}")


def _show_plan(result: dict[str, Any]) -> None:
    for plan in result["plan"]:
        data = plan["data"]
        items = ", ".join(f"{count} {part}" for part, count in data["items"].items())
        click.echo(f"{plan['task']}: {plan['title']}")
        click.echo(f"  data      {data['name']} {data['version']}: {items}; {plan['protocol']}")
        for note in plan["notes"]:
            click.echo(f"            {note}")
        for name, view in data["views"].items():
            click.echo(f"  view      {name}: {view['rows']} rows, {view['bytes'] / 1e6:.1f} MB")
        inside = f"mean of {plan['folds']} folds" if plan["folds"] else "validation part"
        click.echo(
            f"  search    {plan['trials']} trials, {plan['slots']} at once, by {plan['metric']} on "
            f"the {inside}; first {', '.join(plan['first'])}"
        )
        for family in plan["families"]:
            share = ", ".join(f"{amount:g} {name}" for name, amount in family["resources"].items())
            click.echo(
                f"  family    {family['name']} on {family['view']}: {share}, up to "
                f"{family['steps']} x {family['step']}"
            )
            for name, text in family["space"].items():
                click.echo(f"              {name}: {text}")


def _search_options(options: dict[str, Any]) -> "SearchOptions":
    """Return the options of the search among those of the command."""
    from tunesmith.tuning import SearchOptions, datasets_by_task

    own = {field.name: options[field.name] for field in fields(SearchOptions)}
    families = options["families"].split(",") if options["families"] else None
    return SearchOptions(
        **own | {"dataset": datasets_by_task(options["dataset"]), "families": families}
    )


@click.argument("tasks", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Every task, at once, on one cluster.")
@click.option(
    "--dataset", multiple=True, metavar="[TASK=]NAME", help="Dataset of the store, for MIDI tasks."
)
@click.option("--version", metavar="HASH", help="Its version [latest].")
@click.option("--least-pieces", type=click.IntRange(2), help="Composers with fewer are left out.")
@click.option("--least-share", type=click.FloatRange(0, 1), help="The same, as a share of chunks.")
@click.option("--csv", metavar="FILE", help="Your own table, CSV or Parquet, for table tasks.")
@click.option("--target", metavar="COLUMN", help="Its column of classes.")
@click.option(
    "--group", multiple=True, metavar="COLUMN", help="Rows equal here stay on one side of a split."
)
@click.option("--drop", multiple=True, metavar="COLUMN", help="A column that is no feature.")
@click.option("--trials", default=12, show_default=True, type=click.IntRange(1), help="Trials.")
@click.option("--time-budget", type=DURATION, help="End within this time: 90s, 15m, 1h30m.")
@click.option("--families", metavar="A,B", help="Families to search over [the task's own].")
@click.option(
    "--seed",
    default=0,
    show_default=True,
    type=click.IntRange(0, _LARGEST_SEED),
    help="Fixes split, sampler and weights.",
)
@click.option("--max-failed", type=click.IntRange(0), help="Give up after more failed trials.")
@click.option("--resume", is_flag=True, help="Finish the search that was interrupted.")
@click.option("--extend", is_flag=True, help="Add to the latest run until it has --trials.")
@click.option("--dry-run", is_flag=True, help="Print the plan and the spaces, run nothing.")
@click.option(
    "--mlflow/--no-mlflow",
    "track",
    default=True,
    show_default=True,
    help="A run of MLflow for every trial, in MLFLOW_TRACKING_URI or a SQLite file of the store.",
)
@click.option("--cpus", type=click.IntRange(1), help="Cores to use, if Ray starts here [all].")
@click.option("--dashboard", is_flag=True, help="Ray's dashboard on 127.0.0.1, if Ray starts here.")
@click.option("--address", metavar="HOST:PORT", help="Cluster to join [RAY_ADDRESS, else local].")
@command(show=_show, extras=("train",))
@plugin_option
def main(store: str | None, tasks: tuple[str, ...], **options: Any) -> dict[str, Any]:
    """Search TASKS over model families and publish each winner as a run."""
    from tunesmith.artifacts.store import Store
    from tunesmith.cluster import connection
    from tunesmith.tasks import get_task, task_names
    from tunesmith.tuning import ENGINE

    if options["every"] == bool(tasks):
        message = f"Name the tasks, or give --all. Known: {', '.join(task_names())}."
        raise UsageError(message)
    names = task_names() if options["every"] else tasks
    for name in names:
        get_task(name)
    here = {"include_dashboard": options["dashboard"], "num_cpus": options["cpus"]}
    with connection.session(options["address"], meanwhile=ENGINE, **here) as cluster:
        from tunesmith.api.search import run_search
        from tunesmith.tuning import asks_for, on_machines, plan

        place, chosen = Store(store), _search_options(options)
        if options["dry_run"]:
            return {"plan": plan(place, asks_for(names, chosen), on_machines(cluster))}
        return {
            "runs": run_search(
                place,
                names,
                chosen,
                cluster=cluster,
                time_budget_s=options["time_budget"],
                max_failed=options["max_failed"],
                track=options["track"],
                say=echo,
            )
        }
