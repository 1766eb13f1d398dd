"""Compile loops over events and notes to machine code."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["compiled", "read_only"]

Function = TypeVar("Function", bound=Callable[..., Any])
Kind = TypeVar("Kind", bound=np.generic)


def compiled(function: Function) -> Function:
    """Compile a function of numbers and arrays with Numba, on its first call on a machine.

    The machine code is cached beside the source, in the user's cache folder, or in the folder
    that ``NUMBA_CACHE_DIR`` names. Later processes on the machine load it from there.
    """
    try:
        machine_code = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # none of these folders is writable
        machine_code = numba.njit(nogil=True)(function)
    return cast("Function", machine_code)


def read_only(array: NDArray[Kind]) -> NDArray[Kind]:
    """Return a view that cannot be written to, the kind that compiled functions are given.

    They are compiled for each kind of array that they meet.
    """
    view = array.view()
    view.flags.writeable = False
    return view
