"""Tables that fit the terminal: columns fold or are left out, and ``--wide`` shows all of them."""

import os
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

__all__ = ["Column", "console", "print_table", "text_width", "wrapped"]

_NARROWEST = 40
# A folded column narrower than this would be read a word a line.
_FOLDED = 24
_UNLIMITED = 10_000
_RULE = 100


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    name
        Heading.
    right
        Whether cells are aligned at the right, as numbers are.
    folds
        Whether long cells continue on the next line; other columns keep their cells whole.
    rank
        Importance: where the terminal is too narrow, the column of the highest rank is left out
        first; columns of rank 0 always stay.
    """

    name: str
    right: bool = False
    folds: bool = False
    rank: int = 0


def text_width() -> int:
    """Return the columns there are for text: the terminal's, or without limit in a pipe."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdigit() and int(columns):
        return max(_NARROWEST, int(columns))
    try:
        return max(_NARROWEST, os.get_terminal_size(sys.stdout.fileno()).columns)
    except (OSError, ValueError):
        return _UNLIMITED


def wrapped(text: str, indent: str = "") -> str:
    """Return a text in lines of the terminal's width; all but the first begin with `indent`."""
    return textwrap.fill(
        text, text_width(), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def console(width: int | None = None, *, err: bool = False) -> "Console":
    """Return a console on stdout, or stderr, that leaves a closed pipe to the command."""
    from rich.console import Console

    class _Console(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    return _Console(width=width or text_width(), highlight=False, markup=False, stderr=err)


def print_table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    title: str | None = None,
    *,
    err: bool = False,
) -> None:
    """Print rows under their columns, in the width of the terminal unless ``--wide`` is given.

    Parameters
    ----------
    columns
        In their order from left to right. Columns without any text are left out.
    rows
        A text for each column.
    title
        Line above the table.
    err
        Whether to print on stderr.
    """
    from rich.measure import Measurement

    context = click.get_current_context(silent=True)
    wide = context is not None and bool(context.meta.get("tunesmith.wide"))
    width = _UNLIMITED if wide else text_width()
    unlimited = console(_UNLIMITED)
    kept = [n for n in range(len(columns)) if not rows or any(row[n] for row in rows)]

    def least() -> int:
        table = _table(columns, rows, kept, folded=_FOLDED)
        return Measurement.get(unlimited, unlimited.options, table).maximum

    dropped: list[int] = []
    while least() > width and any(columns[n].rank for n in kept):
        last = max(kept, key=lambda n: (columns[n].rank, n))
        kept.remove(last)
        dropped.append(last)
    table = _table(columns, rows, kept)
    if width == _UNLIMITED:
        width = Measurement.get(unlimited, unlimited.options, table).maximum
    out = console(max(width, _NARROWEST), err=err)
    if title:
        out.print(title, style="bold")
    if out.is_terminal:
        out.print(table)
    else:
        # Whoever reads lines from a pipe has no use for cells filled up to the longest one's width,
        # nor for a rule as long as that.
        with out.capture() as text:
            out.print(table)
        lines = (line.rstrip() for line in text.get().splitlines())
        shown = (line[:_RULE] if set(line) == {"─"} else line for line in lines)
        click.echo("\n".join(shown), err=err)
    out.print()
    if dropped:
        names = ", ".join(columns[n].name for n in sorted(dropped))
        out.print(f"Not shown in this width: {names}. --wide shows all columns.", style="dim")


def _table(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    kept: Sequence[int],
    folded: int | None = None,
) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for n in kept:
        column = columns[n]
        justify: Literal["left", "right"] = "right" if column.right else "left"
        if column.folds:
            longest = max((len(row[n]) for row in rows), default=0)
            most = None if folded is None else min(folded, max(longest, len(column.name)))
            table.add_column(column.name, justify=justify, overflow="fold", max_width=most)
        else:
            table.add_column(column.name, justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(*(row[n] for n in kept))
    return table
