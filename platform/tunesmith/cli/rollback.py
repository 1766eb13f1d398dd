"""``tunesmith rollback``: an earlier version of a task's model as champion again."""

from typing import Any

import click

from tunesmith.cli.command import command, echo


def _show(result: dict[str, Any]) -> None:
    click.echo(
        f"{result['task']}: version {result['champion']} is the champion again, in place of "
        f"version {result['replaced']}. Servers follow within seconds."
    )


@command(show=_show, extras=("train",))
@click.argument("task")
@click.option(
    "--to", type=int, metavar="VERSION", help="Version to return to  [the previous champion]"
)
@click.option("--reason", metavar="TEXT", help="Reason, kept in the history.")
def main(store: str | None, task: str, to: int | None, reason: str | None) -> dict[str, Any]:
    """Make the previous champion of TASK, or another version, the champion again.

    \b
    Examples:
      tunesmith rollback composer
      tunesmith rollback composer --to 3 --reason "wrong labels in the data"
    """
    from tunesmith.artifacts.store import Store
    from tunesmith.registry import catalogue_or_say, rollback

    artefacts = Store(store)
    record = rollback(artefacts, task, to, reason=reason)
    mlflow = catalogue_or_say(artefacts, task, echo)
    return {"task": task, "mlflow": mlflow.as_dict() if mlflow else None} | record.json_object()
