"""Locks of folders on a local disk; the system releases them when a process ends in any way."""

import fcntl
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from tunesmith.artifacts.store import Store
from tunesmith.errors import TunesmithError

__all__ = ["LOCK", "only_one"]

LOCK = ".lock"
"""Name of the file in a folder that is locked."""

_log = logging.getLogger(__name__)


@contextmanager
def only_one(store: Store, *parts: str, work: str, error: type[TunesmithError]) -> Iterator[None]:
    """Hold the lock of a folder, which is created.

    Object stores and some file systems have no locks. There, two simultaneous jobs both do the
    work, and one of the equal results stays.

    Parameters
    ----------
    store, *parts
        The folder.
    work
        Name of the work, such as ``ingest of NAME``, for messages.
    error
        Raised where another process holds the lock.

    Raises
    ------
    TunesmithError
        `error`, when another process does this work.
    """
    if not store.is_local:
        yield
        return
    folder = store.local_path(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"Another {work} into {store.shown} is running. Wait until it has finished."
            raise error(message) from None
        except OSError as failure:
            _log.warning(
                "%s has no locks (%s): start no second %s meanwhile.",
                store.shown, failure.strerror, work,
            )  # fmt: skip
        yield
