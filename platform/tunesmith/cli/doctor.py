"""``tunesmith doctor``: problems of this machine, each with what to do about it."""

import os
from typing import Any

import click

from tunesmith.cli.command import command
from tunesmith.cli.wording import count

__all__ = ["main"]

_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "fault": ("FAULT", "red")}


def _show(result: dict[str, Any]) -> None:
    findings = result["findings"]
    shown = [f for f in findings if result["all"] or f["state"] != "ok"]
    width = max((len(finding["check"]) for finding in shown), default=0)
    for finding in shown:
        mark, colour = _MARKS[finding["state"]]
        head = f"{click.style(f'{mark:8}', fg=colour)}{finding['check']:{width}}  "
        click.echo(f"{head}{finding['saw']}")
        if finding["do"]:
            click.echo(f"{'':{width + 10}}-> {finding['do']}")
    troubles = [
        count(result[f"{kind}s"], kind) for kind in ("fault", "warning") if result[f"{kind}s"]
    ]
    if troubles:
        click.echo(f"{count(len(findings), 'check')}: {', '.join(troubles)}.")
    else:
        click.echo(f"{count(len(findings), 'check')} passed.")


@command(
    show=_show,
    code=lambda result: 1 if result["faults"] else 0,
    sections={"What": ("address", "worker"), "Where": ("store",)},
)
@click.option("--all", "every", is_flag=True, help="List the checks that passed as well.")
@click.option(
    "--address", metavar="URL", help="Dashboard of a cluster to compare this machine with."
)
@click.option(
    "--worker",
    is_flag=True,
    help="Start or join Ray and ask a worker for its GPU; takes 15 s.",
)
def main(*, store: str | None, every: bool, address: str | None, worker: bool) -> dict[str, Any]:
    """Check this machine for problems: Ray, ports, memory, disk, GPUs, store and clock.

    Prints each problem with what to do about it. Nothing is started, except with --worker. Exits
    with 1 when something will fail; a warning is not a failure.

    \b
    Examples:
      tunesmith doctor
      tunesmith doctor --all --address http://127.0.0.1:8265
    """
    from tunesmith.cluster.checks import examine
    from tunesmith.cluster.findings import Target
    from tunesmith.cluster.machine import Machine

    url = address or os.environ.get("RAY_API_SERVER_ADDRESS")
    findings = examine(Target(Machine(), store, url))
    if worker:
        from tunesmith.cluster.worker import ask_worker

        findings.append(ask_worker())
    states = [finding.state for finding in findings]
    return {
        "all": every,
        "findings": [finding.as_dict() for finding in findings],
        "faults": states.count("fault"),
        "warnings": states.count("warning"),
    }
