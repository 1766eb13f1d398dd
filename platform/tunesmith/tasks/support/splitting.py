"""Helpers that several tasks share."""

import hashlib

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples
from tunesmith.datasets.splits import split_pieces

__all__ = ["content_version", "equal_rows", "split"]


def split(examples: Examples, seed: int) -> npt.NDArray[np.str_]:
    """Return 70 / 15 / 15 parts, stratified, whole groups on one side."""
    labels = [examples.classes[index] for index in examples.y]
    return split_pieces(labels, examples.groups, seed=seed)


def content_version(*arrays: npt.NDArray[np.generic]) -> str:
    """Return the first 12 hexadecimal digits of a hash of arrays."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()[:12]


def equal_rows(rows: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    """Return a group a row, ``int [rows]``: rows with the very same content share one."""
    flat = np.ascontiguousarray(rows).reshape(len(rows), -1)
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(row.tobytes(), len(seen)) for row in flat], dtype=np.int64)
