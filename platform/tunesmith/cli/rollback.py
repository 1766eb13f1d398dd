"""Make an earlier version the champion again."""

from typing import Any

import click

from tunesmith.cli.command import command, echo


def _show(result: dict[str, Any]) -> None:
    click.echo(
        f"{result['task']}: version {result['champion']} is the champion again, in place of "
        f"version {result['replaced']}. Servers follow within seconds."
    )


@command(show=_show)
@click.argument("task")
@click.option("--to", type=int, metavar="VERSION", help="Which version [the previous champion].")
@click.option("--reason", metavar="TEXT", help="Kept in the history.")
def main(store: str | None, task: str, to: int | None, reason: str | None) -> dict[str, Any]:
    """Make the previous champion of TASK, or another version, the champion again."""
    from tunesmith.artifacts.store import Store
    from tunesmith.registry import catalogue_or_say, rollback

    artefacts = Store(store)
    record = rollback(artefacts, task, to, reason=reason)
    told = catalogue_or_say(artefacts, task, echo)
    return {"task": task, "mlflow": told.as_dict() if told else None} | record.json_object()
