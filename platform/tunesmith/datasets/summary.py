"""The distribution of a model's inputs, and how far other inputs have drifted from it.

The card of a model keeps the summary of its training data, and a server compares requests with it.
A summary reveals no single item: it holds the deciles of each column and the shares between them.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import InputSummary

__all__ = ["columns_of", "counts_of", "drift", "summarise"]

Floats = npt.NDArray[np.float32]

_TENTHS = np.linspace(0, 1, 11)[1:-1]
_BINS = len(_TENTHS) + 2  # the ten intervals, and missing values last
_MOST_ROWS = 20_000
# Added to every count: an empty interval is not an impossible one.
_PRIOR = 0.5


def columns_of(rows: npt.NDArray[Any]) -> Floats:
    """Return the numbers that summarise the rows of an input, ``float32 [rows, columns]``.

    A table of numbers is its own columns. Of anything else (piano rolls, images, words) they are
    the mean of each row and its share of values that are not zero.
    """
    if rows.ndim == 2 and rows.dtype.kind == "f":
        return rows.astype(np.float32, copy=False)
    flat = rows.reshape(len(rows), -1)
    means = flat.mean(axis=1, dtype=np.float64)
    return np.stack([means, np.count_nonzero(flat, axis=1) / flat.shape[1]], 1).astype(np.float32)


def summarise(rows: npt.NDArray[Any], names: Sequence[str] = ()) -> InputSummary:
    """Return the distribution of one input, by column.

    Parameters
    ----------
    rows
        The input as the model takes it, ``[rows, ...]``; of very many an even sample is taken.
    names
        Names of the columns of a table.
    """
    every = max(1, -(-len(rows) // _MOST_ROWS))
    values = columns_of(rows[::every])
    width = values.shape[1]
    is_table = rows.ndim == 2 and rows.dtype.kind == "f"
    known = list(names) if len(names) == width else [f"column {i}" for i in range(width)]
    edges = np.zeros((width, len(_TENTHS)), dtype=np.float32)
    for column in range(width):
        present = values[:, column][np.isfinite(values[:, column])]
        if len(present):
            edges[column] = np.quantile(present, _TENTHS)
    shares = counts_of(values, edges) / len(values)
    return InputSummary(
        rows=len(values),
        columns=tuple(known) if is_table else ("mean", "share above zero"),
        edges=tuple(tuple(float(f"{edge:.6g}") for edge in row) for row in edges),
        shares=tuple(tuple(round(float(share), 5) for share in row) for row in shares),
    )


def counts_of(values: Floats, edges: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return the number of values of each column in each interval, and of missing values.

    Parameters
    ----------
    values
        ``float32 [rows, columns]``, see `columns_of`.
    edges
        ``[columns, 9]``, ascending.

    Returns
    -------
    numpy.ndarray
        ``int64 [columns, 11]``, the missing ones last.
    """
    bounds = np.asarray(edges, dtype=np.float32)
    place = (values[:, :, None] > bounds[None]).sum(axis=2)
    place[~np.isfinite(values)] = _BINS - 1
    width = len(bounds)
    flat = (place + np.arange(width) * _BINS).ravel()
    return np.bincount(flat, minlength=width * _BINS).reshape(width, _BINS)


def drift(summary: InputSummary, counts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the population stability index of each column, ``float64 [columns]``.

    ``sum((p - q) ln(p / q))`` over the intervals, `p` the shares of `counts` and `q` those
    of the training data. By convention, below 0.1 is no drift and above 0.25 a large one.

    Parameters
    ----------
    summary
        Summary of the training data, see `summarise`.
    counts
        Counts of the inputs compared with it, see `counts_of`.
    """
    expected = np.asarray(summary.shares, dtype=np.float64) * summary.rows
    p, q = (
        (given + _PRIOR) / (given.sum(axis=1, keepdims=True) + _PRIOR * _BINS)
        for given in (counts.astype(np.float64), expected)
    )
    return np.asarray(((p - q) * np.log(p / q)).sum(axis=1))
