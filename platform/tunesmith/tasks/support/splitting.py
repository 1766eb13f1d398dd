"""Helpers that every task needs: parts, groups and a version of the data."""

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples
from tunesmith.datasets.splits import split_pieces

__all__ = ["content_version", "equal_rows", "groups_of", "row_grouping", "split"]


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


def groups_of(*keys: Iterable[object]) -> npt.NDArray[np.int64]:
    """Return a group for each item: items that share the value of any key are in one group.

    Parameters
    ----------
    *keys
        Values of each item: an artist, a song, the result of `equal_rows`. None, NaN and empty text
        are no value.

    Returns
    -------
    numpy.ndarray
        ``int [items]``, numbered in the order of the items.
    """
    columns = [list(key) for key in keys]
    parent = list(range(len(columns[0])))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    for column in columns:
        first: dict[object, int] = {}
        for item, value in enumerate(column):
            # NaN is the one value that differs from itself.
            if value is None or value == "" or value != value:  # noqa: PLR0124
                continue
            pair = root(first.setdefault(value, item)), root(item)
            parent[max(pair)] = min(pair)
    numbers: dict[int, int] = {}
    roots = (root(item) for item in range(len(parent)))
    return np.array([numbers.setdefault(item, len(numbers)) for item in roots], dtype=np.int64)


def row_grouping(columns: Sequence[str]) -> str:
    """Return the words for the groups of a table's rows that `columns` and equal rows make."""
    names = "".join(f"the same {name}, " for name in columns)
    return f"rows with {names}or with equal features" if columns else "rows with equal features"
