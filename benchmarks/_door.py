"""A door before a server: what connects to it reaches the server while the door is open."""

import contextlib
import socket
import threading
from typing import Self

__all__ = ["Door"]

_HOST = "127.0.0.1"


class Door:
    """Forwards connections of a port of loopback to a server; closed, it refuses and cuts them.

    Parameters
    ----------
    address
        ``host:port`` of the server.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.partition(":")
        self._server = (host, int(port))
        self._listener: socket.socket | None = None
        self._ends: list[socket.socket] = []
        self._port = 0
        self.open()

    @property
    def address(self) -> str:
        """``host:port`` of the door."""
        return f"{_HOST}:{self._port}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Let connections through."""
        self._listener = socket.create_server((_HOST, self._port), backlog=64)
        self._port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections, and cut those that are."""
        if self._listener is not None:
            _end(self._listener)
            self._listener = None
        while self._ends:
            _end(self._ends.pop())

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                outside, _ = listener.accept()
                inside = socket.create_connection(self._server)
            except OSError:  # closed
                return
            self._ends += [outside, inside]
            if self._listener is not listener:
                self.close()
                return
            for pair in ((outside, inside), (inside, outside)):
                threading.Thread(target=_forward, args=pair, daemon=True).start()


def _forward(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    for end in (source, target):
        _end(end)


def _end(end: socket.socket) -> None:
    # Closing alone leaves a thread that waits in it waiting.
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
