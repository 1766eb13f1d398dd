"""Identify a file whose decoding crashes the process, and stop retrying it."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from tunesmith.artifacts.store import Store

__all__ = ["MAX_CRASHES", "CrashLog"]

MAX_CRASHES = 3
"""A file that has crashed this many processes is not tried again."""


class CrashLog:
    """Records on disk which file of a batch is being decoded; costs a microsecond per file.

    A crash in native code raises no exception, so a restarted process would crash at the same file
    again. Nothing is recorded where the store is not a local disk.

    Parameters
    ----------
    store, parts
        Folder of the record.
    """

    def __init__(self, store: Store, parts: Sequence[str]) -> None:
        self._crashes: Counter[int] = Counter()
        self._handle: int | None = None
        if not store.is_local:
            return
        folder = store.local_path(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        crashes, current = folder / "crashes.json", folder / "current"
        if crashes.exists():
            self._crashes.update({int(k): v for k, v in json.loads(crashes.read_text()).items()})
        if current.exists() and (last := current.read_text().strip()):
            self._crashes[int(last)] += 1
            store.write_bytes(json.dumps(self._crashes).encode(), *parts, "crashes.json")
        self._handle = os.open(current, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def __enter__(self) -> "CrashLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            # Every exit except a crash clears the record.
            os.ftruncate(self._handle, 0)
            os.close(self._handle)

    def begin(self, number: int) -> bool:
        """Record that a file is next; return whether it may be tried."""
        if self._crashes[number] >= MAX_CRASHES:
            return False
        if self._handle is not None:
            os.pwrite(self._handle, f"{number:<12d}".encode(), 0)
        return True
