"""Place of a request: its path below the root of the application, and the prefix clients see.

Three things put a server below a path: `route_prefix` of Ray Serve, which the proxies of Serve
hand on as ASGI's `root_path`; a reverse proxy that cuts its own prefix off; and one that leaves it.
"""

import re

from starlette.datastructures import Headers
from starlette.types import Scope

__all__ = ["FORWARDED", "ROOT_PATH", "path_of", "place", "prefix_of"]

FORWARDED = "forwarded"
"""Value of the setting `root_path`: by the header X-Forwarded-Prefix."""
ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def place(scope: Scope, root_path: str) -> Scope:
    """Return a copy of a request's scope that knows its path below the root and its prefix.

    Parameters
    ----------
    scope
        Of the request, as the HTTP server made it.
    root_path
        Path below which clients see the server, or `FORWARDED`.
    """
    state = dict(scope.get("state") or ())
    scope = {**scope, "state": state}
    mounted = scope.get("root_path", "")
    prefix = root_path
    if prefix == FORWARDED:
        given = Headers(scope=scope).get("x-forwarded-prefix", "").rstrip("/")
        prefix = given if ROOT_PATH.fullmatch(given) else ""
    path = scope["path"]
    if prefix and not mounted and _is_below(path, prefix):
        mounted = scope["root_path"] = prefix
    state["prefix"] = prefix or mounted
    state["path"] = path[len(mounted) :] if _is_below(path, mounted) else path
    return scope


def _is_below(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def path_of(scope: Scope) -> str:
    """Return the path of a request below the root of the application."""
    return str(scope.get("state", {}).get("path", scope["path"]))


def prefix_of(scope: Scope) -> str:
    """Return the prefix that links of the answer to a request need, "" where there is none."""
    return str(scope.get("state", {}).get("prefix", ""))
