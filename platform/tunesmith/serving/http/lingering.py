"""An answer that comes before the end of the request's body, sent so that the client sees it."""

import asyncio
from contextlib import suppress

from starlette.types import Message, Receive, Scope, Send

__all__ = ["Lingering"]

LINGER_S = 5.0
# The HTTP server holds as much of a body anyway, so that the client is not kept from reading.
_SMALL_BYTES = 65_536


class Lingering:
    """Keeps a connection open for a moment after an answer that came before the body did.

    Closing at once would make the client's system throw the answer away: what it sends then meets a
    closed connection. So the answer is sent, the rest of the body is read for a few seconds and
    dropped, and the connection is closed.

    Parameters
    ----------
    scope, receive, send
        Of the request.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._unread = _may_be_long(scope)
        self._lingers = False

    async def receive(self) -> Message:
        """Receive, and remember when the body has ended."""
        message = await self._receive()
        if not message.get("more_body", False):
            self._unread = False
        return message

    async def send(self, message: Message) -> None:
        """Send; after the last part of an early answer wait for the rest of the body."""
        if message["type"] == "http.response.start":
            self._lingers = self._unread
            if self._lingers:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            await self._send(message)
            return
        if not self._lingers or message.get("more_body", False):
            await self._send(message)
            return
        await self._send({**message, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while self._unread:
                    await self.receive()
        await self._send({"type": "http.response.body", "body": b""})


def _may_be_long(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return not (value.isdigit() and int(value) <= _SMALL_BYTES)
        if name == b"transfer-encoding":
            return True
    return False
