"""What every task promises."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples

__all__ = ["METRICS", "PARTS", "Reference", "Request", "Task", "TaskData"]

METRICS = ("accuracy", "balanced_accuracy", "macro_f1")
PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Request:
    """Which data a user asked for; what is left open is the task's own choice.

    Attributes
    ----------
    dataset, version
        A dataset version of the store, for tasks that read one.
    seed
        Seed of the split, and of data that is generated.
    options
        What only some tasks know, such as the columns of a user's own table.
    views
        Names of the views that are wanted, where reading all would take long; by default those that
        items are judged by, without those that are only learned from.
    """

    dataset: str | None = None
    version: str | None = None
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    views: tuple[str, ...] | None = None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Request":
        """Return the request whose `facts` these are; what other versions wrote is left out."""
        known = {name.name for name in fields(cls)}
        return cls(**{name: value for name, value in facts.items() if name in known})

    def facts(self) -> dict[str, Any]:
        """Return the request as JSON."""
        return asdict(self)


@dataclass(frozen=True)
class TaskData:
    """The data of a task, split by its honest protocol.

    Attributes
    ----------
    examples
        All items.
    parts
        ``train``, ``validation`` or ``test`` for each item; a search never sees the last.
    name, version
        What the data is called and a hash of its content.
    parameters
        What a reader of new input must know: frames a second, names of features.
    notes
        Sentences a user should read, such as that a sample was generated.
    is_sample
        Whether the data was generated because the real set is absent.
    """

    examples: Examples
    parts: npt.NDArray[np.str_]
    name: str
    version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    is_sample: bool = False


@dataclass(frozen=True)
class Reference:
    """A published figure to be measured against.

    Attributes
    ----------
    text
        Whose figure, and by which protocol.
    value
        The figure, a share of 1.
    family, params
        The study's own setting, where a family can express it: the first trial of a search.
    is_costly
        Whether that setting is too slow to begin with where there is no GPU.
    """

    text: str
    value: float
    family: str | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    is_costly: bool = False


@dataclass(frozen=True)
class Task:
    """One thing to classify.

    Attributes
    ----------
    name
        What users type.
    title
        One line for people.
    kind
        ``midi``, ``table``, ``image``, ``text`` or ``synthetic``.
    families
        Names of the model families it is searched over, the most promising first.
    metric
        One of `METRICS`, an item at a time; what a search maximises.
    unit
        What an item is: ``piece``, ``song``, ``row``.
    protocol
        How test items are kept apart, in a sentence.
    read
        Returns the data that a request asks for.
    folds
        With 2 or more, a trial is scored by the mean over this many folds of train and validation
        together; otherwise on validation alone.
    reference
        The published figure.
    ensemble
        Whether the best of each family may be put together in one model.
    licence
        Of the data, for the card of a model.
    """

    name: str
    title: str
    kind: str
    families: tuple[str, ...]
    metric: str
    unit: str
    protocol: str
    read: Callable[[Store, Request], TaskData]
    folds: int = 0
    reference: Reference | None = None
    ensemble: bool = False
    licence: str = "not stated by the source of the data"

    def load(
        self, store: Store, dataset: str | None = None, version: str | None = None, seed: int = 0
    ) -> Examples:
        """Return all items of the task; see `read` for the parts."""
        return self.read(store, Request(dataset, version, seed)).examples
