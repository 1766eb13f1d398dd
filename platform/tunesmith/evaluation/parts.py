"""The items of a run, in the parts of its search."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.artifacts.runs import Run
from tunesmith.datasets.examples import Examples
from tunesmith.errors import ModelError

if TYPE_CHECKING:
    from tunesmith.evaluation.music import Pieces

__all__ = ["Parts", "load_examples", "load_pieces", "parts_of"]


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
    """

    learned: Examples
    test: Examples
    counts: dict[str, dict[str, int]]


def load_examples(run: Run) -> Examples:
    """Return the examples that the run was searched on."""
    from tunesmith.tasks import load_for_run

    return load_for_run(run.store, run.facts)


def load_pieces(run: Run, test: Examples) -> "Pieces | None":
    """Return the test pieces of a task on music, None for other tasks."""
    if run.facts.get("kind") != "midi":
        return None
    from tunesmith.datasets.reader import open_dataset
    from tunesmith.evaluation.music import Pieces

    data = run.facts["dataset"]
    return Pieces(open_dataset(run.store, data["name"], data["version"]), test.ids)


def parts_of(run: Run, examples: Examples) -> Parts:
    """Return examples by part, as the run's ``split.parquet`` says.

    Raises
    ------
    ModelError
        When items of the run are not in the data any more, or it has no test part.
    """
    split = run.table("split")
    place = {name: index for index, name in enumerate(examples.ids)}
    missing = [str(name) for name in split["id"] if name not in place]
    if missing:
        message = (
            f"{len(missing)} items of run {run.run_id} are not in its data, such as {missing[0]}. "
            "The dataset version was changed or removed; tune again."
        )
        raise ModelError(message)

    def part(*names: str) -> Examples:
        return examples.take([place[i] for i in split.loc[split["part"].isin(names), "id"]])

    table = split.groupby(["part", "label"]).size()
    counts = {
        name: {label: int(table.get((name, label), 0)) for label in examples.classes}
        for name in ("train", "validation", "test")
    }
    parts = Parts(part("train", "validation"), part("test"), counts)
    if not len(parts.test):
        message = f"Run {run.run_id} has no test items; tune again with a test part."
        raise ModelError(message)
    return parts
