"""The shipped server of several machines on two raylets of this one, for `serving.py`."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from _cluster import Cluster, wait_for

from tests.nodes import proxy_variables
from tunesmith.artifacts.store import Store


@contextlib.contextmanager
def two_nodes(store: Store, answers: Callable[[int], bool], cpus: int) -> Iterator[tuple[int, int]]:
    """Serve from a worker, behind the proxy of a head that has no CPUs for work.

    Parameters
    ----------
    store
        Where the champions and the key are.
    answers
        Whether the server at a port answers.
    cpus
        CPUs of the worker, each of which gets a replica.

    Yields
    ------
    tuple
        The port of the head's proxy, and the process that started the head.
    """

    def change(config: dict[str, Any]) -> None:
        (application,) = config["applications"]
        application["args"]["store"] = store.uri
        application["deployments"][0]["num_replicas"] = cpus

    # Short, for Ray's sockets are in it.
    with (
        tempfile.TemporaryDirectory(prefix="tb-") as name,
        Cluster(Path(name) / "n", **proxy_variables()) as nodes,
    ):
        nodes.start_head(0)
        nodes.start_worker(cpus=cpus)
        port = nodes.deploy(change)
        wait_for(lambda: answers(port), "the server answers")
        if not nodes.working("head", b"haproxy") or nodes.working("head", b"ServeReplica"):
            message = "the head must run HAProxy, and no replica"
            raise RuntimeError(message)
        yield port, nodes.started("head")
