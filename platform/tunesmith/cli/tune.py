"""``tunesmith tune``: tasks searched over model families on the whole cluster."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.command import DURATION, command, echo
from tunesmith.cli.names import family_names, task_names
from tunesmith.cli.plugin import plugin_option
from tunesmith.cli.progress import searching
from tunesmith.cli.tables import Column, print_table, wrapped
from tunesmith.cli.wording import count, duration, settings, size
from tunesmith.errors import UsageError

if TYPE_CHECKING:
    from tunesmith.artifacts.runs import Run
    from tunesmith.artifacts.store import Store
    from tunesmith.tuning import SearchOptions

# What NumPy, scikit-learn and Keras take.
_LARGEST_SEED = 2**32 - 1


_COLUMNS = (
    Column("trial", right=True),
    Column("family"),
    Column("score", right=True),
    Column("state", rank=1),
    Column("steps", right=True, rank=2),
    Column("time", right=True, rank=3),
    Column("settings", folds=True),
)


def _show(result: dict[str, Any]) -> None:
    if "plan" in result:
        _show_plan(result)
        return
    if "discarded" in result:
        for run in result["discarded"]:
            click.echo(f"Discarded the unfinished search {run['run_id']} of {run['task']}.")
        return
    for run in result["runs"]:
        ranked = sorted(run["table"], key=lambda row: -(row["score"] or 0.0))
        rows = [_cells(row, best=row["trial"] == run["best"]["trial"]) for row in ranked]
        title = f"{run['task']}: {run['metric']} on validation data (run {run['run_id']})"
        print_table(_COLUMNS, rows, title)
        counts = ", ".join(f"{number} {name}" for name, number in run["counts"].items() if number)
        click.echo(f"Trials: {counts}. * is the published winner.")
        if run["dataset"]["is_sample"]:
            click.echo("The data is a GENERATED SAMPLE, not the real data set.")
        click.echo(f"Next: tunesmith evaluate {run['task']}")


def _cells(row: dict[str, Any], *, best: bool) -> list[str]:
    return [
        f"{'*' if best else ''}{row['trial']}",
        row["family"],
        f"{row['score']:.4f}" if row["score"] is not None else "",
        row["state"].lower().replace("_", " "),
        str(row["steps"]),
        duration(row["duration_s"]) if row["duration_s"] else "",
        row["error"] or settings(row["params"]),
    ]


def _with_trials(run: "Run") -> dict[str, Any]:
    """Return a run with a row for each trial, as ``--json`` prints it."""
    trials = run.table("trials")
    rows = trials.astype(object).where(trials.notna(), None).to_dict("records")
    return run.record.json_object() | {"table": rows}


def _show_plan(result: dict[str, Any]) -> None:
    def show(heading: str, text: str) -> None:
        click.echo(wrapped(f"  {heading:<9} {text}", " " * 14))

    for plan in result["plan"]:
        data = plan["data"]
        items = ", ".join(f"{number:,} {split}" for split, number in data["items"].items())
        click.echo(f"{plan['task']}: {plan['title']}")
        show("data", f"{data['name']} {data['version']}: {items}; {plan['protocol']}")
        for note in plan["notes"]:
            show("note", note)
        if begun := plan.get("continues"):
            show("continues", f"{begun['run_id']}: {count(begun['ended'], 'trial')} ended")
        for name, view in data["views"].items():
            show("view", f"{name}: {count(view['rows'], 'row')}, {size(view['bytes'])}")
        judged = f"mean of {plan['folds']} folds" if plan["folds"] else "validation split"
        show(
            "search",
            f"{count(plan['trials'], 'trial')}, {plan['slots']} at once, by "
            f"{plan['metric']} on the {judged}"
            + (f"; first {', '.join(plan['first'])}" if plan["first"] else ""),
        )
        for family in plan["families"]:
            share = ", ".join(f"{amount:g} {name}" for name, amount in family["resources"].items())
            show(
                "family",
                f"{family['name']} on {family['view']}: {share}, up to {family['steps']} x "
                f"{family['step']}",
            )
            for name, text in family["space"].items():
                click.echo(wrapped(f"              {name}: {text}", " " * 16))


def _search_options(options: dict[str, Any]) -> "SearchOptions":
    """Return the options of the search among those of the command."""
    from tunesmith.tuning import SearchOptions, datasets_by_task

    own = {field.name: options[field.name] for field in fields(SearchOptions)}
    own["resume"] = _run_chosen(options["resume"])
    families = options["families"].split(",") if options["families"] else None
    return SearchOptions(
        **own
        | {
            "dataset": datasets_by_task(options["dataset"]),
            "families": families,
            "read_as": _by_column(options["read_as"]),
        }
    )


def _by_column(values: tuple[str, ...]) -> dict[str, str]:
    """Return what ``COLUMN=HOW`` says by column."""
    pairs = [value.rpartition("=") for value in values]
    for (column, _, how), value in zip(pairs, values, strict=True):
        if not column or not how:
            message = f"--read-as takes COLUMN=HOW, such as streams=comma, not {value!r}."
            raise UsageError(message)
    return {column: how for column, _, how in pairs}


def _run_chosen(value: str | None) -> str | bool:
    """Return the run that an option names, whether it was given where it names none."""
    return value or value is not None


def _task_after(option: str | None) -> str | None:
    """Return the task that stands where an option may have a run; runs begin with a year."""
    return option if option and not option[0].isdigit() else None


def _names() -> dict[str, str]:
    return {"Tasks": ", ".join(task_names()), "Families": ", ".join(family_names())}


def _discarded(
    store: "Store", tasks: Sequence[str], options: Mapping[str, Any]
) -> list[dict[str, str]]:
    """Remove the unfinished search of each task that the option names."""
    from tunesmith.tuning.continuation import discard

    if options["resume"] is not None or options["extend"]:
        message = "A search is discarded, or resumed, or extended: choose one of them."
        raise UsageError(message)
    if options["discard"] and len(tasks) > 1:
        message = f"The search {options['discard']} is of one task: name that task alone."
        raise UsageError(message)
    plans = [discard(store, task, _run_chosen(options["discard"])) for task in tasks]
    return [{"task": plan.task, "run_id": plan.run_id} for plan in plans]


@command(
    show=_show,
    extras=("train",),
    table=True,
    closing=_names,
    continues=(),
    sections={
        "What to search": ("every", "families", "plugins"),
        "Data": ("dataset", "version", "least_pieces", "least_share"),
        "Your own table": ("csv", "target", "group", "drop", "read_as"),
        "How much": ("preset", "trials", "time_budget", "max_failed", "seed"),
        "Go on with an earlier search": ("resume", "extend", "retry_failed", "discard"),
        "Where": ("store", "address", "cpus", "dashboard", "track"),
    },
)
@click.argument("tasks", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Search every task, at once, on one cluster.")
@click.option("--families", metavar="A,B", help="Families to search over  [the task's own]")
@plugin_option
@click.option(
    "--dataset",
    multiple=True,
    metavar="[TASK=]NAME",
    help="Dataset of the store, for tasks on MIDI; repeat it for several tasks.",
)
@click.option("--version", metavar="HASH", help="Version of that dataset  [the latest]")
@click.option(
    "--least-pieces",
    type=click.IntRange(2),
    metavar="N",
    help="Leave out composers with fewer pieces.",
)
@click.option(
    "--least-share",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Leave out composers with a smaller share of the chunks.",
)
@click.option(
    "--csv",
    metavar="FILE",
    help="Table, for tasks on tables: CSV, TSV, Parquet, Arrow, Excel, JSON lines.",
)
@click.option("--target", metavar="COLUMN", help="Column that holds the class.")
@click.option(
    "--group",
    multiple=True,
    metavar="COLUMN",
    help="Column whose equal rows stay in one split; may be repeated.",
)
@click.option(
    "--background",
    multiple=True,
    metavar="DATASET",
    help="Other dataset whose music is of no class, for the answer none of these; may be repeated.",
)
@click.option("--drop", multiple=True, metavar="COLUMN", help="Column to ignore; may be repeated.")
@click.option(
    "--read-as",
    multiple=True,
    metavar="COLUMN=HOW",
    help="How texts of a column are read: comma (1.234,5), point (1,234.5), day-first, "
    "month-first, text (kinds), words, or ngrams (words and how they are written), as a column of "
    "--group may be too; may be repeated.",
)
@click.option(
    "--preset",
    type=click.Choice(["fast", "good", "best"]),
    help="At most 3, 15 or 60 minutes a task and 6, 12 or 60 trials; --trials and --time-budget "
    "count instead where given  [good, without either]",
)
@click.option(
    "--trials",
    type=click.IntRange(1),
    metavar="N",
    help="Number of trials for each task, those that it continues included  [12]",
)
@click.option(
    "--time-budget",
    type=DURATION,
    metavar="TIME",
    help="Stop after this time, refits included: 90s, 15m, 1h30m.",
)
@click.option(
    "--max-failed",
    type=click.IntRange(0),
    metavar="N",
    help="Give up when more trials than this have failed.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, _LARGEST_SEED),
    metavar="N",
    help="Seed of the split, the sampler and the weights  [0]",
)
@click.option(
    "--resume",
    is_flag=False,
    flag_value="",
    metavar="[RUN]",
    help="Finish a search that was interrupted: RUN, or the only one. Options that differ from "
    "what it began with are refused; --trials may be more.",
)
@click.option(
    "--extend", is_flag=True, help="Add trials to the latest run until it has --trials of them."
)
@click.option(
    "--retry-failed",
    is_flag=True,
    help="With --resume or --extend: run the trials that failed again.",
)
@click.option(
    "--discard",
    is_flag=False,
    flag_value="",
    metavar="[RUN]",
    help="Remove a search that was interrupted, with its trials: RUN, or the only one.",
)
@click.option(
    "--address", metavar="HOST:PORT", help="Ray cluster to join  [RAY_ADDRESS, else start Ray here]"
)
@click.option(
    "--cpus", type=click.IntRange(1), metavar="N", help="Cores to use when Ray starts here  [all]"
)
@click.option(
    "--dashboard", is_flag=True, help="Open Ray's dashboard on 127.0.0.1 when Ray starts here."
)
@click.option(
    "--mlflow/--no-mlflow",
    "track",
    default=True,
    show_default=True,
    help="Record each trial in MLflow: MLFLOW_TRACKING_URI, else a SQLite file of the store.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and the search spaces; run nothing.")
def main(store: str | None, tasks: tuple[str, ...], **options: Any) -> dict[str, Any]:
    """Search TASKS over model families and publish the best model of each as a run.

    Trials run in parallel on all cores and GPUs; weak ones are stopped early. Ctrl-C keeps every
    result and prints the command that goes on.

    \b
    Examples:
      tunesmith tune digits
      tunesmith tune composer --dataset mine --trials 30 --time-budget 15m
      tunesmith tune genre --csv songs.csv --target genre --group artist
      tunesmith tune digits --preset fast
      tunesmith tune --all --time-budget 2h
      tunesmith tune composer --resume
      tunesmith tune composer --discard 20261129T0804
    """
    from tunesmith.artifacts.store import Store
    from tunesmith.cluster import connection
    from tunesmith.tasks import get_task
    from tunesmith.tasks import task_names as known_tasks
    from tunesmith.tuning import ENGINE

    began = time.monotonic()
    for name in ("resume", "discard"):
        if (task := _task_after(options[name])) is not None:
            tasks, options[name] = (*tasks, task), ""
    if options["every"] == bool(tasks):
        message = f"Name the tasks, or give --all. Known: {', '.join(known_tasks())}."
        raise UsageError(message)
    names = known_tasks() if options["every"] else tasks
    for name in names:
        get_task(name)
    if options["discard"] is not None:
        return {"discarded": _discarded(Store(store), names, options)}
    here = {"include_dashboard": options["dashboard"], "num_cpus": options["cpus"]}
    with connection.session(options["address"], meanwhile=ENGINE, say=echo, **here) as cluster:
        from tunesmith.api.search import run_search
        from tunesmith.tuning import obtainable, preview, search_requests, with_preset

        place = Store(store)
        chosen, budget_s = with_preset(
            options["preset"], _search_options(options), options["time_budget"], len(names)
        )
        if options["dry_run"]:
            return {"plan": preview(place, search_requests(names, chosen), obtainable(cluster))}
        with searching() as say:
            runs = run_search(
                place,
                names,
                chosen,
                cluster=cluster,
                time_budget_s=budget_s,
                began=began,
                max_failed=options["max_failed"],
                track=options["track"],
                say=say,
            )
        return {"runs": [_with_trials(run) for run in runs]}
