"""The end of a command by a signal: Ctrl-C, or SIGTERM as job managers send it."""

import shlex
import signal
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

__all__ = ["CLOSED_PIPE", "Ending"]

# Of the convention of shells: 128 and the number of the signal.
CLOSED_PIPE = 141
_INTERRUPTED, _TERMINATED = 130, 143


class Ending:
    """Makes SIGTERM end a command as Ctrl-C does, for the length of a ``with`` block.

    Parameters
    ----------
    handles_sigterm
        Whether it does; otherwise SIGTERM is left as it is.
    """

    def __init__(self, *, handles_sigterm: bool) -> None:
        # Python lets the main thread alone handle signals.
        in_main = threading.current_thread() is threading.main_thread()
        self._handles = handles_sigterm and in_main
        self._before: Any = None
        self._was_terminated = False

    def __enter__(self) -> Self:
        """Take SIGTERM over."""
        if self._handles:
            self._before = signal.signal(signal.SIGTERM, self._terminate)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give SIGTERM back."""
        if self._handles:
            signal.signal(signal.SIGTERM, self._before or signal.SIG_DFL)

    def _terminate(self, number: int, frame: object) -> None:
        del number, frame
        self._was_terminated = True
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            # Shells start what a script puts into the background with Ctrl-C ignored.
            raise KeyboardInterrupt
        # Whoever ends its work in order at Ctrl-C, as Ray Tune does, has a handler for it.
        signal.raise_signal(signal.SIGINT)

    @property
    def interrupted(self) -> int:
        """Exit code of a command that a signal ended."""
        return _TERMINATED if self._was_terminated else _INTERRUPTED

    def code(self, code: int) -> int:
        """Return the exit code of an error: that of SIGTERM where this had caused it."""
        return self.interrupted if code == _INTERRUPTED else code

    def message(self, command: str, arguments: Sequence[str]) -> str:
        """Return the sentence about an interruption, with the command line that continues."""
        line = "Interrupted. Finished artifacts are kept."
        if not self._handles:
            return line
        return f"{line} Continue with: {shlex.join([*command.split(), *arguments])}"
