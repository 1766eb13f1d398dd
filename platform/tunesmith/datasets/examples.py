"""Labelled items seen through named views: what tasks give and model families take."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.errors import DatasetError, unknown

__all__ = ["Examples", "JoinedRows", "View", "aggregate", "joined_name", "names_of_views"]

_JOIN = "+"


def names_of_views(view: str) -> tuple[str, ...]:
    """Return the names of the views that a name stands for: ``"features+ngrams"`` for two."""
    return tuple(view.split(_JOIN))


def joined_name(views: Sequence[str]) -> str:
    """Return the name that stands for all of `views`."""
    return _JOIN.join(views)


@dataclass(frozen=True)
class JoinedRows:
    """Rows of several views, side by side.

    Attributes
    ----------
    arrays
        ``[rows, ...]`` of each view, by its name.
    """

    arrays: Mapping[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))

    def __getitem__(self, rows: Any) -> "JoinedRows":
        return JoinedRows({name: x[rows] for name, x in self.arrays.items()})


@dataclass(frozen=True)
class View:
    """One representation of the items: rows of input, each belonging to one item.

    Attributes
    ----------
    x
        The rows, an array ``[rows, ...]`` or a list of `rows` arrays of different lengths.
    item
        The index of each row's item, ``int [rows]``. Many rows may share an item
        (the chunks of a piece); an item may have none.
    """

    x: Any
    item: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        item = np.asarray(self.item, dtype=np.int64)
        if item.ndim != 1 or len(self.x) != len(item):
            msg = f"A view needs one item index per row: {len(self.x)} rows, indices {item.shape}."
            raise DatasetError(msg)
        object.__setattr__(self, "item", item)

    @classmethod
    def one_row_each(cls, x: Any) -> "View":
        """Return the view in which row ``i`` is item ``i``."""
        return cls(x, np.arange(len(x), dtype=np.int64))

    def __len__(self) -> int:
        return len(self.item)

    def take(self, items: npt.ArrayLike) -> "View":
        """Return the rows of `items`, renumbered 0, 1, … in the order given.

        Parameters
        ----------
        items
            Item indices, ``int [n]``. An index may repeat: its rows are then repeated too.

        Returns
        -------
        View
            Rows grouped by item, in their former order inside each item.
        """
        wanted = np.asarray(items, dtype=np.int64)
        order = np.argsort(self.item, kind="stable")
        first = np.searchsorted(self.item[order], wanted, side="left")
        count = np.searchsorted(self.item[order], wanted, side="right") - first
        item = np.repeat(np.arange(len(wanted), dtype=np.int64), count)
        within = np.arange(len(item)) - np.repeat(np.cumsum(count) - count, count)
        rows = order[np.repeat(first, count) + within]
        x = self.x[rows] if isinstance(self.x, np.ndarray) else [self.x[row] for row in rows]
        return View(x, item)


@dataclass(frozen=True)
class Examples:
    """Labelled items and their views.

    Attributes
    ----------
    y
        Class of each item, an index into `classes`, ``int [items]``.
    classes
        Names of the classes.
    groups
        Group of each item, ``int [items]``. A split keeps a group on one side.
    ids
        Stable name of each item.
    views
        The views by name, such as ``"chunks"`` or ``"features"``.
    copies
        The same views of copies of the items that were made in another way, such as by a player
        instead of note by note. The first has every view of which there are copies.
    """

    y: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    groups: npt.NDArray[np.int64]
    ids: Sequence[str]
    views: Mapping[str, View]
    copies: tuple[Mapping[str, View], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "y", np.asarray(self.y, dtype=np.int64))
        object.__setattr__(self, "groups", np.asarray(self.groups, dtype=np.int64))
        object.__setattr__(self, "classes", tuple(self.classes))
        n_items = len(self.y)
        if not (len(self.groups) == len(self.ids) == n_items):
            msg = f"{n_items} classes, {len(self.groups)} groups and {len(self.ids)} ids differ."
            raise DatasetError(msg)
        if n_items and not (self.y.min() >= 0 and self.y.max() < len(self.classes)):
            msg = f"Class indices must lie in 0..{len(self.classes) - 1}."
            raise DatasetError(msg)
        every = [views.items() for views in (self.views, *self.copies)]
        for name, view in (pair for pairs in every for pair in pairs):
            if len(view) and not (view.item.min() >= 0 and view.item.max() < n_items):
                msg = f"View {name!r} points outside of the {n_items} items."
                raise DatasetError(msg)

    def __len__(self) -> int:
        return len(self.y)

    def view(self, name: str) -> View:
        """Return the view called `name`.

        Names joined by ``+``, such as ``"features+ngrams"``, give one view whose rows are the
        `JoinedRows` of all of them.

        Raises
        ------
        UsageError
            When there is none; the message lists the views that exist.
        DatasetError
            When joined views have no row for each other's.
        """
        names = names_of_views(name)
        for wanted in names:
            if wanted not in self.views:
                kind = "view"
                raise unknown(kind, wanted, self.views)
        if len(names) == 1:
            return self.views[name]
        views = {wanted: self.views[wanted] for wanted in names}
        item = views[names[0]].item
        if not all(np.array_equal(view.item, item) for view in views.values()):
            message = f"The views {', '.join(names)} have different rows and cannot be joined."
            raise DatasetError(message)
        return View(JoinedRows({wanted: np.asarray(v.x) for wanted, v in views.items()}), item)

    def take(self, indices: npt.ArrayLike) -> "Examples":
        """Return the items at `indices` (``int [n]``, may repeat) and their rows in every view."""
        wanted = np.asarray(indices, dtype=np.int64)
        views, *copies = (
            {name: view.take(wanted) for name, view in views.items()}
            for views in (self.views, *self.copies)
        )
        return Examples(
            y=self.y[wanted],
            classes=self.classes,
            groups=self.groups[wanted],
            ids=[self.ids[index] for index in wanted],
            views=views,
            copies=tuple(copies),
        )

    def with_copies(self, name: str) -> "Examples":
        """Return the items with the rows of all copies beside their own in the view `name`.

        This is what a model learns from. Names may be joined as in `view`; then copies count that
        have all of these views. Without copies the items are returned as they are.
        """
        names = names_of_views(name)
        copies = [views for views in self.copies if all(wanted in views for wanted in names)]
        if not copies:
            return self
        joined = {}
        for wanted in names:
            views = [self.view(wanted), *(copy[wanted] for copy in copies)]
            item = np.concatenate([view.item for view in views])
            joined[wanted] = View(np.concatenate([np.asarray(view.x) for view in views]), item)
        return replace(self, views={**self.views, **joined}, copies=())

    def as_copied(self) -> "Examples | None":
        """Return the first copies as the items, None where there are none."""
        if not self.copies:
            return None
        return replace(self, views=self.copies[0], copies=())


def aggregate(
    probabilities: npt.ArrayLike, item: npt.ArrayLike, n_items: int
) -> npt.NDArray[np.float64]:
    """Return each item's mean probabilities over its rows.

    Parameters
    ----------
    probabilities
        ``float [rows, classes]``.
    item
        Item index of each row, ``int [rows]``.
    n_items
        Number of items.

    Returns
    -------
    numpy.ndarray
        ``float64 [n_items, classes]``. An item without rows gets the uniform
        distribution.
    """
    rows = np.asarray(probabilities, dtype=np.float64)
    index = np.asarray(item, dtype=np.int64)
    n_classes = rows.shape[1]
    total = np.zeros((n_items, n_classes))
    np.add.at(total, index, rows)
    count = np.bincount(index, minlength=n_items)
    total[count == 0] = 1.0 / n_classes
    return np.asarray(total / np.maximum(count, 1)[:, None])
