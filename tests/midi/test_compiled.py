"""Compiled functions load Numba when they are called, and call one another."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from tunesmith.midi.compiled import compiled, read_only


@compiled
def _double(values: Any) -> Any:
    result = np.empty_like(values)
    for place in range(values.size):
        result[place] = 2 * values[place]
    return result


@compiled
def _quadruple(values: Any) -> Any:
    return _double(_double(values))


def test_compiled_functions_call_one_another_whichever_is_called_first() -> None:
    first: Any = _quadruple
    np.testing.assert_array_equal(first(np.arange(4)), 4 * np.arange(4))
    np.testing.assert_array_equal(_double(np.arange(4)), 2 * np.arange(4))
    np.testing.assert_array_equal(first(np.arange(4)), 4 * np.arange(4))
    assert first.py_func(np.arange(3)).tolist() == [0, 4, 8]
    assert len(first.signatures) == 1


def test_a_program_that_reads_no_file_does_not_load_numba() -> None:
    code = (
        "import sys, tunesmith.audio, tunesmith.inference, tunesmith.ingestion.pipeline, "
        "tunesmith.midi.features\n"
        "print(sorted({'numba', 'llvmlite'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_view_cannot_be_written_to() -> None:
    array = np.zeros(3)
    with pytest.raises(ValueError, match="read-only"):
        read_only(array)[0] = 1
    array[0] = 1
