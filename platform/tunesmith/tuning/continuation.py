"""Searches that are continued, extended or discarded."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tunesmith.artifacts import layout
from tunesmith.artifacts.owners import Ownership, owner_of
from tunesmith.artifacts.runs import latest_run_id
from tunesmith.artifacts.searches import Plan, unfinished_plans, unreadable_study
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError, UsageError
from tunesmith.tuning import run_artifact
from tunesmith.tuning.requests import SearchRequest
from tunesmith.tuning.studies import trial_states

__all__ = ["begun_plan", "discard", "trials_so_far", "unfinished_note"]


def begun_plan(store: Store, request: SearchRequest) -> Plan | None:
    """Return the plan of the search to continue or to extend, None for a new search.

    Raises
    ------
    SearchError
        When there is nothing to continue or to extend.
    UsageError
        When several searches could be continued, when the request asks for something else than the
        search began with, or when a run already has as many trials as it is to be extended to.
    """
    if request.extend:
        return _extended_plan(store, request)
    if not request.resume:
        return None
    plan = _chosen(store, request.task, request.resume, "resume")
    _refuse_other(plan, request)
    return plan if request.trials is None else plan.model_copy(update={"trials": request.trials})


def discard(store: Store, task: str, run: str | bool) -> Plan:
    """Remove an unfinished search of a task with its trials.

    Parameters
    ----------
    store, task
        Where it is.
    run
        Its name, or the beginning of it; True where there is only one.

    Returns
    -------
    Plan
        What it had set out to do.

    Raises
    ------
    SearchError
        When there is none, or it runs.
    UsageError
        When there are several and none is named.
    """
    plan = _chosen(store, task, run, "discard")
    with Ownership(store, task, plan.run_id):
        store.remove(*layout.staged_run(task, plan.run_id, layout.PLAN))
    store.remove(*layout.staged_run(task, plan.run_id))
    shutil.rmtree(layout.work_folder(plan.run_id), ignore_errors=True)
    return plan


def unfinished_note(store: Store, task: str) -> str | None:
    """Return the sentence about searches that a new one leaves unfinished, None without any."""
    plans = [
        plan for plan in unfinished_plans(store, task) if owner_of(store, task, plan.run_id) is None
    ]
    if not plans:
        return None
    newest = plans[-1]
    kept = (
        "1 unfinished search is kept:"
        if len(plans) == 1
        else (f"{len(plans)} unfinished searches are kept, the newest is")
    )
    return (
        f"{task}: {kept} {_described(store, newest)}. To continue it: tunesmith tune {task} "
        f"--resume {newest.run_id}; to remove it: --discard {newest.run_id}"
    )


def trials_so_far(store: Store, plan: Plan) -> int:
    """Return how many trials have ended of an unfinished search, or of the run that it extends."""
    if plan.extends is not None and not _study(store, plan).is_file():
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / layout.STUDY
            path.write_bytes(store.read_bytes(*layout.run(plan.task, plan.extends, layout.STUDY)))
            return _ended(path, plan)
    if not _study(store, plan).is_file():
        # Another machine began it: the store has a copy.
        parts = layout.staged_run(plan.task, plan.run_id, layout.STUDY)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / layout.STUDY
            if store.exists(*parts):
                path.write_bytes(store.read_bytes(*parts))
            return _ended(path, plan)
    return _ended(_study(store, plan), plan)


def _ended(path: Path, plan: Plan) -> int:
    return sum(state.is_finished() for state in trial_states(path, plan.study))


def _study(store: Store, plan: Plan) -> Path:
    if store.is_local:
        return store.local_path(*layout.staged_run(plan.task, plan.run_id, layout.STUDY))
    return layout.work_folder(plan.run_id) / layout.STUDY


def _chosen(store: Store, task: str, run: str | bool, how: str) -> Plan:
    """Return the plan of the unfinished search that is named, or of the only one.

    Of several the one that no process owns is meant, where that is a single one.
    """
    plans = unfinished_plans(store, task)
    if isinstance(run, str):
        named = [run_id for run_id in store.staged(*layout.runs(task)) if run_id.startswith(run)]
        if len(named) == 1:
            # A plan that this version cannot read says what to do about it.
            return Plan.read(store, *layout.staged_run(task, named[0], layout.PLAN))
        message = f"No unfinished search of {task} has the name {run!r}. {_listed(store, plans)}"
        raise SearchError(message)
    if not plans:
        message = (
            f"There is no unfinished search of {task!r} in {store.shown}. "
            f"Start one: tunesmith tune {task}."
        )
        raise SearchError(message)
    free = [plan for plan in plans if owner_of(store, task, plan.run_id) is None]
    if len(free) > 1:
        message = (
            f"{task} has {len(free)} unfinished searches: name one, as in --{how} "
            f"{free[-1].run_id}. {_listed(store, plans)}"
        )
        raise UsageError(message)
    # Where all are owned, whoever opens one is told by whom.
    return (free or plans)[-1]


def _listed(store: Store, plans: Sequence[Plan]) -> str:
    if not plans:
        return f"There is none in {store.shown}."
    return "There are: " + "; ".join(_described(store, plan) for plan in plans) + "."


def _described(store: Store, plan: Plan) -> str:
    """Return an unfinished search in words: its name, how far it is, and who runs it."""
    owner = owner_of(store, plan.task, plan.run_id)
    running = f", run by {owner}" if owner is not None else ""
    return (
        f"{plan.run_id} ({trials_so_far(store, plan)} of {plan.trials} trials over "
        f"{', '.join(plan.families)}, seed {plan.seed}{running})"
    )


def _refuse_other(plan: Plan, request: SearchRequest) -> None:
    """Refuse options that differ from what a search began with: its trials would not compare.

    Raises
    ------
    UsageError
        When one does.
    """
    for option, wanted, began in _choices(plan, request):
        if wanted is not None and wanted != began:
            message = (
                f"{option}: {_shown(wanted)} is asked for, but the search {plan.run_id} of "
                f"{plan.task} began with {_shown(began)}. Leave the option out, or start a new "
                "search with it."
            )
            raise UsageError(message)


def _choices(plan: Plan, request: SearchRequest) -> Iterator[tuple[str, object, object]]:
    """Yield each option with what is asked for, None for nothing, and what the search has."""
    families = None if request.families is None else sorted(request.families)
    yield "--families", families, sorted(plan.families)
    yield "--seed", request.seed, plan.seed
    yield "--dataset", request.data.dataset, plan.request.dataset
    yield "--version", request.data.version, plan.request.version
    for name, value in request.data.options.items():
        if name == "background":
            # A plan has the versions of the datasets.
            yield "--background", _names(value), _names(plan.request.options.get(name, ()))
            continue
        yield (
            f"--{_OPTION_NAMES.get(name, name.replace('_', '-'))}",
            value,
            (plan.request.options.get(name)),
        )


def _names(datasets: Any) -> list[str]:
    """Return the names of datasets without their versions, sorted."""
    return sorted(str(name).partition("@")[0] for name in datasets)


# Options of the reader that the command line calls otherwise.
_OPTION_NAMES = {"groups": "group", "leave_out": "drop"}


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _extended_plan(store: Store, request: SearchRequest) -> Plan:
    task = request.task
    run_id = latest_run_id(store, task)
    if run_id is None:
        message = (
            f"There is no run of {task!r} to extend in {store.shown}. "
            f"Start one: tunesmith tune {task}."
        )
        raise SearchError(message)
    if not store.exists(*layout.run(task, run_id, layout.STUDY)):
        raise unreadable_study(task, run_id)
    plan = Plan.read(store, *layout.run(task, run_id, layout.PLAN))
    _refuse_other(plan, request)
    trials = request.n_trials
    if request.retry_failed:
        trials = max(trials, plan.trials) if request.trials is not None else plan.trials
    elif trials <= plan.trials:
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
