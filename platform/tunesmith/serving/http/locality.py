"""Origin of a request: this machine itself, something that forwards, or a page of another site.

A keyless request must come from a program of this user on this machine. A proxy on the same machine
connects from 127.0.0.1 too, so three marks of one are looked for: a header that proxies add, the
way in which nginx talks unless told otherwise, and a connection that belongs to another user.
"""

import ipaddress
import os
import re
import time
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

__all__ = ["is_cross_site", "is_local"]

# Exactly these: others of 127.0.0.0/8 are used by proxies, such as 127.0.0.6 by Istio's sidecar.
_OWN_ADDRESSES = {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
_FORWARDING_NAME = re.compile(
    rb"forward|^via$|proxy|real-?ip|client-?(ip|addr)|connecting-?ip|remote-?(ip|addr|user)|peer-?ip"
    rb"|source-?ip|src-?ip|origin(al|ating)-|envoy|varnish|surrogate|^cdn-|^cf-|^x-amzn-|^x-azure-"
    rb"|^x-appengine-|^fastly-|^fly-|^x-arr-|^x-vercel-|^x-nf-|url-?scheme|^x-(scheme|host|port|ssl)"
    rb"|^ssl-client|front-end-https"
)
# Headers of these names may hold an address of the client's choice.
_OTHER_ADDRESSES = {
    b"host", b"origin", b"referer", b"user-agent", b"x-sticky-key", b"x-request-id",
    b"authorization", b"cookie", b"if-none-match", b"content-disposition",
}  # fmt: skip
_LIKE_ADDRESSES = re.compile(rb"[0-9a-fA-F.:\[\]%, ]*[.:][0-9a-fA-F.:\[\]%, ]*")
_PORT = re.compile(r"^(\[[^]]*\]|[^:]*):\d+$")
_CONNECTIONS = (Path("/proc/self/net/tcp"), Path("/proc/self/net/tcp6"))
# An answer about a connection is kept this long; the port may later be another program's.
_OWNER_S = 2.0
_MOST_OWNERS = 4096


def is_local(scope: Scope, headers: Headers) -> bool:
    """Return whether a request comes from a program of this user on this machine, to this machine.

    A request for a name that is not this machine's does not: a page elsewhere may have rebound its
    name to 127.0.0.1.
    """
    client = scope.get("client")
    if client is None or client[0] not in _OWN_ADDRESSES or not _is_own_name(scope, headers):
        return False
    if any(_tells_of_a_proxy(name, value) for name, value in scope["headers"]):
        return False
    # nginx speaks HTTP/1.0 to servers unless told otherwise, and adds this header, which says what
    # that version means anyway.
    if scope.get("http_version") == "1.0" and headers.get("connection", "").lower() == "close":
        return False
    return _OWNERS.is_own(client, scope.get("server"))


def is_cross_site(scope: Scope, headers: Headers, allowed: Collection[str]) -> bool:
    """Return whether a page of another site makes a browser send the request.

    A link from elsewhere that opens a page is not meant. `allowed` are origins that may ask.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site")
    if origin is not None and origin in allowed:
        return False
    if site in {"cross-site", "same-site"}:
        opens = (scope["method"], headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
        return opens not in {("GET", "navigate", "document"), ("HEAD", "navigate", "document")}
    return origin is not None and urlsplit(origin).netloc != headers.get("host", "")


def _is_own_name(scope: Scope, headers: Headers) -> bool:
    host = headers.get("host")
    if host is None:  # HTTP/1.0 needs none; a browser always sends one
        return scope.get("http_version") == "1.0"
    return _is_own_host(host)


@lru_cache(maxsize=256)
def _is_own_host(host: str) -> bool:
    name = host[1:].partition("]")[0] if host.startswith("[") else host.rsplit(":", 1)[0]
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _tells_of_a_proxy(name: bytes, value: bytes) -> bool:
    if _is_forwarding_name(name):
        return True
    if name in _OTHER_ADDRESSES or not _LIKE_ADDRESSES.fullmatch(value):
        return False
    return any(_is_address(part) for part in value.decode("latin-1").split(","))


@lru_cache(maxsize=1024)
def _is_forwarding_name(name: bytes) -> bool:
    return _FORWARDING_NAME.search(name.replace(b"_", b"-")) is not None


def _is_address(text: str) -> bool:
    text = text.strip()
    if with_port := _PORT.match(text):
        text = with_port[1]
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return False
    return True


class _Owners:
    """Looks up whose connections of this machine are, in the kernel's table."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, object], tuple[float, bool]] = {}

    def is_own(self, client: tuple[str, int], server: tuple[str, int] | None) -> bool:
        """Return False if the other end belongs to another user; True where it cannot be told."""
        key, now = (tuple(client), tuple(server or ())), time.monotonic()
        known = self._known.get(key)
        if known is not None and now - known[0] < _OWNER_S:
            return known[1]
        if len(self._known) >= _MOST_OWNERS:
            self._known.clear()
        owner = _owner(client[1], server[1]) if server and server[1] else None
        own = owner is None or owner == os.geteuid()
        self._known[key] = now, own
        return own


_OWNERS = _Owners()


def _owner(client_port: int, server_port: int) -> int | None:
    """Return the user of the connection between two ports of this machine, None if not listed."""
    near, far = f":{client_port:04X}", f":{server_port:04X}"
    for table in _CONNECTIONS:
        try:
            lines = table.read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split(maxsplit=8)
            if fields[1].endswith(near) and fields[2].endswith(far):
                return int(fields[7])
    return None
