"""Make a run's model the champion, if the gate lets it through."""

from typing import Any

import click

from tunesmith.cli.command import command, echo
from tunesmith.cli.plugin import plugin_option

_MARKS = {True: "passed", False: "REFUSED", None: "warning"}


def _lines(verdicts: list[dict[str, Any]]) -> list[str]:
    return [f"  {_MARKS[v['passed']]:<7}  {v['rule']:<9}  {v['message']}" for v in verdicts]


def _show(result: dict[str, Any]) -> None:
    replaced = result["replaced"]
    if not result["moved"]:
        click.echo(f"{result['task']}: version {result['version']} is the champion already.")
        return
    click.echo("\n".join(_lines(result["verdicts"])))
    instead = f", replacing version {replaced}" if replaced else ""
    click.echo(f"{result['task']}: version {result['version']} is the champion{instead}.")
    click.echo(f"Bundle: {result['bundle']}")
    if told := result["mlflow"]:
        version = told["versions"][str(result["version"])]
        click.echo(f"MLflow: {told['name']} version {version} in {told['uri']}")
    click.echo(f"Undo: tunesmith rollback {result['task']}")


@command(show=_show, extras=("train",))
@click.argument("task")
@click.option("--run", "run_id", metavar="ID", help="Which run [the latest].")
@click.option(
    "--force",
    metavar="REASON",
    help="Overrule the rules of judgement (better, noise); the history keeps the reason.",
)
@click.option(
    "--memory-mb", default=1000, show_default=True, help="Memory that a serving process can spare."
)
@plugin_option
def main(
    store: str | None, task: str, run_id: str | None, force: str | None, memory_mb: int
) -> dict[str, Any]:
    """Make the winner of TASK the champion, if the gate lets it through."""
    from tunesmith.api.promotion import promote_run
    from tunesmith.artifacts.store import Store
    from tunesmith.registry import Refused, history

    artefacts = Store(store)
    try:
        done = promote_run(artefacts, task, run_id, force=force, memory_mb=memory_mb, say=echo)
    except Refused as refused:
        echo("\n".join(_lines([verdict.json_object() for verdict in refused.verdicts])))
        raise
    bundle = done.bundle
    return {
        "task": task,
        "version": bundle.version,
        "moved": done.moved,
        "replaced": done.replaced,
        "run_id": bundle.card.run_id,
        "sha256": bundle.card.sha256,
        "verdicts": history(artefacts, task)[0].json_object()["verdicts"] if done.moved else [],
        "bundle": artefacts.path(*bundle.parts),
        "mlflow": done.catalogued.as_dict() if done.catalogued else None,
    }
