"""The log files of the server that runs, or last ran, on this machine."""

import heapq
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tunesmith.cluster.connection import ClusterError
from tunesmith.cluster.machine import Machine

__all__ = ["ServerLogs", "find_logs"]

_TIME = re.compile(r"[A-Z]+ (\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d+)")


@dataclass(frozen=True)
class ServerLogs:
    """Log files of a server.

    Attributes
    ----------
    folder
        The folder that Ray Serve writes them to.
    is_live
        Whether the Ray that writes them still runs.
    """

    folder: Path
    is_live: bool

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, by name: of the controller, of the proxies and of each replica."""
        return tuple(sorted(path for path in self.folder.glob("*.log") if path.is_file()))

    def lines(self, last: int) -> list[str]:
        """Return the last lines of all files together, in the order of time.

        Lines without a time, such as those of a traceback, stay behind the one that they follow.
        """
        # By time alone: lines of one time keep the order that they have in their file.
        merged = heapq.merge(*(_timed(path) for path in self.files), key=lambda timed: timed[0])
        return [line for _, line in list(merged)[-last:]]


def find_logs(machine: Machine) -> ServerLogs:
    """Return the logs of the server that runs on a machine, else of the one that ran last.

    Raises
    ------
    ClusterError
        When no server has run there.
    """
    servers = [
        ServerLogs(session.path / "logs" / "serve", session.is_live)
        for session in machine.sessions()
        if any((session.path / "logs" / "serve").glob("*.log"))
    ]
    if not servers:
        message = (
            f"No server has left logs in {machine.ray_folder}. Start one: tunesmith serve. On a "
            "cluster: ray logs, or the dashboard's page Serve."
        )
        raise ClusterError(message)
    live: Sequence[ServerLogs] = [logs for logs in servers if logs.is_live]
    return (live or servers)[-1]


def _timed(path: Path) -> Iterator[tuple[str, str]]:
    time = ""
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if match := _TIME.match(line):
                time = match[1]
            yield time, line.rstrip("\n")
