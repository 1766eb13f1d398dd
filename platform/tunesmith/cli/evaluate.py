"""Measure a run on the items its search never saw and write the report."""

from typing import Any

import click

from tunesmith.cli.command import command, echo, wide_console
from tunesmith.cli.plugin import plugin_option


def _cell(figure: dict[str, float]) -> str:
    return f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def _show(result: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table

    unit = result["unit"]
    columns = {
        f"{'an' if level[0] in 'aeiou' else 'a'} {level}": figures
        for level, figures in result["metrics"].items()
    }
    columns |= {name: by[unit] for name, by in result["baseline"].items()}
    # Columns of figures do not fit into the 80 of a pipe.
    console = wide_console(124)
    title = f"{result['task']} {result['run_id']}: {result['n_test']} {unit}s the search never saw"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right", no_wrap=True)
    for metric in result["metrics"][unit]:
        cells = [_cell(figures[metric]) for figures in columns.values()]
        table.add_row(metric.replace("_", " "), *cells)
    console.print(table)
    if result["chunk_note"]:
        console.print(result["chunk_note"], style="dim")
    against = result["comparisons"].get("champion")
    if against and "difference" in against:
        console.print(
            f"{against['metric']} against champion {against['version']}: "
            f"{_cell(against['difference'])} on {against['rows']} {unit}s"
        )
    console.print(f"Report: {result['report']}", soft_wrap=True)
    console.print(f"Next: tunesmith promote {result['task']}")


@command(show=_show, extras=("train",))
@click.argument("task")
@click.option("--run", "run_id", metavar="ID", help="Which run [the latest].")
@plugin_option
def main(store: str | None, task: str, run_id: str | None) -> dict[str, Any]:
    """Measure the winner of TASK on items its search never saw."""
    from tunesmith.artifacts.store import Store
    from tunesmith.reports.publishing import make_report

    artefacts = Store(store)
    report = make_report(artefacts, task, run_id, say=echo)
    page = artefacts.path(*report.parts, "report.html")
    return report.facts | {"report": page}
