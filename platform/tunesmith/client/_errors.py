"""Errors of the client.

::

    ClientError
    ├── RequestRefused       the request is invalid; the message says why
    └── ServerUnavailable    no answer, or an error of the server, after all retries
"""

from collections.abc import Mapping
from typing import Any

from tunesmith.errors import TunesmithError

__all__ = ["ClientError", "RequestRefused", "ServerUnavailable"]


class ClientError(TunesmithError):
    """A request was not answered.

    Attributes
    ----------
    status
        HTTP status; 0 without a response.
    problem
        Problem details (RFC 9457) of the response; empty if it has none.
    """

    def __init__(
        self, message: str, status: int = 0, problem: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = dict(problem or {})

    @property
    def kind(self) -> str:
        """Kind of the problem, such as ``not-midi``; empty without problem details."""
        return str(self.problem.get("type", "")).removeprefix("/problems/")


class RequestRefused(ClientError):  # noqa: N818  named for what happened
    """The request is invalid, as the message explains; a retry would not help."""


class ServerUnavailable(ClientError):  # noqa: N818  named for what happened
    """No answer, or an error of the server, after all retries."""
