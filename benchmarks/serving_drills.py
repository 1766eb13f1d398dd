"""Drills of a server on one machine: slow clients, a store that is away, deployments under load.

Run by `benchmarks/drills.py`.
"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
from _asking import Asking
from _cluster import Cluster, free_port, wait_for
from _door import Door
from _drills import Seen
from _s3 import Server
from _serve import tunesmith_serve

from serving import (
    FEATURES,
    KEY,
    Workload,
    answers,
    closed_loop,
    make_linear,
    make_midi,
    write_bundle,
    write_key,
)
from tests.s3 import store_uri
from tunesmith.artifacts.store import Store
from tunesmith.registry.history import move_champion
from tunesmith.serving.limits import LimitSettings

__all__ = ["redeployed", "slow_clients", "store_away"]

SONG = dict.fromkeys(FEATURES, 0.5)
PATH = "/v1/genre"
ASK = Workload("one song", PATH, "application/json", json.dumps(SONG).encode())
N_SLOW = 200
MOST_SLOWER = 1.5
DEADLINE_S = LimitSettings().receive_s
# After it the server still has to notice, and two cores do other things, too.
LATE_S = 3.0
N_DEPLOYMENTS, N_RESTARTS = 10, 5


def write_models(store: Store) -> None:
    """Write two versions of a model of songs, the first promoted, and a key."""
    for version in (1, 2):
        write_bundle(
            store, "genre", make_linear(), ["Jazz", "Rock"], {"features": FEATURES},
            version=version, promoted=version == 1,
        )  # fmt: skip
    write_key(store)


@contextlib.contextmanager
def models_served(folder: Path) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Run `tunesmith serve` over models of its own; yields its port and process."""
    store = Store(folder / "models")
    write_models(store)
    with tunesmith_serve(store.uri, folder / "log", is_answered) as server:
        yield server


def say(line: str) -> None:
    """Tell how far a drill is."""
    click.echo(f"  {line}", err=True)


def is_answered(port: int) -> bool:
    """Return whether a song is classified."""
    return asyncio.run(answers(port, ASK.request(port)))


# --- slow clients


async def send_slowly(port: int, request: bytes, at_once: int) -> tuple[int, float]:
    """Send the rest of a request byte by byte; return the status and when it came, in seconds."""
    began = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request[:at_once])
    reading = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    try:
        for byte in request[at_once:]:
            done, _ = await asyncio.wait([reading], timeout=1.0)
            if done or time.monotonic() - began > 3 * DEADLINE_S:
                break
            writer.write(bytes([byte]))
        # A connection that ends without an answer is status 0, and so is one that goes on.
        status = int(reading.result().split()[1]) if reading.done() else 0
    except (asyncio.IncompleteReadError, OSError):
        status = 0
    finally:
        reading.cancel()
        writer.close()
    return status, time.monotonic() - began


def slow_clients(folder: Path) -> Seen:
    """Let 200 clients send slowly, three in four their body and the others their head."""
    head, body = ASK.request(0).split(b"\r\n\r\n")
    head = head.replace(b"Content-Length: %d" % len(body), b"Content-Length: 100000")
    slow = head + b"\r\n\r\n" + bytes(100_000)

    async def crowd(port: int) -> tuple[list[float], list[tuple[int, float]]]:
        sent = [
            asyncio.create_task(send_slowly(port, slow, 1 if n % 4 == 0 else len(head) + 5))
            for n in range(N_SLOW)
        ]
        await asyncio.sleep(1)
        figures = await closed_loop(port, request, 2, DEADLINE_S - 5)
        still = sum(not each.done() for each in sent)
        if figures.errors or still < N_SLOW:
            message = f"{figures.errors} others failed; {still} of {N_SLOW} were still sending"
            raise RuntimeError(message)
        return figures.latencies_s, await asyncio.gather(*sent)

    async def alone(port: int) -> list[float]:
        return (await closed_loop(port, request, 2, 5)).latencies_s

    with models_served(folder) as (port, _):
        request = ASK.request(port)
        asyncio.run(alone(port))  # warm
        usual = asyncio.run(alone(port))
        crowded, ends = asyncio.run(crowd(port))
        usual += asyncio.run(alone(port))
    ratios = [float(np.percentile(crowded, q) / np.percentile(usual, q)) for q in (50, 95)]
    statuses = Counter(status for status, _ in ends)
    first_s, last_s = min(s for _, s in ends), max(s for _, s in ends)
    in_time = first_s >= DEADLINE_S - 1 and last_s <= DEADLINE_S + LATE_S
    return Seen(
        max(ratios) <= MOST_SLOWER and statuses == {408: N_SLOW} and in_time,
        f"others: median {np.median(usual) * 1000:.1f} ms alone, {np.median(crowded) * 1000:.1f} "
        f"ms beside them ({ratios[0]:.2f} times; 95th percentile {ratios[1]:.2f} times); the slow "
        f"ones: {dict(statuses)} after {first_s:.1f} to {last_s:.1f} s of {DEADLINE_S:g} s",
    )


# --- deployments


class Served:
    """The shipped server in a Ray of two CPUs, deployed again and again.

    Parameters
    ----------
    nodes
        Its nodes.
    store
        Of its models.
    listens
        Whether its replicas listen themselves, as in config.yaml, or Serve's proxies do.
    """

    def __init__(self, nodes: Cluster, store: Store, *, listens: bool) -> None:
        self.nodes, self.store, self.listens = nodes, store, listens
        self.port = free_port()
        self.reload_s = 2.0

    def deploy(self) -> None:
        """Deploy it."""
        self.nodes.deploy(self._change, self.port)

    def _change(self, config: dict[str, Any]) -> None:
        arguments = config["applications"][0]["args"]
        arguments["store"] = self.store.uri
        arguments["reload_s"] = self.reload_s
        if self.listens:
            config["proxy_location"] = "Disabled"
            arguments["listen"] = {"host": "127.0.0.1", "port": self.port}

    def replicas(self) -> set[int]:
        """Return the processes of replicas."""
        return set(self.nodes.working("head", b"ServeReplica"))

    def deploy_changed(self, asking: Asking) -> None:
        """Change a setting, which replaces the replica, and wait until that has happened."""
        before = self.replicas()
        self.reload_s += 0.01
        self.deploy()
        asking.until(
            lambda: bool(self.replicas() - before) and not self.replicas() & before,
            "the replica was replaced",
        )

    def asked(self) -> Asking:
        """Return clients of it."""
        return Asking(self.port, PATH, SONG, KEY)

    def message(self) -> str:
        """Return what Serve says about the deployment."""
        request = urllib.request.Request(  # noqa: S310 - loopback
            f"{self.nodes.address}/api/serve/applications/",
            headers={"Authorization": f"Bearer {self.nodes.token}"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - loopback
            application = json.load(answer)["applications"]["tunesmith"]
        # Just after a deployment Serve lists none for a moment.
        deployment = application["deployments"].get("Tunesmith", {})
        return f"{application['message']} {deployment.get('message', '')}"


def redeployed(folder: Path) -> Seen:
    """Deploy under load, the same and changed; end `tunesmith serve` under load."""
    kept, seen = True, []
    for listens in (True, False):
        store = Store(folder / "store")
        write_models(store)
        with Cluster(folder / "n") as nodes:
            nodes.start_head(cpus=2)
            server = Served(nodes, store, listens=listens)
            server.deploy()
            wait_for(lambda: is_answered(server.port), "the server answers")  # noqa: B023
            for what, count, deploy in (
                ("deployed over itself", N_DEPLOYMENTS, lambda _: server.deploy()),  # noqa: B023
                ("restarted", N_RESTARTS, server.deploy_changed),
            ):
                with server.asked() as asking:
                    asking.until_more()
                    for number in range(count):
                        deploy(asking)
                        asking.until_more()
                        say(f"{what} {number + 1}: {asking.told()}")
                kept &= not asking.faults and not asking.refused
                seen.append(
                    f"{'replicas that listen' if listens else 'proxies'} {what} {count} "
                    f"times: {asking.told()}, {asking.refused} refused"
                )
    ended, summary = ended_under_load(folder / "serve")
    return Seen(kept and ended, "; ".join([*seen, summary]))


def ended_under_load(folder: Path) -> tuple[bool, str]:
    """End `tunesmith serve` with SIGTERM while it is asked."""
    folder.mkdir()
    with models_served(folder) as (port, process), Asking(port, PATH, SONG, KEY) as asking:
        asking.until_more()
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        code = process.wait(timeout=90)
        took_s = time.monotonic() - began
        asking.until(lambda: asking.refused > 20, "nobody listens any more")
    return code == 0 and not asking.faults, (
        f"`tunesmith serve` ended by SIGTERM: exit code {code} after {took_s:.0f} s, "
        f"{asking.told()} before nobody listened"
    )


# --- a store that is away


def problem_of(port: int, path: str, content: bytes | None = None) -> str:
    """Return the kind of problem with which a server answers, "" when it answers well."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{path}", content,
        {"Authorization": f"Bearer {KEY}", "Content-Type": "audio/midi"},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310 - loopback
            return ""
    except urllib.error.HTTPError as error:
        return str(json.load(error)["type"]).rpartition("/")[2]
    except OSError as error:
        return f"no answer: {error}"


def store_away(folder: Path) -> Seen:
    """Take the store away from a server, deploy it anew meanwhile, and give the store back."""
    with Server() as bucket, Door(bucket.address) as door, Cluster(folder / "n") as nodes:
        store = Store(store_uri(door.address, "models"))
        write_models(store)
        nodes.start_head(cpus=2)
        server = Served(nodes, store, listens=True)
        server.deploy()
        wait_for(lambda: is_answered(server.port), "the server answers")
        first = server.replicas()
        piece = make_midi(5)
        with server.asked() as asking:
            asking.until_more()
            door.close()
            told_s = wait_for(
                lambda: problem_of(server.port, "/v1/composer", piece) == "store-unreachable",
                "a node without a model says that the store cannot be reached",
            )
            say(f"a node without a model says so after {told_s:.0f} s")
            ready = problem_of(server.port, "/readyz")
            server.reload_s += 0.01
            server.deploy()
            wait_for(
                lambda: "cannot be reached" in server.message(),
                "Serve says why the new replica does not start",
            )
            say(server.message()[-300:])
            asking.until_more(300)
            stayed = first <= server.replicas()
            door.open()
            back_s = wait_for(
                lambda: problem_of(server.port, "/v1/composer", piece) == "no-champion",
                "the node without a model says so again",
            )
            new_s = wait_for(
                lambda: bool(server.replicas()) and not server.replicas() & first,
                "the new replica has taken the place of the old one",
            )
            move_champion(store, "genre", 2, action="promote")
            asking.until(lambda: set(asking.versions[-50:]) == {2}, "a promotion is followed")
        failed = bool(asking.faults or asking.refused)
        alone = killed_meanwhile(server, door)
    return Seen(
        not failed and stayed and not ready,
        f"a node without a model told it {told_s:.0f} s later, /readyz "
        f"{ready or 'stayed ready'}; the replica that started without the store "
        f"{'replaced none' if stayed else 'REPLACED the old one'}; back: known after {back_s:.0f} "
        f"s, the new replica after {new_s:.0f} s, a promotion followed; {asking.told()}, "
        f"{asking.refused} refused; {alone}",
    )


def killed_meanwhile(server: Served, door: Door) -> str:
    """Kill the only replica while the store is away; return how soon it is back with the store."""
    door.close()
    (victim,) = server.replicas()
    os.kill(victim, signal.SIGKILL)
    wait_for(
        lambda: "cannot be reached" in server.message(), "Serve says why the replica is not back"
    )
    if is_answered(server.port):
        message = "a replica that started without the store answers"
        raise RuntimeError(message)
    door.open()
    back_s = wait_for(lambda: is_answered(server.port), "the server answers again")
    return f"the only replica killed while the store was away: back {back_s:.0f} s after the store"
