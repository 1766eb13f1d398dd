"""Trying a model in a clean process, under bounds of memory and time."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.inference.classifier import OUTPUT

__all__ = ["Bounds", "Smoke", "smoke"]

_PROGRAM = Path(__file__).parent / "_smoke.py"
# Address space is larger than memory in use: it also counts what libraries merely map.
_MAPPED_BYTES = 1_500_000_000


@dataclass(frozen=True)
class Bounds:
    """Limits on memory and time of a model in a serving process.

    Attributes
    ----------
    memory_bytes
        Peak memory of a process with onnxruntime, the model and one batch.
    time_s
        From starting the process to the answer.
    """

    memory_bytes: int = 1_000_000_000
    time_s: float = 60.0


@dataclass(frozen=True)
class Smoke:
    """Result of the smoke test.

    Attributes
    ----------
    problem
        What was wrong and by how much; None when the model answered within the bounds.
    within_bounds
        False when it took more memory or time than it may.
    facts
        ``load_s``, ``predict_s``, ``peak_bytes``, ``difference`` and ``rows``, as far as it came.
    """

    problem: str | None
    within_bounds: bool = True
    facts: dict[str, Any] = field(default_factory=dict)


def smoke(
    model: bytes,
    inputs: Mapping[str, npt.NDArray[Any]],
    expected: npt.NDArray[np.float32],
    bounds: Bounds,
) -> Smoke:
    """Predict once in a clean process.

    Parameters
    ----------
    model
        ONNX, serialised.
    inputs
        Arrays by input name.
    expected
        What the model answers to them, ``float32 [rows, classes]``.
    bounds
        What it may take.
    """
    with tempfile.TemporaryDirectory(prefix="tunesmith-smoke-") as folder:
        path = Path(folder)
        (path / "model.onnx").write_bytes(model)
        arrays: dict[str, Any] = {**inputs, OUTPUT: expected}
        np.savez(path / "inputs.npz", **arrays)
        limit = bounds.memory_bytes + _MAPPED_BYTES
        command = [sys.executable, "-I", str(_PROGRAM), "model.onnx", "inputs.npz", str(limit)]
        try:
            done = subprocess.run(  # noqa: S603 - our own program, no shell
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=bounds.time_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Smoke(
                f"no answer within the {bounds.time_s:g} s it may take", within_bounds=False
            )
    if done.returncode:
        return _failed(done, bounds)
    facts = json.loads(done.stdout)
    problem = _too_much(facts["peak_bytes"], bounds.memory_bytes)
    return Smoke(problem, within_bounds=problem is None, facts=facts)


def _failed(done: "subprocess.CompletedProcess[str]", bounds: Bounds) -> Smoke:
    lines = done.stderr.strip().splitlines()
    last = lines[-1] if lines else f"the process ended with {done.returncode}"
    if "MemoryError" in last or "bad_alloc" in last or "allocate memory" in last:
        most = bounds.memory_bytes + _MAPPED_BYTES
        problem = (
            f"it asked for more than {_mb(most)} of address space; "
            f"{_mb(bounds.memory_bytes)} of memory is the limit"
        )
        return Smoke(problem, within_bounds=False)
    return Smoke(f"a process with only onnxruntime and NumPy cannot run it: {last}")


def _too_much(peak_bytes: int, limit_bytes: int) -> str | None:
    over = peak_bytes - limit_bytes
    if over <= 0:
        return None
    return f"its peak memory of {_mb(peak_bytes)} is {_mb(over)} above the limit {_mb(limit_bytes)}"


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
