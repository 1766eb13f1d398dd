"""The contract of model families: a `Family` trains a `Fitted` model one `Step` at a time."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples, names_of_views

if TYPE_CHECKING:
    import optuna

__all__ = [
    "Family",
    "Fitted",
    "Params",
    "Probabilities",
    "Resources",
    "SingleStepFamily",
    "Step",
    "class_weights",
]

Probabilities = npt.NDArray[np.float32]
Params = Mapping[str, Any]
"""Settings of a family: names, as its space suggests them, to values that JSON can hold."""


@dataclass(frozen=True)
class Resources:
    """Resources that one trial of a family needs.

    Attributes
    ----------
    cpus
        Cores; training uses no more threads than this.
    gpu_fraction
        Share of one GPU where the cluster has any, 0 for families that cannot use one.
    memory_bytes
        Memory the trial's process is expected to need.
    """

    cpus: int = 1
    gpu_fraction: float = 0.0
    memory_bytes: int = 500_000_000


class Fitted(ABC):
    """A trained model.

    Attributes
    ----------
    views
        Names of the views it reads, which are the names of its ONNX inputs.
    classes
        Names of the classes, in the order of its output columns.
    """

    views: tuple[str, ...]
    classes: tuple[str, ...]

    @abstractmethod
    def predict_proba(self, x: Any) -> Probabilities:
        """Return class probabilities, ``float32 [rows, classes]``, of a view's rows."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the trained model into `folder` without pickle; `Family.load` reads it back."""

    @abstractmethod
    def export_onnx(self, path: Path) -> None:
        """Write an ONNX graph from a view's raw rows to ``probabilities``.

        Raises
        ------
        ModelError
            When the model cannot be expressed as ONNX.
        """


@dataclass(frozen=True)
class Step:
    """The state of a training after one step.

    Attributes
    ----------
    step
        1, 2, …
    model
        The model as it is now. The next step may change it in place.
    metrics
        Metrics of the training itself, such as ``loss``.
    """

    step: int
    model: Fitted
    metrics: Mapping[str, float] = field(default_factory=dict)


class Family(ABC):
    """One kind of model and the space of its settings.

    Settings are flat mappings of names to JSON values. `default` holds values for the names that
    `space` suggests, so that a search can begin with them.

    Attributes
    ----------
    name
        Name that users type.
    view
        Name of the view that the model reads; the names of several are joined by ``+``, and their
        rows come as `tunesmith.datasets.examples.JoinedRows`.
    resources
        Resources of one trial.
    max_steps
        Longest training, in steps.
    patience
        A search stops a trial whose score did not rise for this many steps.
    step_unit
        Name of a step: ``"epoch"``, ``"50 rounds"``.
    rows_per_step
        Where a step is a part of an epoch: rows that it learns from.
    is_slow_without_gpu
        Whether a search leaves it out where there is no GPU, unless it is asked for by name.
    """

    name: str
    view: str
    resources: Resources = Resources()
    max_steps: int = 1
    patience: int = 5
    step_unit: str = "fit"
    rows_per_step: int | None = None
    is_slow_without_gpu: bool = False

    @property
    def views(self) -> tuple[str, ...]:
        """Names of all views that the model reads."""
        return names_of_views(self.view)

    @abstractmethod
    def space(self, trial: "optuna.Trial") -> Params:
        """Suggest settings, define-by-run: a setting that has no meaning is not suggested."""

    @abstractmethod
    def default(self) -> Params:
        """Return settings that are good before anything was searched."""

    @abstractmethod
    def fit(
        self,
        params: Params,
        train: Examples,
        *,
        seed: int,
        max_steps: int | None = None,
        threads: int = 1,
    ) -> Iterator[Step]:
        """Train, yielding after every step.

        Parameters
        ----------
        params
            Settings as `space` returns them.
        train
            Items to learn from; only the view `view` is read. Items may have several rows in it:
            their own, and those of their copies.
        seed
            Fixes initial weights, order and augmentation.
        max_steps
            Length that schedules are laid out for; `Family.max_steps` by default. Stopping earlier
            is the caller's choice.
        threads
            Upper limit of threads.

        Yields
        ------
        Step
            One a step, at most `max_steps`.
        """

    @abstractmethod
    def load(self, folder: Path) -> Fitted:
        """Return the model that `Fitted.save` wrote into `folder`."""


class SingleStepFamily(Family):
    """A family whose training has no steps, such as a linear model: it is fitted at once."""

    max_steps = 1

    @abstractmethod
    def fit_once(self, params: Params, train: Examples, *, seed: int, threads: int = 1) -> Fitted:
        """Return the trained model; the arguments are those of `Family.fit`."""

    def fit(
        self,
        params: Params,
        train: Examples,
        *,
        seed: int,
        max_steps: int | None = None,
        threads: int = 1,
    ) -> Iterator[Step]:
        """Yield the one step."""
        del max_steps
        yield Step(1, self.fit_once(params, train, seed=seed, threads=threads))


def class_weights(
    y: npt.NDArray[np.int64],
    n_classes: int,
    balance: float,
    item: npt.NDArray[np.int64] | None = None,
    by_item: float = 0.0,
) -> npt.NDArray[np.float32]:
    """Return a weight for every row that evens out classes, and items of many rows.

    Parameters
    ----------
    y
        Class of each row, ``int [rows]``.
    n_classes
        Number of classes.
    balance
        0 leaves classes as they are, 1 gives every class the same total weight.
    item
        Item of each row, ``int [rows]``; without it every row is one of its own.
    by_item
        0 counts rows, so long pieces count most; 1 gives every item the same total weight.

    Returns
    -------
    numpy.ndarray
        ``float32 [rows]`` with mean 1.
    """
    weight: npt.NDArray[Any] = np.ones(len(y))
    if item is not None and by_item:
        weight = 1.0 / np.bincount(item)[item] ** by_item
    total = np.maximum(np.bincount(y, weights=weight, minlength=n_classes), 1e-9)
    weight = weight * (total.sum() / total[y]) ** balance
    return np.asarray(weight / weight.mean(), dtype=np.float32)
