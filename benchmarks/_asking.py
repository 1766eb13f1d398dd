"""Clients that ask a server all the time, and say exactly what became of each request."""

import http.client
import json
import select
import socket
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

import click

from tests.asking import AskingThreads, comes_true

__all__ = ["Asking"]

_TIMEOUT_S = 60.0


class Asking(AskingThreads):
    """Asks for one item from several threads, once each time.

    Half of the clients keep their connection, as browsers and clients of libraries do: before a
    request they look whether the server has closed it. The others open one for each request.

    Parameters
    ----------
    port
        Of the server on this machine.
    path, item
        What is asked for.
    key
        API key.
    clients
        Number of threads.
    pause_s
        Time between an answer and the next request of a client.
    """

    def __init__(  # noqa: PLR0917  what is asked, and how
        self, port: int, path: str, item: object, key: str, clients: int = 4, pause_s: float = 0.05
    ) -> None:
        self.port, self.path = port, path
        self.body = json.dumps(item).encode()
        self.headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        self.pause_s = pause_s
        self.times_s: list[float] = []
        self.versions: list[int] = []
        self.faults: Counter[str] = Counter()
        self.refused = 0
        super().__init__([partial(self._ask, number % 2 == 0) for number in range(clients)])

    @property
    def answered(self) -> int:
        """Number of requests that were answered as they should be."""
        return len(self.times_s)

    def until(self, condition: Callable[[], bool], what: str, most_s: float = 120.0) -> None:
        """Wait until something is so."""
        if not comes_true(condition, most_s):
            message = f"not within {most_s:.0f} s: {what}; {self.told()}"
            raise click.ClickException(message)

    def until_more(self, count: int = 100) -> None:
        """Wait for more answers."""
        before = self.answered
        self.until(lambda: self.answered >= before + count, f"{count} more answers")

    def told(self) -> str:
        """Return what was seen, in words."""
        what = "; ".join(f"{count} times {fault}" for fault, count in self.faults.most_common(4))
        slowest_s = max(self.times_s, default=0.0)
        failed = sum(self.faults.values())
        return (
            f"{self.answered} answered, {failed} failed{f' ({what})' if what else ''}, "
            f"slowest {slowest_s:.1f} s"
        )

    def _ask(self, keeps: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self.ended.wait(self.pause_s):
            if connection is not None and (not keeps or _was_closed(connection.sock)):
                connection.close()
                connection = None
            connection = connection or self._connected()
            if connection is None:
                continue
            started = time.perf_counter()
            try:
                connection.request("POST", self.path, self.body, self.headers)
                answer = connection.getresponse()
                content = answer.read()
            except (http.client.HTTPException, OSError) as error:
                how = "kept" if keeps else "new"
                self.faults[f"{type(error).__name__} on a {how} connection"] += 1
                connection.close()
                connection = None
                continue
            if answer.status != 200:
                self.faults[f"{answer.status} {content[:120]!r}"] += 1
                continue
            self.versions.append(json.loads(content)["model"]["version"])
            self.times_s.append(time.perf_counter() - started)
        if connection is not None:
            connection.close()

    def _connected(self) -> http.client.HTTPConnection | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_TIMEOUT_S)
        try:
            connection.connect()
        except ConnectionRefusedError:
            # Nobody listens: no request was sent that could fail.
            self.refused += 1
            return None
        except OSError as error:
            self.faults[f"{type(error).__name__} while connecting"] += 1
            return None
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection


def _was_closed(sock: socket.socket | None) -> bool:
    """Return whether a connection that waits for no answer has something to read: its end."""
    return sock is None or bool(select.select([sock], [], [], 0)[0])
