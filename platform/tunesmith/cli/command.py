"""What every command line of the project has in common.

A job is a function decorated with `command`: it gets a `Store`, returns a JSON-serialisable result
and prints for people. Logs and progress go to stderr, the answer to stdout; with
``--json`` stdout holds exactly one JSON object.
"""

import contextlib
import functools
import json
import logging
import re
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, overload

import click

from tunesmith.errors import TunesmithError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["DURATION", "command", "echo", "parse_duration", "wide_console"]

_UNITS_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)([smhd]))")


def parse_duration(text: str) -> float:
    """Return seconds for ``90s``, ``15m``, ``1h30m`` or a plain number of seconds.

    Raises
    ------
    UsageError
        When the text is none of these, or not above zero.
    """
    text = text.strip().lower()
    pieces = _DURATION.findall(text)
    if pieces and "".join(number + unit for number, unit in pieces) == text:
        seconds = sum(float(number) * _UNITS_S[unit] for number, unit in pieces)
    else:
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
    if not 0 < seconds < float("inf"):
        message = f"{text!r} is not a length of time. Write 90s, 15m, 1h30m or seconds."
        raise UsageError(message)
    return seconds


class _Duration(click.ParamType[float]):
    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float | int):
            return float(value)
        try:
            return parse_duration(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


DURATION = _Duration()
"""Click type of an option that takes a length of time and gives seconds."""


def echo(text: str = "") -> None:
    """Print a line for people: progress and notes, on stderr."""
    click.echo(text, err=True)


def wide_console(least_columns: int) -> "Console":
    """Return a console for tables that are unreadable in less than so many columns."""
    from rich.console import Console

    return Console(width=max(least_columns, Console().width))


_Job = Callable[..., Mapping[str, Any] | None]


@overload
def command(function: _Job, /) -> click.Command: ...


@overload
def command(
    *,
    show: Callable[[Any], None] | None = None,
    code: Callable[[Any], int] | None = None,
    uses_store: bool = True,
) -> Callable[[_Job | click.Command], click.Command]: ...


def command(
    function: Any = None,
    /,
    *,
    show: Callable[[Any], None] | None = None,
    code: Callable[[Any], int] | None = None,
    uses_store: bool = True,
) -> click.Command | Callable[[Any], click.Command]:
    """Make a function a command with ``--store``, ``--json`` and honest exit codes.

    The function is called with the keyword `store` (its URI as text) and returns the result.

    Parameters
    ----------
    function
        Returns the command's result as a mapping that JSON can hold.
    show
        Prints that result for people on stdout; not called with ``--json``.
    code
        Gives the exit code of a result; 0 without it.
    uses_store
        Whether the command takes ``--store``.

    Returns
    -------
    click.Command
        Exits with 0, or with the `exit_code` of the `TunesmithError` that ended it (1, or 2 for
        wrong usage), its message on stderr; with ``--json`` also as ``{"error": …}`` on stdout.
    """
    if function is None:
        return functools.partial(_make, show=show, code=code, uses_store=uses_store)
    return _make(function, show=show, code=code, uses_store=uses_store)


def _store_option(uses_store: bool) -> Callable[[_Job], _Job]:
    if not uses_store:
        return lambda function: function
    return click.option(
        "--store",
        metavar="URI",
        help="Where artefacts live: folder or s3://…  [TUNESMITH_STORE, else ~/.tunesmith/store]",
    )


def _make(
    function: _Job,
    *,
    show: Callable[[Any], None] | None,
    code: Callable[[Any], int] | None,
    uses_store: bool,
) -> click.Command:

    @click.command(help=function.__doc__, context_settings={"max_content_width": 100})
    @_store_option(uses_store)
    @click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
    @click.option("-v", "--verbose", is_flag=True, help="Log what happens, on stderr.")
    @functools.wraps(function)
    def run(*, as_json: bool, verbose: bool, **options: Any) -> None:
        logging.basicConfig(
            level=logging.INFO if verbose else logging.WARNING,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
            stream=sys.stderr,
        )
        try:
            # Ray tells of workers that die on stdout, which is the answer's alone.
            with contextlib.redirect_stdout(sys.stderr):
                result = function(**options)
        except TunesmithError as error:
            if as_json:
                body = {"error": type(error).__name__, "message": str(error)}
                click.echo(json.dumps(body, ensure_ascii=False))
            click.echo(f"{type(error).__name__}: {error}", err=True)
            raise SystemExit(error.exit_code) from None
        except KeyboardInterrupt:
            click.echo("Interrupted; finished artefacts are kept.", err=True)
            raise SystemExit(130) from None
        if as_json:
            click.echo(json.dumps(result, ensure_ascii=False, default=str))
        elif show is not None:
            show(result)
        if code is not None and (ended := code(result)):
            raise SystemExit(ended)

    # click reads options from the innermost function's attribute; wraps() carried them over.
    return run
