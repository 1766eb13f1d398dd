"""Ray nodes on this machine, each a raylet of its own, with token authentication and own ports.

For drills and for the test that runs the commands of docs/cluster.md. Nothing but what was started
here is ever stopped: other clusters may run on the same machine. Linux only: each node has an
address of its own of 127.0.0.0/8, so that Ray, Serve and a firewall take them for machines. Ray
knows 127.0.0.1 alone as loopback: while such nodes run, their ports answer on every interface,
with the token but for those of the metrics. That is asked for here, and nowhere else.
"""

import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

BIN = Path(sys.executable).parent
_ROOT = Path(__file__).resolve().parent.parent
_START_S = 120.0
_END_S = 5.0
# Of what `ray start` prints when the node stands.
_STANDS = "Ray runtime started"
# In the environment of every process of a node: its name.
_MARK = "TUNESMITH_TEST_NODE"


def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def proxy_variables() -> dict[str, str]:
    """Return the variables for Serve's proxy that cluster.yaml starts every node with."""
    text = (_ROOT / "cluster.yaml").read_text()
    return dict(re.findall(r"\b(RAY_SERVE_\w+)=(\S+)", text))


def carrying(*variables: str) -> list[int]:
    """Return the processes that were started with all these ``NAME=VALUE``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if {text.encode() for text in variables} <= set(path.read_bytes().split(b"\0")):
                found.append(int(path.parent.name))
    return found


def kill_processes(pids: list[int]) -> None:
    """Kill processes with SIGKILL, those that are there."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Nodes:
    """A head and workers on this machine, stopped when the ``with`` block ends.

    Parameters
    ----------
    folder
        An empty folder: home, token, logs and Ray's sockets. Its path must be short, for a socket's
        path may be 107 bytes long.
    environment
        Variables of every node, beside those that are set here.
    working_dir
        Where each node is started, and so where its workers are; without one `folder`.
    """

    def __init__(
        self,
        folder: Path,
        environment: dict[str, str] | None = None,
        working_dir: Path | None = None,
    ) -> None:
        self.folder, self.working_dir = folder, working_dir or folder
        self.port, self.dashboard_port = free_port(), free_port()
        self.addresses: dict[str, str] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        home = folder / "home"
        (home / ".ray").mkdir(parents=True)
        self.token = secrets.token_hex(16)
        token_file = home / ".ray" / "auth_token"
        token_file.write_text(self.token)
        token_file.chmod(0o600)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_", "TUNESMITH_"))}
        self.environment = kept | {
            "HOME": str(home),
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "RAY_AUTH_MODE": "token",
            "PYTHONUNBUFFERED": "1",
            "RAY_USAGE_STATS_ENABLED": "0",
            **(environment or {}),
        }

    @property
    def address(self) -> str:
        """URL of the dashboard."""
        return f"http://127.0.0.1:{self.dashboard_port}"

    def client_environment(self) -> dict[str, str]:
        """Return the variables of a shell whose home holds nothing but the token."""
        return self.environment | {"RAY_API_SERVER_ADDRESS": self.address}

    def start_head(self, cpus: int, *options: str) -> None:
        """Start the head and wait until its dashboard answers; again after it was killed."""
        host = urllib.parse.urlsplit(self.address).hostname
        self._start(
            "head", "--head", f"--port={self.port}", f"--dashboard-host={host}",
            f"--dashboard-port={self.dashboard_port}", f"--temp-dir={self.folder / 'ray'}",
            f"--num-cpus={cpus}", f"--ray-client-server-port={free_port()}", *options,
        )  # fmt: skip
        self._until(lambda: bool(self.alive()), "the head's dashboard answers")

    def start_worker(self, name: str = "worker", cpus: int = 1) -> None:
        """Start a worker node and wait until the head knows it."""
        before = len(self.alive())
        # A node that shares the folder unpacks an upload anew, under the processes of the other.
        self._start(
            name, f"--address={self.addresses['head']}:{self.port}", f"--num-cpus={cpus}",
            f"--temp-dir={self.folder / name}",
        )  # fmt: skip
        self._until(lambda: len(self.alive()) > before, f"the head knows {name}")

    def kill(self, name: str) -> None:
        """End every process of a node at once, as a machine that loses its power does."""
        # Its `ray start --block` first, which would otherwise tell of its children's end.
        self._processes[name].kill()
        self._processes.pop(name).wait()
        kill_processes(self.pids(name))

    def pids(self, name: str) -> list[int]:
        """Return the processes of a node: what it started, and nobody else's."""
        return carrying(f"HOME={self.environment['HOME']}", f"{_MARK}={name}")

    def working(self, name: str, what: bytes) -> list[int]:
        """Return the processes of a node whose titles hold some words."""
        pids = []
        for pid in self.pids(name):
            with contextlib.suppress(FileNotFoundError):
                if what in Path(f"/proc/{pid}/cmdline").read_bytes():
                    pids.append(pid)
        return pids

    def alive(self) -> list[dict[str, Any]]:
        """Return what the head says of nodes that it believes alive; none while it is away."""
        try:
            return [row for row in self.listed("nodes") if row["state"] == "ALIVE"]
        except (urllib.error.URLError, OSError, ValueError):
            return []

    def listed(self, what: str) -> list[dict[str, Any]]:
        """Return all the ``nodes``, ``tasks``, ``actors`` … that the dashboard knows."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.address}/api/v0/{what}?detail=true&limit=10000",
            headers={"Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - loopback
            rows: list[dict[str, Any]] = json.loads(answer.read())["data"]["result"]["result"]
        return rows

    def _inside(self, name: str) -> list[str]:
        """Return what comes before a node's command: nothing, for all share this network."""
        return []

    def _proxy_ports(self, name: str) -> dict[str, str]:
        """Return the variables that give a node's proxy ports of its own.

        Proxies listen on every interface, and on machines of their own on the same ports: here the
        second one could not start. HAProxy's files have the node's id in their paths already.
        """
        ports = ["HAPROXY_STATS", "HAPROXY_METRICS", "FALLBACK_PROXY_HTTP"]
        if name != "head":
            # The head's is `http_options.port`, which the tests ask.
            ports.append("WORKER_PROXY_HTTP")
        return {f"RAY_SERVE_{port}_PORT": str(free_port()) for port in ports}

    def _start(self, name: str, *options: str) -> None:
        address = self.addresses.setdefault(name, f"127.0.0.{2 + len(self.addresses)}")
        path = self.folder / f"{name}.log"
        with path.open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [*self._inside(name), BIN / "ray", "start", *options,
                 f"--node-ip-address={address}", "--block",
                 f"--dashboard-agent-listen-port={free_port()}", "--object-store-memory=200000000",
                 f"--metrics-export-port={free_port()}", "--disable-usage-stats",
                 # Any free ports: the usual range is another cluster's, too.
                 "--min-worker-port=0", "--max-worker-port=0"],
                env=self.environment | self._proxy_ports(name) | {_MARK: name},
                cwd=self.working_dir, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._until(lambda: _STANDS in path.read_text(errors="replace"), f"{name} stands")

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _START_S
        while not condition():
            ended = [name for name, p in self._processes.items() if p.poll() is not None]
            if ended or time.monotonic() > deadline:
                names = ended or list(self._processes)
                logs = "\n".join(
                    (self.folder / f"{name}.log").read_text(errors="replace") for name in names
                )
                message = f"Waited for: {what}. Ended: {ended}.\n{logs[-4000:]}"
                raise RuntimeError(message)
            time.sleep(0.3)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in reversed(self._processes.values()):
            process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_END_S)
            process.kill()
            process.wait()
        kill_processes(carrying(f"HOME={self.environment['HOME']}"))
        shutil.rmtree(self.folder, ignore_errors=True)
