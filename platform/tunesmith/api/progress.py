"""Progress of a call that takes long."""

from collections.abc import Callable

__all__ = ["Progress", "silent"]

Progress = Callable[[str], None]
"""Called with each line of progress."""


def silent(line: str) -> None:
    """Print nothing."""
    del line
