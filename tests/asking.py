"""Threads that ask a server from the beginning of a ``with`` block to its end."""

import threading
import time
from collections.abc import Callable, Sequence
from typing import Self

__all__ = ["AskingThreads", "comes_true"]

_END_S = 60.0


class AskingThreads:
    """Threads that run until the block ends.

    Parameters
    ----------
    asks
        What each thread does; it has to return soon after `ended` is set.
    """

    def __init__(self, asks: Sequence[Callable[[], None]]) -> None:
        self.ended = threading.Event()
        self._threads = [threading.Thread(target=ask) for ask in asks]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        for thread in self._threads:
            thread.join(timeout=_END_S)


def comes_true(condition: Callable[[], bool], within_s: float) -> bool:
    """Wait for something, and return whether it came."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
