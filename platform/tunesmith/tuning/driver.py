"""A search from the request to the published run."""

import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import pandas as pd
import ray
from ray import tune
from ray.tune import Callback
from ray.tune.error import TuneError

from tunesmith.artifacts.runs import Run
from tunesmith.artifacts.store import Store
from tunesmith.artifacts.tracking import tracking_uri
from tunesmith.errors import SearchError, UsageError
from tunesmith.plugins import snapshot
from tunesmith.tuning import adapters
from tunesmith.tuning.capacity import obtainable, slots
from tunesmith.tuning.continuation import begun_plan, unfinished_note
from tunesmith.tuning.detecting import Detecting, DetectorsInTime
from tunesmith.tuning.mlflow_trials import TrackedTrials
from tunesmith.tuning.optuna_search import Portfolio
from tunesmith.tuning.planning import plan_search
from tunesmith.tuning.progress import Budget, Say, Watch, silent
from tunesmith.tuning.prometheus import Meters
from tunesmith.tuning.publishing import publish
from tunesmith.tuning.requests import SearchRequest
from tunesmith.tuning.scheduler import EarlyStopping, placement
from tunesmith.tuning.session import Session, how_to_continue, open_session
from tunesmith.tuning.tensorboard import EventFiles
from tunesmith.tuning.trial import SearchTrial
from tunesmith.tuning.waiting import Waiting

__all__ = ["SearchInterruptedError", "run_trials", "search"]

_MAX_RETRIES = 1
_QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}


class SearchInterruptedError(SearchError):
    """The search was stopped by its user; what it found so far is kept."""

    exit_code = 130


def search(
    store: Store,
    requests: Sequence[SearchRequest],
    *,
    cluster: Mapping[str, float] | None = None,
    time_budget_s: float | None = None,
    began: float | None = None,
    max_failed: int | None = None,
    track: bool = False,
    say: Say = silent,
) -> list[Run]:
    """Search one task or many on the cluster that is connected, and publish a run of each.

    Parameters
    ----------
    store
        Where data is read and runs are written.
    requests
        One for each task.
    cluster
        Resources that the cluster has or grows to, by name; by default those it has now.
    time_budget_s
        Everything, refits included, should end within this time.
    began
        `time.monotonic` that this time is counted from; by default now.
    max_failed
        Give up after more failed trials than this.
    track
        Write every trial as a run of MLflow: to the server that ``MLFLOW_TRACKING_URI`` names, else
        into a SQLite file of the store.
    say
        Prints a line of progress.

    Returns
    -------
    list of Run
        The published run of each task.

    Raises
    ------
    UsageError
        When a task is named twice, or none.
    SearchError
        When no trial of a task ended with a score, or its winner could not be refitted; the runs of
        the other tasks are published.
    SearchInterruptedError
        When the user stopped it; the same search continues with ``resume``.
    """
    began = time.monotonic() if began is None else began
    deadline = None if time_budget_s is None else began + time_budget_s
    names = [request.task for request in requests]
    if len(set(names)) < len(names) or not names:
        message = f"Every task once, at least one: {', '.join(names) or 'none'} was asked for."
        raise UsageError(message)
    cluster = ray.cluster_resources() if cluster is None else cluster
    room = obtainable(cluster)
    planned = [
        plan_search(store, request, begun_plan(store, request), room) for request in requests
    ]
    n_trials = sum(search_plan.plan.trials for search_plan in planned)
    for request in requests:
        is_new = not request.resume and not request.extend
        if is_new and (note := unfinished_note(store, request.task)):
            say(note)
    sessions: list[Session] = []
    try:
        with ExitStack() as stack:
            for search_plan in planned:
                session = open_session(store, stack, search_plan, cluster=room, n_trials=n_trials)
                sessions.append(session)
                for note in session.data.notes:
                    say(f"{session.task.name}: {note}")
                say(_describe(session))
            references = {session.task.name: ray.put(session.trial_data) for session in sessions}
            detectors = {
                session.task.name: Detecting(
                    references[session.task.name], session.data.others, session.plan.seed
                )
                for session in sessions
            }
            for detecting in detectors.values():
                stack.callback(detecting.end)
            tracked = _tracked(stack, store, sessions, say, deadline) if track else None
            run_trials(
                sessions,
                references,
                cluster=cluster,
                callbacks=[
                    DetectorsInTime(sessions, detectors, deadline),
                    *([] if tracked is None else [tracked]),
                ],
                deadline=deadline,
                max_failed=max_failed,
                say=say,
            )
            for detecting in detectors.values():
                detecting.begin()
            if tracked is not None:
                tracked.catch_up()
            return publish(
                store,
                sessions,
                references,
                detectors=detectors,
                cluster=cluster,
                time_budget_s=time_budget_s,
                deadline=deadline,
                say=say,
            )
    except KeyboardInterrupt:
        # While trials run Ray Tune takes it; here it came between them, or during a refit.
        message = f"Interrupted. {how_to_continue(sessions)}" if sessions else "Interrupted."
        raise SearchInterruptedError(message) from None


def _describe(session: Session) -> str:
    examples = session.data.examples
    counts = pd.Series(session.data.parts).value_counts()
    parts = ", ".join(f"{count} {part}" for part, count in counts.items())
    families = ", ".join(session.plan.families)
    return (
        f"{session.task.name}: {len(examples)} {session.task.unit}s of {len(examples.classes)} "
        f"classes from {session.data.name} {session.data.version} ({parts}); "
        f"{session.search.n_trials - session.search.n_started} trials over {families}; "
        f"run {session.run_id}"
    )


def _tracked(
    stack: ExitStack, store: Store, sessions: Sequence[Session], say: Say, deadline: float | None
) -> TrackedTrials:
    tracked = TrackedTrials(sessions, tracking_uri(store), say, deadline=deadline)
    stack.callback(tracked.close)
    return tracked


def run_trials(
    sessions: Sequence[Session],
    references: Mapping[str, Any],
    *,
    cluster: Mapping[str, float],
    callbacks: Sequence[Callback],
    deadline: float | None,
    max_failed: int | None,
    say: Say,
) -> None:
    """Run every trial that is left, as the cluster has room."""
    room = obtainable(cluster, lag_s=0.0)
    bundles = [
        bundle["resources"] for s in sessions for bundle in s.search.space.by_family.values()
    ]
    n_slots = slots(room, bundles)
    portfolio = Portfolio({session.task.name: session.search for session in sessions}, n_slots)
    if portfolio.n_left == 0:
        return
    settings = {**_QUIET, "TUNE_MAX_PENDING_TRIALS_PG": str(slots(cluster, bundles))}
    os.environ.update({name: os.environ.get(name, value) for name, value in settings.items()})
    # Failures are told in a line each, see `Watch`.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    progress = {session.task.name: session.progress for session in sessions}
    budget = Budget(
        deadline, progress, max_failed=max_failed, n_slots=n_slots, waits=portfolio.waits
    )
    history = {session.task.name: session.history for session in sessions}
    events = {session.task.name: session.folder / "tensorboard" for session in sessions}
    trainable = tune.with_resources(
        tune.with_parameters(SearchTrial, trial_data=dict(references), plugins=snapshot()),
        placement,
    )
    scheduler = EarlyStopping(room)
    for session in sessions:
        scheduler.replay(session.task.name, session.ended_results())
    # Ray Tune keeps its own state while it runs; what counts is in the studies and histories.
    with tempfile.TemporaryDirectory(prefix="tunesmith-tune-") as scratch:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=portfolio,
                scheduler=scheduler,
                num_samples=portfolio.n_left,
                # TensorFlow gives GPU memory back only when its process ends.
                reuse_actors=not any("GPU" in bundle for bundle in bundles),
            ),
            run_config=tune.RunConfig(
                name="search",
                storage_path=scratch,
                callbacks=[
                    Watch(progress, history, say, deadline),
                    EventFiles(events, (name for s in sessions for name in s.plan.families)),
                    Meters(progress),
                    Waiting(portfolio, cluster, bundles, progress=progress, say=say),
                    *callbacks,
                ],
                stop=budget,
                verbose=0,
                # In a notebook the default reporter adds an empty output.
                progress_reporter=tune.CLIReporter(),
                failure_config=tune.FailureConfig(max_failures=_MAX_RETRIES),
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        try:
            with adapters.surviving_lack_of_memory():
                tuner.fit()
        except (TuneError, OSError) as error:
            # What a callback raised comes as the text of its traceback, the study's as it is.
            cause = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            message = f"The search broke off: {cause}. {how_to_continue(sessions)}"
            raise SearchError(message) from error
    ended = portfolio.n_left == 0 and all(s.n_running == 0 for s in portfolio.searches.values())
    if not ended and budget.reason is None:
        message = f"Interrupted. {how_to_continue(sessions)}"
        raise SearchInterruptedError(message)
    if budget.reason is not None:
        say(f"Search ended: {budget.reason}.")
    for session in sessions:
        session.search.close()
