"""The plan of a search and the data it reads; nothing is written here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tunesmith.artifacts.open_set import OPEN_SET_VIEW
from tunesmith.artifacts.searches import DataRequest, DatasetReference, Plan
from tunesmith.artifacts.store import Store
from tunesmith.datasets.text_ngrams import VIEW as TEXT_NGRAMS
from tunesmith.errors import SearchError
from tunesmith.models import get_family
from tunesmith.tasks import Request, Task, TaskData, get_task
from tunesmith.tuning import run_artifact
from tunesmith.tuning.requests import SearchRequest, views_of

__all__ = ["PlannedSearch", "plan_search", "read_data"]


@dataclass(frozen=True)
class PlannedSearch:
    """A search that can begin.

    Attributes
    ----------
    task
        The task.
    plan
        The content of ``plan.json``.
    data
        The task's data, as the plan asks for it.
    retry_failed
        Whether the trials that failed run again.
    """

    task: Task
    plan: Plan
    data: TaskData
    retry_failed: bool = False


def plan_search(
    store: Store,
    request: SearchRequest,
    begun: Plan | None,
    cluster: Mapping[str, float],
    *,
    copies: bool = True,
) -> PlannedSearch:
    """Read the data of a search and plan it.

    Parameters
    ----------
    store
        The store of data and runs; nothing is written.
    request
        The request.
    begun
        The plan of the search that it continues or extends; see `begun_plan`.
    cluster
        Resources of the cluster by name.
    copies
        Whether the copies that models also learn from are made; a preview does not need them.

    Raises
    ------
    SearchError
        When the data changed since the search began, or a family cannot read it.
    """
    task = get_task(request.task)
    if begun is None:
        families = request.families or _suited(task, cluster)
        data = read_data(task, store, request.data, families, copies=copies)
        able, notes = _readable(families, data, is_chosen=bool(request.families))
        data = replace(data, notes=(*data.notes, *notes))
        return PlannedSearch(task, _new_plan(task, request, able, data), data)
    wanted = Request.of(begun.request.model_dump())
    data = read_data(task, store, wanted, begun.families, copies=copies)
    if begun.dataset.version != data.version:
        message = (
            f"The data of {task.name} is version {data.version} now, the search began on "
            f"{begun.dataset.version}. Start a new search."
        )
        raise SearchError(message)
    return PlannedSearch(task, begun, data, request.retry_failed)


def read_data(
    task: Task, store: Store, request: Request, families: Sequence[str], *, copies: bool
) -> TaskData:
    """Return the data that is asked for, of its views those that the families read."""
    # A detector of items of no class reads features, whatever the families read.
    views = tuple(sorted(views_of(families) | {OPEN_SET_VIEW}))
    return task.read(store, replace(request, views=views, copies=copies))


def _suited(task: Task, cluster: Mapping[str, float]) -> tuple[str, ...]:
    """Return the task's families, on a cluster without a GPU less those that need one."""
    if cluster.get("GPU", 0):
        return task.families
    return tuple(name for name in task.families if not get_family(name).is_slow_without_gpu)


def _readable(
    families: Sequence[str], data: TaskData, *, is_chosen: bool
) -> tuple[tuple[str, ...], list[str]]:
    """Return the families that can read the data, and a note on each other one.

    A table may be without a column of texts, say.

    Raises
    ------
    SearchError
        When a family that the user chose reads what the data does not have, or none is left.
    """
    able, notes = [], []
    for name in families:
        lacks = views_of([name]) - set(data.examples.views)
        if not lacks:
            able.append(name)
            continue
        note = (
            f"The family {name} reads {' and '.join(sorted(lacks))}, which the data does not have"
        )
        if TEXT_NGRAMS in lacks:
            note += "; a column of texts is read so with --read-as COLUMN=ngrams"
        notes.append(f"{note}.")
    if notes and (is_chosen or not able):
        raise SearchError(" ".join(notes))
    return tuple(able), notes


def _new_plan(
    task: Task, request: SearchRequest, families: tuple[str, ...], data: TaskData
) -> Plan:
    run_id = run_artifact.new_run_id()
    wanted = DataRequest.model_validate(request.data.facts())
    if task.kind == "midi":
        # The version that is the latest today, so that a resumed search reads the same.
        wanted = wanted.model_copy(update={"dataset": data.name, "version": data.version})
        if data.others is not None and "background" in wanted.options:
            sources = [exposure.source for exposure in data.others.exposures]
            own = f"{data.name}@{data.version}"
            background = [source for source in sources if "@" in source and source != own]
            options = {**wanted.options, "background": background}
            wanted = wanted.model_copy(update={"options": options})
    return Plan(
        run_id=run_id,
        study=f"{task.name}/{run_id}",
        task=task.name,
        metric=task.metric,
        request=wanted,
        families=families,
        trials=request.n_trials,
        seed=request.seed or 0,
        created=run_artifact.now(),
        dataset=DatasetReference(name=data.name, version=data.version, is_sample=data.is_sample),
    )
