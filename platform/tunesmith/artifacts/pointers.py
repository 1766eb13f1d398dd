"""Files that name other files, moved by one writer at a time.

A move reads the present content, says what shall follow, and is written only if nothing else was
written in between; otherwise it begins again with the new content. On a disk a lock does this, in a
bucket the server does (see `tunesmith.artifacts.buckets`).
"""

import random
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from pyarrow import fs as pafs

from tunesmith.artifacts.buckets import Bucket
from tunesmith.artifacts.documents import Document
from tunesmith.artifacts.durable import create_file, lock_name, locked
from tunesmith.artifacts.store import Store, cannot_write
from tunesmith.errors import StoreError, TunesmithError

__all__ = ["claim", "create", "forget", "move", "point"]

D = TypeVar("D", bound=Document)
_Change = Callable[[bytes | None], bytes | None]

# A rival is done within a second; a store where this is not enough is not only busy.
_PATIENCE_S = 60.0
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0
_CLAIM = ".claim"


def point(store: Store, target: Document, *parts: str) -> None:
    """Write a pointer whatever it holds, damaged content included.

    Raises
    ------
    StoreError
        As in `move`.
    """
    move(store, type(target), parts, lambda _: target, mends=True)


def move(
    store: Store,
    kind: type[D],
    parts: tuple[str, ...],
    change: Callable[[D | None], D | None],
    *,
    mends: bool = False,
) -> None:
    """Change a pointer; no change of another process is lost.

    Parameters
    ----------
    store
        Holds the pointer.
    kind
        Type of the file.
    parts
        Its path.
    change
        Called with the present content, None where there is no file; returns the content that
        shall follow, None to leave it as it is. Called again with newer content where another
        process was faster. What it raises ends the move.
    mends
        Whether damaged content counts as none.

    Raises
    ------
    StoreError
        When the file is damaged, cannot be read or written, or changes all the time.
    """
    where = f"{'/'.join(parts)} in the store {store.shown}"

    def changed(data: bytes | None) -> bytes | None:
        now = None
        try:
            if data is not None:
                now = kind.parse(store.decode_json(data, *parts), where)
        except TunesmithError:
            if not mends:
                raise
        wanted = change(now)
        return None if wanted is None or wanted == now else store.encode_json(wanted.json_object())

    if store.is_local:
        _move_on_disk(store, parts, changed)
    else:
        _move_in_bucket(store, parts, changed)


def _move_on_disk(store: Store, parts: tuple[str, ...], changed: _Change) -> None:
    path = store.local_path(*parts)
    try:
        with locked(path):
            data = changed(store.read_bytes(*parts) if path.exists() else None)
            if data is not None:
                store.write_bytes(data, *parts)
    except OSError as error:
        what = f"{'/'.join(parts)} in the store {store.shown} cannot be changed"
        raise cannot_write(what, error) from error


def _move_in_bucket(store: Store, parts: tuple[str, ...], changed: _Change) -> None:
    bucket, path = _bucket(store), store.path(*parts)
    ends, pause_s = time.monotonic() + _PATIENCE_S, _FIRST_PAUSE_S
    while True:
        present = bucket.read(path)
        data = changed(present.data)
        if data is None or bucket.write(path, data, present.tag):
            return
        if time.monotonic() > ends:
            message = (
                f"{'/'.join(parts)} in the store {store.shown} was changed by others all the time "
                f"for {_PATIENCE_S:.0f} s. Nothing was changed by this command; run it again."
            )
            raise StoreError(message)
        time.sleep(random.uniform(0, pause_s))  # noqa: S311 - rivals must not stay in step
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def create(store: Store, data: bytes, *parts: str) -> bool:
    """Write a file that is not there yet, in one step; return whether it was so.

    Raises
    ------
    StoreError
        When it cannot be written.
    """
    if not store.is_local:
        return _bucket(store).write(store.path(*parts), data, None)
    try:
        return create_file(store.local_path(*parts), data)
    except OSError as error:
        what = f"{'/'.join(parts)} cannot be written to the store {store.shown}"
        raise cannot_write(what, error) from error


def forget(store: Store, *parts: str) -> None:
    """Remove a pointer and the lock beside it."""
    store.remove(*parts)
    if store.is_local:
        store.remove(*parts[:-1], lock_name(parts[-1]))


def claim(store: Store, *folder: str) -> bool:
    """Take the name of an artefact before it is written; return whether the name was free.

    On a disk there is nothing to do: publishing is one rename, which only one process can make. In
    a bucket the files of two artefacts of one name would mix.
    """
    return store.is_local or create(store, b"claimed", *folder, _CLAIM)


def _bucket(store: Store) -> Bucket:
    if not isinstance(store.fs, pafs.S3FileSystem):
        message = (
            f"Changes in the store {store.shown} cannot be guarded against other processes: only "
            "disks and S3 can. Use a folder, or a URI such as s3://bucket/prefix."
        )
        raise StoreError(message)
    return _opened(store.uri)


@lru_cache(maxsize=16)
def _opened(uri: str) -> Bucket:
    store = Store(uri)
    return Bucket(uri, store.fs, store.path(), store.shown)
