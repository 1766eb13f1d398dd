"""A server on loopback that speaks S3: moto's, for tests and drills.

    python -m tests.s3

Run so, it is a process of its own, for processes that are killed while they write to it. It prints
its ``host:port``. Each line of its input is an order in JSON: ``{"hold": "PUT .*latest.json"}``
holds the next request back whose method and key match, ``{"go": true}`` lets it go on. ``reached``
is printed when a request is held.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Self
from urllib.parse import parse_qs

__all__ = ["BUCKET", "S3Server", "store_uri"]

BUCKET = "ours"
_HOST = "127.0.0.1"
_WRITES = {"PUT", "POST", "DELETE"}
_REFUSED = b"<Error><Code>ServiceUnavailable</Code></Error>"

_Environ = dict[str, Any]
_Start = Callable[..., Any]


def store_uri(address: str, prefix: str) -> str:
    """Return the URI of a store on a server; it says all that other processes need."""
    where = f"endpoint_override={address}&scheme=http&region=us-east-1"
    return f"s3://tests:tests@{BUCKET}/{prefix}?{where}"


@dataclass
class Hold:
    """A request to hold back.

    Attributes
    ----------
    pattern
        Of its method and key, as in ``PUT ours/runs/noise/latest.json``. The method of a copy is
        ``COPY``, and an upload in parts counts when its last part is there.
    passes
        So many requests that match go on before.
    applied
        Whether it is carried out before it is held, or refused after.
    """

    pattern: re.Pattern[str]
    passes: int
    applied: bool
    reached: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def takes(self, request: str) -> bool:
        """Return whether this is the request, the first time that it is."""
        if self.reached.is_set() or not self.pattern.search(request):
            return False
        self.passes -= 1
        return self.passes < 0

    def wait(self) -> None:
        """Say that the request is held, and wait until it may go on."""
        self.reached.set()
        print("reached", flush=True)
        self.released.wait()


class S3Server:
    """The server, in threads of this process, with the bucket `BUCKET`."""

    def __init__(self) -> None:
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            MotoRequestHandler,
            create_backend_app,
        )
        from werkzeug.serving import make_server

        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self.hold: Hold | None = None
        # moto answers in threads: a condition and the write after it must be one step, as in S3.
        self._one_at_a_time = threading.Lock()
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server(
            _HOST, 0, self._answer, threaded=True, request_handler=MotoRequestHandler
        )
        self.address = f"{_HOST}:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        from pyarrow import fs

        self._thread.start()
        fs.S3FileSystem(
            access_key="tests", secret_key="tests",  # noqa: S106 - any will do
            region="us-east-1", scheme="http",
            endpoint_override=self.address, allow_bucket_creation=True,
        ).create_dir(BUCKET)  # fmt: skip
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ: _Environ, start: _Start) -> Iterable[bytes]:
        request = _described(environ)
        hold = self.hold if request and self.hold and self.hold.takes(request) else None
        if hold is not None and not hold.applied:
            hold.wait()
            start("503 Service Unavailable", [("Content-Length", str(len(_REFUSED)))])
            return [_REFUSED]
        if environ["REQUEST_METHOD"] in _WRITES:
            with self._one_at_a_time:
                answer: Iterable[bytes] = self._moto(environ, start)
        else:
            answer = self._moto(environ, start)
        if hold is not None:
            hold.wait()
        return answer


def _described(environ: _Environ) -> str | None:
    """Return a write's method and key, None for a request that changes nothing readers see."""
    method, key = environ["REQUEST_METHOD"], environ["PATH_INFO"].lstrip("/")
    options = parse_qs(environ["QUERY_STRING"], keep_blank_values=True)
    if method == "DELETE" or (method == "POST" and "delete" in options):
        return f"DELETE {key}"
    if method == "PUT" and "partNumber" not in options:
        return f"{'COPY' if 'HTTP_X_AMZ_COPY_SOURCE' in environ else 'PUT'} {key}"
    return f"PUT {key}" if method == "POST" and "uploadId" in options else None


def main() -> None:
    """Serve until the input ends."""
    with S3Server() as server:
        print(server.address, flush=True)
        for line in sys.stdin:
            order = json.loads(line)
            if "hold" in order:
                pattern = re.compile(order["hold"])
                server.hold = Hold(pattern, order.get("passes", 0), order.get("applied", False))
            elif server.hold is not None:
                server.hold.released.set()
                server.hold = None


if __name__ == "__main__":
    main()
