"""The ``tunesmith`` command: what is done from a terminal.

Each subcommand is imported when it is asked for, so that the command starts at once.
"""

import sys
from importlib import import_module

import click

__all__ = ["COMMANDS", "main"]

# Name of each subcommand: the module whose `main(arguments, program)` runs it, and what it does.
COMMANDS = {
    "doctor": ("tunesmith.operations.doctor", "Examine this machine; every line says what to do."),
    "submit": ("tunesmith.operations.submit", "Run a job on a cluster and follow it."),
    "jobs": ("tunesmith.operations.jobs", "List, follow and stop the jobs of a cluster."),
    "predict": ("tunesmith.client.__main__", "Ask a running server about files."),
}


class _Lazy(click.Group):
    """A group whose subcommands parse their own arguments."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, summary = COMMANDS[cmd_name]

        def run(arguments: tuple[str, ...]) -> None:
            sys.exit(import_module(module).main(list(arguments), f"tunesmith {cmd_name}"))

        return click.Command(
            cmd_name,
            callback=run,
            short_help=summary,
            params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
            context_settings={"ignore_unknown_options": True},
            add_help_option=False,
        )


@click.command(cls=_Lazy)
@click.version_option(package_name="tunesmith")
def main() -> None:
    """Tune and serve music classifiers."""
