"""``tunesmith doctor``: problems of this machine, each with what to do about it."""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.command import command
from tunesmith.cli.wording import count
from tunesmith.errors import UsageError

if TYPE_CHECKING:
    from tunesmith.cluster.findings import Finding, Target

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


def _configured(target: "Target", path: Path) -> tuple["Finding", "Target"]:
    """Check a server's configuration; return the target with its port, and its store if open."""
    from tunesmith.artifacts.uris import default_uri, without_credentials
    from tunesmith.cluster.findings import Finding
    from tunesmith.serving.launch import read_configuration

    try:
        configuration = read_configuration(path)
    except UsageError as error:
        do = f"correct it, then: tunesmith serve --config {path} --check"
        return Finding("configuration", "fault", str(error), do), target
    _, port = configuration.address
    store = target.store_uri or configuration.settings.store
    state = f"{path} is valid: port {port}, store {without_credentials(store or default_uri())}"
    return Finding("configuration", "ok", state), replace(target, store_uri=store, http_port=port)


@command(
    show=_show,
    code=lambda result: 1 if result["faults"] else 0,
    sections={"What": ("address", "config", "worker"), "Where": ("store",)},
)
@click.option("--all", "every", is_flag=True, help="List the checks that passed as well.")
@click.option(
    "--address", metavar="URL", help="Dashboard of a cluster to compare this machine with."
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Configuration of a server, such as serve/config.yaml: check it, its port and its store.",
)
@click.option(
    "--worker",
    is_flag=True,
    help="Start or join Ray and ask a worker for its GPU; takes 15 s.",
)
def main(
    *, store: str | None, every: bool, address: str | None, config: Path | None, worker: bool
) -> dict[str, Any]:
    """Check this machine for problems: Ray, ports, memory, disk, GPUs, store and clock.

    Prints each problem with what to do about it. Nothing is started, except with --worker. Exits
    with 1 when something will fail; a warning is not a failure.

    \b
    Examples:
      tunesmith doctor
      tunesmith doctor --all --address http://127.0.0.1:8265
      tunesmith doctor --config serve/config.yaml
    """
    from tunesmith.cluster.checks import examine
    from tunesmith.cluster.findings import Target
    from tunesmith.cluster.machine import Machine

    url = address or os.environ.get("RAY_API_SERVER_ADDRESS")
    target = Target(Machine(), store, url)
    findings = []
    if config is not None:
        finding, target = _configured(target, config)
        findings.append(finding)
    findings += examine(target)
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
