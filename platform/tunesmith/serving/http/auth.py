"""Authentication: API keys, and a rate limit for each.

``tunesmith keys`` adds, lists and revokes keys; a running server follows within seconds.
"""

import base64
import binascii
import logging
import time
from collections.abc import Mapping
from typing import Literal

from starlette.datastructures import Headers
from starlette.types import Scope

from tunesmith.artifacts.api_keys import Key, hash_of, keys_by_file
from tunesmith.artifacts.store import Store
from tunesmith.errors import StoreError
from tunesmith.serving.http import problems
from tunesmith.serving.http.locality import is_cross_site, is_local
from tunesmith.serving.http.paths import path_of
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.settings import AccessSettings

__all__ = ["Access"]

logger = logging.getLogger("tunesmith.serve")

CHALLENGE = 'Basic realm="Tunesmith: any name, and an API key as the password"'
# Open to everyone: whether the server lives, and what it can answer, are no secrets.
OPEN_PATHS = frozenset({"/healthz", "/readyz"})


class _Bucket:
    """A token bucket: a burst of a tenth of a minute's requests, refilled evenly."""

    def __init__(self, per_minute: int) -> None:
        self._rate = per_minute / 60
        self._size = max(1.0, per_minute / 10)
        self._tokens = self._size
        self._at = time.monotonic()

    def take(self) -> float:
        """Take a token; returns 0, or the seconds until there is one."""
        now = time.monotonic()
        self._tokens = min(self._size, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if self._tokens >= 1:
            self._tokens -= 1
            return 0.0
        return (1 - self._tokens) / self._rate


class Access:
    """Admits requests.

    Parameters
    ----------
    settings
        When keys are needed.
    store
        Where the keys are.
    all_interfaces
        Whether the server listens for everyone and cannot tell who asks (Serve's HAProxy mode).
    """

    def __init__(self, settings: AccessSettings, store: Store, all_interfaces: bool) -> None:
        self._store = store
        self._mode: Literal["auto", "always", "never"] = settings.keys
        if settings.keys == "auto" and all_interfaces:
            self._mode = "always"
        # `*` lets pages of any site ask with a key, never without one.
        self._origins = frozenset(settings.origins) - {"*"}
        self._files: Mapping[str, Key] = {}
        self._keys: Mapping[str, Key] = {}
        self._buckets: dict[Key, _Bucket] = {}

    def refresh(self) -> None:
        """Read the keys again; the old ones stay when they cannot be read."""
        try:
            files = keys_by_file(self._store, self._files)
        except (StoreError, OSError) as error:
            logger.warning("the API keys cannot be read, the old ones stay: %s", error)
            return
        self._files = files
        self._keys = {key.sha256: key for key in files.values()}
        current = set(files.values())
        self._buckets = {key: of for key, of in self._buckets.items() if key in current}

    def admit(self, scope: Scope) -> str:
        """Return who asks, '' for a keyless request of this machine itself.

        Raises
        ------
        ProblemError
            ``key-required`` or ``rate-limited``.
        """
        headers = Headers(scope=scope)
        given = _given_key(headers)
        key = self._keys.get(hash_of(given)) if given else None
        if key is not None:
            self._limit(key)
            return key.name
        if path_of(scope) in OPEN_PATHS:
            return ""
        detail = "The API key is not known." if given else "The request has no API key."
        challenge = {"WWW-Authenticate": CHALLENGE}
        if self._mode == "never" or (self._mode == "auto" and is_local(scope, headers)):
            if not is_cross_site(scope, headers, self._origins):
                return ""
            # A browser must not ask for the password on behalf of another site's page.
            detail, challenge = "A page of another site may not ask without an API key.", {}
        raise ProblemError(problems.KEY_REQUIRED, detail, challenge)

    def _limit(self, key: Key) -> None:
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(key.requests_per_minute)
        wait_s = bucket.take()
        if wait_s > 0:
            detail = f"The key of {key.name!r} may ask {key.requests_per_minute} times a minute."
            retry = {"Retry-After": str(max(1, round(wait_s + 0.5)))}
            raise ProblemError(problems.RATE_LIMITED, detail, retry)


def _given_key(headers: Headers) -> str:
    """Return the key of a request: as a bearer token, or as the password that a browser asked for.

    A browser sends a password along with what pages elsewhere make it send: those have no key.
    """
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() != "basic" or headers.get("sec-fetch-site") == "cross-site":
        return ""
    try:
        return base64.b64decode(value, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""
