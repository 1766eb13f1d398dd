"""A search whose store is a bucket: the files it grows in, copied there while it runs.

Optuna's journal and the history need real files. They grow in a folder of the driver's machine; if
that machine is lost, another one goes on from the copy.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tunesmith.artifacts import layout
from tunesmith.artifacts.durable import whole_lines
from tunesmith.artifacts.owners import Ownership
from tunesmith.artifacts.store import Staging
from tunesmith.errors import StoreError

__all__ = ["copied_to_store", "fetch_copy", "push_all", "push_copy"]

_EVERY_S = 10.0
# Copying takes no more than this share of the time.
_LARGEST_SHARE = 0.1


def fetch_copy(staging: Staging, folder: Path) -> None:
    """Bring the copy of a search to this machine, where its own files are not a later state of it.

    A file of this machine that goes on from the copy holds results that were not copied yet; one
    that does not is of a time before another machine went on.

    Raises
    ------
    StoreError
        When the store cannot be read.
    """
    store = staging.store
    kept = {
        name: store.read_bytes(*staging.parts, name)
        for name in (layout.HISTORY, layout.STUDY)
        if store.exists(*staging.parts, name)
    }
    # Without the study, which is copied last, the machine was lost before the first copy was whole.
    if layout.STUDY not in kept or all(
        _content(folder / name).startswith(data) for name, data in kept.items()
    ):
        return
    for trial in store.list(*staging.parts, layout.ANSWERS):
        answers = folder / layout.ANSWERS / trial
        answers.parent.mkdir(exist_ok=True)
        answers.write_bytes(store.read_bytes(*staging.parts, layout.ANSWERS, trial))
    for name, data in kept.items():
        (folder / name).write_bytes(data)


def push_copy(staging: Staging, folder: Path, copied: dict[str, bytes | float]) -> None:
    """Copy what has changed of a search's state to its store.

    The study is read first and written last: where it names a trial as ended, the results of that
    trial are in the store already.

    Parameters
    ----------
    staging, folder
        The copy, and the folder that is copied.
    copied
        State of each file when it was copied last; brought up to date.

    Raises
    ------
    StoreError
        When the store cannot be written.
    """
    study, history = _content(folder / layout.STUDY), _content(folder / layout.HISTORY)
    # A hidden file is one that is being written.
    for path in sorted((folder / layout.ANSWERS).glob("[!.]*")):
        changed = path.stat().st_mtime
        if copied.get(path.name) != changed:
            staging.write_bytes(path.read_bytes(), layout.ANSWERS, path.name)
            copied[path.name] = changed
    for name, data in ((layout.HISTORY, history), (layout.STUDY, study)):
        whole = whole_lines(data)
        if whole and copied.get(name) != whole:
            staging.write_bytes(whole, name)
            copied[name] = whole


def push_all(staging: Staging, folder: Path) -> None:
    """Copy every file of a finished search to its store, before it is published there.

    The history comes after all others but the study, which is last, as in `push_copy`: a machine
    may be lost between any two of them.

    Raises
    ------
    StoreError
        When the store cannot be written.
    """
    last = (folder / layout.HISTORY, folder / layout.STUDY)
    others = (path for path in folder.rglob("*") if path.is_file() and path not in last)
    for path in (*others, *(path for path in last if path.exists())):
        staging.write_bytes(path.read_bytes(), *path.relative_to(folder).parts)


@contextmanager
def copied_to_store(staging: Staging, folder: Path, ownership: Ownership) -> Iterator[None]:
    """Copy a search's state to its store from time to time, and at the end of the block.

    Nothing is copied once another process owns the search.
    """
    ended, copied = threading.Event(), dict[str, bytes | float]()

    def copy_on() -> None:
        pause_s = _EVERY_S
        while not ended.wait(pause_s):
            started = time.monotonic()
            # A store that is away for a moment must not end the search.
            with suppress(StoreError, OSError):
                if not ownership.is_lost():
                    push_copy(staging, folder, copied)
            pause_s = max(_EVERY_S, (time.monotonic() - started) / _LARGEST_SHARE)

    thread = threading.Thread(target=copy_on, name="staged-copy", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        # After publication the folder is gone, and its files are the run's.
        if folder.exists() and not ownership.is_lost():
            push_copy(staging, folder, copied)


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""
