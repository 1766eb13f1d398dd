"""The option ``--plugin`` of the commands that know tasks or families."""

import functools
from collections.abc import Callable
from typing import Any

import click

__all__ = ["plugin_option"]


def plugin_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--plugin FILE``, which may be repeated, to the function of a command.

    Place it below ``@command``, next to the function. The function gets no argument for it: it runs
    with the tasks and families of the files known by their names.
    """

    @click.option(
        "--plugin",
        "plugins",
        multiple=True,
        metavar="FILE",
        help="Python or YAML file with a task or family of your own; may be repeated.",
    )
    @functools.wraps(function)
    def run(*args: Any, plugins: tuple[str, ...], **options: Any) -> Any:
        from tunesmith.plugins import using

        with using(plugins):
            return function(*args, **options)

    return run
