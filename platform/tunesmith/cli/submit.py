"""``tunesmith submit JOB ARGUMENTS…``: run a job on a cluster and follow it."""

from pathlib import Path
from typing import Any

import click

from tunesmith.cli.command import command, echo
from tunesmith.errors import UsageError

__all__ = ["main"]


def _show(result: dict[str, Any]) -> None:
    click.echo(f"{result['id']} {result['status']}: {result['entrypoint']}")


@command(show=_show, code=lambda result: 1 if result["status"] in {"FAILED", "STOPPED"} else 0)
@click.argument("job")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("--address", metavar="URL", help="The cluster's dashboard  [http://127.0.0.1:8265]")
@click.option("--token-file", type=click.Path(path_type=Path), help="The cluster's token.")
@click.option(
    "--working-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    help="Checkout to upload  [this folder]",
)
@click.option("--env", "pairs", multiple=True, metavar="NAME=VALUE", help="A variable for the job.")
@click.option("--detach", is_flag=True, help="Return at once; `tunesmith jobs logs` follows it.")
def main(
    *,
    store: str | None,
    job: str,
    arguments: tuple[str, ...],
    address: str | None,
    token_file: Path | None,
    working_dir: Path,
    pairs: tuple[str, ...],
    detach: bool,
) -> dict[str, Any]:
    """Run JOB of jobs/ on a cluster and print what it prints, on stderr.

    Options of the job itself follow it: tunesmith submit --store s3://b/p tune composer --trials 12
    """
    from tunesmith.cluster.submission import Order, entrypoint, not_uploaded, open_cluster

    environment = dict(_pair(text) for text in pairs)
    order = Order(job, arguments, working_dir.resolve(), store, environment)
    line = entrypoint(order)
    for name in not_uploaded(arguments, order.working_dir):
        echo(f"note: {name} is on this machine and not in the upload; the cluster may not see it")
    cluster = open_cluster(address, token_file)
    job_id = cluster.submit(order)
    echo(f"{job_id} on {cluster.address}: {line}")
    status = cluster.status(job_id)
    if not detach:
        try:
            status = cluster.follow(job_id, lambda text: click.echo(text, err=True, nl=False))
        except KeyboardInterrupt:
            echo(f"\n{job_id} goes on: `tunesmith jobs logs --follow {job_id}`, `… stop {job_id}`")
            raise
    return {"id": job_id, "status": status, "entrypoint": line, "address": cluster.address}


# What follows the job's name is the job's own, also where it starts with a dash.
main.context_settings.update(ignore_unknown_options=True, allow_interspersed_args=False)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        message = f"{text!r} is not NAME=VALUE, as in --env TF_CPP_MIN_LOG_LEVEL=2."
        raise UsageError(message)
    return name, value
