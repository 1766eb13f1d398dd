"""The champions a replica answers from: looked for, checked and warmed beside, then swapped.

The store's alias is polled by one thread, so a promotion or a rollback reaches every replica
without a restart and without a request waiting. A bundle that cannot be loaded leaves the former
champion serving.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

from tunesmith.artifacts import layout
from tunesmith.artifacts.cards import Card
from tunesmith.artifacts.preparation import Preparation, TextPreparation
from tunesmith.artifacts.reports import InputSummary
from tunesmith.artifacts.store import Store
from tunesmith.errors import ModelError, StoreUnreachableError
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.model import Model
from tunesmith.registry import aliases, open_bundle
from tunesmith.registry.bundles import MODEL
from tunesmith.serving.answers import Body, ModelReference
from tunesmith.serving.drift import ALARM, Drift
from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.metrics import Metrics
from tunesmith.serving.refusals import Refusals, Stamp

__all__ = ["Champion", "Champions"]

logger = logging.getLogger("tunesmith.serve")

UNREADABLE = -1
"""Takes the place of a refused version where the alias itself cannot be read."""


@dataclass(frozen=True)
class Champion:
    """A loaded model with its card."""

    task: str
    version: int
    model: Model
    card: Card

    @property
    def classifier(self) -> Classifier:
        """The ONNX model."""
        return self.model.classifier

    @property
    def preparation(self) -> Preparation:
        """Rules by which raw items become the model's inputs."""
        return self.model.preparation

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the columns of a prediction."""
        return self.model.classes

    @cached_property
    def drift(self) -> Drift:
        """Drift of recent inputs from the training data."""
        return Drift(
            {name: of for name, of in self.summary.items() if name in self.classifier.inputs}
        )

    @cached_property
    def summary(self) -> dict[str, InputSummary]:
        """Deciles of each column of the training data by input; empty where the card has none."""
        return self.card.summary or {}

    def public_card(self) -> Body:
        """Return the card without its vocabulary, summary and quantiles, which are long."""
        card = self.card.model_copy(update={"preparation": self.public_preparation})
        return card.model_dump(mode="json", exclude={"summary": True, "detector": {"parts"}})

    @property
    def public_preparation(self) -> Preparation:
        """The preparation without its vocabulary, which is long."""
        if isinstance(self.preparation, TextPreparation):
            return self.preparation.model_copy(update={"words": ()})
        return self.preparation

    @cached_property
    def reference(self) -> ModelReference:
        """The `model` member of an answer."""
        return ModelReference(self.task, self.version, self.card.dataset_name)


class Champions:
    """The loaded champions of tasks in the store.

    Parameters
    ----------
    store
        Where the model bundles are.
    reload_s
        Seconds between two looks at the aliases.
    metrics
        Where versions and refusals are shown.
    beside
        Called after every look, for what else is followed in the store.
    only
        The tasks to follow.
    others
        Whether every other task of the store is followed, too.
    challenged
        The tasks whose challenger is followed, too.
    """

    def __init__(
        self,
        store: Store,
        reload_s: float,
        metrics: Metrics,
        beside: Callable[[], None] | None = None,
        *,
        only: Iterable[str],
        others: bool = False,
        challenged: Iterable[str] = (),
    ) -> None:
        self._store = store
        self._reload_s = reload_s
        self._metrics = metrics
        self._beside = beside
        self._only = tuple(only)
        self._others = others
        self._challenged = frozenset(challenged)
        self._loaded: dict[str, Champion] = {}
        self._challengers: dict[str, Champion] = {}
        self._challengers_refused = Refusals()
        self._drifted: dict[str, bool] = {}
        self._refused = Refusals()
        self._unreachable = ""
        self._shown_unreachable: bool | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="champions", daemon=True)

    def start(self) -> None:
        """Load what is there and keep looking for what comes.

        Raises
        ------
        StoreUnreachableError
            When the store cannot be read: a replica that knows no model must not take the place of
            one that does.
        """
        self.refresh()
        if self._unreachable:
            raise StoreUnreachableError(self._unreachable)
        self._thread.start()

    def stop(self) -> None:
        """Stop looking; what is loaded keeps answering."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def check(self) -> None:
        """Raise when promotions are followed no more.

        Raises
        ------
        ModelError
            When the thread has ended.
        """
        if not self._thread.is_alive():
            message = "The thread that follows promotions has ended; the replica must be replaced."
            raise ModelError(message)

    def loaded(self) -> dict[str, Champion]:
        """Return the champions by task."""
        return dict(self._loaded)

    def refused(self) -> dict[str, int]:
        """Return the version of each task that was promoted but could not be loaded."""
        return self._refused.versions()

    def get(self, task: str) -> Champion:
        """Return the champion of a task.

        Raises
        ------
        ProblemError
            ``no-champion`` when none has been promoted, or the first one cannot be loaded;
            ``store-unreachable`` when that cannot be told.
        """
        champion = self._loaded.get(task)
        if champion is None:
            self.check_store()
            if task in self._refused:
                detail = f"The champion of {task!r} cannot be loaded; the server's log says why."
            else:
                detail = (
                    f"No model of {task!r} has been promoted. Run: tunesmith tune {task}, "
                    f"then tunesmith promote {task}."
                )
            raise ProblemError(problems.NO_CHAMPION, detail, {"Retry-After": "10"}, task=task)
        return champion

    def check_store(self) -> None:
        """Tell that the store could not be read at the last look.

        Raises
        ------
        ProblemError
            ``store-unreachable``.
        """
        if self._unreachable:
            detail = "The store of the models cannot be reached; the server's log has the reason."
            raise ProblemError(problems.STORE_UNREACHABLE, detail, {"Retry-After": "10"})

    def find(self, task: str) -> Champion | None:
        """Return the champion of a task, None where none is loaded."""
        return self._loaded.get(task)

    def challenger(self, task: str) -> Champion | None:
        """Return the challenger of a task, None where none is followed or loaded."""
        return self._challengers.get(task)

    def refresh(self) -> None:
        """Look at every alias once and load what changed.

        What is wrong with one task is that task's gap. The store counts as unreachable while
        nothing at all can be read from it.
        """
        tasks, failure = self._tasks()
        failed: dict[str, StoreUnreachableError] = {}
        for task in tasks:
            try:
                self._refresh(task)
                if task in self._challenged:
                    self._refresh_challenger(task)
            except StoreUnreachableError as error:
                failed[task] = failure = error
        reached = len(failed) < len(tasks) or failure is None
        self._show_reach("" if reached else str(failure))
        if reached:
            for task, reason in failed.items():
                self._refuse(task, UNREADABLE, (), reason)
        for champion in tuple(self._loaded.values()):
            self._measure_drift(champion)
        if self._beside is not None:
            self._beside()

    def _show_reach(self, unreachable: str) -> None:
        """Remember, and log once, that the store cannot be reached, or can again."""
        if unreachable and not self._unreachable:
            logger.warning("the loaded models go on answering: %s", unreachable)
        elif self._unreachable and not unreachable:
            logger.info("the store can be reached again")
        if bool(unreachable) is not self._shown_unreachable:
            self._shown_unreachable = bool(unreachable)
            self._metrics.unreachable(bool(unreachable))
        self._unreachable = unreachable

    def _tasks(self) -> tuple[list[str], StoreUnreachableError | None]:
        """Return the tasks to look at, and why those of the store cannot be listed."""
        tasks = dict.fromkeys((*self._only, *self._loaded))
        problem = None
        if self._others:
            try:
                names = self._store.list(*layout.models())
            except StoreUnreachableError as error:
                problem = error
            else:
                tasks |= dict.fromkeys(name for name in sorted(names) if not name.startswith("."))
        return list(tasks), problem

    def _refresh(self, task: str) -> None:
        """Follow the alias `champion`.

        Raises
        ------
        StoreUnreachableError
            When the alias cannot be read for that reason.
        """
        version = UNREADABLE
        stamp: Stamp = ()
        try:
            version = aliases(self._store, task).champion or 0
            current = self._loaded.get(task)
            if not version or (current is not None and current.version == version):
                self._accept(task)
                return
            stamp = self._stamp(task, version)
            if not self._refused.is_due(task, version, stamp):
                return
            champion = self._load(task, version)
        except Exception as error:  # whatever is wrong with one task must not stop the others
            if version == UNREADABLE and isinstance(error, StoreUnreachableError):
                raise
            self._refuse(task, version, stamp, error)
            return
        self._loaded[task] = champion
        self._metrics.champion(task, version)
        self._refused.remove(task)
        self._metrics.refused(task, 0)  # from the first champion on there is a series to watch
        logger.info("champion loaded: task=%s version=%s", task, version)

    def _refuse(self, task: str, version: int, stamp: Stamp, error: Exception) -> None:
        """Leave the former champion serving; alert once."""
        if self._refused.add(task, version, stamp, error):
            self._metrics.refused(task, version)
            logger.error("champion refused: task=%s version=%s", task, version, exc_info=error)

    def _refresh_challenger(self, task: str) -> None:
        """Follow the alias `challenger`; it goes when it has become champion."""
        version = UNREADABLE
        stamp: Stamp = ()
        try:
            version = aliases(self._store, task).challenger or 0
            current = self._challengers.get(task)
            if version == (current.version if current is not None else 0):
                return
            if not version:
                del self._challengers[task]
                self._metrics.challenger(task, 0)
                return
            stamp = self._stamp(task, version)
            if not self._challengers_refused.is_due(task, version, stamp):
                return
            self._challengers[task] = self._load(task, version)
        except Exception as error:  # as above
            if version == UNREADABLE and isinstance(error, StoreUnreachableError):
                raise
            if self._challengers_refused.add(task, version, stamp, error):
                logger.warning("challenger refused: task=%s version=%s %s", task, version, error)
            if self._challengers.pop(task, None) is not None:
                self._metrics.challenger(task, 0)
            return
        self._challengers_refused.remove(task)
        self._metrics.challenger(task, version)
        logger.info("challenger loaded: task=%s version=%s", task, version)

    def _stamp(self, task: str, version: int) -> Stamp:
        """Return what changes when a bundle's files do."""
        files = (layout.CARD, MODEL)
        return tuple(self._store.stamp(*layout.bundle(task, version, file)) for file in files)

    def _load(self, task: str, version: int) -> Champion:
        """Load a version beside what answers, and ask it once."""
        former = (self._loaded.get(task), self._challengers.get(task))
        for one in former:
            if one is not None and one.version == version:
                return one
        bundle = open_bundle(self._store, task, version)
        model = bundle.model()
        model.warm()
        return Champion(task, version, model, bundle.card)

    def _measure_drift(self, champion: Champion) -> None:
        """Show how far the inputs of a champion have drifted; tell once where to."""
        by_column = champion.drift.measure()
        if not by_column:
            return
        shares = sorted(by_column.items(), key=lambda pair: -pair[1])
        largest = shares[0][1]
        self._metrics.drift(champion.task, sum(by_column.values()) / len(by_column), largest)
        drifted = largest > ALARM
        if drifted and not self._drifted.get(champion.task):
            worst = ", ".join(f"{name} {index:.2f}" for name, index in shares[:5])
            logger.warning("inputs have drifted: task=%s %s", champion.task, worst)
        self._drifted[champion.task] = drifted

    def _accept(self, task: str) -> None:
        """Take back the alert about a version that could not be loaded."""
        if self._refused.remove(task):
            self._metrics.refused(task, 0)

    def _poll(self) -> None:
        while not self._stop.wait(self._reload_s):
            try:
                self.refresh()
            except Exception:  # promotions are followed as long as the replica lives
                logger.exception("unexpected: the champions were not all looked at")
