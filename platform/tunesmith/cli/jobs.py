"""``tunesmith jobs``: list, follow and stop what was submitted to a cluster."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from tunesmith.cli.command import command

__all__ = ["main"]


@click.group()
def main() -> None:
    """List, follow and stop the jobs of a cluster."""


def _reaching(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where the cluster is."""
    where = click.option("--address", metavar="URL", help="Its dashboard  [http://127.0.0.1:8265]")
    token = click.option("--token-file", type=click.Path(path_type=Path), help="Its token.")
    return where(token(function))


def _show_list(result: dict[str, Any]) -> None:
    for job in result["jobs"]:
        began = datetime.fromtimestamp(job["start_s"]).astimezone()
        took = f"{job['end_s'] - job['start_s']:7.0f} s" if job["end_s"] else f"{'':9}"
        click.echo(f"{job['id']}  {job['status']:9} {began:%F %T} {took}  {job['entrypoint']}")
    if not result["jobs"]:
        click.echo("No job yet. Submit one: tunesmith submit tune composer")


@command(show=_show_list)
@_reaching
def _list(*, store: str | None, address: str | None, token_file: Path | None) -> dict[str, Any]:  # noqa: ARG001
    """List the jobs, newest first."""
    from tunesmith.cluster.submission import open_cluster

    return {"jobs": open_cluster(address, token_file).list()}


def _show_logs(result: dict[str, Any]) -> None:
    click.echo(result["logs"], nl=False)


@command(show=_show_logs)
@click.argument("job_id")
@click.option("--follow", is_flag=True, help="Go on until the job ends, on stderr.")
@_reaching
def _logs(
    *,
    store: str | None,  # noqa: ARG001 - every command has it
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
    told = "is being stopped" if result["stopped"] else "had ended"
    click.echo(f"{result['id']} {told}; a search or ingest continues where it was")


@command(show=_show_stop)
@click.argument("job_id")
@_reaching
def _stop(
    *,
    store: str | None,  # noqa: ARG001 - every command has it
    job_id: str,
    address: str | None,
    token_file: Path | None,
) -> dict[str, Any]:
    """Stop a job; what it had finished stays."""
    from tunesmith.cluster.submission import open_cluster

    return {"id": job_id, "stopped": open_cluster(address, token_file).stop(job_id)}


main.add_command(_list, "list")
main.add_command(_logs, "logs")
main.add_command(_stop, "stop")
