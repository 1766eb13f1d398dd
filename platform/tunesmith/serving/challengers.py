"""The challenger: a share of the askers gets its answers, and some are compared unseen.

Who belongs to that share is decided by a hash of the asker, so the same one always does, and goes
on doing so when the share grows.
"""

import hashlib
import logging
import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from tunesmith.errors import ModelError
from tunesmith.inference.items import Item
from tunesmith.inference.predictions import Prediction
from tunesmith.serving.champions import Champion
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.metrics import Metrics
from tunesmith.serving.predict import judge

__all__ = ["Comparisons", "distance", "is_chosen"]

logger = logging.getLogger("tunesmith.serve")

# More wait for nothing: comparing is a sample, and must not pile up behind a slow challenger.
MOST_WAITING = 4
_PLACES = 2**64


def is_chosen(node: str, asker: str, share: float) -> bool:
    """Return whether a client belongs to the share that the challenger answers."""
    digest = hashlib.sha256(f"{node}\0{asker}".encode()).digest()
    return int.from_bytes(digest[:8]) < share * _PLACES


def distance(one: Prediction, other: Prediction) -> float:
    """Return the total variation distance of two answers: 0 the same, 1 nothing in common."""
    shares = dict.fromkeys((*one.classes, *other.classes), 0.0)
    for sign, judgement in ((1, one), (-1, other)):
        for name, share in zip(judgement.classes, judgement.probabilities.tolist(), strict=True):
            shares[name] += sign * share
    return float(np.abs(list(shares.values())).sum() / 2)


class Comparisons:
    """Asks the other model in the background and counts whether both say the same.

    Parameters
    ----------
    share
        Of the runs of the node that are compared.
    time_s
        Longest time of one comparison.
    metrics
        Where agreement is counted.
    """

    def __init__(self, share: float, time_s: float, metrics: Metrics) -> None:
        self._share = share
        self._time_s = time_s
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._places = threading.BoundedSemaphore(MOST_WAITING)

    def offer(
        self, items: Sequence[Item], judged: Sequence[Prediction | ProblemError], other: Champion
    ) -> None:
        """Perhaps compare what was judged with what another model says; never waits for it."""
        if random.random() >= self._share or not self._places.acquire(blocking=False):  # noqa: S311
            return
        self._pool.submit(self._compare, items, judged, other)

    def _compare(
        self, items: Sequence[Item], judged: Sequence[Prediction | ProblemError], other: Champion
    ) -> None:
        try:
            deadline = Deadline.after(self._time_s, other.task)
            for one, two in zip(judged, judge(items, other, deadline), strict=True):
                if isinstance(one, Prediction) and isinstance(two, Prediction):
                    agreed = _best(one) == _best(two)
                    self._metrics.compared(other.task, agreed, distance(one, two))
        except (ModelError, ProblemError) as error:
            self._metrics.failure(other.task, "comparison")
            logger.warning("%s %s cannot be compared: %s", other.task, other.version, error)
        finally:
            self._places.release()


def _best(judgement: Prediction) -> str:
    return judgement.classes[int(judgement.probabilities.argmax())]
