"""``tunesmith jobs``: list, follow and stop what was submitted to a cluster."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from tunesmith.cli.command import command
from tunesmith.cli.tables import Column, print_table
from tunesmith.cli.wording import duration, local_time

__all__ = ["main"]

_WHERE = {"Where": ("address", "token_file")}
_COLUMNS = (
    Column("job"),
    Column("state"),
    Column("started", rank=1),
    Column("took", right=True, rank=2),
    Column("command", folds=True),
)


@click.group()
def main() -> None:
    """List, follow and stop the jobs of a cluster."""


def _reaching(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where the cluster is."""
    where = click.option(
        "--address",
        metavar="URL",
        help="Dashboard of the cluster  [RAY_API_SERVER_ADDRESS, else http://127.0.0.1:8265]",
    )
    token = click.option(
        "--token-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="File with the cluster's token  [~/.ray/auth_token]",
    )
    return where(token(function))


def _show_list(result: dict[str, Any]) -> None:
    if not result["jobs"]:
        click.echo("There is no job yet. Submit one: tunesmith submit tune TASK")
        return
    rows = [
        [
            job["id"],
            job["status"].lower(),
            local_time(job["start_s"]),
            duration(job["end_s"] - job["start_s"]) if job["end_s"] else "",
            job["entrypoint"],
        ]
        for job in result["jobs"]
    ]
    print_table(_COLUMNS, rows)


@command(show=_show_list, extras=("train",), table=True, uses_store=False, sections=_WHERE)
@_reaching
def _list(*, address: str | None, token_file: Path | None) -> dict[str, Any]:
    """List the jobs, newest first."""
    from tunesmith.cluster.submission import open_cluster

    return {"jobs": open_cluster(address, token_file).list()}


def _show_logs(result: dict[str, Any]) -> None:
    click.echo(result["logs"], nl=False)


@command(show=_show_logs, extras=("train",), uses_store=False, sections=_WHERE)
@click.argument("job_id")
@click.option("--follow", is_flag=True, help="Print on stderr what it prints until it ends.")
@_reaching
def _logs(
    *,
    job_id: str,
    follow: bool,
    address: str | None,
    token_file: Path | None,
) -> dict[str, Any]:
    """Print what a job printed."""
    from tunesmith.cluster.submission import open_cluster

    cluster = open_cluster(address, token_file)
    if follow:
        status = cluster.follow(job_id, lambda text: click.echo(text, err=True, nl=False))
        return {"id": job_id, "status": status, "logs": ""}
    return {"id": job_id, "status": cluster.status(job_id), "logs": cluster.logs(job_id)}


def _show_stop(result: dict[str, Any]) -> None:
    what = "is being stopped" if result["stopped"] else "had ended already"
    click.echo(f"{result['id']} {what}. Submit a search or an ingest again to continue it.")


@command(show=_show_stop, extras=("train",), uses_store=False, sections=_WHERE)
@click.argument("job_id")
@_reaching
def _stop(
    *,
    job_id: str,
    address: str | None,
    token_file: Path | None,
) -> dict[str, Any]:
    """Stop a job; its finished trials and batches are kept."""
    from tunesmith.cluster.submission import open_cluster

    return {"id": job_id, "stopped": open_cluster(address, token_file).stop(job_id)}


main.add_command(_list, "list")
main.add_command(_logs, "logs")
main.add_command(_stop, "stop")
