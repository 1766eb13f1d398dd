"""The cause of a failed trial, from the traceback that Ray Tune wrote."""

import re
from pathlib import Path

__all__ = ["cause_in", "cause_of", "ran_out_of_memory"]

_ERROR_LINE = re.compile(r"[\w.]*(?:Error|Exception|Interrupt)\b.*:")
# How Ray, TensorFlow on a GPU, CUDA and Python say it. Ray's own monitor ends a worker before the
# kernel does; what it then says of an actor has no name of an error.
_OUT_OF_MEMORY = (
    "OutOfMemoryError",
    "ResourceExhaustedError",
    "CUDA_ERROR_OUT_OF_MEMORY",
    "MemoryError",
    "running low on memory",
)
# As in "Memory on the node (…) was 27.7GB used / 28.8GB limit".
_USE = re.compile(r"was ([\d.]+)GB used / ([\d.]+)GB limit")
# How Ray says that the process of a worker ended by itself or by the kernel.
_PROCESS_DIED = ("worker process has died", "Worker unexpectedly exits", "WorkerCrashedError")
_MOST = 300


def ran_out_of_memory(error_file: str | None) -> bool:
    """Return whether a trial's last failure, as Ray Tune wrote it, was a lack of memory."""
    return _is_out_of_memory(_last_failure(error_file))


def cause_in(error_file: str | None) -> str:
    """Return the cause of a trial's last failure, in one line."""
    return cause_of(_last_failure(error_file))


def cause_of(text: str) -> str:
    """Return the cause that a traceback names, in one line.

    Parameters
    ----------
    text
        A traceback, or a message of Ray about a process that ended.
    """
    if _is_out_of_memory(text):
        use = _USE.search(text)
        state = f" ({use[1]} of the machine's {use[2]} GB were in use)" if use else ""
        return f"out of memory{state}"
    if any(sign in text for sign in _PROCESS_DIED):
        return "its process crashed or was killed, as the system does when memory runs out"
    named = [line for line in text.splitlines() if _ERROR_LINE.match(line)]
    return named[-1].strip()[:_MOST] if named else "its process ended"


def _is_out_of_memory(text: str) -> bool:
    return any(sign in text for sign in _OUT_OF_MEMORY)


def _last_failure(error_file: str | None) -> str:
    if error_file is None or not Path(error_file).exists():
        return ""
    *_, last = Path(error_file).read_text(encoding="utf-8").split("Failure # ")
    return last
