"""Compile loops over events and notes to machine code."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

__all__ = ["compiled", "read_only"]

Function = TypeVar("Function", bound=Callable[..., Any])
Kind = TypeVar("Kind", bound=np.generic)


def compiled(function: Function) -> Function:
    """Compile a function of numbers and arrays with Numba, on its first call on a machine.

    The machine code is cached beside the source, in the user's cache folder, or in the folder
    that ``NUMBA_CACHE_DIR`` names. Later processes on the machine load it from there. A process
    that calls no such function does not load Numba, which takes 70 MB and 0.2 s.
    """
    return cast("Function", _Compiled(function))


class _Compiled:
    """A function whose machine code is loaded when it is first called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.py_func = function
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.machine_code(*args, **kwargs)

    @functools.cached_property
    def machine_code(self) -> Any:
        """The function as Numba compiles it; it stands in its module from then on.

        So do the compiled functions that it calls: Numba knows none but its own.
        """
        import numba

        names = self.py_func.__globals__
        for name in self.py_func.__code__.co_names:
            if name != self.py_func.__name__ and isinstance(names.get(name), _Compiled):
                names[name] = names[name].machine_code
        try:
            machine_code = numba.njit(cache=True, nogil=True)(self.py_func)
        except RuntimeError:  # none of these folders is writable
            machine_code = numba.njit(nogil=True)(self.py_func)
        if names.get(self.py_func.__name__) is self:
            names[self.py_func.__name__] = machine_code
        return machine_code

    @property
    def signatures(self) -> Sequence[object]:
        """Kinds of arguments that it was compiled for."""
        return cast("Sequence[object]", self.machine_code.signatures)


def read_only(array: NDArray[Kind]) -> NDArray[Kind]:
    """Return a view that cannot be written to, the kind that compiled functions are given.

    They are compiled for each kind of array that they meet.
    """
    view = array.view()
    view.flags.writeable = False
    return view
