"""One task's part of a search, open: its folder, its study and how far it is."""

import math
import shlex
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from optuna.trial import TrialState

from tunesmith.artifacts import layout
from tunesmith.artifacts.durable import write_file
from tunesmith.artifacts.owners import Ownership
from tunesmith.artifacts.pointers import forget
from tunesmith.artifacts.runs import name_latest_run
from tunesmith.artifacts.searches import (
    Plan,
    TrialResult,
    mend,
    read_history,
    unreadable_study,
)
from tunesmith.artifacts.store import Staging, Store
from tunesmith.artifacts.uris import default_uri
from tunesmith.errors import UsageError
from tunesmith.models import get_family
from tunesmith.plugins import plugin_files
from tunesmith.tasks import Task, TaskData
from tunesmith.tuning.capacity import resolve
from tunesmith.tuning.optuna_search import StudySearch
from tunesmith.tuning.planning import PlannedSearch
from tunesmith.tuning.progress import Progress
from tunesmith.tuning.space import Space, starting_points
from tunesmith.tuning.staged_copy import copied_to_store, fetch_copy, push_all
from tunesmith.tuning.trial_data import TrialData

__all__ = ["Session", "finish_session", "how_to_continue", "open_session"]


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
    ownership
        What keeps other processes out of the run.
    """

    task: Task
    plan: Plan
    data: TaskData
    staging: Staging
    folder: Path
    trial_data: TrialData
    search: StudySearch
    progress: Progress
    ownership: Ownership

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
        When another process has the search open, or it was begun by a version whose study cannot
        be read.
    UsageError
        When fewer trials are asked for than there are, or none failed that could be tried again.
    """
    task, plan = planned.task, planned.plan
    staging = stack.enter_context(store.staging(*layout.runs(task.name), key=plan.run_id))
    ownership = stack.enter_context(Ownership(store, task.name, plan.run_id))
    folder = Path(staging.path()) if store.is_local else layout.work_folder(plan.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    if not store.is_local:
        fetch_copy(staging, folder)
        stack.enter_context(copied_to_store(staging, folder, ownership))
    if plan.extends and not (folder / layout.STUDY).exists():
        _copy_run(store, task.name, plan.extends, folder)
    if (folder / layout.HISTORY).exists() and not (folder / layout.STUDY).exists():
        raise unreadable_study(task.name, plan.run_id)
    for name in (layout.STUDY, layout.HISTORY):
        mend(folder / name)

    trial_data = TrialData.of(task, planned.data, plan.seed)
    search = _study_search(task, plan, folder, cluster, n_trials)
    if search.n_started > plan.trials:
        message = (
            f"--trials: {plan.trials} are asked for, but {search.n_started} of the search "
            f"{plan.run_id} of {task.name} have ended already."
        )
        raise UsageError(message)
    if planned.retry_failed:
        if not search.retry_failed():
            message = f"No trial of {plan.run_id} failed: leave --retry-failed out."
            raise UsageError(message)
        plan = plan.model_copy(update={"trials": search.n_trials})
    plan.write(staging, layout.PLAN)
    progress = _progress(task, plan, trial_data, search, folder)
    return Session(
        task, plan, planned.data, staging, folder, trial_data, search, progress, ownership
    )


def finish_session(store: Store, session: Session) -> None:
    """Publish what is in the session's folder as the task's latest run."""
    session.ownership.check()
    session.ownership.stop()
    if not store.is_local:
        push_all(session.staging, session.folder)
    name = session.task.name
    name_latest_run(store, name, session.run_id)
    session.staging.publish(*layout.run(name, session.run_id), marker=layout.RECORD)
    forget(store, *layout.run(name, session.run_id, layout.OWNER))
    if not store.is_local:
        shutil.rmtree(session.folder, ignore_errors=True)


def how_to_continue(sessions: Sequence[Session]) -> str:
    """Return the sentence that says how to resume a search."""
    done = sum(session.progress.ended for session in sessions)
    words = ["tunesmith", "tune", *(session.task.name for session in sessions), "--resume"]
    if len(sessions) == 1:
        words.append(sessions[0].run_id)
    store = sessions[0].staging.store
    if store.uri != Store(default_uri()).uri:
        words += ["--store", store.shown]
    words += [
        word
        for file in plugin_files()
        if file.named_by == "--plugin"
        for word in ("--plugin", file.path)
    ]
    return (
        f"{done} of {sum(session.progress.n_trials for session in sessions)} trials ended; all "
        f"results are kept. Continue with: {shlex.join(words)}"
    )


def _copy_run(store: Store, task: str, run_id: str, folder: Path) -> None:
    """Copy a published run's study, history and answers into the folder of a new one."""
    kept = store.list(*layout.run(task, run_id, layout.ANSWERS))
    answers = [(layout.ANSWERS, name) for name in kept]
    # The study comes last: where it stands, all of the rest does.
    for file in [(layout.HISTORY,), *answers, (layout.STUDY,)]:
        write_file(folder.joinpath(*file), store.read_bytes(*layout.run(task, run_id, *file)))


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
        metric=plan.metric,
        n_trials=plan.trials,
        points=starting_points(families, task.reference, cluster, plan.trials),
        seed=plan.seed,
    )


def _progress(
    task: Task, plan: Plan, trial_data: TrialData, search: StudySearch, folder: Path
) -> Progress:
    progress = Progress(plan.trials, growth=trial_data.growth, mixes=task.ensemble)
    for result in read_history(folder / layout.HISTORY):
        progress.saw(result)
    for trial in search.study.get_trials(deepcopy=False):
        progress.complete += trial.state == TrialState.COMPLETE
        progress.pruned += trial.state == TrialState.PRUNED
        progress.failed += trial.state == TrialState.FAIL
    return progress
