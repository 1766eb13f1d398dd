"""Shared parts of all subcommands.

A subcommand is a function decorated with `command`: it gets the store's URI, returns a result that
JSON can hold, and prints it for people. Logs and progress go to stderr, the answer to stdout; with
``--json`` stdout holds exactly one JSON object.
"""

import contextlib
import functools
import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, overload

import click

from tunesmith.cli.ending import CLOSED_PIPE, Ending
from tunesmith.cluster.loopback import keep_direct
from tunesmith.errors import TunesmithError, UsageError
from tunesmith.extras import missing_package

__all__ = ["DURATION", "Sections", "command", "echo", "parse_duration"]

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


Sections = Mapping[str, Sequence[str]]
"""Names of options by the heading that the help lists them under."""

_OUTPUT = "Output"


def echo(text: str = "") -> None:
    """Print a line for people: progress and notes, on stderr."""
    click.echo(text, err=True)


def _key(option: click.Parameter) -> str:
    """Return the name of an option; click makes one up where no value is handed on."""
    return str(option.name) if option.expose_value else option.opts[-1].lstrip("-")


class _Command(click.Command):
    """A command whose help lists options under headings, in the order of `sections`."""

    def __init__(
        self,
        *args: Any,
        sections: Sections,
        closing: Callable[[], Mapping[str, str]] | None,
        once: Collection[str],
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.once = once
        self.sections = sections
        self.closing = closing

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments as they were given, to print how to go on after an interruption."""
        ctx.meta["tunesmith.arguments"] = [text for text in args if text not in self.once]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options under their headings; those without one come first."""
        rows = {}
        for parameter in self.get_params(ctx):
            row = parameter.get_help_record(ctx)
            if row is not None and isinstance(parameter, click.Option):
                rows[_key(parameter)] = row
        named = {name for names in self.sections.values() for name in names}
        output = ("wide", "as_json", "verbose", "help")
        first = [row for name, row in rows.items() if name not in {*named, *output}]
        groups = {"Options": first} | {
            title: [rows[name] for name in names if name in rows]
            for title, names in self.sections.items()
        }
        groups[_OUTPUT] = [rows[name] for name in output if name in rows]
        for title, lines in groups.items():
            if lines:
                with formatter.section(title):
                    formatter.write_dl(lines)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write lists that take a moment to compute, such as the names of tasks."""
        super().format_epilog(ctx, formatter)
        if self.closing is not None:
            lists = self.closing()
            with formatter.section("Names"):
                formatter.write_dl(list(lists.items()))


_Job = Callable[..., Mapping[str, Any] | None]


@overload
def command(function: _Job, /) -> click.Command: ...


@overload
def command(
    *,
    show: Callable[[Any], None] | None = None,
    code: Callable[[Any], int] | None = None,
    uses_store: bool = True,
    extras: Sequence[str] = (),
    sections: Sections | None = None,
    closing: Callable[[], Mapping[str, str]] | None = None,
    table: bool = False,
    continues: Collection[str] | None = None,
) -> Callable[[_Job], click.Command]: ...


def command(function: Any = None, /, **options: Any) -> Any:
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
    extras
        Extras of the project that the command needs, for the message when a package is missing.
    sections
        Headings of the help with the names of the options under each.
    closing
        Returns lists for the end of the help, by their title.
    table
        Whether `show` prints a table, so that the command takes ``--wide``.
    continues
        Given where the command goes on from what is done when it is run again: SIGTERM then ends it
        as Ctrl-C does, and the command line that continues is printed, without these flags.

    Returns
    -------
    click.Command
        Exits with 0, or with the `exit_code` of the `TunesmithError` that ended it (1, or 2 for
        wrong usage), its message on stderr; with ``--json`` also as ``{"error": …}`` on stdout.
    """
    if function is None:
        return functools.partial(_make, **options)
    return _make(function)


def _store_option(uses_store: bool) -> Callable[[_Job], _Job]:
    if not uses_store:
        return lambda function: function
    return click.option(
        "--store",
        metavar="URI",
        help="Store of all artifacts, a folder or s3://…  [TUNESMITH_STORE, else "
        "~/.tunesmith/store]",
    )


def _wide_option(table: bool) -> Callable[[_Job], _Job]:
    if not table:
        return lambda function: function

    def keep(context: click.Context, _: click.Parameter, value: bool) -> None:
        context.meta["tunesmith.wide"] = value

    return click.option(
        "--wide",
        is_flag=True,
        expose_value=False,
        callback=keep,
        help="Show all columns, however narrow the terminal.",
    )


def _make(
    function: _Job,
    *,
    show: Callable[[Any], None] | None = None,
    code: Callable[[Any], int] | None = None,
    uses_store: bool = True,
    extras: Sequence[str] = (),
    sections: Sections | None = None,
    closing: Callable[[], Mapping[str, str]] | None = None,
    table: bool = False,
    continues: Collection[str] | None = None,
) -> click.Command:

    @click.command(
        cls=_Command,
        help=function.__doc__,
        sections=sections or ({"Where": ("store",)} if uses_store else {}),
        closing=closing,
        once=continues or (),
        context_settings={"max_content_width": 100},
    )
    @_store_option(uses_store)
    @_wide_option(table)
    @click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
    @click.option("-v", "--verbose", is_flag=True, help="Log every step, on stderr.")
    @functools.wraps(function)
    def run(*, as_json: bool, verbose: bool, **values: Any) -> None:
        logging.basicConfig(
            level=logging.INFO if verbose else logging.WARNING,
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
            stream=sys.stderr,
        )
        keep_direct()
        _print_any_text()
        with (
            Ending(handles_sigterm=continues is not None) as ending,
            _reported(as_json, extras, ending),
        ):
            # Ray tells of workers that die on stdout, which is the answer's alone.
            with contextlib.redirect_stdout(sys.stderr):
                result = function(**values)
            if as_json:
                click.echo(json.dumps(result, ensure_ascii=False, default=str))
            elif show is not None:
                show(result)
            sys.stdout.flush()
        if code is not None and (ended := code(result)):
            raise SystemExit(ended)

    # click reads options from the innermost function's attribute; wraps() carried them over.
    return run


@contextlib.contextmanager
def _reported(as_json: bool, extras: Sequence[str], ending: Ending) -> Iterator[None]:
    """Turn what ends a command into its message and its exit code."""
    try:
        yield
    except TunesmithError as error:
        raise SystemExit(ending.code(_refuse(error, as_json))) from None
    except ImportError as error:
        path = click.get_current_context().command_path
        missing = missing_package(error, f"`{path}`", extras)
        if missing is None:
            raise
        raise SystemExit(_refuse(missing, as_json)) from None
    except BrokenPipeError:
        # The reader has what it wanted. What is still buffered must not fail again at exit.
        with open(os.devnull, "w", encoding="utf-8") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise SystemExit(CLOSED_PIPE) from None
    except UnicodeError as error:
        if sys.getfilesystemencoding() == "utf-8":
            raise
        message = f"This shell's encoding has no such character: {error}. Set PYTHONUTF8=1."
        raise SystemExit(_refuse(UsageError(message), as_json)) from None
    except KeyboardInterrupt:
        context = click.get_current_context()
        arguments = context.meta["tunesmith.arguments"]
        click.echo(ending.message(context.command_path, arguments), err=True)
        raise SystemExit(ending.interrupted) from None


def _print_any_text() -> None:
    """Print a replacement for what the encoding of a stream lacks, instead of failing on it."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
            stream.reconfigure(errors="replace")


def _refuse(error: TunesmithError, as_json: bool) -> int:
    """Print an error and return its exit code."""
    if as_json:
        body = {"error": type(error).__name__, "message": str(error)}
        click.echo(json.dumps(body, ensure_ascii=False))
    click.echo(f"{type(error).__name__}: {error}", err=True)
    return error.exit_code
