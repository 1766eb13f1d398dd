"""The dataset whose pieces POST /v1/similar finds, and its index.

The dataset is chosen by the thread that follows promotions. Its index is opened for the first
request, so that a server without such requests holds none, and from then on beside the old one.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.store import Store
from tunesmith.datasets.index import SimilarityIndex, SimilarPiece, has_index, match_of
from tunesmith.datasets.learned import LearnedMusic
from tunesmith.datasets.reader import Dataset, open_named
from tunesmith.errors import DatasetError, StoreError, StoreUnreachableError, UsageError
from tunesmith.inference.pieces import Piece
from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.settings import SimilarSettings

__all__ = ["KnownPieces", "Nearest"]

logger = logging.getLogger("tunesmith.serve")

LOOK_S = 30.0
"""Seconds between two looks for a dataset that may appear, vanish or get another version."""


@dataclass(frozen=True)
class Nearest:
    """Pieces of a dataset that have the most of a piece of music, the nearest first."""

    dataset: str
    version: str
    pieces: Sequence[SimilarPiece]

    @property
    def match(self) -> SimilarPiece | None:
        """The nearest piece where it is the same music."""
        return match_of(self.pieces)


class KnownPieces:
    """Finds the piece of a dataset that is the same music.

    Parameters
    ----------
    store
        The store with the dataset.
    settings
        Which dataset.
    learned_from
        Returns the data that the served models of music learned from, as ``NAME@VERSION``, the
        first node's first.
    """

    def __init__(
        self, store: Store, settings: SimilarSettings, learned_from: Callable[[], Sequence[str]]
    ) -> None:
        self._store = store
        self._settings = settings
        self._learned_from = learned_from
        self._names: Sequence[str] = ()
        self._look_at = 0.0
        self._dataset: Dataset | None = None
        self._open: tuple[Dataset, SimilarityIndex] | None = None
        self._problem: ProblemError | None = None
        self._lock = threading.Lock()
        self._learned = LearnedMusic(store)
        self._learned_at = 0.0

    @property
    def dataset(self) -> str | None:
        """Name and version of the dataset, None where there is none to search."""
        chosen = self._dataset
        return None if chosen is None else f"{chosen.name}@{chosen.version}"

    def refresh(self) -> None:
        """Choose the dataset again, where another model answers or some time is over."""
        if not self._settings.enabled:
            return
        named = self._settings.dataset
        names = tuple(self._learned_from()) if named is None else (named,)
        if names == self._names and time.monotonic() < self._look_at:
            return
        opened = None
        try:
            chosen, problem = self._choose(names)
            if chosen is not None and self._open is not None and not _same(chosen, self._open[0]):
                opened = (chosen, _open(chosen))  # beside the old one: no request waits
        except ProblemError as error:
            if error.kind is problems.STORE_UNREACHABLE:
                if self._dataset is None:
                    self._problem = error
                return
            chosen, problem = None, error
        self._names, self._look_at = names, time.monotonic() + LOOK_S
        if problem is not None and self._problem is None:
            logger.info("/v1/similar: %s", problem.detail)
        with self._lock:
            self._dataset, self._problem = chosen, problem
            if chosen is None or self._open is None or not _same(chosen, self._open[0]):
                self._open = opened

    def _choose(self, names: Sequence[str]) -> tuple[Dataset | None, ProblemError | None]:
        """Return the first dataset that has an index, or why there is none."""
        if not names:
            text = "No model that reads music has been promoted, and no dataset is named."
            return None, _no_index(text)
        faults = []
        for name in names:
            try:
                return self._indexed(name), None
            except ProblemError as problem:
                if problem.kind is problems.STORE_UNREACHABLE:
                    raise
                faults.append(problem.detail)
        return None, _no_index(" ".join(faults))

    def _indexed(self, name: str) -> Dataset:
        """Return a dataset of the store that has an index."""
        with _store_problems(name):
            try:
                dataset = open_named(self._store, name)
            except UsageError:
                text = f"The dataset {name} is not in the store of this server."
                raise _no_index(text) from None
            if has_index(dataset):
                return dataset
        text = f"The dataset {name} has no index of its music."
        raise _no_index(text)

    def nearest(self, notes: npt.NDArray[np.void], limit: int) -> Nearest:
        """Return the pieces that have the most of the music.

        Parameters
        ----------
        notes
            `NOTE_DTYPE` [notes] of a piece or an excerpt.
        limit
            Most pieces to return.

        Raises
        ------
        ProblemError
            ``no-index`` or ``store-unreachable``.
        """
        dataset, index = self._opened()
        return Nearest(dataset.name, dataset.version, index.find(notes, limit))

    def label(self, dataset: str, piece: Piece) -> str | None:
        """Return the label of the piece of a dataset that is the same music, None where none is.

        None too where no music may be looked for, or the dataset cannot be read.

        Parameters
        ----------
        dataset
            Data that a served model learned from, as ``NAME@VERSION``.
        piece
            A piece.
        """
        if not self._settings.enabled or time.monotonic() < self._learned_at:
            return None
        try:
            return self._learned.label(dataset, piece.score.notes)
        except (StoreError, DatasetError, OSError) as error:
            logger.warning("dataset %s: %s", dataset, error)
            self._learned_at = time.monotonic() + LOOK_S  # no request waits for the same fault
            return None

    def _opened(self) -> tuple[Dataset, SimilarityIndex]:
        with self._lock:
            if self._dataset is None:
                raise (self._problem or _no_index("The server has just started.")).copy()
            if self._open is None:
                self._open = (self._dataset, _open(self._dataset))
            return self._open


def _open(dataset: Dataset) -> SimilarityIndex:
    """Open the index of a dataset.

    Raises
    ------
    ProblemError
        ``no-index`` or ``store-unreachable``.
    """
    with _store_problems(f"{dataset.name}@{dataset.version}"):
        return SimilarityIndex(dataset)


@contextmanager
def _store_problems(name: str) -> Iterator[None]:
    """Log what is wrong with a dataset in the store, and raise it as a problem."""
    try:
        yield
    except StoreUnreachableError as error:
        logger.warning("/v1/similar: %s", error)
        text = "The store of the datasets cannot be reached; the server's log has the reason."
        retry = {"Retry-After": "10"}
        raise ProblemError(problems.STORE_UNREACHABLE, text, retry) from error
    except (StoreError, DatasetError, OSError) as error:
        logger.warning("/v1/similar: %s", error)
        text = f"The dataset {name} cannot be read; the server's log has the reason."
        raise _no_index(text) from error


def _same(one: Dataset, other: Dataset) -> bool:
    return (one.name, one.version) == (other.name, other.version)


def _no_index(detail: str) -> ProblemError:
    return ProblemError(problems.NO_INDEX, detail, {"Retry-After": "30"})
