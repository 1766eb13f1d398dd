"""Loops over events and notes as machine code."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled"]

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function of numbers and arrays on its first call (Numba), once a machine.

    The machine code is kept beside the source, or in the user's cache folder, or where
    ``NUMBA_CACHE_DIR`` says; every process of a machine after the first reads it from there.
    """
    try:
        kept = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # none of these folders can be written to
        kept = numba.njit(nogil=True)(function)
    return cast("Function", kept)
