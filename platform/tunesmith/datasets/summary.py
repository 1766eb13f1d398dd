"""What the inputs of a model look like as a whole, and how far others have drifted from that.

A model's card keeps the summary of what it was trained on; a server compares what it is asked
with it. Nothing in a summary tells of a single item: tenths of each column, and how many values
lie between them.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["columns_of", "counts_of", "drift", "summarise"]

Floats = npt.NDArray[np.float32]

_TENTHS = np.linspace(0, 1, 11)[1:-1]
_BINS = len(_TENTHS) + 2  # the ten intervals, and missing values last
_MOST_ROWS = 20_000
# Added to every count: an interval that nothing fell into yet is not an impossible one.
_PRIOR = 0.5


def columns_of(rows: npt.NDArray[Any]) -> Floats:
    """Return the numbers by which rows of an input are compared, ``float32 [rows, columns]``.

    A table of numbers is its own columns. Of anything else (piano rolls, images, words) they are
    the mean of a row and the share of it that is not zero.
    """
    if rows.ndim == 2 and rows.dtype.kind == "f":
        return rows.astype(np.float32, copy=False)
    flat = rows.reshape(len(rows), -1)
    means = flat.mean(axis=1, dtype=np.float64)
    return np.stack([means, np.count_nonzero(flat, axis=1) / flat.shape[1]], 1).astype(np.float32)


def summarise(rows: npt.NDArray[Any], names: Sequence[str] = ()) -> dict[str, Any]:
    """Return what a card holds about one input.

    Parameters
    ----------
    rows
        The input as the model takes it, ``[rows, ...]``; of very many an even sample is taken.
    names
        Names of the columns of a table.

    Returns
    -------
    dict
        ``rows``, how many were looked at; ``columns``, their names; ``edges``, nine tenths of each
        column; ``shares``, which part of the values lies in each of the ten intervals between
        them, and which part is missing.
    """
    every = max(1, -(-len(rows) // _MOST_ROWS))
    values = columns_of(rows[::every])
    width = values.shape[1]
    table = rows.ndim == 2 and rows.dtype.kind == "f"
    known = list(names) if len(names) == width else [f"column {i}" for i in range(width)]
    edges = np.zeros((width, len(_TENTHS)), dtype=np.float32)
    for column in range(width):
        present = values[:, column][np.isfinite(values[:, column])]
        if len(present):
            edges[column] = np.quantile(present, _TENTHS)
    shares = counts_of(values, edges) / len(values)
    return {
        "rows": len(values),
        "columns": known if table else ["mean", "share above zero"],
        "edges": [[float(f"{edge:.6g}") for edge in row] for row in edges],
        "shares": [[round(float(share), 5) for share in row] for row in shares],
    }


def counts_of(values: Floats, edges: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Return how many values of each column lie in each interval, and how many are missing.

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


def drift(summary: Mapping[str, Any], counts: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return the population stability index of each column, ``float64 [columns]``.

    ``sum((p - q) ln(p / q))`` over the intervals, `p` the shares seen and `q` those of the
    training data: by convention below 0.1 nothing to speak of, above 0.25 another population.

    Parameters
    ----------
    summary
        Of the training data, see `summarise`.
    counts
        Of what is compared with it, see `counts_of`.
    """
    expected = np.asarray(summary["shares"], dtype=np.float64) * summary["rows"]
    seen, wanted = (
        (given + _PRIOR) / (given.sum(axis=1, keepdims=True) + _PRIOR * _BINS)
        for given in (counts.astype(np.float64), expected)
    )
    found: npt.NDArray[np.float64] = ((seen - wanted) * np.log(seen / wanted)).sum(axis=1)
    return found
