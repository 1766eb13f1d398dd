"""Make a run's model the champion, if the gate lets it through."""

from typing import Any

import click

from tunesmith.cli.command import command, echo
from tunesmith.cli.plugin import plugin_option
from tunesmith.cli.tables import Column, print_table

_MARKS = {True: "passed", False: "REFUSED", None: "warning"}
_COLUMNS = (Column("rule"), Column("verdict"), Column("finding", folds=True))


def _print_verdicts(verdicts: list[dict[str, Any]], *, err: bool = False) -> None:
    # A rule that is checked again, after calibration, counts by its last verdict.
    last = {verdict["rule"]: verdict for verdict in verdicts}
    rows = [[v["rule"], _MARKS[v["passed"]], v["message"]] for v in last.values()]
    print_table(_COLUMNS, rows, err=err)


def _show(result: dict[str, Any]) -> None:
    replaced = result["replaced"]
    if not result["moved"]:
        click.echo(f"{result['task']}: version {result['version']} is the champion already.")
        return
    _print_verdicts(result["verdicts"])
    instead = f", replacing version {replaced}" if replaced else ""
    click.echo(f"{result['task']}: version {result['version']} is the champion{instead}.")
    if result["beside"] is not None:
        click.echo(
            f"Its columns or classes are not those of {result['beside']}, so it has a champion of "
            f"its own and is served as {result['task']}."
        )
    click.echo(f"Bundle: {result['bundle']}")
    if mlflow := result["mlflow"]:
        version = mlflow["versions"][str(result["version"])]
        click.echo(f"MLflow: {mlflow['name']} version {version} in {mlflow['uri']}")
    click.echo(f"Undo: tunesmith rollback {result['task']}")


@command(
    show=_show,
    extras=("train",),
    sections={
        "What": ("run_id", "plugins"),
        "Gate": ("force", "baseline", "memory_mb"),
        "Where": ("store",),
    },
)
@click.argument("task")
@click.option("--run", "run_id", metavar="ID", help="Run to promote  [the latest]")
@click.option(
    "--force",
    metavar="REASON",
    help="Promote although `better`, `baseline`, `leaks` or `noise` refuses; the history keeps it.",
)
@click.option(
    "--baseline",
    is_flag=True,
    help="Train logistic regression on the same data, and promote it instead of the run's model.",
)
@click.option(
    "--memory-mb",
    default=1000,
    show_default=True,
    help="Megabytes of memory that the model may use in a serving process.",
)
@plugin_option
def main(
    store: str | None,
    task: str,
    run_id: str | None,
    force: str | None,
    *,
    baseline: bool,
    memory_mb: int,
) -> dict[str, Any]:
    """Make the winner of TASK the champion, if it passes the gate.

    Servers answer from the new champion within seconds.

    \b
    Examples:
      tunesmith promote composer
      tunesmith promote composer --baseline
      tunesmith promote composer --force "the old model reads one dataset only"
    """
    from tunesmith.api.promotion import promote_run
    from tunesmith.artifacts.store import Store
    from tunesmith.registry import Refused, history

    artefacts = Store(store)
    try:
        done = promote_run(
            artefacts, task, run_id, force=force, memory_mb=memory_mb, baseline=baseline, say=echo
        )
    except Refused as refused:
        _print_verdicts([verdict.json_object() for verdict in refused.verdicts], err=True)
        raise
    bundle = done.bundle
    newest = history(artefacts, bundle.task)[0]
    return {
        "task": bundle.task,
        "version": bundle.version,
        "beside": task if bundle.task != task else None,
        "moved": done.moved,
        "replaced": done.replaced,
        "run_id": bundle.card.run_id,
        "sha256": bundle.card.sha256,
        "verdicts": newest.json_object()["verdicts"] if done.moved else [],
        "bundle": artefacts.path(*bundle.parts),
        "mlflow": done.catalogued.as_dict() if done.catalogued else None,
    }
