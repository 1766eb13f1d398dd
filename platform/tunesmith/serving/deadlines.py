"""Deadline of a request, carried through the graph."""

import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError

__all__ = ["Deadline"]

T = TypeVar("T")
_STEPS = 10_000
"""Steps of a thread within which an exception that was sent to it surely arrives."""
_AGAIN_S = 0.5


class _Over(BaseException):
    """Raised in a thread whose time is over; no handler of errors takes it for one."""


@dataclass(frozen=True)
class Deadline:
    """A moment on this process's monotonic clock, and the node that will be blamed for it."""

    at: float
    node: str = ""

    @classmethod
    def after(cls, seconds: float, node: str = "") -> "Deadline":
        """Return the deadline that many seconds from now."""
        return cls(time.monotonic() + seconds, node)

    def sooner(self, seconds: float, node: str) -> "Deadline":
        """Return this deadline, or the one that many seconds from now if that is earlier."""
        return Deadline(min(self.at, time.monotonic() + seconds), node)

    @property
    def left_s(self) -> float:
        """Seconds left; negative when it is over."""
        return self.at - time.monotonic()

    def check(self) -> None:
        """Stop work whose client no longer waits.

        Raises
        ------
        ProblemError
            ``deadline`` when it is over.
        """
        if self.left_s <= 0:
            raise self.missed()

    def bound(self, work: Callable[[], T]) -> T:
        """Do work that looks at no deadline itself, and stop it when this one is over.

        It must be Python code: what runs in C is stopped when it returns.

        Raises
        ------
        ProblemError
            ``deadline`` when it is over.
        """
        self.check()
        interruption = _Interruption()
        try:
            interruption.begin(self.left_s)
            try:
                return work()
            finally:
                interruption.settle()
        except _Over:
            # It may have come before `settle` was called.
            interruption.settle()
            raise self.missed() from None

    def missed(self) -> ProblemError:
        """Return the problem of a missed deadline."""
        where = f"the node {self.node!r}" if self.node else "the request"
        detail = f"The time for {where} was over before it had an answer."
        return ProblemError(problems.DEADLINE, detail, {"Retry-After": "1"}, node=self.node)


class _Interruption:
    """An exception for the thread that makes this, from a time on and until `settle`.

    It is sent again and again: one that arrives in a finaliser or in a handler of every exception
    is lost.
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._settled = threading.Event()
        self._lock = threading.Lock()

    def begin(self, after_s: float) -> None:
        """Send it once so many seconds are over."""
        threading.Thread(target=self._send, args=(after_s,), name="deadline", daemon=True).start()

    def _send(self, after_s: float) -> None:
        self._settled.wait(max(after_s, 0.0))
        while True:
            with self._lock:
                if self._settled.is_set():
                    return
                # It can only be set, never taken back: taking it back with NULL leaves CPython
                # 3.11 looking for it after every step, for ever.
                ctypes.pythonapi.PyThreadState_SetAsyncExc(
                    ctypes.c_ulong(self._thread), ctypes.py_object(_Over)
                )
            self._settled.wait(_AGAIN_S)

    def settle(self) -> None:
        """Send none any more, and let one that is on its way arrive here, not in what follows."""
        while True:
            try:
                self._settled.set()
                with self._lock:
                    pass
                for _ in range(_STEPS):
                    pass
            except _Over:
                continue
            return
