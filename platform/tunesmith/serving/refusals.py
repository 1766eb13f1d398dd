"""Versions that could not be loaded, and when to try each of them again.

A bundle that is broken stays so: fetching it again every few seconds, by every replica, would only
load the store. It is tried again once its files, or the alias, have changed. Trouble that may pass
by itself, such as a connection that broke, is tried again after pauses that double.
"""

import time
from dataclasses import dataclass

from tunesmith.errors import StoreUnreachableError

__all__ = ["Refusals", "Stamp"]

Stamp = tuple[object, ...]
"""Sizes and times of a bundle's files."""

_FIRST_PAUSE_S = 2.0
_LONGEST_PAUSE_S = 300.0


@dataclass(frozen=True)
class _Refusal:
    version: int
    stamp: Stamp
    pause_s: float
    retry_at: float | None


class Refusals:
    """Remembers what could not be loaded, by task."""

    def __init__(self) -> None:
        self._by_task: dict[str, _Refusal] = {}

    def is_due(self, task: str, version: int, stamp: Stamp) -> bool:
        """Return whether to try a version, for the first time or again."""
        known = self._by_task.get(task)
        if known is None or (known.version, known.stamp) != (version, stamp):
            return True
        return known.retry_at is not None and time.monotonic() >= known.retry_at

    def add(self, task: str, version: int, stamp: Stamp, error: Exception) -> bool:
        """Remember that a version could not be loaded; return whether that is news."""
        known = self._by_task.get(task)
        is_news = known is None or (known.version, known.stamp) != (version, stamp)
        pause_s = _FIRST_PAUSE_S
        if known is not None and not is_news:
            pause_s = min(2 * known.pause_s, _LONGEST_PAUSE_S)
        may_pass = isinstance(error, StoreUnreachableError | OSError | MemoryError)
        retry_at = time.monotonic() + pause_s if may_pass else None
        self._by_task[task] = _Refusal(version, stamp, pause_s, retry_at)
        return is_news

    def remove(self, task: str) -> bool:
        """Forget a task's refusal; return whether there was one."""
        return self._by_task.pop(task, None) is not None

    def __contains__(self, task: str) -> bool:
        return task in self._by_task

    def versions(self) -> dict[str, int]:
        """Return the refused version of each task."""
        return {task: refusal.version for task, refusal in self._by_task.items()}
