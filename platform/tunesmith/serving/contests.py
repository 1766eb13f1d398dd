"""Observations of a replica about the challengers that are tried, and the decisions about them.

Observations are counted in memory and written every few seconds to a file of this replica's own.
The replica that finds the evidence of all replicas sufficient moves the alias; the registry lets
one of several do so.
"""

import logging
import threading
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from tunesmith.artifacts import layout
from tunesmith.artifacts.cards import read_aliases
from tunesmith.artifacts.store import Store
from tunesmith.errors import PromotionError, StoreError
from tunesmith.registry.contests import Contest, Evidence, Observations, decide
from tunesmith.serving.champions import Champion
from tunesmith.serving.metrics import Metrics
from tunesmith.serving.settings import DecisionSettings

__all__ = ["Contests"]

logger = logging.getLogger("tunesmith.serve")

LOOK_S = 10.0
"""Seconds between two looks at the evidence of all replicas."""
_DIGITS = 16
"""Digits of an item's hash that are kept: 64 bits tell the items of a contest apart."""
_MOST_LABELS = 100_000
"""Labelled items of a replica beyond which it counts no more; bounds memory."""
_LEAST_TIMED_S = 1e-5
"""Shorter runs are below what the clock can tell apart."""


@dataclass
class _Own:
    """Observations of this replica about one contest."""

    versions: tuple[int, int]
    labels: dict[str, bool] = field(default_factory=dict)
    failures: list[int] = field(default_factory=lambda: [0, 0])
    times: list[int] = field(default_factory=lambda: [0, 0])
    record: int | None = None
    is_new: bool = False

    def document(self) -> Observations:
        return Observations(
            labels=dict(self.labels),
            failures=(self.failures[0], self.failures[1]),
            times=(self.times[0], self.times[1]),
        )


class Contests:
    """Observes contests, and decides them.

    Parameters
    ----------
    store
        Where the evidence and the aliases are.
    rules
        The rule of each task whose challenger is promoted or withdrawn by itself.
    metrics
        Where the evidence is shown.
    """

    def __init__(
        self, store: Store, rules: Mapping[str, DecisionSettings], metrics: Metrics
    ) -> None:
        self._store = store
        self._rules = rules
        self._metrics = metrics
        self._name = f"{uuid.uuid4().hex}.json"
        self._own: dict[str, _Own] = {}
        self._lock = threading.Lock()
        self._look_at = 0.0
        self._trouble: dict[str, str] = {}

    def is_decided(self, task: str) -> bool:
        """Return whether a task's challenger is promoted or withdrawn by itself."""
        return task in self._rules

    def labelled(
        self,
        champion: Champion,
        challenger: Champion,
        item: str,
        *,
        is_champion_right: bool,
        is_challenger_right: bool,
    ) -> bool:
        """Count an item with a known label, by its hash; return whether it was counted.

        One on which both models are right, or both wrong, does not tell them apart.
        """
        own = self._of(champion, challenger)
        if own is None or is_champion_right == is_challenger_right:
            return False
        item = item[:_DIGITS]
        with self._lock:
            if item in own.labels or len(own.labels) >= _MOST_LABELS:
                return False
            own.labels[item] = is_challenger_right
            own.is_new = True
        return True

    def failed(self, champion: Champion, challenger: Champion, *, is_challenger: bool) -> None:
        """Count a run in which one of the models failed and the other did not."""
        own = self._of(champion, challenger)
        if own is not None:
            with self._lock:
                own.failures[int(is_challenger)] += 1
                own.is_new = True

    def timed(
        self, champion: Champion, challenger: Champion, champion_s: float, challenger_s: float
    ) -> None:
        """Count a run of both models over the same items, by the processor time of each."""
        own = self._of(champion, challenger)
        rule = self._rules.get(champion.task)
        if own is None or rule is None or rule.slower_at_most is None:
            return
        is_slow = challenger_s > rule.slower_at_most * max(champion_s, _LEAST_TIMED_S)
        with self._lock:
            own.times[int(is_slow)] += 1
            own.is_new = True

    def _of(self, champion: Champion, challenger: Champion) -> _Own | None:
        if champion.task not in self._rules:
            return None
        versions = (champion.version, challenger.version)
        with self._lock:
            own = self._own.get(champion.task)
            if own is None or own.versions != versions:
                own = self._own[champion.task] = _Own(versions)
            return own

    def refresh(self) -> None:
        """Write what is new, and decide what can be decided; called every few seconds."""
        if not self._rules or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_S
        for task in self._rules:
            try:
                self._look(task)
            except PromotionError as error:
                logger.info("contest of %s: %s", task, error)  # another replica was faster
                self._trouble.pop(task, None)
            except StoreError as error:
                if self._trouble.get(task) != str(error):  # once, not every ten seconds
                    logger.warning("the contest of %s cannot be judged now: %s", task, error)
                self._trouble[task] = str(error)
            else:
                self._trouble.pop(task, None)

    def _look(self, task: str) -> None:
        contest = Contest(task, read_aliases(self._store, task))
        if not contest.since.champion or not contest.since.challenger:
            return
        self._write(contest)
        evidence = contest.pooled(self._store)
        self._show(task, evidence)
        decision = decide(evidence, self._rules[task].alpha)
        if decision is not None:
            record = contest.settle(self._store, decision)
            logger.warning("challenger of %s: %s: %s", task, record.action, record.reason)

    def _write(self, contest: Contest) -> None:
        """Write what this replica saw of the contest, where there is something new."""
        with self._lock:
            own = self._own.get(contest.task)
            if own is None or own.versions != (contest.since.champion, contest.since.challenger):
                return
            if own.record is not None and own.record != contest.since.record:
                # The same two models once more: a contest of its own, from the beginning.
                del self._own[contest.task]
                return
            own.record = contest.since.record
            if not own.is_new:
                return
            document, own.is_new = own.document(), False
        try:
            document.write(self._store, *layout.contest(contest.task, contest.key, self._name))
        except StoreError:
            own.is_new = True
            raise

    def _show(self, task: str, evidence: Evidence) -> None:
        for about, signs in (
            ("labels", evidence.labels),
            ("failures", evidence.failures),
            ("times", evidence.times),
        ):
            self._metrics.evidence(task, about, signs.wins, signs.losses)
