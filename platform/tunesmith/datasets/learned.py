"""Music of the datasets that models learned from, recognised in whatever key and tempo."""

import threading

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.store import Store
from tunesmith.datasets.index import SimilarityIndex, SimilarPiece, has_index, match_of
from tunesmith.datasets.reader import Dataset, open_named
from tunesmith.errors import UsageError

__all__ = ["LearnedMusic", "same_music"]

_COMPARED_NOTES = 400
"""Notes of a piece that are looked for: half a minute of music names it."""
_MOST_OPEN = 4


def same_music(index: SimilarityIndex, notes: npt.NDArray[np.void]) -> SimilarPiece | None:
    """Return the piece of an index that is the same music, None where there is none.

    Parameters
    ----------
    index
        The index.
    notes
        `NOTE_DTYPE` [notes] of a piece.
    """
    return match_of(index.find(notes[:_COMPARED_NOTES], limit=1))


class LearnedMusic:
    """Recognises pieces of the datasets that models of a store learned from.

    The index of a dataset is opened when it is first asked for, and stays open beside a few others:
    promotions bring new versions for as long as a server runs. Versions without an index are not
    searched.

    Parameters
    ----------
    store
        The store of the datasets.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._indexes: dict[str, SimilarityIndex] = {}
        self._lock = threading.Lock()

    def label(self, dataset: str, notes: npt.NDArray[np.void]) -> str | None:
        """Return the label of the piece that is the same music, None where there is none.

        Parameters
        ----------
        dataset
            Its name and version as ``NAME@VERSION``.
        notes
            `NOTE_DTYPE` [notes] of a piece.

        Raises
        ------
        StoreError
            When the store cannot be read.
        DatasetError
            When the index is damaged.
        """
        index = self._index(dataset)
        piece = None if index is None else same_music(index, notes)
        return None if piece is None else piece.label

    def _index(self, name: str) -> SimilarityIndex | None:
        with self._lock:
            if name not in self._indexes:
                dataset = self._indexed(name)
                if dataset is None:
                    return None
                if len(self._indexes) == _MOST_OPEN:
                    self._indexes.pop(next(iter(self._indexes)))
                self._indexes[name] = SimilarityIndex(dataset)
            return self._indexes[name]

    def _indexed(self, name: str) -> Dataset | None:
        try:
            dataset = open_named(self._store, name)
        except UsageError:
            return None
        return dataset if has_index(dataset) else None
