"""One process at a time in a folder of the store.

On a disk a lock keeps others out, which the system releases when a process ends in any way; in a
bucket a file names the process at work.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from tunesmith.artifacts import layout
from tunesmith.artifacts.durable import held
from tunesmith.artifacts.owners import Lease, Owner
from tunesmith.artifacts.store import Store
from tunesmith.errors import TunesmithError

__all__ = ["LOCK", "only_one"]

LOCK = ".lock"
"""Name of the file in a folder that is locked."""
_OWNER = f".{layout.OWNER}"


@contextmanager
def only_one(store: Store, *parts: str, work: str, error: type[TunesmithError]) -> Iterator[None]:
    """Hold a folder, which is created on a disk.

    Some file systems have no locks; there a warning says so.

    Parameters
    ----------
    store, *parts
        The folder.
    work
        Name of the work, such as ``ingest of NAME``, for messages.
    error
        Raised where another process holds the folder.

    Raises
    ------
    TunesmithError
        `error`, when another process does this work.
    """
    running = f"Another {work} into {store.shown} is running"
    advice = "Wait until it has finished."
    if store.is_local:
        try:
            with held(store.local_path(*parts, LOCK), wait=False):
                yield
        except BlockingIOError:
            message = f"{running}. {advice}"
            raise error(message) from None
        return

    def refusal(owner: Owner) -> TunesmithError:
        return error(f"{running}: {owner}. {advice}")

    with Lease(store, (*parts, _OWNER), refusal):
        yield
