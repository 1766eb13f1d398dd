"""The search of the public API, and the part of it that the command line shares."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from tunesmith.api.extras import needs
from tunesmith.api.progress import Progress, silent
from tunesmith.api.results import Run
from tunesmith.api.stores import AnyStore, open_store
from tunesmith.api.tasks import Plugins, family_name, task_of, using_plugins
from tunesmith.artifacts import runs
from tunesmith.artifacts.runs import open_run
from tunesmith.artifacts.store import Store
from tunesmith.cluster import connection
from tunesmith.errors import UsageError
from tunesmith.models import Family, get_family
from tunesmith.tasks import Task

if TYPE_CHECKING:
    from tunesmith.tuning import SearchOptions

__all__ = ["run_search", "tune"]

# The largest that NumPy, scikit-learn and Keras take.
_LARGEST_SEED = 2**32 - 1


class _Options(TypedDict, total=False):
    """Options of `tune`; each is described there."""

    dataset: str | Mapping[str, str] | None
    version: str | None
    least_pieces: int | None
    least_share: float | None
    background: str | Sequence[str]
    csv: str | Path | None
    target: str | None
    group: str | Sequence[str]
    drop: str | Sequence[str]
    read_as: Mapping[str, str]
    preset: str | None
    trials: int | None
    time_budget: str | float | None
    families: str | Sequence[str | Family] | None
    seed: int | None
    max_failed: int | None
    resume: bool | str | None
    extend: bool
    retry_failed: bool
    mlflow: bool
    cpus: int | None
    dashboard: bool
    address: str | None
    plugin: Plugins
    store: AnyStore | None
    progress: Progress


@overload
def tune(task: str | Task, **options: Unpack[_Options]) -> Run: ...


@overload
def tune(
    task: list[str | Task] | list[str] | tuple[str | Task, ...], **options: Unpack[_Options]
) -> list[Run]: ...


@needs("tunesmith.tune", "train")
def tune(
    task: Any,
    *,
    dataset: str | Mapping[str, str] | None = None,
    version: str | None = None,
    least_pieces: int | None = None,
    least_share: float | None = None,
    background: str | Sequence[str] = (),
    csv: str | Path | None = None,
    target: str | None = None,
    group: str | Sequence[str] = (),
    drop: str | Sequence[str] = (),
    read_as: Mapping[str, str] | tuple[()] = (),
    preset: str | None = None,
    trials: int | None = None,
    time_budget: str | float | None = None,
    families: str | Sequence[str | Family] | None = None,
    seed: int | None = None,
    max_failed: int | None = None,
    resume: bool | str | None = None,
    extend: bool = False,
    retry_failed: bool = False,
    mlflow: bool = True,
    cpus: int | None = None,
    dashboard: bool = False,
    address: str | None = None,
    plugin: Plugins = (),
    store: AnyStore | None = None,
    progress: Progress = silent,
) -> Run | list[Run]:
    """Search a task over model families and their settings, and publish the winner as a run.

    Parameters
    ----------
    task
        Name of a task or a `tunesmith.Task`; or a list of them, to be searched at once on one
        cluster.
    dataset
        Dataset of the store, for tasks on MIDI; with several tasks a mapping from task to dataset.
    version
        Version of the dataset; the latest by default.
    least_pieces, least_share
        Labels with fewer pieces, or a smaller share of all chunks, are left out.
    background
        Other datasets of the store, for tasks on MIDI: music of no class, from which the model
        learns when to answer that a piece is none of these.
    csv, target, group, drop, read_as
        For tasks on tables a table of your own: its file (CSV, TSV, Parquet, Arrow, Excel or JSON
        lines), its column of classes, columns whose equal values keep rows on one side of a split,
        columns to ignore, and by column how its texts are read where that is not plain: ``"comma"``
        (1.234,5), ``"point"`` (1,234.5), ``"day-first"``, ``"month-first"``, ``"text"``
        (kinds), ``"words"``, or ``"ngrams"`` (words and how they are written), as a column of
        `group` may be too.
    preset
        How much a search may cost where `trials` or `time_budget` do not say it: ``"fast"`` (3
        minutes a task, 6 trials), ``"good"`` (15, 12) or ``"best"`` (60, 60). A new search without
        any of the three is a good one.
    trials
        Number of trials, those of a search that is continued included; 12 by default.
    time_budget
        Stop after this time, refits included: seconds, or text such as ``"15m"``.
    families
        Families to search over: names, `tunesmith.Family` objects, or text with commas between
        names; the task's own by default.
    seed
        Fixes the split, the sampler and initial weights; 0 by default.
    max_failed
        Give up after more failed trials than this.
    resume
        Finish a search of this task that was interrupted: the name of its run, or True for the only
        one. Other options that differ from what it began with are refused.
    extend
        Add to the latest run until it has `trials` trials.
    retry_failed
        Run the trials that failed again, with `resume` or `extend`.
    mlflow
        Write a run of MLflow for every trial, to ``MLFLOW_TRACKING_URI`` or a file of the store.
    cpus, dashboard
        Cores to use and whether Ray's dashboard runs, if Ray starts here.
    address
        Ray cluster to join; by default the one that ``RAY_ADDRESS`` names, else Ray starts on this
        machine and stays until the program ends or calls ``ray.shutdown()``.
    plugin
        Python or YAML files with tasks or families of your own.
    store
        A folder, URI or store; see `open_store`.
    progress
        Called with each line of progress, such as ``print``; silent by default.

    Returns
    -------
    Run
        The published run; a list of them for a list of tasks.

    Raises
    ------
    UsageError
        When a task, family, dataset or option does not exist or makes no sense.
    SearchError
        When no trial of a task ended with a score.

    Examples
    --------
    >>> import tunesmith
    >>> tunesmith.tune("composer", dataset="mine", trials=20)  # doctest: +SKIP
    Run('composer', '20260301-101500-3f2a', family='boosting', macro_f1=0.871)
    """
    from tunesmith.cli.command import parse_duration

    began = time.monotonic()
    _check(trials=trials, seed=seed)
    budget_s = None if time_budget is None else parse_duration(str(time_budget))
    opened = open_store(store)
    several = isinstance(task, list | tuple)
    with using_plugins(plugin):
        names = [task_of(given).name for given in (task if several else [task])]
        chosen = families.split(",") if isinstance(families, str) else families or ()
        searched = tuple(get_family(family_name(family)).name for family in chosen)
        from tunesmith.tuning import SearchOptions, with_preset

        options = SearchOptions(
            dataset={"": dataset} if isinstance(dataset, str) else dict(dataset or {}),
            version=version,
            least_pieces=least_pieces,
            least_share=least_share,
            background=[background] if isinstance(background, str) else list(background),
            csv=None if csv is None else str(csv),
            target=target,
            group=[group] if isinstance(group, str) else list(group),
            drop=[drop] if isinstance(drop, str) else list(drop),
            read_as=dict(read_as),
            trials=trials,
            families=searched or None,
            seed=seed,
            resume=resume or False,
            extend=extend,
            retry_failed=retry_failed,
        )
        options, budget_s = with_preset(preset, options, budget_s, len(names))
        cluster = connection.connect(address, include_dashboard=dashboard, num_cpus=cpus)
        run_search(
            opened,
            names,
            options,
            cluster=cluster,
            time_budget_s=budget_s,
            began=began,
            max_failed=max_failed,
            track=mlflow,
            say=progress,
        )
    published = [Run(open_run(opened, name)) for name in names]
    return published if several else published[0]


def run_search(
    store: Store,
    names: Sequence[str],
    options: "SearchOptions",
    *,
    cluster: Mapping[str, float],
    time_budget_s: float | None,
    began: float,
    max_failed: int | None,
    track: bool,
    say: Progress,
) -> "list[runs.Run]":
    """Search tasks on the cluster that is connected, and note where it shows itself.

    Returns
    -------
    list of Run
        The published run of each task.
    """
    from tunesmith.artifacts import layout
    from tunesmith.artifacts.searches import ClusterRecord
    from tunesmith.tuning import search, search_requests

    requests = search_requests(names, options)
    ClusterRecord.model_validate(connection.endpoints()).write(store, *layout.CLUSTER)
    return search(
        store,
        requests,
        cluster=cluster,
        time_budget_s=time_budget_s,
        began=began,
        max_failed=max_failed,
        track=track,
        say=say,
    )


def _check(*, trials: Any, seed: Any) -> None:
    if trials is not None and (not _is_whole(trials) or trials < 1):
        message = f"trials is {trials!r}; it must be a whole number, at least 1."
        raise UsageError(message)
    if seed is not None and (not _is_whole(seed) or not 0 <= seed <= _LARGEST_SEED):
        message = f"seed is {seed!r}; it must be a whole number from 0 to {_LARGEST_SEED}."
        raise UsageError(message)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
