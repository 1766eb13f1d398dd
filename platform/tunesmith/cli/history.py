"""Tell who replaced whom as champion, when and why."""

from typing import Any

import click

from tunesmith.cli.command import command, echo, wide_console


def _show(result: dict[str, Any]) -> None:
    from rich import box
    from rich.table import Table

    table = Table("when", "who", "what", "version", "replaced", "why", box=box.SIMPLE_HEAD)
    for record in result["records"]:
        table.add_row(
            record["when"],
            record["who"],
            record["action"],
            str(record["champion"]),
            str(record["replaced"] or ""),
            record["reason"] or _better(record),
        )
    wide_console(100).print(table)
    named = ", ".join(f"{name} {number}" for name, number in result["aliases"].items() if number)
    click.echo(f"{result['task']}: {named or 'nothing was promoted yet'}.")
    if told := result["mlflow"]:
        click.echo(f"MLflow: {told['name']} in {told['uri']}")


def _better(record: dict[str, Any]) -> str:
    said = [v["message"] for v in record["verdicts"] if v["rule"] == "better"]
    return said[0] if said else ""


@command(show=_show)
@click.argument("task")
def main(store: str | None, task: str) -> dict[str, Any]:
    """Tell who replaced whom as champion of TASK, when and why; newest first."""
    from tunesmith.artifacts.store import Store
    from tunesmith.registry import aliases, catalogue_or_say, history

    artefacts = Store(store)
    now = aliases(artefacts, task)
    told = catalogue_or_say(artefacts, task, echo)
    return {
        "task": task,
        "mlflow": told.as_dict() if told else None,
        "aliases": {
            "champion": now.champion,
            "previous": now.previous,
            "challenger": now.challenger,
        },
        "records": [record.json_object() for record in history(artefacts, task)],
    }
