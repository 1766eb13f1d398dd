"""Progress of a command on stderr: a bar with a rate and a time left, or plain lines in a pipe."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from tunesmith.cli.command import echo
from tunesmith.cli.wording import duration

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from tunesmith.tuning.display import Standing

__all__ = ["Count", "counting", "searching"]

_PAUSE_S = 10.0


@contextmanager
def counting(what: str) -> Iterator["Count"]:
    """Show how many of a number of things are done, for the length of a ``with`` block.

    Parameters
    ----------
    what
        Name of the things, in the plural.

    Yields
    ------
    Count
        Takes how many are done, how many there are, and perhaps a few words more.
    """
    if not sys.stderr.isatty():
        yield _Lines(what)
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TaskProgressColumn(show_speed=True, text_format="{task.speed:.1f} a second"),
        TimeRemainingColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        bar = bars.add_task(what, total=None)

        def show(done: int, total: int, more: str = "") -> None:
            bars.update(bar, completed=done, total=total, description=f"{what} {more}".rstrip())

        yield show


class Count(Protocol):
    """Shows progress."""

    def __call__(self, done: int, total: int, more: str = "") -> None:
        """Show how many are done of how many there are, and a few words more."""


class _Lines:
    """Prints a line at the end, and in between now and then."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = self._printed = time.monotonic()
        self._before: int | None = None

    def __call__(self, done: int, total: int, more: str = "") -> None:
        now = time.monotonic()
        if self._before is None:
            # What an earlier run had finished says nothing about the rate of this one.
            self._before = done
        if done < total and now - self._printed < _PAUSE_S:
            return
        self._printed = now
        elapsed_s = now - self._started
        line = f"{self._what}: {done:,} of {total:,}"
        new = done - self._before
        if elapsed_s > 1 and new:
            line += f", {new / elapsed_s:.1f} a second"
            if done < total:
                line += f", {duration((total - done) * elapsed_s / new)} left"
        echo(f"{line}; {more}" if more else line)


@contextmanager
def searching() -> Iterator[Callable[[str], None]]:
    """Show the tasks of a search for the length of a ``with`` block: a bar each on a terminal.

    Yields
    ------
    Callable
        Prints a line; on a terminal a `tunesmith.tuning.display.Display`.
    """
    if not sys.stderr.isatty():
        yield echo
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", markup=False),
        TextColumn("{task.fields[left]}", markup=False),
        TextColumn("{task.fields[best]}", markup=False),
    )
    console = Console(stderr=True, highlight=False, markup=False)
    with Progress(
        *columns, console=console, redirect_stdout=False, redirect_stderr=False, transient=True
    ) as progress:
        yield _Bars(progress)


class _Bars:
    """A bar for each task, and lines above them."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._bars: dict[str, TaskID] = {}

    def __call__(self, line: str) -> None:
        """Print a line."""
        self._progress.console.print(line, soft_wrap=True)

    def show(self, standing: "Standing") -> None:
        """Move the bar of a task."""
        name = standing.task
        if name not in self._bars:
            self._bars[name] = self._progress.add_task(name, rate="", left="", best="")
        self._progress.update(
            self._bars[name],
            completed=standing.ended,
            total=standing.n_trials,
            rate=standing.rate_text,
            left=standing.left_text,
            best=f"best {standing.best}" if standing.best else "",
        )
