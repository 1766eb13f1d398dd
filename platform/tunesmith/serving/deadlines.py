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
        thread = threading.get_ident()
        lock, ended = threading.Lock(), threading.Event()

        def interrupt() -> None:
            with lock:
                if not ended.is_set():
                    _raise_in(thread, _Over)

        timer = threading.Timer(max(self.left_s, 0.0), interrupt)
        timer.daemon = True
        try:
            timer.start()
            try:
                return work()
            finally:
                with lock:
                    ended.set()
                timer.cancel()
        except _Over:
            raise self.missed() from None
        finally:
            # One that was on its way when the work ended must not meet what comes after it.
            _raise_in(thread, None)

    def missed(self) -> ProblemError:
        """Return the problem of a missed deadline."""
        where = f"the node {self.node!r}" if self.node else "the request"
        detail = f"The time for {where} was over before it had an answer."
        return ProblemError(problems.DEADLINE, detail, {"Retry-After": "1"}, node=self.node)


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise an exception in another thread at its next step; None takes back one on its way."""
    given = ctypes.py_object(error) if error is not None else None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), given)
