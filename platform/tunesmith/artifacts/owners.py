"""The process that a search or a dataset belongs to, so that no second one writes to it."""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

from pydantic import Field

from tunesmith.artifacts import layout
from tunesmith.artifacts.documents import Document
from tunesmith.artifacts.gaps import readable
from tunesmith.artifacts.pointers import forget, move
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError, StoreError, TunesmithError

__all__ = ["Lease", "Owner", "Ownership", "owner_of"]

_BEAT_S = 10.0
# Another machine's process that wrote nothing for so long is taken for dead.
_SILENCE_S = 60.0


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
        return self.silent_s < _SILENCE_S

    @property
    def silent_s(self) -> float:
        """Seconds since the last sign of life."""
        return max(time.time() - self.heartbeat, 0.0)

    def __str__(self) -> str:
        """Return the owner in words."""
        return f"process {self.pid} on {self.host}"


def owner_of(store: Store, task: str, run_id: str) -> Owner | None:
    """Return the process that an unfinished run belongs to; None where it has ended."""
    owner = _owner_in(store, layout.staged_run(task, run_id, layout.OWNER))
    return owner if owner is not None and owner.is_alive else None


def _owner_in(store: Store, parts: layout.Parts) -> Owner | None:
    """Return the owner that a file names, None where there is none or it is damaged."""
    owners = readable([parts], lambda place: Owner.find(store, *place), "/".join)
    return owners[0] if owners else None


class Lease:
    """Makes a place in the store this process's own for the length of a ``with`` block.

    A thread renews the heartbeat, which other machines judge by; on this machine the process itself
    is looked for, so that the work of a killed process can be taken over at once.

    Parameters
    ----------
    store, parts
        The file that names the owner.
    refusal
        Returns the error that the owner of a place is told about, when it is taken.
    """

    def __init__(
        self, store: Store, parts: layout.Parts, refusal: Callable[[Owner], TunesmithError]
    ) -> None:
        self._store = store
        self._parts = parts
        self._refusal = refusal
        self._nonce = secrets.token_hex(8)
        self._lost_to: Owner | None = None
        self._ended = threading.Event()
        self._beats = threading.Thread(target=self._beat, name="owner", daemon=True)

    def __enter__(self) -> Self:
        """Take the place over.

        Raises
        ------
        TunesmithError
            When another process owns it.
        """

        def taken(present: Owner | None) -> Owner:
            if present is not None and present.is_alive:
                raise self._refusal(present)
            return self._own()

        move(self._store, Owner, self._parts, taken, mends=True)
        self._beats.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the place up."""
        self.stop()
        with suppress(StoreError):
            owner = _owner_in(self._store, self._parts)
            if owner is not None and owner.nonce == self._nonce:
                forget(self._store, *self._parts)

    def stop(self) -> None:
        """Write no more heartbeats."""
        self._ended.set()
        if self._beats.ident is not None:
            self._beats.join()

    def check(self) -> None:
        """Raise when another process has taken the place: this one was silent for too long.

        Raises
        ------
        TunesmithError
            Who owns it now.
        """
        if self.is_lost() and self._lost_to is not None:
            raise self._refusal(self._lost_to)

    def is_lost(self) -> bool:
        """Return whether another process has taken the place."""
        owner = _owner_in(self._store, self._parts)
        if owner is not None and owner.nonce != self._nonce:
            self._lost_to = owner
        return self._lost_to is not None

    def _own(self) -> Owner:
        return Owner(
            host=socket.gethostname(),
            pid=os.getpid(),
            place=_place(),
            started=_started(os.getpid()),
            heartbeat=time.time(),
            nonce=self._nonce,
        )

    def _renewed(self, present: Owner | None) -> Owner | None:
        if present is None or present.nonce != self._nonce:
            self._lost_to = present
            return None
        return self._own()

    def _beat(self) -> None:
        while not self._ended.wait(_BEAT_S) and self._lost_to is None:
            # A store that is away for a moment must not end the work; a folder that was published
            # or removed meanwhile must not be made again.
            with suppress(StoreError):
                if self._store.exists(*self._parts):
                    move(self._store, Owner, self._parts, self._renewed)


class Ownership(Lease):
    """Makes a run this process's own for the length of a ``with`` block.

    Parameters
    ----------
    store, task, run_id
        The run, which need not be there yet.
    """

    def __init__(self, store: Store, task: str, run_id: str) -> None:
        def refusal(owner: Owner) -> SearchError:
            message = (
                f"The search {run_id} of {task} belongs to {owner}, whose last sign of life is "
                f"{owner.silent_s:.0f} s old. Wait for its end, or stop that process first."
            )
            return SearchError(message)

        super().__init__(store, layout.staged_run(task, run_id, layout.OWNER), refusal)


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
