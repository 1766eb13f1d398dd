"""Around every request: its id, security headers and the access log."""

import json
import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
# An id that is taken over goes into logs and headers: nothing that could break either.
_GOOD_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")


class Envelope:
    """ASGI middleware around the whole application.

    Parameters
    ----------
    app
        The application inside.
    log_json
        Whether the access log is JSON lines.
    name_id
        Whether to put the request id on the answer. Ray Serve's proxy does that itself.
    """

    def __init__(self, app: ASGIApp, log_json: bool = True, name_id: bool = True) -> None:
        self.app = app
        self.log_json = log_json
        self.name_id = name_id

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
                if self.name_id:
                    headers["X-Request-ID"] = request_id
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        try:
            await self.app(scope, receive, send_with_headers)
        except Exception:
            # The framework has answered with a problem and raises again, for the log's sake.
            logger.exception("unexpected: request_id=%s", request_id)
        finally:
            self._log(scope, status, request_id, time.perf_counter() - started)

    def _log(self, scope: Scope, status: int, request_id: str, duration_s: float) -> None:
        """Write one line about the request; never its content or its query."""
        if not access_log.isEnabledFor(logging.INFO):
            return
        record = {
            "request_id": request_id,
            "method": scope["method"],
            "path": scope["path"],
            "status": status,
            "duration_ms": round(duration_s * 1000, 2),
        }
        if self.log_json:
            access_log.info(json.dumps(record))
        else:
            access_log.info(
                "%(method)s %(path)s %(status)s %(duration_ms)s ms %(request_id)s", record
            )
