"""The process that a search belongs to while it runs, so that no second one writes to it."""

import fcntl
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from pydantic import Field

from tunesmith.artifacts import layout
from tunesmith.artifacts.documents import Document
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError, StoreError

__all__ = ["Owner", "Ownership", "owner_of"]

_BEAT_S = 10.0
# Another machine's process that wrote nothing for so long is taken for dead.
_SILENCE_S = 60.0
# Two processes that claim a run of an object store at once see by then which came last.
_SETTLE_S = 1.0


class Owner(Document):
    """`owner.json`: the process that a search runs in."""

    REMEDY: ClassVar[str] = "Remove the file if no search runs there."

    host: str
    pid: int
    place: str = Field(description="The boot and process namespace that pids belong to.")
    started: str | None = Field(default=None, description="When the process started, in ticks.")
    heartbeat: float = Field(description="Seconds since 1970, renewed every ten seconds.")
    nonce: str = Field(description="Tells two owners apart that are in one process.")

    @property
    def is_alive(self) -> bool:
        """True if the search runs, as far as can be known from here."""
        if self.place == _place():
            return _started(self.pid) == self.started if self.started else _runs(self.pid)
        return time.time() - self.heartbeat < _SILENCE_S

    def __str__(self) -> str:
        """Return the owner in words."""
        return f"process {self.pid} on {self.host}"


def owner_of(store: Store, task: str, run_id: str) -> Owner | None:
    """Return the process that an unfinished run belongs to; None where it has ended."""
    parts = layout.staged_run(task, run_id, layout.OWNER)
    if not store.exists(*parts):
        return None
    owner = Owner.read(store, *parts)
    return owner if owner.is_alive else None


class Ownership:
    """Makes a run this process's own for the length of a ``with`` block.

    A thread renews the heartbeat, which other machines judge by; on this machine the process itself
    is looked for, so that a search that was killed can be resumed at once.

    Parameters
    ----------
    store, task, run_id
        The run, which need not be there yet.
    """

    def __init__(self, store: Store, task: str, run_id: str) -> None:
        self._store = store
        self._task = task
        self._run_id = run_id
        self._parts = layout.staged_run(task, run_id, layout.OWNER)
        self._nonce = secrets.token_hex(8)
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="owner", daemon=True)

    def __enter__(self) -> Self:
        """Take the run over.

        Raises
        ------
        SearchError
            When another process owns it.
        """
        with _alone(self._store, self._task, self._run_id):
            self._require_free()
            self._write()
        if not self._store.is_local:
            # Object stores have no locks: of two that write at once the later one is the owner.
            time.sleep(_SETTLE_S)
            self._require_free()
        self._beats.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the run up."""
        self.stop()
        with suppress(StoreError):
            owner = owner_of(self._store, self._task, self._run_id)
            if owner is not None and owner.nonce == self._nonce:
                self._store.remove(*self._parts)

    def stop(self) -> None:
        """Write no more heartbeats."""
        self._ended.set()
        if self._beats.ident is not None:
            self._beats.join()

    def _require_free(self) -> None:
        owner = owner_of(self._store, self._task, self._run_id)
        if owner is not None and owner.nonce != self._nonce:
            ago_s = max(time.time() - owner.heartbeat, 0.0)
            message = (
                f"The search {self._run_id} of {self._task} belongs to {owner}, whose last sign of "
                f"life is {ago_s:.0f} s old. Wait for its end, or stop that process first."
            )
            raise SearchError(message)

    def _write(self) -> None:
        Owner(
            host=socket.gethostname(),
            pid=os.getpid(),
            place=_place(),
            started=_started(os.getpid()),
            heartbeat=time.time(),
            nonce=self._nonce,
        ).write(self._store, *self._parts)

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_S):
            # A store that is away for a moment must not end the search.
            with suppress(StoreError):
                owner = owner_of(self._store, self._task, self._run_id)
                if owner is not None and owner.nonce != self._nonce:
                    return
                self._write()


@contextmanager
def _alone(store: Store, task: str, run_id: str) -> Iterator[None]:
    """Keep the other processes of this machine from claiming the same run meanwhile."""
    if not store.is_local:
        yield
        return
    folder = store.local_path(*layout.staged_run(task, run_id))
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        # Some network file systems have no locks; the heartbeat guards the run there.
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _place() -> str:
    """Return where process numbers are valid: during a boot of a machine, or in a container."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    namespace = Path("/proc/self/ns/pid")
    with suppress(OSError):
        return f"{boot.read_text(encoding='ascii').strip()} {namespace.readlink()}"
    return socket.gethostname()


def _started(pid: int) -> str | None:
    """Return when a process started, in ticks since boot; None where it ended, or without /proc."""
    with suppress(OSError, IndexError):
        facts = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return None if facts[0] == "Z" else facts[19]
    return None


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
