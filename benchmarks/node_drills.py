"""Drills of a server over several nodes: one dies, one is cut off, the head dies.

Run by `benchmarks/drills.py`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from _cluster import Cluster, wait_for
from _drills import Seen, cut, revive, two_workers
from _machines import Machines
from steady import Load

from serving import FEATURES, KEY, make_linear, write_bundle, write_key
from tunesmith.artifacts.store import Store
from tunesmith.client import Client, ClientError

__all__ = ["head_serve", "network_serve", "worker_serve"]

SONG = dict.fromkeys(FEATURES, 0.5)


@contextmanager
def served(nodes: Machines, folder: Path) -> Iterator[Callable[[str], str]]:
    """Serve a model with a replica on each worker; yields what gives the URL by node."""
    store = Store(folder / "models")
    write_bundle(store, "genre", make_linear(), ["Jazz", "Rock"], {"features": FEATURES})
    write_key(store)

    def change(config: dict[str, Any]) -> None:
        config["http_options"]["host"] = "0.0.0.0"  # noqa: S104 - each node has a network of its own
        arguments = config["applications"][0]["args"]
        arguments["store"] = store.uri
        arguments["nodes"] = {"genre": arguments["nodes"]["genre"]}
        config["applications"][0]["deployments"][0]["num_replicas"] = 2

    port = nodes.deploy(change)

    def url(name: str) -> str:
        return f"http://{nodes.addresses[name]}:{port}"

    wait_for(lambda: len(replicas(nodes)) == 2, "there are two replicas")
    for name in ("head", "a", "b"):
        wait_for(partial(answers, url(name)), f"{name} answers")
    yield url


def replicas(nodes: Cluster) -> list[int]:
    """Return the processes of replicas."""
    return [pid for name in nodes.addresses for pid in nodes.working(name, b"ServeReplica")]


def answers(url: str) -> bool:
    """Return whether a server answers a request."""
    try:
        with Client(url, KEY, tries=1) as client:
            client.predict("genre", SONG)
    except ClientError:
        return False
    return True


def under_load(url: str, happen: Callable[[], str]) -> Seen:
    """Let something happen to a server that is asked all the time, by two kinds of clients."""
    # Far from all that two cores can answer: they also have to start nodes.
    load = partial(Load, url, SONG, task="genre", clients=4, pause_s=0.1)
    with load(tries=1) as once, load(tries=5) as again:
        once.until(lambda: len(once.versions) > 100)
        summary = happen()
        n_before = len(once.versions), len(again.versions)
        once.until(lambda: len(once.versions) > n_before[0] + 100)
        again.until(lambda: len(again.versions) > n_before[1] + 100)
    first, second = once.phase("asked once"), again.phase("asked again")
    why = "; ".join(first.faults + second.faults)
    return Seen(
        not second.failed,
        f"{summary}asked once: {first.answered} answered, {first.failed} failed; with a client "
        f"that asks again {second.answered} and {second.failed}, slowest "
        f"{second.slowest_ms / 1000:.1f} s{': ' + why if why else ''}",
    )


def worker_serve(folder: Path) -> Seen:
    """Kill a node with a replica under load, and put another in its place."""
    with two_workers(folder, Machines) as nodes, served(nodes, folder) as url:

        def happen() -> str:
            nodes.kill("b")
            wait_for(lambda: len(nodes.alive()) == 2, "the head knows that b has gone")
            nodes.start_worker("c")
            took_s = wait_for(lambda: len(replicas(nodes)) == 2, "there are two replicas again")
            return f"two replicas again {took_s:.0f} s after the new node; "

        return under_load(url("a"), happen)


def network_serve(folder: Path) -> Seen:
    """Cut a node with a replica off under load."""
    with two_workers(folder, Machines) as nodes, served(nodes, folder) as url:

        def happen() -> str:
            cut(nodes, "b")
            return ""

        return under_load(url("a"), happen)


def head_serve(folder: Path) -> Seen:
    """Kill the head under load on a worker's proxy, and bring it back."""
    with two_workers(folder, Machines, keeps=True) as nodes, served(nodes, folder) as url:
        return under_load(
            url("a"), lambda: f"workers with the new head after {revive(nodes):.0f} s; "
        )
