"""From the options of a search to what is searched, a request a task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tunesmith.errors import UsageError
from tunesmith.tasks import Request, get_task, task_names
from tunesmith.tuning.session import Ask

__all__ = ["SearchOptions", "asks_for", "datasets_by_task"]


@dataclass(frozen=True)
class SearchOptions:
    """Options of a search, as the command line and the Python API take them.

    Attributes
    ----------
    dataset
        Dataset by task, for tasks on MIDI; the key "" is for every other task.
    version
        Version of the dataset; the latest by default.
    least_pieces, least_share
        Labels with fewer pieces, or a smaller share of all chunks, are left out.
    csv, target, group, drop
        A table of the user's own: its file, its column of classes, columns whose equal values keep
        rows on one side of a split, and columns that are not features.
    trials
        Trials a task.
    families
        Families to search over; the task's own by default.
    seed
        Fixes split, sampler and weights.
    resume, extend
        Finish the search that was interrupted; add to the latest run.
    """

    dataset: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None
    least_pieces: int | None = None
    least_share: float | None = None
    csv: str | None = None
    target: str | None = None
    group: Sequence[str] = ()
    drop: Sequence[str] = ()
    trials: int = 12
    families: Sequence[str] | None = None
    seed: int = 0
    resume: bool = False
    extend: bool = False


def datasets_by_task(values: Sequence[str]) -> dict[str, str]:
    """Return dataset names by task from ``NAME`` and ``TASK=NAME``; the key "" is for the rest."""
    pairs = (value.partition("=") for value in values)
    return {task if equals else "": name if equals else task for task, equals, name in pairs}


def asks_for(tasks: Sequence[str], options: SearchOptions) -> list[Ask]:
    """Return what to search, one for each task.

    Raises
    ------
    UsageError
        When a task does not exist, or a table is given to a task that reads none.
    """
    given = {
        "csv": options.csv,
        "target": options.target,
        "groups": list(options.group) or None,
        "leave_out": list(options.drop) or None,
        "least_pieces": options.least_pieces,
        "least_share": options.least_share,
    }
    if options.csv and not all("csv" in get_task(name).options for name in tasks):
        able = [name for name in task_names() if "csv" in get_task(name).options]
        message = f"--csv is for tasks that can read a table of your own: {' or '.join(able)}."
        raise UsageError(message)
    asks = []
    for name in tasks:
        task = get_task(name)
        chosen = {
            key: value for key, value in given.items() if key in task.options and value is not None
        }
        of_all = options.dataset.get("")
        dataset = options.dataset.get(name, of_all) if task.kind == "midi" else None
        version = options.version if dataset else None
        asks.append(
            Ask(
                task=name,
                request=Request(dataset, version, options.seed, chosen),
                families=tuple(options.families) if options.families else None,
                trials=options.trials,
                seed=options.seed,
                resume=options.resume,
                extend=options.extend,
            )
        )
    return asks
