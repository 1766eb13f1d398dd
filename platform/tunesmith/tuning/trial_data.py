"""The items a search may see, laid out so that a trial copies none of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.splits import folds

if TYPE_CHECKING:
    # Importing them takes a trial's process half a second, and it needs none.
    from tunesmith.tasks import Task, TaskData

__all__ = ["TrialData", "stretch"]


@dataclass(frozen=True)
class TrialData:
    """The items of train and validation, as every trial of a search reads them.

    The items that a split trains on and those it holds out are slices of a circular array, so that
    the processes of a machine share one copy of the data, however many folds there are.

    Attributes
    ----------
    ring
        All items once, and behind the last as many of the first again as a stretch needs that
        goes beyond it; the test part was left out before.
    held_out
        First item and the one behind the last of what each split holds out, in ascending order; the
        last ends where the items do.
    metric
        Metric that is maximised.
    """

    ring: Examples
    held_out: tuple[tuple[int, int], ...]
    metric: str

    @classmethod
    def of(cls, task: "Task", data: "TaskData", seed: int) -> "TrialData":
        """Return the items of `data` that a search of `task` may see."""
        train = np.flatnonzero(data.parts == "train")
        items = np.concatenate([train, np.flatnonzero(data.parts == "validation")])
        held_out = [(len(train), len(items))]
        if task.folds > 1:
            seen = data.examples
            fold = folds(seen.y[items], seen.groups[items], k=task.folds, seed=seed)
            items = items[np.argsort(fold, kind="stable")]
            bounds = [0, *np.cumsum(np.bincount(fold)).tolist()]
            held_out = list(pairwise(bounds))
            # Training around fold k takes the items behind it and then the folds before it.
            # Behind the last fold there are none.
            items = np.concatenate([items, items[: held_out[-2][0]]])
        ring = data.examples.take(items)
        return cls(ring, tuple(held_out), task.metric)

    @property
    def n_items(self) -> int:
        """Number of items."""
        return self.held_out[-1][1]

    @property
    def development(self) -> Examples:
        """All items, each once."""
        return stretch(self.ring, 0, self.n_items)

    @property
    def held_out_y(self) -> npt.NDArray[np.int64]:
        """Classes of the items that answers are kept of, in the order of the answers.

        The first copies of the items that a split holds out follow the items.
        """
        times = 2 if self.ring.copies else 1
        y = [np.tile(self.ring.y[first:stop], times) for first, stop in self.held_out]
        return np.concatenate(y)

    @property
    def held_out_is_copy(self) -> npt.NDArray[np.bool_]:
        """Tell for each answer to a held-out item whether it is about a copy of it."""
        sizes = [stop - first for first, stop in self.held_out]
        kinds = [False, True] if self.ring.copies else [False]
        return np.concatenate([np.repeat(kinds, size) for size in sizes])

    @property
    def growth(self) -> float:
        """Ratio of the training items of a refit to those of a trial."""
        learned = [self.n_items - (stop - first) for first, stop in self.held_out]
        return self.n_items / float(np.mean(learned))

    def splits(self) -> Iterator[tuple[Examples, Examples]]:
        """Yield (train, validation): one pair, or one a fold; arrays are views, not copies."""
        for first, stop in self.held_out:
            n_learned = self.n_items - (stop - first)
            after = stop % self.n_items
            yield (
                stretch(self.ring, after, after + n_learned),
                stretch(self.ring, first, stop),
            )


def stretch(examples: Examples, first: int, stop: int) -> Examples:
    """Return the items from `first` to before `stop`; arrays are views, not copies.

    Rows must be grouped by item in the items' order, as `Examples.take` leaves them.
    """
    return Examples(
        y=examples.y[first:stop],
        classes=examples.classes,
        groups=examples.groups[first:stop],
        ids=examples.ids[first:stop],
        views=_stretch_of_views(examples.views, first, stop),
        copies=tuple(_stretch_of_views(views, first, stop) for views in examples.copies),
    )


def _stretch_of_views(views: Mapping[str, View], first: int, stop: int) -> dict[str, View]:
    stretches = {}
    for name, view in views.items():
        rows = slice(*np.searchsorted(view.item, [first, stop]))
        stretches[name] = View(view.x[rows], view.item[rows] - first)
    return stretches
