"""One task's part of a search: its plan, its data, its study; begun, continued or extended."""

import math
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from optuna.trial import TrialState

from tunesmith.artifacts import layout
from tunesmith.artifacts.manifest import check_name
from tunesmith.artifacts.runs import latest_run_id
from tunesmith.artifacts.searches import (
    DataRequest,
    DatasetReference,
    Plan,
    RunPointer,
    TrialResult,
    mend,
    read_history,
    unfinished_plan,
)
from tunesmith.artifacts.store import Staging, Store
from tunesmith.errors import SearchError, UsageError
from tunesmith.models import family_names, get_family
from tunesmith.tasks import Request, Task, TaskData, get_task
from tunesmith.tuning import run_artifact
from tunesmith.tuning.optuna_search import Space, StudySearch, starting_points
from tunesmith.tuning.progress import Progress
from tunesmith.tuning.scheduler import resolve
from tunesmith.tuning.trial import ANSWERS
from tunesmith.tuning.trial_data import Material, material

__all__ = [
    "Ask",
    "Session",
    "check",
    "families_for",
    "finish_session",
    "open_session",
    "read",
    "study_setting",
]


@dataclass(frozen=True)
class Ask:
    """What to search.

    Attributes
    ----------
    task
        Its name.
    request
        Which data.
    families
        Names to search over; by default the task's own, without a GPU less those that need one.
    trials
        Trials the search is to hold in the end.
    seed
        Fixes sampler, folds, initial weights and order.
    resume
        Continue the search of this task that did not finish, with its own plan.
    extend
        Begin with all trials of the task's latest run, on the same data.
    """

    task: str
    request: Request = field(default_factory=Request)
    families: tuple[str, ...] | None = None
    trials: int = 12
    seed: int = 0
    resume: bool = False
    extend: bool = False


@dataclass
class Session:
    """One task's part of a search, open.

    Attributes
    ----------
    task, plan, data
        What is searched: the plan is what ``plan.json`` holds.
    staging, folder
        Where the run grows, and the same as a folder of this machine.
    material
        What trials may see.
    search
        The study.
    progress
        Where it stands.
    """

    task: Task
    plan: Plan
    data: TaskData
    staging: Staging
    folder: Path
    material: Material
    search: StudySearch
    progress: Progress

    @property
    def run_id(self) -> str:
        """Name of the run that will be published."""
        return self.plan.run_id

    @property
    def history(self) -> Path:
        """File of every result so far."""
        return self.folder / layout.HISTORY

    def ended_results(self) -> list[TrialResult]:
        """Return the results of all trials that ended well, by trial and step.

        The last one of a trial that was not stopped is its end. Where a trial began again and ended
        earlier than before, the later steps of the first time are left out.
        """
        states = (TrialState.COMPLETE, TrialState.PRUNED)
        ended = {t.number: t for t in self.search.study.get_trials(deepcopy=False, states=states)}
        results = []
        for result in read_history(self.history):
            if (trial := ended.get(result.trial)) is None:
                continue
            last = trial.user_attrs.get("training_iteration", math.inf)
            if result.step <= last:
                is_end = result.step == last and trial.state == TrialState.COMPLETE
                results.append(replace(result, is_end=is_end))
        return results

    def answers(self, trial: int) -> str | None:
        """Return a trial's packed answers to held-out items, None where none were kept."""
        path = self.folder / ANSWERS / str(trial)
        return path.read_text(encoding="ascii") if path.exists() else None


def check(ask: Ask) -> Task:
    """Return the task that is asked for.

    Raises
    ------
    UsageError
        When the task, a family or the number of trials makes no sense.
    """
    task = get_task(ask.task)
    views = _views_of(task.families)
    for name in ask.families or ():
        # A family of the user's own stands in no list, but reads a view that the task is known for.
        if missing := _views_of([name]) - views:
            able = ", ".join(other for other in family_names() if _views_of([other]) <= views)
            message = (
                f"The family {name} reads {' and '.join(sorted(missing))}, which the task "
                f"{task.name} does not have. Families for it: {able}."
            )
            raise UsageError(message)
    if ask.trials < 1:
        message = f"A search needs at least one trial, not {ask.trials}."
        raise UsageError(message)
    if ask.resume and ask.extend:
        message = "Resume finishes a search, extend adds to a finished one: choose one of them."
        raise UsageError(message)
    if ask.request.dataset is not None:
        check_name(ask.request.dataset)
    return task


def _views_of(families: Sequence[str]) -> set[str]:
    """Return the views that families read or learn from."""
    kinds = [get_family(name) for name in families]
    return {view for kind in kinds for view in (kind.view, *kind.learns_from)}


def families_for(task: Task, ask: Ask, cluster: Mapping[str, float]) -> tuple[str, ...]:
    """Return the families to search: those asked for, else the task's that the cluster suits."""
    if ask.families:
        return ask.families
    if cluster.get("GPU", 0):
        return task.families
    return tuple(name for name in task.families if not get_family(name).is_slow_without_gpu)


def study_setting(task: Task, cluster: Mapping[str, float]) -> tuple[str, Mapping[str, Any]] | None:
    """Return the study's own setting, unless only a GPU could train it in reasonable time."""
    reference = task.reference
    if reference is None or reference.family is None:
        return None
    if reference.is_costly and not cluster.get("GPU", 0):
        return None
    return reference.family, reference.params


def read(task: Task, store: Store, request: Request, families: Sequence[str]) -> TaskData:
    """Return the data that is asked for, of its views those that the families read."""
    return task.read(store, replace(request, views=tuple(sorted(_views_of(families)))))


def open_session(
    store: Store, stack: ExitStack, ask: Ask, *, cluster: Mapping[str, float], n_trials: int
) -> Session:
    """Read the data and open the study.

    Parameters
    ----------
    store
        Where data is read and the run will stand.
    stack
        Holds the staging folder open; it stays on disk until the run is published.
    ask
        What to search.
    cluster
        What the cluster has, by resource name.
    n_trials
        Trials of all tasks together, to share the cluster by.

    Raises
    ------
    UsageError
        When the ask makes no sense.
    SearchError
        When there is nothing to continue, or the data changed since.
    """
    task = check(ask)
    if ask.resume or ask.extend:
        plan = _begun_plan(store, ask)
        data = read(task, store, Request.of(plan.request.model_dump()), plan.families)
    else:
        families = families_for(task, ask, cluster)
        data = read(task, store, ask.request, families)
        plan = _new_plan(task, ask, families, data)
    if plan.dataset.version != data.version:
        message = (
            f"The data of {task.name} is version {data.version} now, the search began on "
            f"{plan.dataset.version}. Start a new search."
        )
        raise SearchError(message)
    staging = stack.enter_context(store.staging(*layout.runs(task.name), key=plan.run_id))
    folder = Path(staging.path()) if store.is_local else layout.work_folder(plan.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    if plan.extends and not (folder / layout.STUDY).exists():
        _copy_run(store, task.name, plan.extends, folder)
    if (folder / layout.HISTORY).exists() and not (folder / layout.STUDY).exists():
        raise SearchError(_begun_before(task.name, plan.run_id))
    for name in (layout.STUDY, layout.HISTORY):
        mend(folder / name)
    plan.write(staging, layout.PLAN)
    RunPointer(run_id=plan.run_id).write(store, *layout.unfinished_run(task.name))

    seen = material(task, data, plan.seed)
    search = _study_search(task, plan, folder, cluster, n_trials)
    return Session(
        task, plan, data, staging, folder, seen, search, _progress(plan, seen, search, folder)
    )


def finish_session(store: Store, session: Session) -> None:
    """Publish what is in the session's folder as the task's latest run."""
    if not store.is_local:
        for path in (p for p in session.folder.rglob("*") if p.is_file()):
            session.staging.write_bytes(path.read_bytes(), *path.relative_to(session.folder).parts)
        shutil.rmtree(session.folder)
    name = session.task.name
    session.staging.publish(*layout.run(name, session.run_id), marker=layout.RECORD)
    RunPointer(run_id=session.run_id).write(store, *layout.latest_run(name))
    store.remove(*layout.unfinished_run(name))


def _new_plan(task: Task, ask: Ask, families: tuple[str, ...], data: TaskData) -> Plan:
    run_id = run_artifact.new_run_id()
    request = DataRequest.model_validate(ask.request.facts())
    if task.kind == "midi":
        # The version that is the latest today, so that a resumed search reads the same.
        request = request.model_copy(update={"dataset": data.name, "version": data.version})
    return Plan(
        run_id=run_id,
        study=f"{task.name}/{run_id}",
        task=task.name,
        metric=task.metric,
        request=request,
        families=families,
        trials=ask.trials,
        seed=ask.seed,
        created=run_artifact.now(),
        dataset=DatasetReference(name=data.name, version=data.version, is_sample=data.is_sample),
    )


def _begun_plan(store: Store, ask: Ask) -> Plan:
    return (
        _unfinished_plan(store, ask.task)
        if ask.resume
        else _extended_plan(store, ask.task, ask.trials)
    )


def _unfinished_plan(store: Store, task: str) -> Plan:
    plan = unfinished_plan(store, task)
    if plan is None:
        message = (
            f"There is no unfinished search of {task!r} in {store.uri}. "
            f"Start one: tunesmith tune {task}."
        )
        raise SearchError(message)
    return plan


def _extended_plan(store: Store, task: str, trials: int) -> Plan:
    run_id = latest_run_id(store, task)
    if run_id is None:
        message = (
            f"There is no run of {task!r} to extend in {store.uri}. "
            f"Start one: tunesmith tune {task}."
        )
        raise SearchError(message)
    if not store.exists(*layout.run(task, run_id, layout.STUDY)):
        raise SearchError(_begun_before(task, run_id))
    plan = Plan.read(store, *layout.run(task, run_id, layout.PLAN))
    if trials <= plan.trials:
        message = (
            f"Run {run_id} of {task} has {plan.trials} trials already: ask for more than that "
            "with --trials."
        )
        raise UsageError(message)
    return plan.model_copy(
        update={
            "run_id": run_artifact.new_run_id(),
            "created": run_artifact.now(),
            "extends": run_id,
            "trials": trials,
        }
    )


def _begun_before(task: str, run_id: str) -> str:
    return (
        f"Run {run_id} of {task} holds no {layout.STUDY}: an earlier version made it, and this one "
        f"cannot go on with it. Start a new search: tunesmith tune {task}."
    )


def _copy_run(store: Store, task: str, run_id: str, folder: Path) -> None:
    """Copy a published run's study, history and answers into the folder of a new one."""
    kept = store.list(*layout.run(task, run_id, layout.ANSWERS))
    answers = [(layout.ANSWERS, name) for name in kept]
    # The study comes last: where it stands, all of the rest does.
    for file in [(layout.HISTORY,), *answers, (layout.STUDY,)]:
        target = folder.joinpath(*file)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(store.read_bytes(*layout.run(task, run_id, *file)))


def _study_search(
    task: Task,
    plan: Plan,
    folder: Path,
    cluster: Mapping[str, float],
    n_trials: int,
) -> StudySearch:
    families = plan.families
    shares = {name: resolve(get_family(name).resources, cluster, n_trials) for name in families}
    space = Space(
        families,
        fixed={"task": task.name, "seed": plan.seed},
        by_family={
            name: {"resources": share, "threads": int(share["CPU"])}
            for name, share in shares.items()
        },
    )
    return StudySearch(
        folder / layout.STUDY,
        plan.study,
        space,
        n_trials=plan.trials,
        points=starting_points(families, study_setting(task, cluster)),
        seed=plan.seed,
    )


def _progress(plan: Plan, seen: Material, search: StudySearch, folder: Path) -> Progress:
    progress = Progress(plan.trials, growth=seen.growth, mixes=seen.keeps_answers)
    for result in read_history(folder / layout.HISTORY):
        progress.saw(result)
    for trial in search.study.get_trials(deepcopy=False):
        progress.complete += trial.state == TrialState.COMPLETE
        progress.pruned += trial.state == TrialState.PRUNED
        progress.failed += trial.state == TrialState.FAIL
    return progress
