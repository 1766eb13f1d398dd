"""Shared by the drills: their outcome, and a cluster that is hurt."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from _cluster import Cluster, wait_for
from _machines import Machines

__all__ = ["CUT_S", "Seen", "cut", "revive", "two_workers"]

AnyCluster = TypeVar("AnyCluster", bound=Cluster)
CUT_S = 30.0


@dataclass(frozen=True)
class Seen:
    """Outcome of a drill."""

    kept: bool
    summary: str


@contextmanager
def two_workers(
    folder: Path, kind: type[AnyCluster], *, keeps: bool = False
) -> Iterator[AnyCluster]:
    """Start a head, which may keep its tables on disk, and the workers ``a`` and ``b`` of 1 CPU."""
    kept = {"RAY_gcs_storage": "rocksdb", "RAY_gcs_storage_path": str(folder / "tables")}
    with kind(folder / "n", **(kept if keeps else {})) as nodes:
        nodes.start_head(cpus=0)
        nodes.start_worker("a")
        nodes.start_worker("b")
        yield nodes


def revive(nodes: Cluster, *drivers: subprocess.Popen[str]) -> float:
    """Kill the head and what runs on it, start it again; return how long its workers took."""
    before = {row["node_id"] for row in nodes.alive() if not row["is_head_node"]}
    nodes.kill("head")
    for driver in drivers:
        driver.kill()
        driver.communicate()
    # On a machine of its own no raylet of another node would make Ray believe that it still runs.
    (nodes.folder / "ray" / "ray_current_cluster").unlink()
    nodes.start_head(cpus=0)
    return wait_for(
        lambda: before <= {row["node_id"] for row in nodes.alive()}, "the workers are there again"
    )


def cut(nodes: Machines, name: str) -> None:
    """Cut a node off for a while."""
    nodes.connect(name, connected=False)
    time.sleep(CUT_S)
    nodes.connect(name, connected=True)
