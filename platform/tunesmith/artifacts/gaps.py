"""Damaged files of a store: what is about many artefacts goes on without those it cannot read."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TypeVar
from zipfile import BadZipFile

import pyarrow as pa

from tunesmith.errors import StoreError, StoreUnreachableError, TunesmithError

__all__ = ["damaged_as", "left_out", "readable"]

T = TypeVar("T")
R = TypeVar("R")

_log = logging.getLogger(__name__)


@contextmanager
def left_out(what: str) -> Iterator[None]:
    """Leave one artefact out if its files are damaged; a line says which one and why.

    A store that cannot be reached is no damage: that error goes on.

    Parameters
    ----------
    what
        The artefact, as in "version 3 of composer".
    """
    try:
        yield
    except StoreUnreachableError:
        raise
    except TunesmithError as error:
        _say_once(f"{what} is left out: {error}")


def readable(items: Iterable[T], read: Callable[[T], R], what: Callable[[T], str]) -> list[R]:
    """Return what can be read of some artefacts; `what` names one of them for the line about it."""
    results = []
    for item in items:
        with left_out(what(item)):
            results.append(read(item))
    return results


@contextmanager
def damaged_as(where: str, remedy: str) -> Iterator[None]:
    """Say which file is damaged where a reader of Parquet or NumPy's archives finds it so.

    Raises
    ------
    StoreError
        When it is damaged.
    """
    try:
        yield
    except TunesmithError:
        raise
    except (pa.ArrowException, OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        line = " ".join(str(error).split())
        message = f"{where} is damaged: {line}. {remedy}"
        raise StoreError(message) from error


@lru_cache(maxsize=1024)
def _say_once(line: str) -> None:
    _log.warning("%s", line)
