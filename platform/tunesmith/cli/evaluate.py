"""``tunesmith evaluate``: a run measured on the items that its search never saw."""

from typing import Any

import click

from tunesmith.cli.command import command, echo
from tunesmith.cli.plugin import plugin_option
from tunesmith.cli.tables import Column, console, print_table
from tunesmith.cli.wording import count, interval

_ALARMS = {"leak": "LEAK", "caution": "Caution"}


def _show(result: dict[str, Any]) -> None:
    unit, n_test = result["unit"], result["n_test"]
    metrics = {f"per {level}": values for level, values in result["metrics"].items()}
    others = [name for name in metrics if name != f"per {unit}"]
    metrics |= {name: by[unit] for name, by in result["baseline"].items()}
    columns = [Column("metric"), Column(f"per {unit}", right=True)]
    # The model's own values always stay, and beside them as long as possible the baseline that is
    # hardest to beat, the last one.
    *easier, hardest = [*result["baseline"]] or [""]
    ranks = {name: n for n, name in enumerate([hardest, *others, *easier], start=1) if name}
    compared = [*others, *result["baseline"]]
    columns += [Column(name, right=True, rank=ranks[name]) for name in compared]
    names = [f"per {unit}", *compared]
    rows = [
        [metric.replace("_", " "), *(interval(metrics[name][metric]) for name in names)]
        for metric in result["metrics"][unit]
    ]
    title = f"{result['task']}: {count(n_test, unit)} that the search never saw"
    print_table(columns, rows, f"{title} (run {result['run_id']})")
    out = console()
    if result["elsewhere"]:
        _show_elsewhere(result)
    _show_open_set(result)
    if result["chunk_note"]:
        out.print(result["chunk_note"], style="dim")
    for finding in result["audit"]:
        if finding["result"] in _ALARMS:
            out.print(f"{_ALARMS[finding['result']]}, {finding['check']}: {finding['message']}")
    for note in result["notes"]:
        out.print(f"Note: {note}")
    against = result["comparisons"].get("champion")
    if against and against["difference"]:
        out.print(
            f"{against['metric']} compared to champion version {against['version']}: "
            f"{interval(against['difference'])} on {count(against['rows'], unit)}"
        )
    out.print(f"{result['verdict']}.", style="bold")
    click.echo(f"Report: {result['report']}")
    click.echo(f"Next: tunesmith promote {result['task']}")


def _show_open_set(result: dict[str, Any]) -> None:
    """Print false alarms, coverage of sets of labels, and the share of other music recognised."""
    out, scores = console(), result["open_set"] or {}
    if alarms := scores.get("false_alarms"):
        out.print(
            f"None of these: {alarms['value']:.1%} of the test {result['unit']}s are false alarms; "
            f"{result['detector']['promised']:.0%} are promised."
        )
    if result["no_detector"]:
        out.print(f"No detector of {result['unit']}s of no class: {result['no_detector']}")
    if coverage := scores.get("coverage"):
        out.print(
            f"Sets of labels for 90 %: {coverage['value']:.1%} hold the true one, "
            f"{scores['set_size']:.2f} labels on average."
        )
    for row in result["other_labels"]:
        confidence = row["confidence"]
        others = (
            "" if confidence is None else f"; mean confidence about the others {confidence:.2f}"
        )
        out.print(
            f"{row['data']}: {row['recognised']['value']:.0%} of {row['items']:,} pieces with "
            f"{row['labels']:,} other labels are recognised as none of these{others}."
        )


def _show_elsewhere(result: dict[str, Any]) -> None:
    """Print the metrics on copies of the test pieces and on other datasets."""
    columns = [
        Column("pieces"),
        Column("number", right=True, rank=0),
        Column("accuracy", right=True, rank=1),
        Column("balanced accuracy", right=True),
        Column("lowest recall", right=True, rank=2),
    ]
    rows = []
    for row in result["elsewhere"]:
        label, lowest = min(row["recall"].items(), key=lambda pair: pair[1]["value"])
        metrics = row["metrics"]
        rows.append(
            [
                row["data"],
                f"{row['items']:,}",
                interval(metrics["accuracy"]),
                interval(metrics["balanced_accuracy"]),
                f"{label} {lowest['value']:.2f}",
            ]
        )
    print_table(columns, rows, "Files made in another way, and other music")
    for row in result["elsewhere"]:
        if row["left_out"] or row["unknown"]:
            console().print(
                f"{row['data']}: {row['left_out']:,} near-duplicates of what the model learned "
                f"from are left out, and {row['unknown']:,} pieces with other labels.",
                style="dim",
            )


@command(
    show=_show,
    extras=("train",),
    table=True,
    sections={"What": ("run_id", "datasets", "plugins"), "Where": ("store",)},
)
@click.argument("task")
@click.option("--run", "run_id", metavar="ID", help="Run to evaluate  [the latest]")
@click.option(
    "--dataset",
    "datasets",
    metavar="NAME",
    multiple=True,
    help="Another dataset to judge a model of MIDI on; may be repeated",
)
@plugin_option
def main(
    store: str | None, task: str, run_id: str | None, datasets: tuple[str, ...]
) -> dict[str, Any]:
    """Measure the winner of TASK on items that its search never saw.

    Prints each metric with a 95 % interval and a verdict, and writes the report, one HTML page.

    \b
    Example:
      tunesmith evaluate composer
      tunesmith evaluate composer --dataset recitals
    """
    from tunesmith.artifacts.store import Store
    from tunesmith.reports.publishing import make_report
    from tunesmith.reports.verdict import verdict

    artefacts = Store(store)
    report = make_report(artefacts, task, run_id, datasets=datasets, say=echo)
    page = artefacts.path(*report.parts, "report.html")
    return {**report.facts, "verdict": verdict(report.record).headline, "report": page}
