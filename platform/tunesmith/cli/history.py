"""``tunesmith history``: each change of a task's champion."""

from typing import Any

import click

from tunesmith.cli.command import command, echo
from tunesmith.cli.tables import Column, print_table
from tunesmith.cli.wording import local_time

_COLUMNS = (
    Column("when"),
    Column("action"),
    Column("version", right=True),
    Column("replaced", right=True, rank=2),
    Column("by", rank=1),
    Column("reason", folds=True),
)


def _show(result: dict[str, Any]) -> None:
    task, aliases = result["task"], result["aliases"]
    if result["records"]:
        print_table(_COLUMNS, [_cells(record) for record in result["records"]])
    named = ", ".join(f"{name} version {number}" for name, number in aliases.items() if number)
    if named:
        click.echo(f"{task}: {named}.")
    else:
        click.echo(f"{task}: nothing has been promoted yet. Promote: tunesmith promote {task}")
    if mlflow := result["mlflow"]:
        click.echo(f"MLflow: {mlflow['name']} in {mlflow['uri']}")


def _cells(record: dict[str, Any]) -> list[str]:
    better = [v["message"] for v in record["verdicts"] if v["rule"] == "better"]
    return [
        local_time(record["when"]),
        record["action"],
        str(record.get("withdrawn") or record["champion"]),
        str(record["replaced"] or ""),
        record["who"],
        record["reason"] or (better[0] if better else ""),
    ]


@command(show=_show, extras=("train",), table=True)
@click.argument("task")
def main(store: str | None, task: str) -> dict[str, Any]:
    """List the promotions, rollbacks and withdrawn challengers of TASK, newest first.

    \b
    Example:
      tunesmith history composer
    """
    from tunesmith.artifacts.store import Store
    from tunesmith.registry import aliases, catalogue_or_say, history

    artefacts = Store(store)
    now = aliases(artefacts, task)
    mlflow = catalogue_or_say(artefacts, task, echo)
    return {
        "task": task,
        "mlflow": mlflow.as_dict() if mlflow else None,
        "aliases": {
            "champion": now.champion,
            "previous": now.previous,
            "challenger": now.challenger,
        },
        "records": [record.json_object() for record in history(artefacts, task)],
    }
