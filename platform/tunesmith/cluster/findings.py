"""Results of the doctor's checks, and the machine that they are about."""

from dataclasses import asdict, dataclass
from typing import Literal

from tunesmith.cluster.machine import Machine

__all__ = ["GIB", "Finding", "Target", "gib"]

State = Literal["ok", "warning", "fault"]

GIB = 1 << 30


@dataclass(frozen=True)
class Finding:
    """Result of one check.

    Attributes
    ----------
    check
        Name of the check.
    state
        ``ok``, ``warning`` (works, with a drawback) or ``fault`` (something will fail).
    saw
        The state of the machine.
    do
        Advice, "" where there is nothing to do.
    """

    check: str
    state: State
    saw: str
    do: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the finding as JSON holds it."""
        return asdict(self)


@dataclass(frozen=True)
class Target:
    """A machine to check, with its store and, where one is named, its cluster.

    Attributes
    ----------
    machine
        This machine.
    store_uri
        The store, or None for the usual one.
    address
        URL of a cluster's dashboard, ``http://host:8265``, or None.
    http_port
        Port that the server is to listen on.
    """

    machine: Machine
    store_uri: str | None = None
    address: str | None = None
    http_port: int = 8000


def gib(number: float) -> str:
    """Return a number of bytes in GiB."""
    return f"{number / GIB:.1f} GiB"
