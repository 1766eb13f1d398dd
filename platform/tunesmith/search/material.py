"""The items a search may see, laid out so that a trial copies none of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.splits import folds
from tunesmith.tasks import Task, TaskData

__all__ = ["Material", "head_and_tail", "material"]


@dataclass(frozen=True)
class Material:
    """Items of the parts train and validation, in this order.

    Attributes
    ----------
    development
        All of them; the test part was left out before.
    n_train
        How many of the first items are the train part.
    metric
        Figure that is maximised.
    fold
        Fold of each item where the task is scored by folds, ``int [items]``.
    keeps_answers
        Whether answers to held-out items are kept, to weigh an ensemble by.
    """

    development: Examples
    n_train: int
    metric: str
    fold: npt.NDArray[np.int64] | None = None
    keeps_answers: bool = False

    @property
    def judged_y(self) -> npt.NDArray[np.int64]:
        """Classes of the items that answers are kept of, in the order of the answers."""
        return np.concatenate([validation.y for _, validation in self.splits()])

    def splits(self) -> Iterator[tuple[Examples, Examples]]:
        """Yield (train, validation): one pair, or one a fold."""
        if self.fold is None:
            yield head_and_tail(self.development, self.n_train)
            return
        for number in range(int(self.fold.max()) + 1):
            held_out = self.fold == number
            yield (
                self.development.take(np.flatnonzero(~held_out)),
                self.development.take(np.flatnonzero(held_out)),
            )


def material(task: Task, data: TaskData, seed: int) -> Material:
    """Return what a search of `task` may see of `data`."""
    train = np.flatnonzero(data.parts == "train")
    validation = np.flatnonzero(data.parts == "validation")
    development = data.examples.take(np.concatenate([train, validation]))
    fold = None
    if task.folds > 1:
        fold = folds(development.y, development.groups, k=task.folds, seed=seed)
    return Material(development, len(train), task.metric, fold, task.ensemble)


def head_and_tail(examples: Examples, n_head: int) -> tuple[Examples, Examples]:
    """Return the first `n_head` items and the rest; arrays are views, not copies.

    Rows must be grouped by item in the items' order, as `Examples.take` leaves them.
    """

    def part(items: slice, first: int) -> Examples:
        views = {}
        for name, view in examples.views.items():
            bounds = np.searchsorted(view.item, [items.start, items.stop])
            rows = slice(*bounds)
            views[name] = View(view.x[rows], view.item[rows] - first)
        return Examples(
            y=examples.y[items],
            classes=examples.classes,
            groups=examples.groups[items],
            ids=examples.ids[items],
            views=views,
        )

    return part(slice(0, n_head), 0), part(slice(n_head, len(examples)), n_head)
