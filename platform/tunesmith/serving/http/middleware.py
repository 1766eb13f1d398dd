"""Around every request: its id, its place, the client, security headers, the log and metrics."""

import json
import logging
import random
import re
import time

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunesmith.serving.http.paths import path_of, place, prefix_of
from tunesmith.serving.http.problems import ProblemError, respond
from tunesmith.serving.service import Service
from tunesmith.serving.settings import AccessSettings

__all__ = ["SECURITY_HEADERS", "Envelope", "compressed", "with_cors"]

logger = logging.getLogger("tunesmith.serve")
access_log = logging.getLogger("tunesmith.access")

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), midi=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_RAW_HEADERS = [(k.lower().encode(), v.encode()) for k, v in SECURITY_HEADERS.items()]
_OWN_HEADERS = ("X-Deadline-S", "X-Request-ID", "X-Sticky-Key")
# Shorter answers gain nothing: they fit into a few packets anyway.
_COMPRESSED_BYTES = 4096
_PLAIN = "%(method)s %(path)s %(status)s %(duration_ms)s ms %(key)s %(request_id)s"
# Ids that clients supply go into logs and headers, so their characters are restricted.
_GOOD_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")


class Envelope:
    """ASGI middleware around the whole application.

    Parameters
    ----------
    app
        The application inside.
    service
        Authenticates and counts requests.
    name_id
        Whether to put the request id on the answer. Ray Serve's proxy does that itself.
    """

    def __init__(self, app: ASGIApp, service: Service, name_id: bool = True) -> None:
        self.app = app
        self._service = service
        self._log_json = service.settings.log_format == "json"
        self._name_id = name_id
        self._root_path = service.settings.root_path
        # For ids, which must be unlike each other and need not be secret: `uuid4` asks the system.
        self._random = random.Random()  # noqa: S311

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "websocket":  # no route asks for one, and no key was checked
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif scope["type"] != "http":
            await self.app(scope, receive, send)
        else:
            scope = place(scope, self._root_path)
            if scope.get("http_version") == "1.0":
                # It has no chunks, in which compressed files are sent.
                kept = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
                scope["headers"] = kept
            if scope["method"] == "HEAD":
                scope["method"] = "GET"
                send = _without_body(send)
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _GOOD_ID.fullmatch(given) else f"{self._random.getrandbits(128):032x}"
        scope["state"]["request_id"] = request_id
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers.raw.extend(_RAW_HEADERS)
                if self._name_id:
                    headers["X-Request-ID"] = request_id
            await send(message)

        client = ""
        try:
            client = scope["state"]["client"] = self._service.access.admit(scope)
            if scope["method"] == "POST":  # refusing must cost little: it is done under overload
                self._service.admission.check()
            app = self.app
            if not path_of(scope):  # the prefix without its slash, where relative links go astray
                app = RedirectResponse(f"{prefix_of(scope)}/")
            await app(scope, receive, send_with_headers)
        except ProblemError as problem:
            problem.more["request_id"] = request_id
            await respond(problem, scope)(scope, receive, send_with_headers)
        except Exception:
            # The framework has answered with a problem and raises again, for the log's sake.
            logger.exception("unexpected: request_id=%s", request_id)
        finally:
            duration_s = time.perf_counter() - started
            self._service.metrics.request(_route(scope), status, duration_s)
            self._log(scope, status, request_id, client, duration_s)

    def _log(
        self, scope: Scope, status: int, request_id: str, client: str, duration_s: float
    ) -> None:
        """Write one line about the request; never its content or its query."""
        if not access_log.isEnabledFor(logging.INFO):
            return
        entry: dict[str, object] = {
            "request_id": request_id,
            "method": scope["method"],
            "path": _route(scope),
            "status": status,
            "duration_ms": round(duration_s * 1000, 2),
            "key": client,
        }
        self._service.later(self._write, entry)

    def _write(self, entries: list[dict[str, object]]) -> None:
        """Write a line for each request, all in one record of the log."""
        shape = json.dumps if self._log_json else _PLAIN.__mod__
        access_log.info("%s", "\n".join(map(shape, entries)))


def _route(scope: Scope) -> str:
    """Return the route's template or a node's route: bounded in number, nothing of the client."""
    known = scope.get("state", {}).get("route")
    return str(known or getattr(scope.get("route"), "path_format", "")) or "none"


def _without_body(send: Send) -> Send:
    """Return what sends an answer to HEAD: that to GET, less its body."""

    async def send_head(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return send_head


def compressed(app: ASGIApp) -> ASGIApp:
    """Return an application whose longer answers are compressed for clients that read gzip."""
    return GZipMiddleware(app, _COMPRESSED_BYTES, compresslevel=1)


def with_cors(app: ASGIApp, settings: AccessSettings) -> ASGIApp:
    """Return an application that lets pages of other origins ask, where the settings name some.

    It stands around authentication: a browser asks first whether it may, without a key.
    """
    if not settings.origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=settings.origins,
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=("Authorization", "Content-Encoding", "Content-Type", *_OWN_HEADERS),
        expose_headers=("Retry-After", "X-Request-ID"),
    )
