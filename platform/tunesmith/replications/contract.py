"""Interface of a replication."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.store import Store

__all__ = [
    "CUT_DOWN",
    "QUICK",
    "Effort",
    "Measurement",
    "Replication",
    "Result",
    "Row",
    "Setting",
]

Result = dict[str, Any]
"""Figures of a measurement, as JSON."""

CUT_DOWN = "CUT DOWN"
"""Stands before the parts of a study's training that were left out."""


@dataclass(frozen=True)
class Effort:
    """Share of the training of a study that is run.

    Attributes
    ----------
    rows
        At most this many rows to learn from, and as many to be judged on; None for all.
    epochs_share
        Share of the study's epochs.
    """

    rows: int | None = None
    epochs_share: float = 1.0

    @property
    def is_full(self) -> bool:
        """True if nothing is cut."""
        return self.rows is None and self.epochs_share >= 1

    def covers(self, other: "Effort") -> bool:
        """Return whether results with this effort are valid for `other` too."""
        enough = self.rows is None or (other.rows is not None and self.rows >= other.rows)
        return enough and self.epochs_share >= other.epochs_share

    def epochs(self, full: int) -> int:
        """Return how many of `full` epochs are run, at least one."""
        return max(1, math.ceil(full * self.epochs_share - 1e-9))

    def some(self, rows: npt.NDArray[Any], seed: int = 0) -> npt.NDArray[Any]:
        """Return `rows`, or as many of them as are allowed, in their order."""
        if self.rows is None or len(rows) <= self.rows:
            return rows
        chosen = np.random.default_rng(seed).choice(len(rows), self.rows, replace=False)
        return rows[np.sort(chosen)]


QUICK = Effort(rows=1000, epochs_share=0.1)
"""Effort of a quick first run."""


@dataclass(frozen=True)
class Setting:
    """Data and effort of a replication.

    Attributes
    ----------
    store
        Store with the datasets of studies on MIDI.
    effort
        Share of the training that is done.
    datasets
        Dataset of the store by task, in place of `Replication.dataset`.
    threads
        Cores of a training.
    """

    store: Store
    effort: Effort = field(default_factory=Effort)
    datasets: Mapping[str, str] = field(default_factory=dict)
    threads: int = 1


@dataclass(frozen=True)
class Measurement:
    """One training, or a few small ones, with its judgement.

    Attributes
    ----------
    key
        Name inside the replication, also of its record.
    title
        What is measured, for the line of progress.
    about
        Everything that decides the figures but data and effort; a record about something else is
        measured again.
    run
        Does it.
    cost_s
        Rough seconds on one core, to tell the time left.
    """

    key: str
    title: str
    about: Mapping[str, Any]
    run: Callable[[Setting], Result]
    cost_s: float = 10.0


@dataclass(frozen=True)
class Row:
    """A line of the table.

    Attributes
    ----------
    protocol
        Protocol of the study.
    published
        Its figure.
    same
        Ours with the study's own setting by its protocol, None where it was not measured.
    better
        Ours with a better model by the same protocol, and which.
    difference
        What lies between that and an honest figure.
    ran
        Share of the study's training that was run, in words.
    honest
        An honest figure of this line's own: ``value``, ``low``, ``high`` and ``text``; without one
        the newest evaluation of the task stands here.
    metric
        Which figure of that evaluation.
    """

    protocol: str
    published: float
    same: float | None = None
    better: tuple[float, str] | None = None
    difference: str = ""
    ran: str = ""
    honest: Mapping[str, Any] | None = None
    metric: str = "accuracy"


@dataclass(frozen=True)
class Replication:
    """A published study, run again.

    Attributes
    ----------
    name
        Name that users type.
    title
        One line for people, with the year of the study.
    task
        The task whose evaluation is the honest metric beside it.
    missing
        Returns what to do to get the data, None where it is there.
    version
        Returns a version of the data, which changes when the data does.
    measurements
        The measurements, the most important first.
    rows
        Returns the lines of the table from the results so far, by key of measurement.
    dataset
        Name that its dataset in the store has by default, for studies on MIDI.
    """

    name: str
    title: str
    task: str
    missing: Callable[[Setting], str | None]
    version: Callable[[Setting], str]
    measurements: Sequence[Measurement]
    rows: Callable[[Mapping[str, Result]], list[Row]]
    dataset: str | None = None

    @property
    def cost_s(self) -> float:
        """Rough seconds of all measurements on one core."""
        return sum(measurement.cost_s for measurement in self.measurements)
