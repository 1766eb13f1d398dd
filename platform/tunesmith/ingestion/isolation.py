"""Finding the file that kills the process that decodes it."""

import json
import os
from collections import Counter
from collections.abc import Sequence
from types import TracebackType

from tunesmith.artifacts.store import Store

__all__ = ["MAX_DEATHS", "Watch"]

MAX_DEATHS = 3
"""A file during which so many processes died is not tried again."""


class Watch:
    """Notes on disk which file of a batch is being decoded, at a microsecond a file.

    A process that crashes in native code leaves no exception, and whoever starts it again would
    have it crash again. Where the store is no local disk nothing is noted.

    Parameters
    ----------
    store, parts
        Folder of the notes.
    """

    def __init__(self, store: Store, parts: Sequence[str]) -> None:
        self._deaths: Counter[int] = Counter()
        self._handle: int | None = None
        if not store.is_local:
            return
        folder = store.local_path(*parts)
        folder.mkdir(parents=True, exist_ok=True)
        deaths, current = folder / "deaths.json", folder / "current"
        if deaths.exists():
            self._deaths.update({int(k): v for k, v in json.loads(deaths.read_text()).items()})
        if current.exists() and (last := current.read_text().strip()):
            self._deaths[int(last)] += 1
            store.write_bytes(json.dumps(self._deaths).encode(), *parts, "deaths.json")
        self._handle = os.open(current, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def __enter__(self) -> "Watch":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            # Leaving in any way but death clears the note.
            os.ftruncate(self._handle, 0)
            os.close(self._handle)

    def begin(self, number: int) -> bool:
        """Note that a file is next; return whether it may be tried."""
        if self._deaths[number] >= MAX_DEATHS:
            return False
        if self._handle is not None:
            os.pwrite(self._handle, f"{number:<12d}".encode(), 0)
        return True
