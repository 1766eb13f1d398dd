"""Headers and the query parameter that several routes read.

FastAPI finds and checks the parameters of a route in a quarter of the time that a small request
takes in all. The routes of nodes, which get most requests and are described by `openapi` anyway,
read theirs by `options_of`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from fastapi import Header, Request
from fastapi.exceptions import RequestValidationError
from pydantic import Field, TypeAdapter, ValidationError

from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.limits import LimitSettings

__all__ = ["DeadlineHeader", "RequestOptions", "StickyKey", "deadline_of", "options_of"]

_DEADLINE = "X-Deadline-S"
_STICKY_KEY = "X-Sticky-Key"
_Seconds = Annotated[float, Field(gt=0, le=3600)]
_Key = Annotated[str, Field(max_length=200)]
_SECONDS: TypeAdapter[float] = TypeAdapter(_Seconds)
_KEY: TypeAdapter[str] = TypeAdapter(_Key)
_FLAG: TypeAdapter[bool] = TypeAdapter(bool)

DeadlineHeader = Annotated[
    _Seconds | None, Header(alias=_DEADLINE, description="Seconds that the client will wait.")
]
StickyKey = Annotated[
    _Key | None,
    Header(
        alias=_STICKY_KEY,
        description="Requests with the same key are answered by the same side of a contest.",
    ),
]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestOptions:
    """Options of a request besides its body.

    Attributes
    ----------
    deadline
        The request's deadline.
    sticky_key
        Requests with the same key are answered by the same side of a contest.
    detail
        Whether each segment carries the probability of every class.
    """

    deadline: Deadline
    sticky_key: str | None
    detail: bool


def options_of(request: Request, limits: LimitSettings) -> RequestOptions:
    """Return the options of a request to a node.

    Raises
    ------
    RequestValidationError
        When one of them cannot be.
    """
    seconds = _given(request.headers, _DEADLINE, _SECONDS, "header")
    key = _given(request.headers, _STICKY_KEY, _KEY, "header")
    detail = _given(request.query_params, "detail", _FLAG, "query")
    return RequestOptions(deadline_of(limits, seconds), key, bool(detail))


def _given(values: Mapping[str, str], name: str, kind: TypeAdapter[T], place: str) -> T | None:
    value: Any = values.get(name)
    if value is None:
        return None
    try:
        return kind.validate_python(value)
    except ValidationError as error:
        faults = [{**fault, "loc": (place, name)} for fault in error.errors(include_url=False)]
        raise RequestValidationError(faults) from None


def deadline_of(limits: LimitSettings, asked_s: float | None) -> Deadline:
    """Return the deadline of a request: the server's, or that of its client if it is earlier."""
    return Deadline.after(min(limits.deadline_s, asked_s or limits.deadline_s))
