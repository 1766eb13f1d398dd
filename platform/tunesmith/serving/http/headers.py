"""Headers that several routes read."""

from typing import Annotated

from fastapi import Header

from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.limits import LimitSettings

__all__ = ["DeadlineHeader", "StickyKey", "deadline_of"]

DeadlineHeader = Annotated[
    float | None,
    Header(
        alias="X-Deadline-S",
        gt=0,
        le=3600,
        description="Seconds that the client will wait.",
    ),
]
StickyKey = Annotated[
    str | None,
    Header(
        alias="X-Sticky-Key",
        max_length=200,
        description="Requests with the same key are answered by the same side of a contest.",
    ),
]


def deadline_of(limits: LimitSettings, asked_s: float | None) -> Deadline:
    """Return the deadline of a request: the server's, or that of its client if it is earlier."""
    return Deadline.after(min(limits.deadline_s, asked_s or limits.deadline_s))
