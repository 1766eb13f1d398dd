"""The command `tunesmith serve` as it is shipped, for benchmarks and drills."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from _cluster import ROOT, free_port, wait_for


@contextlib.contextmanager
def tunesmith_serve(
    store: str, log: Path, is_up: Callable[[int], bool]
) -> Iterator[tuple[int, subprocess.Popen[str]]]:
    """Serve the champions of a store from a free port.

    Parameters
    ----------
    store
        URI of the store.
    log
        File that gets what the command prints.
    is_up
        Whether the server at a port answers.

    Yields
    ------
    tuple
        The port, and the process of the command.
    """
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-m", "tunesmith", "serve", "--port", str(port), "--store", store],
            env=kept | {"PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}"},
            stdout=written, stderr=written, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            wait_for(lambda: is_up(port) or process.poll() is not None, "it answers")
            if process.poll() is not None:
                raise RuntimeError(log.read_text()[-2000:])
            yield port, process
        finally:
            process.terminate()
            process.wait(timeout=90)
