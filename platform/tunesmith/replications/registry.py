"""Replications by name."""

import tunesmith.replications as package
from tunesmith.registries import Registry
from tunesmith.replications.contract import Replication

__all__ = ["REPLICATIONS", "get_replication", "replication_names"]

_HELPERS = frozenset({"contract", "registry", "ledger", "music", "table", "training"})

REPLICATIONS = Registry(
    "replication",
    Replication,
    package=package,
    attributes=("REPLICATION", "REPLICATIONS"),
    entry_points="tunesmith.replications",
    skip=_HELPERS,
)
"""All replications: those of this package (a module each), of installed packages and plugins."""


def replication_names() -> tuple[str, ...]:
    """Return the names of all replications, the cheapest first.

    A run that is stopped has most of the table by then.
    """
    names = REPLICATIONS.names()
    return tuple(sorted(names, key=lambda name: REPLICATIONS.get(name).cost_s))


def get_replication(name: str) -> Replication:
    """Return the replication called `name`.

    Raises
    ------
    UsageError
        When there is none; the message names the nearest ones.
    """
    return REPLICATIONS.get(name)
