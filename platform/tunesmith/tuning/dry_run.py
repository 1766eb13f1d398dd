"""A preview of a search: its data, families and spaces; nothing runs and nothing is written."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from tunesmith.artifacts.documents import JsonObject
from tunesmith.artifacts.store import Store
from tunesmith.models import Family, get_family
from tunesmith.tasks import Task, TaskData
from tunesmith.tuning.capacity import resolve, slots
from tunesmith.tuning.continuation import begun_plan, trials_so_far
from tunesmith.tuning.planning import PlannedSearch, plan_search
from tunesmith.tuning.requests import SearchRequest
from tunesmith.tuning.space import FAMILY, starting_points

__all__ = ["describe_space", "preview"]

_DRAWS = 200


def preview(
    store: Store, requests: Sequence[SearchRequest], cluster: Mapping[str, float]
) -> list[JsonObject]:
    """Return what `search` would do with requests on a cluster.

    Parameters
    ----------
    store
        The store of the data; nothing is written.
    requests
        One for each task.
    cluster
        Resources of the cluster by name.

    Returns
    -------
    list of dict
        For each task its data, trials, and families with resources, steps and space, as
        ``tune --dry-run --json`` prints them.
    """
    planned = [
        plan_search(store, request, begun_plan(store, request), cluster, copies=False)
        for request in requests
    ]
    n_trials = sum(search.plan.trials for search in planned)
    plans = []
    for request, search in zip(requests, planned, strict=True):
        plan = _described(search, cluster, n_trials)
        if request.resume or request.extend:
            ended = trials_so_far(store, search.plan)
            plan["continues"] = {
                "run_id": search.plan.extends if request.extend else search.plan.run_id,
                "ended": ended,
            }
            # Its first settings were tried when it began.
            plan["first"] = [] if ended else plan["first"]
        plans.append(plan)
    return plans


def _described(search: PlannedSearch, cluster: Mapping[str, float], n_trials: int) -> JsonObject:
    task, plan, data = search.task, search.plan, search.data
    families = {name: get_family(name) for name in plan.families}
    shares = {
        name: resolve(family.resources, cluster, n_trials) for name, family in families.items()
    }
    points = starting_points(plan.families, task.reference, cluster, plan.trials)
    return {
        "task": task.name,
        "title": task.title,
        "protocol": task.protocol(data),
        "metric": task.metric,
        "folds": task.folds,
        "trials": plan.trials,
        "seed": plan.seed,
        "slots": slots(cluster, list(shares.values())),
        "first": [*(point[FAMILY] for point in points[: plan.trials])],
        "data": _sizes(task, data),
        "notes": list(data.notes),
        "families": [
            {
                "name": name,
                "view": family.view,
                "resources": {**shares[name]},
                "memory_bytes": family.resources.memory_bytes,
                "steps": family.max_steps,
                "step": family.step_unit,
                "space": {**describe_space(family)},
            }
            for name, family in families.items()
        ],
    }


def describe_space(family: Family) -> dict[str, str]:
    """Return each setting of a family and its range, in words.

    The space is define-by-run, so it is drawn from often enough to meet every branch.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    ranges: dict[str, str] = {}
    times: dict[str, int] = {}
    for _ in range(_DRAWS):
        trial = study.ask()
        family.space(trial)
        for name, distribution in trial.distributions.items():
            ranges[name] = _range(distribution)
            times[name] = times.get(name, 0) + 1
    return {
        name: text if times[name] == _DRAWS else f"{text}, only with some others"
        for name, text in ranges.items()
    }


def _range(distribution: Any) -> str:
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return "one of " + ", ".join(str(choice) for choice in distribution.choices)
    text = f"{distribution.low:g} to {distribution.high:g}"
    return f"{text}, logarithmic" if distribution.log else text


def _sizes(task: Task, data: TaskData) -> JsonObject:
    parts, counts = np.unique(data.parts, return_counts=True)
    views: JsonObject = {}
    for name, view in data.examples.views.items():
        is_array = isinstance(view.x, np.ndarray)
        views[name] = {
            "rows": len(view),
            "bytes": int(view.x.nbytes if is_array else sum(row.nbytes for row in view.x)),
        }
    return {
        "name": data.name,
        "version": data.version,
        "is_sample": data.is_sample,
        "unit": task.unit,
        "items": {str(part): int(count) for part, count in zip(parts, counts, strict=True)},
        "classes": len(data.examples.classes),
        "views": views,
    }
