"""One task's part of a search, open: its folder, its study and how far it is."""

import math
import shutil
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from optuna.trial import TrialState

from tunesmith.artifacts import layout
from tunesmith.artifacts.searches import (
    Plan,
    RunPointer,
    TrialResult,
    mend,
    read_history,
    unreadable_study,
)
from tunesmith.artifacts.store import Staging, Store
from tunesmith.models import get_family
from tunesmith.tasks import Task, TaskData
from tunesmith.tuning.optuna_search import StudySearch
from tunesmith.tuning.planning import PlannedSearch
from tunesmith.tuning.progress import Progress
from tunesmith.tuning.scheduler import resolve
from tunesmith.tuning.space import Space, starting_points
from tunesmith.tuning.trial_data import TrialData

__all__ = ["Session", "finish_session", "open_session"]


@dataclass
class Session:
    """One task's part of a search, open.

    Attributes
    ----------
    task, plan, data
        The task, the content of ``plan.json`` and the data.
    staging, folder
        The folder in which the run grows, and the same as a folder of this machine.
    trial_data
        The items that trials may see.
    search
        The study.
    progress
        How far the search is.
    """

    task: Task
    plan: Plan
    data: TaskData
    staging: Staging
    folder: Path
    trial_data: TrialData
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
        path = self.folder / layout.ANSWERS / str(trial)
        return path.read_text(encoding="ascii") if path.exists() else None


def open_session(
    store: Store,
    stack: ExitStack,
    planned: PlannedSearch,
    *,
    cluster: Mapping[str, float],
    n_trials: int,
) -> Session:
    """Open the folder and the study of a search.

    Parameters
    ----------
    store
        The run will stand there.
    stack
        Holds the staging folder open; it stays on disk until the run is published.
    planned
        The search.
    cluster
        Resources of the cluster by name.
    n_trials
        Trials of all tasks together, to share the cluster by.

    Raises
    ------
    SearchError
        When the search was begun by a version whose study cannot be read.
    """
    task, plan = planned.task, planned.plan
    staging = stack.enter_context(store.staging(*layout.runs(task.name), key=plan.run_id))
    folder = Path(staging.path()) if store.is_local else layout.work_folder(plan.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    if plan.extends and not (folder / layout.STUDY).exists():
        _copy_run(store, task.name, plan.extends, folder)
    if (folder / layout.HISTORY).exists() and not (folder / layout.STUDY).exists():
        raise unreadable_study(task.name, plan.run_id)
    for name in (layout.STUDY, layout.HISTORY):
        mend(folder / name)
    plan.write(staging, layout.PLAN)
    RunPointer(run_id=plan.run_id).write(store, *layout.unfinished_run(task.name))

    trial_data = TrialData.of(task, planned.data, plan.seed)
    search = _study_search(task, plan, folder, cluster, n_trials)
    progress = _progress(plan, trial_data, search, folder)
    return Session(task, plan, planned.data, staging, folder, trial_data, search, progress)


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
        points=starting_points(families, task.reference, cluster),
        seed=plan.seed,
    )


def _progress(plan: Plan, trial_data: TrialData, search: StudySearch, folder: Path) -> Progress:
    progress = Progress(plan.trials, growth=trial_data.growth, mixes=trial_data.keeps_answers)
    for result in read_history(folder / layout.HISTORY):
        progress.saw(result)
    for trial in search.study.get_trials(deepcopy=False):
        progress.complete += trial.state == TrialState.COMPLETE
        progress.pruned += trial.state == TrialState.PRUNED
        progress.failed += trial.state == TrialState.FAIL
    return progress
