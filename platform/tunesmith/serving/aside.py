"""Small work of many requests, done together in a thread of its own: counting and logging.

What a request counts and logs takes microseconds, but gives up the interpreter's lock each time,
and a busy replica then changes threads in the middle of a request. That cost a song's request a
sixth of its rate.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

__all__ = ["PERIOD_S", "Aside", "Later", "at_once"]

logger = logging.getLogger("tunesmith.serve")

PERIOD_S = 0.1
"""Time between two rounds of work; a process that is killed loses the work of its last one."""
# A thread that cannot keep up must not keep everything in memory.
_MOST_WAITING = 100_000

T = TypeVar("T")


class Later(Protocol):
    """Does something with an item, now or later, alone or together with others of its kind."""

    def __call__(self, work: Callable[[list[T]], object], item: T) -> None:
        """Have `work` done with a list that holds the item."""


def at_once(work: Callable[[list[T]], object], item: T) -> None:
    """Do it now: a `Later` for tests, and for processes without a server."""
    work([item])


class Aside:
    """A `Later` with a thread of its own, which hands each function all that waits for it.

    Items for one function keep their order. An error is logged, and the other functions go on.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Callable[[list[Any]], object], Any]] = deque()
        self._working = threading.Lock()
        self._end = threading.Event()
        threading.Thread(target=self._run, name="aside", daemon=True).start()

    def __call__(self, work: Callable[[list[T]], object], item: T) -> None:
        """Add an item; from any thread."""
        self._waiting.append((work, item))
        if len(self._waiting) > _MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Do all that waits; return when it is done."""
        with self._working:
            together: dict[Callable[[list[Any]], object], list[Any]] = {}
            for _ in range(len(self._waiting)):
                work, item = self._waiting.popleft()
                together.setdefault(work, []).append(item)
            for work, items in together.items():
                try:
                    work(items)
                except Exception:
                    logger.exception("unexpected: %d items of %s are lost", len(items), work)

    def stop(self) -> None:
        """Do all that waits and end the thread."""
        self._end.set()
        self.flush()

    def _run(self) -> None:
        while not self._end.wait(PERIOD_S):
            self.flush()
