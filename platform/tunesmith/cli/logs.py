"""``tunesmith logs``: what the server of this machine logged."""

from typing import Any

import click

from tunesmith.cli.command import command, echo

__all__ = ["main"]


def _show(result: dict[str, Any]) -> None:
    state = "runs" if result["is_live"] else "has ended"
    echo(f"{len(result['files'])} files in {result['folder']}; this server {state}.")
    for line in result["lines"]:
        click.echo(line)


@command(show=_show, uses_store=False)
@click.option(
    "--lines",
    "last",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    metavar="N",
    help="Number of lines, the last ones of all files in the order of time.",
)
def main(*, last: int) -> dict[str, Any]:
    """Show what the server on this machine logged: controller, proxies and replicas.

    The server that runs is shown, or else the one that ran last. For jobs on a cluster there is
    `tunesmith jobs logs`.

    \b
    Examples:
      tunesmith logs
      tunesmith logs --lines 1000 | grep ERROR
    """
    from tunesmith.cluster.machine import Machine
    from tunesmith.cluster.server_logs import find_logs

    logs = find_logs(Machine())
    return {
        "folder": str(logs.folder),
        "is_live": logs.is_live,
        "files": [path.name for path in logs.files],
        "lines": logs.lines(last),
    }
