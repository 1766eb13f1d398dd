"""A copy of a study's journal, for tools that could also write to it."""

import tempfile
import threading
from contextlib import suppress
from pathlib import Path

from tunesmith.artifacts import layout
from tunesmith.artifacts.durable import whole_lines, write_file

__all__ = ["JournalCopy"]

_EVERY_S = 1.0


class JournalCopy:
    """A journal's copy in a folder of its own, which follows the journal until it is closed.

    Optuna's dashboard deletes studies and ends trials for whoever asks, without a key: pages of
    other sites and other users of the machine can ask. What they change is this copy alone.

    Parameters
    ----------
    journal
        The file; it need not be there yet.
    """

    def __init__(self, journal: Path) -> None:
        self._journal = journal
        self._folder = tempfile.TemporaryDirectory(prefix="tunesmith-watch-")
        self._copied = -1
        self._ended = threading.Event()
        self._copy()
        self._thread = threading.Thread(target=self._follow, name="journal-copy", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path:
        """File of the copy."""
        return Path(self._folder.name) / layout.STUDY

    def close(self) -> None:
        """Follow no longer, and remove the copy."""
        self._ended.set()
        self._thread.join()
        self._folder.cleanup()

    def _follow(self) -> None:
        while not self._ended.wait(_EVERY_S):
            # A disk that is full for a moment, or a search that was published meanwhile.
            with suppress(OSError):
                self._copy()

    def _copy(self) -> None:
        if not self._journal.is_file() or self._journal.stat().st_size == self._copied:
            return
        data = self._journal.read_bytes()
        write_file(self.path, whole_lines(data))
        self._copied = len(data)
