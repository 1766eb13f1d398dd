"""The ``tunesmith`` command: every step from files to answers, as subcommands.

A subcommand is imported only when it is used, so that the command starts at once.
"""

from importlib import import_module

import click

__all__ = ["SECTIONS", "main"]

# Subcommands by section, in the order of use; each lives in the module of its name.
SECTIONS: dict[str, dict[str, str]] = {
    "Data": {
        "ingest": "Read MIDI files into a dataset version.",
        "datasets": "List, show, draw, check and remove dataset versions.",
        "similar": "Find the piece of a dataset that a file or an excerpt is.",
    },
    "Models": {
        "tune": "Search model families and settings for one task or many.",
        "watch": "Open the dashboards of a search.",
        "leaderboard": "Compare the best trials across tasks, families and runs.",
        "evaluate": "Measure a run on its held-out test items and write the report.",
        "promote": "Make a run's model the champion, if the gate passes it.",
        "rollback": "Make an earlier version the champion again.",
        "history": "List the promotions and rollbacks of a task.",
        "reproduce": "Run the published studies again and compare the metrics.",
    },
    "Serving": {
        "serve": "Serve the champions over HTTP on this machine.",
        "predict": "Classify files with a running server.",
        "score": "Classify folders, buckets and tables into Parquet.",
        "keys": "Add, list and revoke API keys.",
        "logs": "Show what the server on this machine logged.",
    },
    "Cluster": {
        "submit": "Run a command on a cluster and follow it.",
        "jobs": "List, follow and stop jobs on a cluster.",
        "doctor": "Check this machine for problems, with what to do about each.",
    },
    "Start here": {
        "demo": "From real scores to a served model, in minutes.",
    },
}
_SUMMARIES = {name: text for section in SECTIONS.values() for name, text in section.items()}


class _LazyGroup(click.Group):
    """A group that imports a subcommand's module when it is used, and lists them by section."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _SUMMARIES:
            return None
        command: click.Command = import_module(f"tunesmith.cli.{cmd_name}").main
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl(list(commands.items()), col_max=14)


@click.command(cls=_LazyGroup, context_settings={"max_content_width": 100})
@click.version_option(package_name="tunesmith")
def main() -> None:
    """Tune and serve music classifiers on Ray.

    \b
    From your own MIDI files to a served model:
      tunesmith ingest my-midi/ --name mine
      tunesmith tune composer --dataset mine --time-budget 15m
      tunesmith evaluate composer
      tunesmith promote composer
      tunesmith serve
    """
