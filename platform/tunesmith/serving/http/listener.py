"""A replica's own HTTP server, for one machine alone: no proxy between the asker and the graph.

Serve's proxies spread requests over machines and know every replica; on one machine they cost more
than a small request does. Here each replica listens itself, all of them on one port: the kernel
deals the connections out, and one that dies takes no other's with it. Serve still starts, watches,
updates and replaces the replicas.
"""

import asyncio
import logging
import socket
from collections.abc import Iterator
from contextlib import closing, suppress

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tunesmith.errors import TunesmithError
from tunesmith.serving.http.lingering import Lingering
from tunesmith.serving.settings import ListenSettings
from tunesmith.serving.tracing import Traces

__all__ = ["Front"]

logger = logging.getLogger("tunesmith.serve")

# Browsers and proxies keep a connection for about a minute; closing first would cost them a try.
KEEP_ALIVE_S = 75
# Below the replica's own `graceful_shutdown_timeout_s`, so that what is in work is answered.
SHUTDOWN_S = 20
# Before its end a replica answers what comes on a kept connection, and closes one that is quiet for
# so long: a client may have sent its next request already.
QUIET_S = 1.0
# A request's head has to be there by then, as the first request of a connection.
HEAD_S = 20
# A head may be so long, and have so many lines: before it ends nobody's key is known.
HEAD_BYTES = 65_536
MOST_HEADERS = 200
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Content-Length: 0\r\nConnection: close\r\n\r\n"
)
_LOOK_S = 0.01


class HurriedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which gives up on a connection whose request does not begin in time.

    uvicorn itself has a time for idle connections after an answer, none for the first request and
    none for a head that comes byte by byte. A head of any size it keeps in memory. At its end it
    closes every connection that is between two requests, and with it a request that is on its way.
    """

    _hurry: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Give up on a head that is too large."""
        super().data_received(data)
        self._head_bytes = self._head_bytes + len(data) if self._hurry is not None else 0
        if self._head_bytes > HEAD_BYTES:
            self._refuse_head()

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of the head."""
        super().on_message_begin()
        if self._hurry is None:  # the first one is waited for already
            self._wait()

    def on_headers_complete(self) -> None:
        """Stop waiting: the head is there."""
        self._stop_waiting()
        if len(self.headers) > MOST_HEADERS:
            self._refuse_head()
            # The parser ends with the connection.
            message = "too many headers"
            raise ValueError(message)
        super().on_headers_complete()
        if self._leaving:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Begin to end: tell the client with the next answer, or close when none is asked for."""
        if self.cycle is None or self.cycle.response_started:
            self._leaving = True
            self.loop.call_later(QUIET_S, self._leave)
        else:
            super().shutdown()

    def _leave(self) -> None:
        """Close, unless a request is there or has begun; its answer ends the connection."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
        elif not self._head_bytes and not self.transport.is_closing():
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting: there is nothing to wait for."""
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP; a head that was refused already is not refused again."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _refuse_head(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def _wait(self) -> None:
        self._hurry = self.loop.call_later(HEAD_S, self._give_up)

    def _stop_waiting(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None

    def _give_up(self) -> None:
        self._hurry = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait()  # a next request was begun before the answer to this one
        elif not self.transport.is_closing():
            self.transport.write(_TOO_SLOW)
            self.transport.close()


class DrainingServer(uvicorn.Server):
    """uvicorn's server, which at its end also answers who has connected and is not yet met.

    Closing a listening socket resets the connections that the kernel holds for it, although other
    replicas listen on the same port.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, and answer everything that is there."""
        loop = asyncio.get_running_loop()
        # Nothing is awaited in between, so that hardly a moment is left in which one more connects.
        met = [connection for listener in sockets or () for connection in _waiting(listener)]
        for server in self.servers:
            server.close()
        for listener in sockets or ():
            listener.close()
        for connection in met:
            await loop.connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)

    def _protocol(self) -> HurriedProtocol:
        return HurriedProtocol(self.config, self.server_state, self.lifespan.state)


class Front:
    """ASGI application that serves another one over HTTP from its start-up to its shutdown.

    Parameters
    ----------
    app
        What answers.
    listen
        Where to listen.
    """

    def __init__(self, app: ASGIApp, listen: ListenSettings) -> None:
        self._app = app
        self._listen = listen
        self._traces = Traces()
        self._serving: asyncio.Task[None] | None = None

    def check(self) -> None:
        """Raise if the HTTP server has ended; Serve then replaces the replica.

        Raises
        ------
        TunesmithError
            When the server has ended by itself.
        """
        if self._serving is not None and self._serving.done():
            message = (
                f"The HTTP server has ended by itself: {_why(self._serving)}. "
                "The replica must be replaced."
            )
            raise TunesmithError(message)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of this server's own; Serve's proxies take up traces themselves."""
        with self._traces.taken_up(scope):
            lingering = Lingering(scope, receive, send)
            await self._app(scope, lingering.receive, lingering.send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that came through Serve's proxy, or live from start-up to shutdown."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        await receive()
        try:
            listener = _bind(self._listen)
        except OSError as error:
            text = f"Cannot listen on {self._listen.host}:{self._listen.port}: {error.strerror}."
            await send({"type": "lifespan.startup.failed", "message": text})
            return
        with closing(listener):
            server = DrainingServer(
                uvicorn.Config(
                    self._answer,
                    interface="asgi3",
                    lifespan="off",
                    log_config=None,
                    access_log=False,  # the application writes its own, with request ids
                    proxy_headers=False,  # forwarded headers are not trusted
                    http=HurriedProtocol,
                    ws="none",
                    timeout_keep_alive=KEEP_ALIVE_S,
                    timeout_graceful_shutdown=SHUTDOWN_S,
                )
            )
            self._serving = asyncio.create_task(server.serve([listener]))
            while not (server.started or self._serving.done()):
                await asyncio.sleep(_LOOK_S)
            if self._serving.done():
                text = f"The HTTP server did not start: {_why(self._serving)}."
                await send({"type": "lifespan.startup.failed", "message": text})
                return
            await send({"type": "lifespan.startup.complete"})
            logger.info("listening on %s:%s", self._listen.host, self._listen.port)
            await receive()
            server.should_exit = True
            await asyncio.wait([self._serving])
        await send({"type": "lifespan.shutdown.complete"})


def _why(ended: asyncio.Task[None]) -> str:
    """Return in words why a server ended."""
    if ended.cancelled():
        return "it was cancelled"
    error = ended.exception()
    return "it returned" if error is None else repr(error)


def _waiting(listener: socket.socket) -> Iterator[socket.socket]:
    """Yield the connections that a listening socket holds."""
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            yield connection


def _bind(listen: ListenSettings) -> socket.socket:
    """Return a socket on the port that every replica of this machine shares."""
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((listen.host, listen.port))
    except OSError:
        made.close()
        raise
    return made
