"""The plan of a search that a request continues or extends."""

from tunesmith.artifacts import layout
from tunesmith.artifacts.runs import latest_run_id
from tunesmith.artifacts.searches import Plan, unfinished_plan, unreadable_study
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError, UsageError
from tunesmith.tuning import run_artifact
from tunesmith.tuning.requests import SearchRequest

__all__ = ["begun_plan"]


def begun_plan(store: Store, request: SearchRequest) -> Plan | None:
    """Return the plan of the search to continue or to extend, None for a new search.

    Raises
    ------
    SearchError
        When there is nothing to continue or to extend.
    UsageError
        When a run already has as many trials as it is to be extended to.
    """
    if request.extend:
        return _extended_plan(store, request)
    if not request.resume:
        return None
    plan = unfinished_plan(store, request.task)
    if plan is None:
        message = (
            f"There is no unfinished search of {request.task!r} in {store.shown}. "
            f"Start one: tunesmith tune {request.task}."
        )
        raise SearchError(message)
    return plan


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
    if request.trials <= plan.trials:
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
            "trials": request.trials,
        }
    )
