"""Machines of cluster.yaml that come and go: its node types in Ray's own autoscaler.

    python benchmarks/autoscaling.py [--only ingest|search|serve]

Ray's fake provider starts a raylet for each machine that the autoscaler asks for. Types, resources
and limits are those of cluster.yaml; only the provider is another, and the idle time is shorter.
The CPUs and GPUs are numbers to Ray: no more is here than this machine has. Real jobs make the
demand: an ingest and a server must raise CPU machines and never one with a GPU, a search over
networks GPU machines; all must go when nothing asks for them any more.
"""

import json
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import click
import yaml
from _cluster import BIN, ROOT, Cluster, wait_for, write_music

from serving import KEY, write_key
from tests.nodes import proxy_variables
from tunesmith.artifacts.store import Store
from tunesmith.client import Client, ClientError

IDLE_MINUTES = 0.15
# The names that Ray's fake provider gives the head.
HEAD_TYPE, HEAD_ID = "ray.head.default", "fffffffffffffffffffffffffffffffffffffffffffffffffff00000"


def fake(cluster: Mapping[str, Any], gcs: str) -> dict[str, Any]:
    """Return cluster.yaml with Ray's fake provider in place of the cloud's."""
    types = {
        name: {
            "resources": dict(declared["resources"]),
            "min_workers": declared.get("min_workers", 0),
            "max_workers": declared.get("max_workers", 0),
            "node_config": {},
        }
        for name, declared in cluster["available_node_types"].items()
    }
    types[HEAD_TYPE] = types.pop(cluster["head_node_type"])
    return {
        "cluster_name": cluster["cluster_name"],
        "max_workers": cluster["max_workers"],
        "upscaling_speed": cluster["upscaling_speed"],
        "idle_timeout_minutes": IDLE_MINUTES,
        "provider": {
            # Of the type `fake_multinode` Ray's wheel lacks the defaults.
            "type": "external",
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "gcs_address": gcs, "head_node_id": HEAD_ID, "launch_multiple": True,
            "disable_node_updaters": True, "disable_launch_config_check": True,
        },
        "available_node_types": types,
        "head_node_type": HEAD_TYPE,
        "auth": {}, "docker": {}, "file_mounts": {}, "cluster_synced_files": [],
        "file_mounts_sync_continuously": False, "rsync_exclude": [], "rsync_filter": [],
        "initialization_commands": [], "setup_commands": [], "head_setup_commands": [],
        "worker_setup_commands": [], "head_start_ray_commands": [],
        "worker_start_ray_commands": [],
    }  # fmt: skip


def grows_to(cluster: Mapping[str, Any]) -> str:
    """Return the value of TUNESMITH_GROWS_TO in the command that starts the head."""
    (start,) = [line for line in cluster["head_start_ray_commands"] if "ray start" in line]
    (value,) = [
        word.removeprefix("TUNESMITH_GROWS_TO=")
        for word in start.split()
        if word.startswith("TUNESMITH_GROWS_TO=")
    ]
    return str(value)


@dataclass
class Watch:
    """Looks twice a second which machines are there."""

    nodes: Cluster
    types: Mapping[str, Mapping[str, Any]]
    most: Counter[str] = field(default_factory=Counter)
    now: Counter[str] = field(default_factory=Counter)
    changes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._began = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def _look(self) -> None:
        while not self._stop.wait(0.5):
            rows = self.nodes.alive()
            if not rows:
                continue
            nodes = Counter(self._type(row) for row in rows if not row["is_head_node"])
            if nodes != self.now:
                counts = ", ".join(f"{count} {name}" for name, count in sorted(nodes.items()))
                self.changes.append(f"{time.monotonic() - self._began:.0f} s {counts or 'none'}")
            self.now = nodes
            self.most |= nodes

    def _type(self, row: Mapping[str, Any]) -> str:
        has = {n: a for n, a in row["resources_total"].items() if n in {"CPU", "GPU"}}
        (name,) = [n for n, declared in self.types.items() if declared["resources"] == has]
        return name

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def until_none(self) -> float:
        """Wait until every machine but the head has gone; return how long that took."""
        return wait_for(lambda: not self.now, "every machine goes")


@dataclass(frozen=True)
class Expected:
    """Machines that a kind of work must start."""

    demand: str
    raises: Mapping[str, int]
    work: Callable[[Cluster, Path], None]

    def row(self, name: str, watch: Watch, gone_s: float) -> tuple[bool, str]:
        """Return whether it did, and the line of the table."""
        seen = {name: watch.most[name] for name in watch.types if watch.most[name]}
        good = seen == dict(self.raises)

        def listed(counts: Mapping[str, int]) -> str:
            return ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "none"

        return good, (
            f"| {name} | {self.demand} | {listed(self.raises)} | {listed(seen)} | {gone_s:.0f} s | "
            f"{'kept' if good else 'BROKEN'} |"
        )


def serve(nodes: Cluster, _: Path) -> None:
    """Deploy the shipped configuration; shut it down once it answers."""
    write_key(Store(nodes.environment["TUNESMITH_STORE"]))
    port = nodes.deploy(lambda config: config.update(proxy_location="HeadOnly"))
    with Client(f"http://127.0.0.1:{port}", KEY) as client:
        wait_for(lambda: lives(client), "the server answers")
    nodes.run(str(BIN / "serve"), "shutdown", "--address", nodes.address, "--yes")


def lives(client: Client) -> bool:
    """Return whether a server says that it lives."""
    try:
        client.models()
    except ClientError:
        return False
    return True


def ingest(nodes: Cluster, folder: Path) -> None:
    """Ingest to the end."""
    nodes.run("jobs/ingest.py", str(folder / "music"), "--name", "music")


def search(nodes: Cluster, _: Path) -> None:
    """Search over networks to the end."""
    nodes.run("jobs/tune.py", "noise", "--families", "ann", "--trials", "4", "--no-mlflow")


DRILLS = {
    "ingest": Expected("8 waiting batches of 1 CPU", {"cpu_worker": 1}, ingest),
    "serve": Expected("one replica of 1 CPU", {"cpu_worker": 1}, serve),
    "search": Expected("4 trials of a network", {"gpu_worker": 3}, search),
}


@click.command(help=__doc__)
@click.option("--only", type=click.Choice(list(DRILLS)), help="One of the three.")
def main(only: str | None) -> None:
    """Run the drills."""
    # So that the nodes are stopped, too, when this is.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    cluster = yaml.safe_load((ROOT / "cluster.yaml").read_text())
    rows, well = [], True
    with tempfile.TemporaryDirectory(prefix="ta-") as name:
        folder = Path(name)
        write_music(folder / "music", 400)
        variables = {
            "TUNESMITH_STORE": str(folder / "store"),
            "TUNESMITH_GROWS_TO": grows_to(cluster),
            **proxy_variables(),
            "RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1",
            # As `ray up` sets them.
            "RAY_enable_autoscaler_v2": "1", "RAY_CLOUD_INSTANCE_ID": HEAD_ID,
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": HEAD_ID,
            # A machine that is said to have 16 CPUs would begin with 16 processes.
            "RAY_prestart_worker_first_driver": "0",
        }  # fmt: skip
        with Cluster(folder / "n", **variables) as nodes:
            config = folder / "fake.yaml"
            nodes.addresses["head"] = "127.0.0.2"
            faked = fake(cluster, nodes.gcs)
            config.write_text(json.dumps(faked))
            head = cluster["available_node_types"][cluster["head_node_type"]]["resources"]
            nodes.start_head(head["CPU"], f"--autoscaling-config={config}")
            types = {n: t for n, t in faked["available_node_types"].items() if n != HEAD_TYPE}
            for drill, expected in DRILLS.items():
                if only not in {None, drill}:
                    continue
                with Watch(nodes, types) as watch:
                    expected.work(nodes, folder)
                    gone_s = watch.until_none()
                click.echo(f"{drill}: {'; '.join(watch.changes)}", err=True)
                kept, line = expected.row(drill, watch, gone_s)
                well &= kept
                rows.append(line)
    click.echo("| work | asks for | declared | seen at most | gone after | promise |")
    click.echo("|---|---|---|---|---|---|")
    click.echo("\n".join(rows))
    sys.exit(not well)


if __name__ == "__main__":
    main()
