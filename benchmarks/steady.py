"""Effect on users when models change, a replica dies, or load exceeds capacity.

    python benchmarks/steady.py --json steady.json

Over replicas that listen themselves, or behind HAProxy: ``--variant inline-haproxy``.

``changes``: under steady load a promotion, a rollback, a bad bundle and a ``kill -9`` of a replica,
with how many requests failed. For the first three the client asks once; the replica is killed
twice, once with a client that asks once, and once with one that tries again.

``overload``: ten times the requests that the shipped configuration can answer, for a minute: what
became of each, how long the accepted ones took, the memory meanwhile, and how soon the full speed
was back.
"""

import asyncio
import contextlib
import json
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np

from serving import (
    CLASSES,
    KEY,
    Connection,
    Workload,
    closed_loop,
    descendants,
    make_bundles,
    make_midi,
    memory_mb,
    served,
    write_bundle,
)
from tests.asking import AskingThreads, comes_true
from tunesmith.artifacts.store import Store
from tunesmith.client import Client, ClientError
from tunesmith.registry import history, rollback
from tunesmith.registry.history import move_champion

TASK = "composer"
CLIENTS = 8
DEADLINE_S = 2.0
TIMES_CAPACITY = 10
CONNECTIONS = 200
FULL_SPEED = 0.9


@dataclass
class Phase:
    """Responses that a client got during an event."""

    name: str
    answered: int = 0
    failed: int = 0
    tries: int = 1
    clients: int = CLIENTS
    p50_ms: float = 0.0
    slowest_ms: float = 0.0
    faults: list[str] = field(default_factory=list)


class Load(AskingThreads):
    """Asks from several threads with the project's client and keeps what it saw."""

    def __init__(
        self,
        url: str,
        item: Any,
        tries: int = 1,
        *,
        task: str = TASK,
        clients: int = CLIENTS,
        pause_s: float = 0.0,
    ) -> None:
        self.url, self.item, self.tries, self.task = url, item, tries, task
        self.pause_s = pause_s
        self.versions: list[int] = []
        self.times_s: list[float] = []
        self.faults: list[str] = []
        super().__init__([self._ask] * clients)

    def _ask(self) -> None:
        with Client(self.url, KEY, tries=self.tries, patience_s=30) as client:
            while not self.ended.wait(self.pause_s):
                started = time.perf_counter()
                try:
                    version = client.predict(self.task, self.item).model.version
                except ClientError as error:
                    self.faults.append(f"{error.status} {error}")
                    continue
                self.times_s.append(time.perf_counter() - started)
                self.versions.append(version)

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to be seen."""
        if not comes_true(condition, 60):
            message = f"not seen within a minute; {self.faults[:3]}"
            raise click.ClickException(message)

    def until_all_say(self, version: int) -> None:
        """Wait until a hundred answers in a row come from a version."""
        self.until(lambda: set(self.versions[-100:]) == {version})

    def phase(self, name: str) -> Phase:
        """Return what was seen."""
        times = np.array(self.times_s or [0.0]) * 1000
        return Phase(
            name,
            len(self.times_s),
            len(self.faults),
            self.tries,
            p50_ms=round(float(np.median(times)), 1),
            slowest_ms=round(float(times.max()), 1),
            faults=sorted(set(self.faults))[:3],
        )


def two_replicas(config: dict[str, Any]) -> None:
    """Two ingress replicas on two cores."""
    deployment = config["applications"][0]["deployments"][0]
    deployment |= {"num_replicas": 2, "ray_actor_options": {"num_cpus": 0.5}}


def as_shipped(config: dict[str, Any]) -> None:
    """Set back the limits that the other benchmark widens."""
    config["applications"][0]["args"]["limits"]["in_flight"] = 32
    config["applications"][0]["deployments"][0]["max_ongoing_requests"] = 128


def replicas(pid: int) -> list[int]:
    """Return the replicas' processes."""
    return [each for each, command in descendants(pid) if b"ServeReplica" in command]


def changes(folder: Path, store: Store, variant: str, seconds: float) -> list[Phase]:
    """Measure every change, one after the other, over two replicas."""
    midi = make_midi(30)
    model = (folder / "model.onnx").read_bytes()
    write_bundle(store, TASK, model, CLASSES, {}, version=2, promoted=False)
    write_bundle(store, TASK, b"not a model", CLASSES, {}, version=3, promoted=False)
    phases: list[Phase] = []

    @contextlib.contextmanager
    def under_load(name: str, tries: int = 1) -> Iterator[Load]:
        with Load(f"http://127.0.0.1:{port}", midi, tries) as load:
            load.until(lambda: len(load.versions) > 100)
            yield load
            settled = time.monotonic() + seconds
            load.until(lambda: time.monotonic() > settled)
        phases.append(load.phase(name))
        click.echo(f"  {phases[-1]}", err=True)

    def kill_one() -> None:
        before = replicas(pid)
        os.kill(before[0], signal.SIGKILL)
        deadline = time.monotonic() + 60
        while len(set(replicas(pid)) - {before[0]}) < len(before):
            if time.monotonic() > deadline:
                message = "the killed replica was not replaced within a minute"
                raise click.ClickException(message)
            time.sleep(0.2)

    with served(variant, folder, store, two_replicas) as (port, pid):
        with under_load("nothing"):
            pass
        with under_load("promotion") as load:
            move_champion(store, TASK, 2, action="promote")
            load.until_all_say(2)
        with under_load("rollback") as load:
            rollback(store, TASK)
            load.until_all_say(1)
        with under_load("bad bundle") as load:
            move_champion(store, TASK, 3, action="promote")
        if set(load.versions) != {1}:
            message = f"a bad bundle changed the answers: {set(load.versions)}"
            raise click.ClickException(message)
        rollback(store, TASK)
        with under_load("kill -9, asked once"):
            kill_one()
        with under_load("kill -9, client tries again", tries=5):
            kill_one()
    click.echo(f"  {len(history(store, TASK))} moves in the history", err=True)
    return phases


@dataclass
class Overload:
    """Outcome of ten times as many requests as the server can answer."""

    capacity_per_s: float = 0.0
    offered_per_s: float = 0.0
    sent: int = 0
    by_status: dict[str, int] = field(default_factory=dict)
    refused_without_retry_after: int = 0
    accepted_per_s: float = 0.0
    accepted_p50_ms: float = 0.0
    accepted_p99_ms: float = 0.0
    accepted_slowest_ms: float = 0.0
    accepted_after_deadline: int = 0
    deadline_ms: float = DEADLINE_S * 1000
    memory_mb: list[float] = field(default_factory=list)
    full_speed_after_s: float = 0.0


async def flood(port: int, request: bytes, rate: float, seconds: float, pid: int) -> Overload:
    """Send requests at a rate, whatever becomes of them."""
    overload = Overload(offered_per_s=round(rate, 1), memory_mb=[memory_mb(pid)["all"]])
    statuses: Counter[int] = Counter()
    times_s: list[float] = []
    idle = [Connection(port) for _ in range(CONNECTIONS)]
    places = asyncio.Semaphore(CONNECTIONS)

    async def one() -> None:
        async with places:
            connection = idle.pop()
            started = time.perf_counter()
            status = await connection.ask(request)
            if status == 200:
                times_s.append(time.perf_counter() - started)
            elif b"\r\nretry-after: " not in connection.head:
                overload.refused_without_retry_after += 1
            statuses[status] += 1
            idle.append(connection)

    async def watch() -> None:
        while True:
            await asyncio.sleep(5)
            overload.memory_mb.append((await asyncio.to_thread(memory_mb, pid))["all"])

    began = time.perf_counter()
    watching = asyncio.create_task(watch())
    tasks: set[asyncio.Task[None]] = set()
    while (now := time.perf_counter()) < began + seconds:
        due = int((now - began) * rate) - overload.sent
        for _ in range(due):
            tasks.add(task := asyncio.create_task(one()))
            task.add_done_callback(tasks.discard)
            overload.sent += 1
        await asyncio.sleep(0.002)
    await asyncio.gather(*tasks)
    duration_s = time.perf_counter() - began
    watching.cancel()
    for connection in idle:
        connection.close()
    overload.by_status = {str(status): count for status, count in sorted(statuses.items())}
    overload.accepted_per_s = round(len(times_s) / duration_s, 1)
    p50, p99, most = np.percentile(times_s or [0.0], [50, 99, 100]) * 1000
    overload.accepted_p50_ms, overload.accepted_p99_ms = round(float(p50), 1), round(float(p99), 1)
    overload.accepted_slowest_ms = round(float(most), 1)
    overload.accepted_after_deadline = sum(time_s > DEADLINE_S for time_s in times_s)
    return overload


def overload(folder: Path, store: Store, variant: str, seconds: float) -> Overload:
    """Ask ten times as much as can be answered, then look how soon all is well again."""
    with served(variant, folder, store, as_shipped) as (port, pid):
        work = Workload("long piece", f"/v1/{TASK}", "audio/midi", make_midi(600))
        plain = work.request(port)
        asyncio.run(closed_loop(port, plain, 16, 3))  # warm
        run = asyncio.run(closed_loop(port, plain, 16, 8))
        capacity = len(run.latencies_s) / run.duration_s
        click.echo(f"  {capacity:.0f} requests/s are answered", err=True)
        hurried = work.request(port, f"X-Deadline-S: {DEADLINE_S}\r\n")
        overload = asyncio.run(flood(port, hurried, TIMES_CAPACITY * capacity, seconds, pid))
        overload.capacity_per_s = round(capacity, 1)
        ended = time.perf_counter()
        while True:
            run = asyncio.run(closed_loop(port, plain, 16, 1))
            overload.full_speed_after_s = round(time.perf_counter() - ended, 1)
            if len(run.latencies_s) / run.duration_s >= FULL_SPEED * capacity:
                break
            if overload.full_speed_after_s > 60:
                break
        overload.memory_mb.append(memory_mb(pid)["all"])
    click.echo(f"  {overload}", err=True)
    return overload


@click.command(help=__doc__)
@click.option("--variant", type=click.Choice(["inline", "inline-haproxy"]), default="inline")
@click.option("--only", type=click.Choice(["changes", "overload"]), help="One of the two.")
@click.option("--settle", default=3.0, help="Seconds of load after each change.")
@click.option("--seconds", default=60.0, help="Length of the overload.")
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), help="Write the figures here."
)
def main(
    variant: str, only: str | None, settle: float, seconds: float, json_path: Path | None
) -> None:
    """Run the benchmark."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        click.echo("making the models", err=True)
        store = make_bundles(folder)
        if only != "overload":
            phases = changes(folder, store, variant, settle)
            results["changes"] = [asdict(phase) for phase in phases]
            store.write_json({"champion": 1}, "models", TASK, "aliases.json")
        if only != "changes":
            results["overload"] = asdict(overload(folder, store, variant, seconds))
    if json_path:
        json_path.write_text(json.dumps(results, indent=1))
    click.echo(table(results))


def table(results: dict[str, Any]) -> str:
    """Return the figures as Markdown."""
    lines = []
    if phases := results.get("changes"):
        lines += ["| under steady load | answered | failed | p50 ms | slowest ms |"]
        lines += ["|---|---|---|---|---|"]
        lines += [
            f"| {p['name']} | {p['answered']} | {p['failed']} | {p['p50_ms']} | {p['slowest_ms']} |"
            for p in phases
        ]
    lines += [f"{name}: {value}" for name, value in results.get("overload", {}).items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
