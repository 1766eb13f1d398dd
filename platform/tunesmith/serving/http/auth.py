"""Authentication: API keys, kept as hashes in the store, and a rate limit for each.

``tunesmith keys`` adds, lists and revokes keys; a running server follows within seconds.
"""

import base64
import binascii
import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.types import Scope

from tunesmith.artifacts import layout
from tunesmith.artifacts.documents import Document
from tunesmith.artifacts.pointers import move
from tunesmith.artifacts.store import Store
from tunesmith.errors import StoreError, UsageError, unknown
from tunesmith.serving.http import problems
from tunesmith.serving.http.locality import is_cross_site, is_local
from tunesmith.serving.http.paths import path_of
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.settings import AccessSettings

__all__ = ["Access", "Key", "Keys", "add_key", "limit_key", "revoke_key"]

logger = logging.getLogger("tunesmith.serve")

PREFIX = "ts_"
CHALLENGE = 'Basic realm="Tunesmith: any name, and an API key as the password"'
# Open to everyone: whether the server lives, and what it can answer, are no secrets.
OPEN_PATHS = frozenset({"/healthz", "/readyz"})


class Key(BaseModel):
    """One API key; the key itself is nowhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(description="Whose key it is; appears in logs.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the key.")
    requests_per_minute: int = Field(default=600, ge=1, description="Rate limit, a replica.")


class Keys(Document):
    """The content of serve/keys.json in the store."""

    REMEDY: ClassVar[str] = "Remove the file and add the keys again: tunesmith keys add."

    # It is written again with every key: a field left out while reading would be lost.
    model_config = ConfigDict(extra="forbid")

    keys: tuple[Key, ...] = ()

    @classmethod
    def of(cls, store: Store) -> "Keys":
        """Return the keys in a store, none where there is no file.

        Raises
        ------
        StoreError
            When the file is not what this module writes.
        """
        return cls.read(store, *layout.API_KEYS) if store.exists(*layout.API_KEYS) else cls()


def _hash(key: str) -> str:
    # A key is 256 random bits: a plain hash cannot be searched, a slow one would only cost time.
    return hashlib.sha256(key.encode()).hexdigest()


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
        self._keys: Mapping[str, Key] = {}
        self._buckets: dict[Key, _Bucket] = {}

    def refresh(self) -> None:
        """Read the keys again; the old ones stay when they cannot be read."""
        try:
            keys = Keys.of(self._store)
        except (StoreError, OSError) as error:
            logger.warning("the API keys cannot be read, the old ones stay: %s", error)
            return
        self._keys = {key.sha256: key for key in keys.keys}
        current = set(keys.keys)
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
        key = self._keys.get(_hash(given)) if given else None
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


def add_key(store: Store, name: str, requests_per_minute: int = 600) -> str:
    """Make an API key and return it; only its hash is kept.

    Raises
    ------
    UsageError
        When there is a key of that name.
    StoreError
        When the store cannot be read or written.
    """
    secret = PREFIX + secrets.token_urlsafe(32)
    added = Key(name=name, sha256=_hash(secret), requests_per_minute=requests_per_minute)

    def with_it(keys: tuple[Key, ...]) -> Iterable[Key]:
        if any(key.name == name for key in keys):
            message = (
                f"There is a key called {name!r}; revoke it first: tunesmith keys revoke {name}."
            )
            raise UsageError(message)
        return (*keys, added)

    _change(store, with_it)
    return secret


def limit_key(store: Store, name: str, requests_per_minute: int) -> None:
    """Change the rate limit of a key; running servers follow within seconds.

    Raises
    ------
    UsageError
        When there is no key of that name.
    StoreError
        When the store cannot be read or written.
    """
    limit = {"requests_per_minute": requests_per_minute}

    def limited(keys: tuple[Key, ...]) -> Iterable[Key]:
        _require_name(keys, name)
        return [key.model_copy(update=limit) if key.name == name else key for key in keys]

    _change(store, limited)


def revoke_key(store: Store, name: str) -> None:
    """Remove a key; running servers refuse it within seconds.

    Raises
    ------
    UsageError
        When there is no key of that name.
    StoreError
        When the store cannot be read or written.
    """

    def without_it(keys: tuple[Key, ...]) -> Iterable[Key]:
        _require_name(keys, name)
        return [key for key in keys if key.name != name]

    _change(store, without_it)


def _require_name(keys: Iterable[Key], name: str) -> None:
    """Refuse a name that none of the keys has."""
    names = [key.name for key in keys]
    if name not in names:
        kind = "key"
        raise unknown(kind, name, names)


def _change(store: Store, change: Callable[[tuple[Key, ...]], Iterable[Key]]) -> None:
    """Change the keys; a key that another command revokes meanwhile stays revoked."""
    move(
        store, Keys, layout.API_KEYS,
        lambda present: Keys(keys=tuple(change(present.keys if present else ()))),
    )  # fmt: skip
