"""The contract of tasks: a `Task` reads the `TaskData` that a `Request` names."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import Preparation
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples
from tunesmith.datasets.others import Others
from tunesmith.datasets.splits import leaked

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "METRICS",
    "PARTS",
    "PIECE_OPTIONS",
    "TABLE_OPTIONS",
    "Reference",
    "Request",
    "SourceTable",
    "Task",
    "TaskData",
]

METRICS = ("accuracy", "balanced_accuracy", "macro_f1")
PARTS = ("train", "validation", "test")
TABLE_OPTIONS = ("csv", "target", "groups", "leave_out", "read_as")
"""Options of a task that can read a table of the user's own instead of its data."""
PIECE_OPTIONS = ("least_pieces", "least_share", "background")
"""Options of a task on a MIDI dataset: which labels have enough pieces, and other datasets."""


@dataclass(frozen=True)
class Request:
    """The data that a user wants; the task chooses what is left open.

    Attributes
    ----------
    dataset, version
        A dataset version of the store, for tasks that read one.
    seed
        Seed of the split, and of data that is generated.
    options
        Options that only some tasks have (`Task.options`), such as the columns of a table of the
        user's own.
    views
        Names of the views that are wanted, where reading all would take long; all by default.
    copies
        Whether copies of the items are wanted too, and items of no class, where the task can make
        any; see `Examples` and `Others`.
    """

    dataset: str | None = None
    version: str | None = None
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    views: tuple[str, ...] | None = None
    copies: bool = False

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Request":
        """Return the request whose `facts` these are; what other versions wrote is left out."""
        known = {name.name for name in fields(cls)}
        return cls(**{name: value for name, value in facts.items() if name in known})

    def facts(self) -> dict[str, Any]:
        """Return the request as JSON; whether copies are read too is not part of it."""
        content = asdict(self)
        del content["copies"]
        return content


@dataclass(frozen=True)
class SourceTable:
    """A table as it was read, in which an evaluation looks for leaks.

    Attributes
    ----------
    frame
        A row for each item, in their order, with every column of the file.
    target
        Column of the classes.
    features
        Columns that are learned from.
    groups
        Columns whose equal values keep rows on one side of a split.
    left_out
        Columns that are not learned from because the user or the task says so.
    group_option, leave_out_option
        Ways to name a column of either kind, with ``{}`` for the column.
    """

    frame: "pd.DataFrame"
    target: str
    features: tuple[str, ...]
    groups: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    group_option: str = "--group {}"
    leave_out_option: str = "--drop {}"


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
        Name of the data and a hash of its content.
    preparation
        How a raw item becomes the model's inputs; None where new items cannot be prepared.
    notes
        Sentences a user should read, such as that a sample was generated.
    is_sample
        Whether the data was generated because the real set is absent.
    held_out
        How the test part was chosen, to follow the words "are the test:".
    grouping
        Which items share a group, in the plural: ``"songs of one artist"``.
    copies
        How the copies of the items were made: ``"played or cut"``; "" where there are none.
    source
        The table that the items were read from; None where there is none.
    others
        Items of no class, for a search to learn what these are like; None where there are none, or
        no copies were asked for.
    """

    examples: Examples
    parts: npt.NDArray[np.str_]
    name: str
    version: str
    preparation: Preparation | None = None
    notes: tuple[str, ...] = ()
    is_sample: bool = False
    held_out: str = "chosen at random, stratified by class"
    grouping: str = "items of one group"
    copies: str = ""
    source: SourceTable | None = None
    others: Others | None = None


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
        Kind of the items: ``midi`` (pieces of a dataset version of the store, which a request
        names), ``table``, ``image``, ``text`` or ``synthetic``. It decides which slices,
        perturbations and pictures a report has.
    families
        Names of the model families it is searched over, the most promising first.
    metric
        One of `METRICS`, an item at a time; what a search maximises.
    unit
        Name of an item, in the singular: ``piece``, ``song``, ``row``.
    read
        Returns the data that a request asks for.
    options
        Names of the options of a request that `read` knows: `TABLE_OPTIONS`, `PIECE_OPTIONS` or
        none. A command refuses or leaves out the others.
    folds
        With 2 or more, a trial is scored by the mean over this many folds of train and validation
        together; otherwise on validation alone.
    reference
        The published figure.
    ensemble
        Whether the best of each family may be put together in one model.
    licence
        Licence of the data, for the card of a model.
    class_groups
        Groups of the classes that a report has metrics for, such as composers by era: from the
        names of the classes to those of each group, by what groups them.
    is_noise_check
        Whether the data is pure noise: a metric above chance then shows a leak, and the gate of
        promotion looks for it.
    """

    name: str
    title: str
    kind: str
    families: tuple[str, ...]
    metric: str
    unit: str
    read: Callable[[Store, Request], TaskData]
    options: tuple[str, ...] = ()
    folds: int = 0
    reference: Reference | None = None
    ensemble: bool = False
    licence: str = "not stated by the source of the data"
    class_groups: Callable[[Sequence[str]], Mapping[str, Mapping[str, Sequence[str]]]] | None = None
    is_noise_check: bool = False

    def load(
        self, store: Store, dataset: str | None = None, version: str | None = None, seed: int = 0
    ) -> Examples:
        """Return all items of the task; see `read` for the parts."""
        return self.read(store, Request(dataset, version, seed)).examples

    def protocol(self, data: TaskData) -> str:
        """Return how `data` was split and how trials are scored on it, in words.

        The numbers are counted in the data, so that the sentence cannot say something else than
        was done.
        """
        examples, parts = data.examples, data.parts
        n_test = int((parts == "test").sum())
        share = n_test / len(examples)
        test = f"{n_test:,} of {len(examples):,} {self.unit}s ({share:.0%}) are the test"
        clauses = [f"{test}: {data.held_out}"]
        n_groups = len(np.unique(examples.groups))
        if n_shared := leaked(parts, examples.groups):
            clauses.append(f"{n_shared:,} of them share a group with {self.unit}s of another part")
        elif n_groups < len(examples):
            clauses.append(f"{data.grouping} stay on one side of a split ({n_groups:,} groups)")
        n_others = len(examples) - n_test
        if self.folds > 1:
            scored = f"the mean of {self.folds} folds of the other {n_others:,}"
        else:
            scored = f"measured on {int((parts == 'validation').sum()):,} of the others"
        both = f", as they are and {data.copies}, in equal parts" if data.copies else ""
        clauses.append(f"the score of a trial is {scored}{both}")
        return "; ".join(clauses)
