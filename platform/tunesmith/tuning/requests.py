"""A request for a search, and the options it is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tunesmith.artifacts.manifest import check_name
from tunesmith.errors import UsageError
from tunesmith.models import family_names, get_family
from tunesmith.tasks import Request, get_task, task_names

__all__ = ["SearchOptions", "SearchRequest", "datasets_by_task", "search_requests", "views_of"]

_TRIALS = 12


@dataclass(frozen=True)
class SearchRequest:
    """A search of one task; one that cannot be carried out cannot be made.

    Attributes
    ----------
    task
        Name of the task.
    data
        The data to read.
    families
        Names to search over; by default the task's own, without a GPU less those that need one.
    trials
        Trials the search is to hold in the end; by default 12, or those of the search that it
        continues.
    seed
        Fixes sampler, folds, initial weights and order; by default 0, or that of the search that it
        continues.
    resume
        Continue a search of this task that did not finish, with its own plan: the one of this name,
        or True for the only one.
    extend
        Begin with all trials of the task's latest run, on the same data.
    retry_failed
        Run the trials that failed again; with `resume` or `extend` alone.

    Raises
    ------
    UsageError
        When the task, a family or the number of trials makes no sense.
    """

    task: str
    data: Request = field(default_factory=Request)
    families: tuple[str, ...] | None = None
    trials: int | None = None
    seed: int | None = None
    resume: bool | str = False
    extend: bool = False
    retry_failed: bool = False

    @property
    def n_trials(self) -> int:
        """Trials of a new search."""
        return _TRIALS if self.trials is None else self.trials

    def __post_init__(self) -> None:
        task = get_task(self.task)
        views = views_of(task.families)
        for name in self.families or ():
            # A family of the user's own stands in no list, but reads a view that the task has.
            if missing := views_of([name]) - views:
                able = ", ".join(other for other in family_names() if views_of([other]) <= views)
                message = (
                    f"The family {name} reads {' and '.join(sorted(missing))}, which the task "
                    f"{task.name} does not have. Families for it: {able}."
                )
                raise UsageError(message)
        if self.n_trials < 1:
            message = f"A search needs at least one trial, not {self.trials}."
            raise UsageError(message)
        if self.resume and self.extend:
            message = "Resume finishes a search, extend adds to a finished one: choose one of them."
            raise UsageError(message)
        if self.retry_failed and not (self.resume or self.extend):
            message = "Failed trials are tried again in a search that is resumed or extended."
            raise UsageError(message)
        if self.data.dataset is not None:
            check_name(self.data.dataset)


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
    background
        Other datasets, for tasks on MIDI: music of no class, to tell such music from that of the
        classes.
    csv, target, group, drop, read_as
        A table of the user's own: its file, its column of classes, columns whose equal values keep
        rows on one side of a split, columns that are not features, and how the texts of columns
        are read, by column.
    trials
        Trials a task; 12 by default.
    families
        Families to search over; the task's own by default.
    seed
        Fixes split, sampler and weights; 0 by default.
    resume, extend
        Finish a search that was interrupted, the only one or that of a name; add to the latest run.
    retry_failed
        Run the trials that failed again, with either of them.
    """

    dataset: Mapping[str, str] = field(default_factory=dict)
    version: str | None = None
    least_pieces: int | None = None
    least_share: float | None = None
    background: Sequence[str] = ()
    csv: str | None = None
    target: str | None = None
    group: Sequence[str] = ()
    drop: Sequence[str] = ()
    read_as: Mapping[str, str] = field(default_factory=dict)
    trials: int | None = None
    families: Sequence[str] | None = None
    seed: int | None = None
    resume: bool | str = False
    extend: bool = False
    retry_failed: bool = False


def views_of(families: Sequence[str]) -> set[str]:
    """Return the views that families read."""
    return {view for name in families for view in get_family(name).views}


def datasets_by_task(values: Sequence[str]) -> dict[str, str]:
    """Return dataset names by task from ``NAME`` and ``TASK=NAME``; the key "" is for the rest."""
    pairs = (value.partition("=") for value in values)
    return {task if equals else "": name if equals else task for task, equals, name in pairs}


def search_requests(tasks: Sequence[str], options: SearchOptions) -> list[SearchRequest]:
    """Return a request for each task.

    Raises
    ------
    UsageError
        When a task does not exist, a table is given to a task that reads none, or a single search
        is named for several tasks.
    """
    if isinstance(options.resume, str) and len(tasks) > 1:
        message = f"The search {options.resume} is of one task: resume each task by itself."
        raise UsageError(message)
    given = {
        "csv": options.csv,
        "target": options.target,
        "groups": list(options.group) or None,
        "leave_out": list(options.drop) or None,
        "read_as": dict(options.read_as) or None,
        "least_pieces": options.least_pieces,
        "least_share": options.least_share,
        "background": list(options.background) or None,
    }
    if options.csv and not all("csv" in get_task(name).options for name in tasks):
        able = [name for name in task_names() if "csv" in get_task(name).options]
        message = f"--csv is for tasks that can read a table of your own: {' or '.join(able)}."
        raise UsageError(message)
    if options.background and not all("background" in get_task(name).options for name in tasks):
        able = [name for name in task_names() if "background" in get_task(name).options]
        message = f"--background is for tasks on music: {', '.join(able)}."
        raise UsageError(message)
    requests = []
    for name in tasks:
        task = get_task(name)
        chosen = {
            key: value for key, value in given.items() if key in task.options and value is not None
        }
        of_all = options.dataset.get("")
        dataset = options.dataset.get(name, of_all) if task.kind == "midi" else None
        version = options.version if dataset else None
        requests.append(
            SearchRequest(
                task=name,
                data=Request(dataset, version, options.seed or 0, chosen),
                families=tuple(options.families) if options.families else None,
                trials=options.trials,
                seed=options.seed,
                resume=options.resume,
                extend=options.extend,
                retry_failed=options.retry_failed,
            )
        )
    return requests
