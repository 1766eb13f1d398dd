"""The site: these pages, and a reference of the public API and the command line (`make docs`)."""

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "platform")]

project = "Tunesmith"
html_title = "Tunesmith"
html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_copyright = False
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_heading_anchors = 3
# Links to files of the checkout that are not pages; names of attributes that several classes have.
suppress_warnings = ["myst.xref_missing", "myst.header", "ref.python"]

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_attr_annotations = True


def _help_texts(command: click.Command, path: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the help text of a command and of all its subcommands."""
    context = click.Context(command, info_name=path, terminal_width=86, max_content_width=86)
    yield path, command.get_help(context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                yield from _help_texts(child, f"{path} {name}")


def _add_commands(app: Sphinx, page: str, source: list[str]) -> None:  # noqa: ARG001
    """Append the help text of every command to the page of commands."""
    if page == "reference/commands":
        from tunesmith.cli.main import main

        for path, text in _help_texts(main, "tunesmith"):
            level = "#" * min(1 + len(path.split()), 3)
            source[0] += f"\n{level} {path}\n\n```text\n{text}\n```\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the page of commands with Sphinx."""
    app.connect("source-read", _add_commands)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
