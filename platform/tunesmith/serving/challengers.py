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
from dataclasses import dataclass

import numpy as np

from tunesmith.errors import ModelError
from tunesmith.inference.items import Item
from tunesmith.inference.predictions import Prediction
from tunesmith.serving.champions import Champion
from tunesmith.serving.contests import Contests
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.metrics import Metrics
from tunesmith.serving.predict import judge

__all__ = ["Comparisons", "Judged", "best", "distance", "is_chosen"]

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


@dataclass(frozen=True)
class Judged:
    """Items that one of two models answered.

    Attributes
    ----------
    items, predictions
        The items, and the answer about each.
    champion, challenger
        The two models.
    by_challenger
        Which of them answered.
    model_s
        Its processor time in seconds.
    """

    items: Sequence[Item]
    predictions: Sequence[Prediction | ProblemError]
    champion: Champion
    challenger: Champion
    by_challenger: bool
    model_s: float

    @property
    def other(self) -> Champion:
        """The model that did not answer."""
        return self.champion if self.by_challenger else self.challenger


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
    contests
        Where failures and times of the two models are counted.
    """

    def __init__(
        self, share: float, time_s: float, metrics: Metrics, contests: Contests | None = None
    ) -> None:
        self._contests = contests
        self._share = share
        self._time_s = time_s
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="shadow")
        self._places = threading.BoundedSemaphore(MOST_WAITING)

    def offer(self, judged: Judged, *, is_late: bool = False) -> None:
        """Perhaps compare an answer with that of the other model; never waits for it.

        An answer that is late is always compared where a contest is decided by itself: the model
        may be too slow to answer anything in time.
        """
        is_decided = self._contests is not None and self._contests.is_decided(judged.champion.task)
        if not (is_late and is_decided) and random.random() >= self._share:  # noqa: S311
            return
        if self._places.acquire(blocking=False):
            self._pool.submit(self._compare, judged)

    def _compare(self, judged: Judged) -> None:
        other = judged.other
        try:
            deadline = Deadline.after(self._time_s, other.task)
            predictions, model_s = judge(judged.items, other, deadline)
        except (ModelError, ProblemError) as error:
            self._metrics.failure(other.task, "comparison")
            logger.warning("%s %s cannot be compared: %s", other.task, other.version, error)
            if self._contests is not None:
                self._contests.failed(
                    judged.champion, judged.challenger, is_challenger=not judged.by_challenger
                )
            return
        finally:
            self._places.release()
        for one, two in zip(judged.predictions, predictions, strict=True):
            if isinstance(one, Prediction) and isinstance(two, Prediction):
                self._metrics.compared(other.task, best(one) == best(two), distance(one, two))
        if self._contests is not None:
            times = (judged.model_s, model_s)
            champion_s, challenger_s = reversed(times) if judged.by_challenger else times
            self._contests.timed(judged.champion, judged.challenger, champion_s, challenger_s)


def best(prediction: Prediction) -> str:
    """Return the most probable class."""
    return prediction.classes[int(prediction.probabilities.argmax())]
