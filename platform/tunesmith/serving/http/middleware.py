"""Around every request: its id, the client, security headers, the access log and metrics."""

import json
import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tunesmith.serving.http.problems import ProblemError, respond
from tunesmith.serving.service import Service

__all__ = ["SECURITY_HEADERS", "Envelope"]

logger = logging.getLogger("tunesmith.serve")
access_log = logging.getLogger("tunesmith.access")

SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), midi=(self)",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_RAW_HEADERS = [(k.lower().encode(), v.encode()) for k, v in SECURITY_HEADERS.items()]
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _GOOD_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
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
            await self.app(scope, receive, send_with_headers)
        except ProblemError as problem:
            problem.more["request_id"] = request_id
            await respond(problem, scope["path"])(scope, receive, send_with_headers)
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
        record = {
            "request_id": request_id,
            "method": scope["method"],
            "path": _route(scope),
            "status": status,
            "duration_ms": round(duration_s * 1000, 2),
            "key": client,
        }
        if self._log_json:
            access_log.info(json.dumps(record))
        else:
            text = "%(method)s %(path)s %(status)s %(duration_ms)s ms %(key)s %(request_id)s"
            access_log.info(text, record)


def _route(scope: Scope) -> str:
    """Return the route's template or a node's route: bounded in number, nothing of the client."""
    known = scope.get("state", {}).get("route")
    return str(known or getattr(scope.get("route"), "path", "")) or "none"
