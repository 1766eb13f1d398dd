"""Drift: the distance of recent inputs of a model from its training data."""

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import InputSummary
from tunesmith.datasets.summary import columns_of, counts_of, drift

__all__ = ["ALARM", "Drift"]

ALARM = 0.25
"""Population stability index from which on a column counts as another population."""

# Between two looks so many requests are kept, and so many rows of each: a sample is enough.
_REQUESTS, _ROWS = 64, 8
# With fewer rows chance alone drifts; of more, older ones fade.
_LEAST_ROWS, _MOST_ROWS = 300, 3000


class Drift:
    """Compares the rows that a model is asked with the summary on its card.

    `observe` belongs to requests and costs next to nothing; `measure` to the thread that looks
    after the champions.

    Parameters
    ----------
    summary
        By input, as `tunesmith.datasets.summary.summarise` made it; empty where the card has none.
    """

    def __init__(self, summary: Mapping[str, InputSummary]) -> None:
        self._summary = summary
        self._edges = {name: np.asarray(of.edges, np.float32) for name, of in summary.items()}
        self._counts: dict[str, npt.NDArray[np.float64]] = {}
        self._seen: deque[tuple[str, npt.NDArray[np.float32]]] = deque()

    def observe(self, name: str, rows: npt.NDArray[Any]) -> None:
        """Take note of rows of an input; of many requests between two looks only the first."""
        if name in self._summary and len(self._seen) < _REQUESTS:
            self._seen.append((name, columns_of(rows[:_ROWS])))

    def measure(self) -> dict[str, float]:
        """Return the population stability index by column; nothing before enough was seen."""
        while self._seen:
            name, values = self._seen.popleft()
            edges = self._edges[name]
            if values.shape[1] != len(edges):
                continue
            counts = self._counts.get(name, 0) + counts_of(values, edges).astype(np.float64)
            rows = counts[0].sum()
            self._counts[name] = counts * min(1.0, _MOST_ROWS / rows)
        indices: dict[str, float] = {}
        for name, counts in self._counts.items():
            if counts[0].sum() >= _LEAST_ROWS:
                of = self._summary[name]
                columns = (f"{name}: {column}" for column in of.columns)
                indices |= zip(columns, drift(of, counts).tolist(), strict=True)
        return indices
