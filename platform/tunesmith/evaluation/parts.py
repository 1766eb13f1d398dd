"""The items of a run, in the parts of its search."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.runs import Run
from tunesmith.datasets.examples import Examples
from tunesmith.errors import ModelError
from tunesmith.evaluation.table_rows import TableSides

if TYPE_CHECKING:
    import pandas as pd

    from tunesmith.evaluation.music import Pieces
    from tunesmith.tasks import SourceTable, TaskData

__all__ = ["Parts", "load_data", "load_pieces", "parts_of"]


@dataclass(frozen=True)
class Parts:
    """The items of a run, by part of its split.

    Attributes
    ----------
    learned
        Training and validation items, on which the winner was fitted.
    test
        Items that the search never saw.
    counts
        Items of each class by part.
    table
        The table that the items were read from, None where there is none.
    """

    learned: Examples
    test: Examples
    counts: dict[str, dict[str, int]]
    table: TableSides | None = None


def load_data(run: Run) -> "TaskData":
    """Return the data that the run was searched on, as it is today."""
    from tunesmith.tasks import data_of_run

    return data_of_run(run.store, run.facts)


def load_pieces(run: Run, test: Examples) -> "Pieces | None":
    """Return the test pieces of a task on music, None for other tasks."""
    if run.record.kind != "midi":
        return None
    from tunesmith.datasets.reader import open_dataset
    from tunesmith.evaluation.music import Pieces

    data = run.record.dataset
    return Pieces(open_dataset(run.store, data.name, data.version), test.ids)


def parts_of(run: Run, examples: Examples, source: "SourceTable | None" = None) -> Parts:
    """Return examples by part, as the run's ``split.parquet`` says.

    Parameters
    ----------
    run
        The run.
    examples
        Its items.
    source
        The table that they were read from.

    Raises
    ------
    ModelError
        When items of the run are not in the data any more, their classes changed since the search,
        or it has no test part.
    """
    split = run.table("split")
    place = {name: index for index, name in enumerate(examples.ids)}
    missing = [str(name) for name in split["id"] if name not in place]
    if missing:
        message = (
            f"{len(missing):,} of the {len(split):,} items of run {run.run_id} are not in its data "
            f"any more, such as {missing[0]}. The data was changed or removed; tune again."
        )
        raise ModelError(message)
    _require_same_labels(run, split, examples, place)

    def rows(*names: str) -> npt.NDArray[np.int64]:
        ids = split.loc[split["part"].isin(names), "id"]
        return np.array([place[name] for name in ids], dtype=np.int64)

    learned, test = rows("train", "validation"), rows("test")

    sizes = split.groupby(["part", "label"]).size()
    counts = {
        name: {label: int(sizes.get((name, label), 0)) for label in examples.classes}
        for name in ("train", "validation", "test")
    }
    if not len(test):
        message = f"Run {run.run_id} has no test items; tune again with a test part."
        raise ModelError(message)
    table = TableSides(source, examples, learned, test) if source is not None else None
    return Parts(examples.take(learned), examples.take(test), counts, table)


def _require_same_labels(
    run: Run, split: "pd.DataFrame", examples: Examples, place: Mapping[str, int]
) -> None:
    """Refuse data whose classes are not those that the search learned."""
    rows = zip(split["id"], split["label"], strict=True)
    changed = [
        (name, label, now)
        for name, label in rows
        if (now := examples.classes[examples.y[place[name]]]) != label
    ]
    if changed:
        name, label, now = changed[0]
        message = (
            f"The class of {len(changed):,} of the {len(split):,} items of run {run.run_id} "
            f"changed since the search: {name} was {label!r} and is {now!r} now. Tune again, or "
            "restore the data."
        )
        raise ModelError(message)
