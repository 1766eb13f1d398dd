"""What can go wrong when asking a server.

::

    ClientError
    ├── RequestRefused       the server says what is wrong with the request
    └── ServerUnavailable    no answer, or trouble on the server's side, after every try
"""

from collections.abc import Mapping
from typing import Any

from tunesmith.errors import TunesmithError

__all__ = ["ClientError", "RequestRefused", "ServerUnavailable"]


class ClientError(TunesmithError):
    """A server did not answer a request.

    Attributes
    ----------
    status
        HTTP status; 0 when there was no response.
    problem
        The problem details (RFC 9457) of the response, empty without one.
    """

    def __init__(
        self, message: str, status: int = 0, problem: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = dict(problem or {})

    @property
    def kind(self) -> str:
        """The kind of problem, such as ``not-midi``; '' without a problem body."""
        return str(self.problem.get("type", "")).removeprefix("/problems/")


class RequestRefused(ClientError):  # noqa: N818  named for what happened
    """The server says what is wrong with the request; asking again would not help."""


class ServerUnavailable(ClientError):  # noqa: N818  named for what happened
    """No answer, or trouble on the server's side, after every try."""
