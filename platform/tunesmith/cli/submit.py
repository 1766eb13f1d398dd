"""``tunesmith submit JOB ARGUMENTS…``: a command run on a cluster, its output followed."""

from pathlib import Path
from typing import Any

import click

from tunesmith.cli.command import command, echo
from tunesmith.errors import UsageError

__all__ = ["main"]


def _show(result: dict[str, Any]) -> None:
    click.echo(f"{result['id']} {result['status']}: {result['entrypoint']}")


@command(
    show=_show,
    code=lambda result: 1 if result["status"] in {"FAILED", "STOPPED"} else 0,
    extras=("train",),
    sections={
        "Job": ("working_dir", "pairs", "detach"),
        "Where": ("store", "address", "token_file"),
    },
)
@click.argument("job")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--working-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Folder to upload  [this one if it is a checkout, else none]",
)
@click.option(
    "--env", "pairs", multiple=True, metavar="NAME=VALUE", help="Variable for the job; repeatable."
)
@click.option(
    "--detach", is_flag=True, help="Return at once; `tunesmith jobs logs` shows the output."
)
@click.option(
    "--address",
    metavar="URL",
    help="Dashboard of the cluster  [RAY_API_SERVER_ADDRESS, else http://127.0.0.1:8265]",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="File with the cluster's token  [~/.ray/auth_token]",
)
def main(
    *,
    store: str | None,
    job: str,
    arguments: tuple[str, ...],
    address: str | None,
    token_file: Path | None,
    working_dir: Path | None,
    pairs: tuple[str, ...],
    detach: bool,
) -> dict[str, Any]:
    """Run the command JOB on a cluster and print its output, on stderr.

    Options of this command stand before JOB, those of the job after it. In a checkout the checkout
    is uploaded and run. Elsewhere the job runs the package that is installed on the cluster, which
    must be of the same version as this one.

    \b
    Examples:
      tunesmith submit ingest s3://bucket/midi --name mine
      tunesmith submit --store s3://bucket/store tune composer --trials 12
    """
    from tunesmith.cluster.submission import (
        Order,
        entrypoint,
        is_checkout,
        not_uploaded,
        open_cluster,
    )

    here = Path.cwd()
    folder = working_dir.resolve() if working_dir else (here if is_checkout(here) else None)
    environment = dict(_pair(text) for text in pairs)
    order = Order(job, arguments, folder, store, environment)
    line = entrypoint(order)
    for name in not_uploaded(arguments, folder):
        echo(f"Note: {name} is not in the upload; the cluster may not see it.")
    if not order.brings_code:
        echo("Note: the job runs the package that is installed on the cluster.")
    cluster = open_cluster(address, token_file)
    job_id = cluster.submit(order)
    echo(f"{job_id} on {cluster.address}: {line}")
    status = cluster.status(job_id)
    if not detach:
        try:
            status = cluster.follow(job_id, lambda text: click.echo(text, err=True, nl=False))
        except KeyboardInterrupt:
            echo(f"\nThe job goes on. Follow it: tunesmith jobs logs --follow {job_id}")
            echo(f"Stop it: tunesmith jobs stop {job_id}")
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
