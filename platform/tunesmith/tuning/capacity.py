"""The resources that a search can have of the cluster, and the share of each trial."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import ray

from tunesmith.models import Resources
from tunesmith.tuning import adapters

__all__ = [
    "Shortage",
    "free_cpus",
    "is_queued",
    "larger_share",
    "obtainable",
    "resolve",
    "slots",
]

_MOST_CPUS = 8
# Beside the names of resources: what the largest machine can give.
_CPU_OF_ONE = "CPU of one machine"
_CPU_BESIDE_GPU = "CPU of one machine with a GPU"
_MEMORY_OF_ONE = "memory of one machine"
# Ray tells about what a process that ended had held after so long.
_LAG_S = 1.0
_PAUSE_S = 0.1


def obtainable(cluster: Mapping[str, float], *, lag_s: float = _LAG_S) -> dict[str, float]:
    """Return what a search can have: what is free, and what comes when it is asked for.

    What servers and other searches hold does not count: a trial that asks for it waits for ever.
    A trial runs on one machine: what it asks for must also fit one. Where more machines are to come
    than are there, those have the cores that a trial may ask for at most. At least one CPU is
    counted, because a search can only wait for it.

    Parameters
    ----------
    cluster
        What the connected cluster has or grows to, by resource name, whoever holds it.
    lag_s
        Where not all is free, it is looked at again for this long: what a process that just ended
        had held is free a moment later.

    Returns
    -------
    dict
        Resources by name, for `resolve`.
    """
    deadline = time.monotonic() + lag_s
    while True:
        machines = [node for node in ray.nodes() if node["Alive"]]
        by_node = adapters.free_by_node()
        free = [by_node.get(node.get("NodeID", ""), node["Resources"]) for node in machines]
        total = [node["Resources"] for node in machines]
        if _sum("CPU", free) >= _sum("CPU", total) or time.monotonic() >= deadline:
            break
        time.sleep(_PAUSE_S)
    coming = {name: max(cluster.get(name, 0.0) - _sum(name, total), 0.0) for name in ("CPU", "GPU")}
    have = {name: value for name, value in cluster.items() if name not in coming}
    have["CPU"] = max(_sum("CPU", free) + coming["CPU"], 1.0)
    if gpus := _sum("GPU", free) + coming["GPU"]:
        have["GPU"] = gpus
    if any(coming.values()):
        return have
    cpus = [(machine.get("CPU", 0.0), machine.get("GPU", 0.0)) for machine in free]
    return {
        **have,
        _CPU_OF_ONE: max((n for n, _ in cpus), default=1.0),
        _CPU_BESIDE_GPU: max((n for n, gpus in cpus if gpus), default=1.0),
        # A trial that lacked memory waits until its machine can give it.
        _MEMORY_OF_ONE: max((machine.get("memory", 0.0) for machine in total), default=0.0),
    }


def _sum(name: str, machines: Sequence[Mapping[str, float]]) -> float:
    return float(sum(machine.get(name, 0.0) for machine in machines))


def resolve(wanted: Resources, cluster: Mapping[str, float], n_trials: int) -> dict[str, float]:
    """Return what a trial asks Ray for on the cluster as it is.

    Parameters
    ----------
    wanted
        What the family declares.
    cluster
        What a search can have, by resource name, and of it one machine: see `obtainable`.
    n_trials
        Trials that are to run; where they cannot fill the cores each gets more of them.

    Returns
    -------
    dict
        ``CPU``, and ``GPU`` where the family uses one and the cluster can give that much of it.
    """
    cores = int(cluster.get("CPU", 1))
    share = min(cores // max(n_trials, 1), _MOST_CPUS)
    on_gpu = 0 < wanted.gpu_fraction <= cluster.get("GPU", 0)
    most = int(cluster.get(_CPU_BESIDE_GPU if on_gpu else _CPU_OF_ONE, cores))
    bundle = {"CPU": float(min(max(wanted.cpus, share), max(most, 1)))}
    if on_gpu:
        bundle["GPU"] = wanted.gpu_fraction
    return bundle


def slots(cluster: Mapping[str, float], bundles: Sequence[Mapping[str, float]]) -> int:
    """Return how many trials can run at once if all were of the kind that asks for least."""
    least = min((bundle["CPU"] for bundle in bundles), default=1.0)
    return max(int(cluster.get("CPU", 1) // least), 1)


def larger_share(
    share: Mapping[str, float], memory_bytes: int, cluster: Mapping[str, float]
) -> dict[str, float]:
    """Return what a trial asks for after it ran out of memory.

    Twice its share of a GPU, and twice the memory its family declares, so that fewer trials stand
    beside it; never more than one machine has.
    """
    larger = dict(share)
    if "GPU" in larger:
        larger["GPU"] = min(2 * larger["GPU"], 1.0)
    most = cluster.get(_MEMORY_OF_ONE, cluster.get("memory"))
    if most:
        larger["memory"] = min(2.0 * memory_bytes, float(most))
    return larger


def free_cpus() -> float:
    """Return the number of free CPUs of the connected cluster."""
    return sum(node.get("CPU", 0.0) for node in adapters.free_by_node().values())


def is_queued(share: Mapping[str, float]) -> bool:
    """Return whether Ray has not placed a request for `share` yet.

    A trial whose request is placed is waiting for its own process to start, not for resources.
    """
    wanted = dict(share)
    return any(
        group["state"] != "CREATED" and group["state"] != "REMOVED"
        for group in ray.util.placement_group_table().values()
        if list(group["bundles"].values()) == [wanted]
    )


@dataclass(frozen=True)
class Shortage:
    """Resources that are waited for, and what is free of them.

    Attributes
    ----------
    wanted, free
        Amounts by resource name.
    """

    wanted: Mapping[str, float]
    free: Mapping[str, float]

    @classmethod
    def of(cls, wanted: Mapping[str, float]) -> "Shortage":
        """Return what the machine with most free CPUs can give of `wanted`."""
        by_node = adapters.free_by_node().values()
        free = max(by_node, key=lambda node: node.get("CPU", 0.0), default={})
        return cls(wanted, {name: free.get(name, 0.0) for name in wanted if name != "memory"})

    def __str__(self) -> str:
        """Return the shortage in words: ``2 CPUs, 1 is free``."""
        wanted = " and ".join(_amount(name, self.wanted[name]) for name in self.free)
        amounts = [f"{value:g}" for value in self.free.values()]
        verb = "is" if amounts == ["1"] else "are"
        free = " and ".join(amounts) if any(self.free.values()) else "none"
        return f"{wanted}, {free} {'is' if free == 'none' else verb} free"


def _amount(name: str, value: float) -> str:
    return f"{value:g} {name}{'' if value <= 1 else 's'}"
