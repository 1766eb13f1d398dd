"""``tunesmith doctor``: is this machine fit for a search or a server, and what to do if not."""

import os
from typing import Any

import click

from tunesmith.cli.command import command

__all__ = ["main"]

_MARKS = {"ok": ("ok", "green"), "warning": ("warning", "yellow"), "fault": ("FAULT", "red")}


def _show(result: dict[str, Any]) -> None:
    width = max(len(finding["check"]) for finding in result["findings"])
    for finding in result["findings"]:
        mark, colour = _MARKS[finding["state"]]
        head = f"{click.style(f'{mark:8}', fg=colour)}{finding['check']:{width}}  "
        if finding["state"] == "ok":
            click.echo(f"{head}{finding['saw']}; {finding['do']}")
        else:
            click.echo(f"{head}{finding['saw']}")
            click.echo(f"{'':{width + 10}}-> {finding['do']}")
    click.echo(
        f"{len(result['findings'])} checks: {result['faults']} faults, "
        f"{result['warnings']} warnings."
    )


@command(show=_show, code=lambda result: 1 if result["faults"] else 0)
@click.option("--address", metavar="URL", help="Dashboard of a cluster to compare this machine to.")
@click.option(
    "--worker", is_flag=True, help="Start or join Ray and ask a worker for its GPU: takes 15 s."
)
def main(*, store: str | None, address: str | None, worker: bool) -> dict[str, Any]:
    """Examine this machine: Ray, tokens, ports, memory, disk, GPUs, store and clock.

    Every line says what to do. Nothing is started, except with --worker. Exits with 1 when there
    is a fault; warnings are no fault.
    """
    from tunesmith.cluster.checks import Question, examine
    from tunesmith.cluster.machine import Machine

    url = address or os.environ.get("RAY_API_SERVER_ADDRESS")
    findings = examine(Question(Machine(), store, url))
    if worker:
        from tunesmith.cluster.worker import ask_worker

        findings.append(ask_worker())
    states = [finding.state for finding in findings]
    return {
        "findings": [finding.as_dict() for finding in findings],
        "faults": states.count("fault"),
        "warnings": states.count("warning"),
    }
