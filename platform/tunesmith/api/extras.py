"""Naming the extra to install when a function needs a package that is not there."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tunesmith.extras import missing_package

__all__ = ["needs"]

P = ParamSpec("P")
T = TypeVar("T")


def needs(step: str, *extras: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Make a public function say which extra to install when an import inside it fails.

    Parameters
    ----------
    step
        Name of the function, for the message.
    *extras
        Extras that the function needs.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @functools.wraps(function)
        def run(*args: P.args, **options: P.kwargs) -> T:
            try:
                return function(*args, **options)
            except ModuleNotFoundError as error:
                missing = missing_package(error, step, extras)
                if missing is None:
                    raise
                raise missing from error

        return run

    return decorate
