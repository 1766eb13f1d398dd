"""The checks of `tunesmith doctor`; each returns what it saw and advice.

None starts Ray or imports TensorFlow; the check of a worker's GPU, in `cluster.worker`, starts Ray.
"""

from collections.abc import Callable

from tunesmith.cluster.findings import Finding, Target
from tunesmith.cluster.machine_checks import (
    disk,
    gpu,
    memory,
    open_files,
    shared_memory,
    tensorflow,
)
from tunesmith.cluster.ray_checks import (
    authentication,
    current_cluster,
    leftovers,
    ports,
    proxies,
    python,
    ray_version,
    token_mode,
)
from tunesmith.cluster.store_checks import clock, store_writable

__all__ = ["CHECKS", "examine"]

CHECKS: tuple[Callable[[Target], Finding], ...] = (
    python,
    ray_version,
    authentication,
    token_mode,
    leftovers,
    current_cluster,
    ports,
    proxies,
    shared_memory,
    memory,
    open_files,
    disk,
    gpu,
    tensorflow,
    store_writable,
    clock,
)


def examine(target: Target) -> list[Finding]:
    """Return the findings of all checks."""
    return [check(target) for check in CHECKS]
