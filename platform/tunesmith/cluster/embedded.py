"""A Ray of one's own on this machine, for the length of a command.

Ray gives its processes 30 seconds to start, which cannot be changed: a machine that is busy or was
just switched on needs a second attempt. What the first one had started is ended before it.
"""

import logging
import os
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunesmith.cluster.machine import children, end

__all__ = ["first_line", "initialise", "keeping_sigterm", "start"]

_logger = logging.getLogger(__name__)
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Ray's object store is
# Of the message of Ray 2.60's Node, the one way in which it starts too slowly.
_TOO_SLOW = "timed out during startup"


def start(say: Callable[[str], None], options: dict[str, Any]) -> None:
    """Start Ray here, never join another one, whatever a file names as the current cluster.

    Parameters
    ----------
    say
        Prints a line.
    options
        Passed on to `ray.init`.

    Raises
    ------
    Exception
        What Ray raises when it does not start; nothing of it runs then.
    """
    if _SHARED_MEMORY.is_dir() and not os.access(_SHARED_MEMORY, os.W_OK):
        folder = tempfile.gettempdir()
        say(f"{_SHARED_MEMORY} cannot be written to: Ray keeps its objects in {folder}, on disk.")
        options = {**options, "_plasma_directory": folder}
    before = children()
    try:
        initialise("local", options)
    except Exception as error:
        end(children() - before)
        if _TOO_SLOW not in str(error):
            raise
        say("Ray did not start within 30 s. Trying once more …")
    else:
        return
    try:
        initialise("local", options)
    except Exception:
        end(children() - before)
        raise


def initialise(address: str, options: dict[str, Any]) -> None:
    """Call `ray.init` without its notices."""
    import ray

    with keeping_sigterm(), warnings.catch_warnings():
        # Ray announces changes of its next version here, whatever the options are.
        warnings.simplefilter("ignore", FutureWarning)
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level=logging.WARNING,
            configure_logging=False,
            **options,
        )
    _log_errors()


@contextmanager
def keeping_sigterm() -> Iterator[None]:
    """Keep the handler of SIGTERM that the program has set, inside a ``with`` block.

    Whenever `ray.init` is called it makes SIGTERM end the process at once.
    """
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if is_main and callable(before):
            signal.signal(signal.SIGTERM, before)


def _log_errors() -> None:
    """Send what Ray prints about workers that died to the log, which ``--verbose`` shows.

    Each is a paragraph, for every worker. A command says in a line of its own what failed.
    Read in Ray 2.60: its thread that listens for errors prints with ``print_to_stdstream``.
    """
    from ray._private import worker

    def log(data: Mapping[str, Any], ignore_prefix: bool) -> None:
        del ignore_prefix
        _logger.info(" ".join(data["lines"]))

    worker.print_to_stdstream = log


def first_line(error: Exception) -> str:
    """Return what an error says in one line, with a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".") + "."
