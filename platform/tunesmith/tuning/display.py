"""The state of a search as people see it while it runs."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["Display", "Lines", "Standing", "clock"]

LINE_PAUSE_S = 10.0
"""Least time between two lines about one task."""


def clock(seconds: float) -> str:
    """Return ``m:ss`` or ``h:mm:ss``."""
    minutes, second = divmod(int(max(seconds, 0)), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02d}:{second:02d}" if hours else f"{minutes}:{second:02d}"


@dataclass(frozen=True)
class Standing:
    """State of the search of one task.

    Attributes
    ----------
    task
        Name of the task.
    ended
        Trials that ended, those of earlier sessions included.
    n_trials
        Trials planned.
    running
        Trials that run now.
    best
        Best score so far with its family and trial, "" without a score.
    elapsed_s
        Seconds since this session began.
    rate
        Trials that ended per minute of this session, None before the first.
    budget_left_s
        Seconds until the search should be over, None without a time budget.
    """

    task: str
    ended: int
    n_trials: int
    running: int
    best: str
    elapsed_s: float
    rate: float | None
    budget_left_s: float | None

    @property
    def left_s(self) -> float | None:
        """Estimated seconds until the last trial ends, None before the first has ended."""
        if self.rate is None:
            return self.budget_left_s
        by_rate_s = 60 * (self.n_trials - self.ended) / self.rate
        return by_rate_s if self.budget_left_s is None else min(by_rate_s, self.budget_left_s)

    @property
    def rate_text(self) -> str:
        """Rate in words, "" before the first trial has ended."""
        return "" if self.rate is None else f"{self.rate:.2g} a minute"

    @property
    def left_text(self) -> str:
        """Time left in words, "" where it is not known or nothing is left."""
        is_over = self.ended >= self.n_trials
        return "" if self.left_s is None or is_over else f"about {clock(self.left_s)} left"

    def line(self) -> str:
        """Return the state as one line."""
        timing = ", ".join(filter(None, (self.rate_text, self.left_text)))
        return (
            f"[{clock(self.elapsed_s)}] {self.task}: {self.ended} of {self.n_trials} trials ended, "
            f"{self.running} running{f', {timing}' if timing else ''}; "
            f"best {self.best or 'not known yet'}"
        )


@runtime_checkable
class Display(Protocol):
    """Shows lines, and the state of each task beside them."""

    def __call__(self, line: str) -> None:
        """Print a line."""

    def show(self, standing: Standing) -> None:
        """Show the new state of a task."""


class Lines:
    """Prints the state of each task as a line, now and then and at the end.

    Parameters
    ----------
    say
        Prints a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._printed: dict[str, float] = {}

    def __call__(self, line: str) -> None:
        """Print a line."""
        self._say(line)

    def show(self, standing: Standing) -> None:
        """Print the state, unless the task had a line a moment ago."""
        now = time.monotonic()
        is_over = standing.ended >= standing.n_trials
        last = self._printed.get(standing.task, float("-inf"))
        if is_over or now - last >= LINE_PAUSE_S:
            self._printed[standing.task] = now
            self._say(standing.line())
