"""Deadline of a request, carried through the graph."""

import time
from dataclasses import dataclass

from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError

__all__ = ["Deadline"]


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

    def missed(self) -> ProblemError:
        """Return the problem of a missed deadline."""
        where = f"the node {self.node!r}" if self.node else "the request"
        detail = f"The time for {where} was over before it had an answer."
        return ProblemError(problems.DEADLINE, detail, {"Retry-After": "1"}, node=self.node)
