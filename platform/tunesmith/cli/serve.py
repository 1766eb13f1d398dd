"""``tunesmith serve``: answer requests from the champions of a store, on this machine."""

import os
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tunesmith.cli.command import command, echo
from tunesmith.cli.tables import Column, print_table
from tunesmith.errors import UsageError

if TYPE_CHECKING:
    from tunesmith.serving.launch import Configuration, ServedNode

__all__ = ["main", "require_free", "serving", "wait_for_signal"]

_PAUSE_S = 0.5


def require_free(host: str, port: int) -> None:
    """Refuse a port that another program listens on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            message = (
                f"Port {port} of {host} is taken by another program ({error.strerror}). "
                "Stop it, or choose another with --port."
            )
            raise UsageError(message) from error


@contextmanager
def serving(configuration: "Configuration") -> Iterator[None]:
    """Serve for the length of a ``with`` block; at its end requests in work are answered first."""
    from tunesmith.cluster.connection import session
    from tunesmith.serving.launch import drain, start

    for name, value in configuration.environment.items():
        os.environ.setdefault(name, value)
    with session():
        try:
            start(configuration)
            yield
        finally:
            drain()


def wait_for_signal() -> None:
    """Return when the process is asked to end, by Ctrl-C or SIGTERM."""
    stopped = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    try:
        # Python runs the handlers of signals between two waits.
        while not stopped.wait(_PAUSE_S):
            pass
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)


def summary(address: str, nodes: Sequence["ServedNode"]) -> str:
    """Return the line that says what is served, where, and what has no model."""
    served = [
        f"{node.name} (version {', '.join(str(v) for v in node.models.values() if v is not None)})"
        for node in nodes
        if node.has_model and not node.problem
    ]
    broken = [node.name for node in nodes if node.problem]
    missing = [node.name for node in nodes if not node.has_model and not node.problem]
    line = f"Serving on {address}: {', '.join(served) or 'no model yet'}."
    if broken:
        line += f" Cannot be loaded: {', '.join(broken)}."
    if missing:
        line += f" No model: {', '.join(missing)}."
    return line


def _show(result: dict[str, Any]) -> None:
    if not result["checked"]:
        return
    rows = [
        [
            node["name"],
            node["reads"],
            node["placement"],
            ", ".join(
                (f"version {version}" if task == node["name"] else f"{task} version {version}")
                if version is not None
                else ("none" if task == node["name"] else f"{task} none")
                for task, version in node["models"].items()
            ),
            node["problem"],
        ]
        for node in result["nodes"]
    ]
    columns = (
        Column("node"),
        Column("reads", rank=2),
        Column("placement", rank=1),
        Column("model"),
        Column("problem", folds=True),
    )
    print_table(columns, rows)
    counts = f"{result['with_model']} of {len(rows)} nodes have a model"
    broken = sum(bool(node["problem"]) for node in result["nodes"])
    if broken:
        noun = "model" if broken == 1 else "models"
        click.echo(f"{result['config']} is valid; {counts}, but {broken} {noun} cannot be loaded.")
    else:
        click.echo(f"{result['config']} is valid; {counts}.")


@command(
    show=_show,
    code=lambda result: 2 if any(node["problem"] for node in result["nodes"]) else 0,
    extras=("serve",),
    table=True,
    sections={"Where": ("store", "host", "port")},
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Configuration of the graph, as in serve/config.yaml  [the shipped one]",
)
@click.option(
    "--check",
    is_flag=True,
    help="Check the configuration, load each champion, and start nothing.",
)
@click.option("--host", metavar="HOST", help="Address to listen on  [127.0.0.1]")
@click.option(
    "--port", type=click.IntRange(1, 65535), metavar="N", help="Port to listen on  [8000]"
)
def main(
    *, store: str | None, config: Path | None, check: bool, host: str | None, port: int | None
) -> dict[str, Any]:
    """Serve the champions over HTTP, on this machine, until Ctrl-C.

    Starts Ray and the classification graph. A model that is promoted later is served within
    seconds. On Ctrl-C or SIGTERM the requests in work are answered first.

    \b
    Examples:
      tunesmith serve
      tunesmith serve --port 9000 --store s3://bucket/prefix
      tunesmith serve --config my-config.yaml --check

    --check exits with 2 when the configuration is wrong or a champion cannot be loaded.
    """
    from dataclasses import asdict

    from tunesmith.artifacts.store import Store
    from tunesmith.serving.launch import read_configuration, served_nodes
    from tunesmith.serving.settings import CONFIG

    read = read_configuration(config or CONFIG)
    configuration = read.changed(store=store, host=host, port=port)
    nodes = served_nodes(configuration.settings, Store(configuration.settings.store))
    result = {
        "checked": check,
        "config": str(config or "The shipped configuration"),
        "address": configuration.url,
        "with_model": sum(node.has_model for node in nodes),
        "nodes": [asdict(node) for node in nodes],
    }
    if check:
        return result
    require_free(*configuration.address)
    echo("Starting Ray and the server on this machine …")
    with serving(configuration):
        echo(f"{summary(str(result['address']), nodes)} Ctrl-C stops it.")
        wait_for_signal()
        echo("Stopping: requests in work are answered first …")
    return result
