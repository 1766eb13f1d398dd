"""API keys, kept as hashes in files that are created once and never change.

A key is ``serve/keys/<name>-<number>-<revision>.json``; its name stands there as a hash. A new rate
limit is a file of the next revision. A revoked key has ``<name>-<number>-revoked.json`` beside it,
and a later key of the same name has the next number. So nothing that another command writes at the
same time, and nothing that it read before, brings a revoked key back.
"""

import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict, Field

from tunesmith.artifacts import layout
from tunesmith.artifacts.documents import Document, Section
from tunesmith.artifacts.gaps import left_out
from tunesmith.artifacts.pointers import create, forget
from tunesmith.artifacts.store import Store
from tunesmith.errors import UsageError, unknown

__all__ = ["Key", "add_key", "hash_of", "keys_by_file", "limit_key", "read_keys", "revoke_key"]

PREFIX = "ts_"
_FILE = re.compile(r"([0-9a-f]{32})-([0-9]{4,})-(revoked|[0-9]{4,})\.json")


class _Fields(Section):
    # A file from elsewhere must not be read as half a key.
    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Whose key it is; appears in logs.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the key.")
    requests_per_minute: int = Field(default=600, ge=1, description="Rate limit, a replica.")


class Key(_Fields, Document):
    """One API key; the key itself is nowhere."""

    REMEDY: ClassVar[str] = (
        "Revoke that key and add another: tunesmith keys revoke NAME, tunesmith keys add NAME."
    )


class _FormerKeys(Document):
    """``serve/keys.json``, in which earlier versions kept all keys."""

    REMEDY: ClassVar[str] = "Remove the file and add the keys again: tunesmith keys add."

    model_config = ConfigDict(extra="forbid")

    keys: tuple[_Fields, ...] = ()


@dataclass(frozen=True)
class _Newest:
    """The last key of a name: its number, its revision, and whether it is revoked."""

    digest: str
    number: int
    revision: int
    is_revoked: bool

    @property
    def file(self) -> str:
        return f"{self.digest}-{self.number:04d}-{self.revision:04d}.json"

    @property
    def tombstone(self) -> str:
        return f"{self.digest}-{self.number:04d}-revoked.json"


def hash_of(key: str) -> str:
    """Return the hash that is kept of a key."""
    # A key is 256 random bits: a plain hash cannot be searched, a slow one would only cost time.
    return hashlib.sha256(key.encode()).hexdigest()


def read_keys(store: Store) -> list[Key]:
    """Return the keys in a store that are not revoked, by name.

    Raises
    ------
    StoreError
        When the store cannot be read.
    """
    return sorted(keys_by_file(store).values(), key=lambda key: key.name)


def keys_by_file(store: Store, known: Mapping[str, Key] | None = None) -> dict[str, Key]:
    """Return the keys in a store that are not revoked, by file.

    A file that is damaged is left out, and a line says so.

    Parameters
    ----------
    store
        Where they are.
    known
        Result of an earlier call: these files are not read again.

    Raises
    ------
    StoreError
        When the store cannot be read.
    """
    newest = _newest(store)
    files = {entry.file for entry in newest.values() if not entry.is_revoked}
    keys = {file: key for file, key in (known or {}).items() if file in files}
    for file in files - keys.keys():
        parts = layout.api_key(file)
        with left_out(f"The API key in {'/'.join(parts)}"):
            keys[file] = Key.read(store, *parts)
    # A name that has a file of its own was moved: what the former file says of it is of a time
    # before.
    former = {_first_of(key.name).file: key for key in _former(store)}
    return keys | {file: key for file, key in former.items() if file[:32] not in newest}


def add_key(store: Store, name: str, requests_per_minute: int = 600) -> str:
    """Make an API key and return it; only its hash is kept.

    Raises
    ------
    UsageError
        When there is a key of that name, or the name cannot be printed.
    StoreError
        When the store cannot be read or written.
    """
    if not name or not name.isprintable():
        message = f"{name!r} cannot name a key: use characters that can be printed."
        raise UsageError(message)
    _move_former(store)
    secret = PREFIX + secrets.token_urlsafe(32)
    key = Key(name=name, sha256=hash_of(secret), requests_per_minute=requests_per_minute)
    digest = _digest(name)
    before = _newest(store).get(digest)
    entry = _first_of(name) if before is None else _Newest(digest, before.number + 1, 1, False)
    # Where the file is there by now, another command has added a key of the name.
    is_free = before is None or before.is_revoked
    if not is_free or not _create(store, entry.file, key):
        message = f"There is a key called {name!r}; revoke it first: tunesmith keys revoke {name}."
        raise UsageError(message)
    return secret


def limit_key(store: Store, name: str, requests_per_minute: int) -> None:
    """Change the rate limit of a key; running servers follow within seconds.

    Raises
    ------
    UsageError
        When there is no key of that name.
    StoreError
        When the key's file is damaged, or the store cannot be read or written.
    """
    _move_former(store)
    while True:
        entry = _present(store, name)
        key = Key.read(store, *layout.api_key(entry.file))
        changed = key.model_copy(update={"requests_per_minute": requests_per_minute})
        later = _Newest(entry.digest, entry.number, entry.revision + 1, False)
        # Where that file is there by now, another command changed the limit: this one is later.
        if _create(store, later.file, changed):
            return


def revoke_key(store: Store, name: str) -> None:
    """Revoke a key for good; running servers refuse it within seconds.

    Raises
    ------
    UsageError
        When there is no key of that name.
    StoreError
        When the store cannot be read or written.
    """
    _move_former(store)
    # Where another command revokes it at the same time, it is revoked as well.
    create(store, b"{}\n", *layout.api_key(_present(store, name).tombstone))


def _digest(name: str) -> str:
    # A name may be longer than a file's, or differ from another one in capitals alone.
    return hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]


def _first_of(name: str) -> _Newest:
    return _Newest(_digest(name), 1, 1, is_revoked=False)


def _newest(store: Store) -> dict[str, _Newest]:
    """Return the last key of every name, by the hash of the name."""
    revisions: dict[tuple[str, int], int] = {}
    revoked = set()
    for file in store.list(*layout.api_keys()):
        if parsed := _FILE.fullmatch(file):
            place = parsed[1], int(parsed[2])
            is_tombstone = parsed[3] == "revoked"
            revoked |= {place} if is_tombstone else set()
            revisions[place] = max(revisions.get(place, 0), 0 if is_tombstone else int(parsed[3]))
    newest = {}
    for (digest, number), revision in sorted(revisions.items()):
        newest[digest] = _Newest(digest, number, revision, (digest, number) in revoked)
    return newest


def _present(store: Store, name: str) -> _Newest:
    """Return the key of a name; refuse a name that has none."""
    entry = _newest(store).get(_digest(name))
    if entry is None or entry.is_revoked:
        kind = "key"
        raise unknown(kind, name, (key.name for key in read_keys(store)))
    return entry


def _create(store: Store, file: str, key: Key) -> bool:
    return create(store, store.encode_json(key.json_object()), *layout.api_key(file))


def _former(store: Store) -> list[Key]:
    """Return the keys in the file of earlier versions."""
    former = _FormerKeys.find(store, *layout.FORMER_API_KEYS)
    return [Key(**key.model_dump()) for key in former.keys] if former is not None else []


def _move_former(store: Store) -> None:
    """Move the keys of an earlier version's file into files of their own.

    Raises
    ------
    StoreError
        When the file is damaged.
    """
    if not store.exists(*layout.FORMER_API_KEYS):
        return
    moved = _newest(store)
    for key in _former(store):
        entry = _first_of(key.name)
        if entry.digest not in moved:
            _create(store, entry.file, key)
    forget(store, *layout.FORMER_API_KEYS)
