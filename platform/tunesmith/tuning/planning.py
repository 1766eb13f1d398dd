"""What a search would do, without doing it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna

from tunesmith.artifacts.store import Store
from tunesmith.models import Family, get_family
from tunesmith.tasks import Task, TaskData
from tunesmith.tuning.optuna_search import starting_points
from tunesmith.tuning.scheduler import resolve, slots
from tunesmith.tuning.session import Ask, check, families_for, read, study_setting

__all__ = ["describe_space", "plan"]

_DRAWS = 200


def plan(store: Store, asks: Sequence[Ask], cluster: Mapping[str, float]) -> list[dict[str, Any]]:
    """Return what `search` would do with `asks` on a cluster.

    Parameters
    ----------
    store
        Where data is read; nothing is written.
    asks
        What to search.
    cluster
        What the cluster has, by resource name.

    Returns
    -------
    list of dict
        For each task its data, trials, and families with resources, steps and space.
    """
    n_trials = sum(ask.trials for ask in asks)
    plans = []
    for ask in asks:
        task = check(ask)
        families = families_for(task, ask, cluster)
        data = read(task, store, ask.request, families)
        shares = {name: resolve(get_family(name).resources, cluster, n_trials) for name in families}
        plans.append(
            {
                "task": task.name,
                "title": task.title,
                "protocol": task.protocol(data),
                "metric": task.metric,
                "folds": task.folds,
                "trials": ask.trials,
                "seed": ask.seed,
                "slots": slots(cluster, list(shares.values())),
                "first": [
                    point["family"]
                    for point in starting_points(families, study_setting(task, cluster))
                ][: ask.trials],
                "data": _sizes(task, data),
                "notes": list(data.notes),
                "families": [
                    {
                        "name": name,
                        "view": get_family(name).view,
                        "resources": shares[name],
                        "memory_bytes": get_family(name).resources.memory_bytes,
                        "steps": get_family(name).max_steps,
                        "step": get_family(name).step_unit,
                        "space": describe_space(get_family(name)),
                    }
                    for name in families
                ],
            }
        )
    return plans


def describe_space(family: Family) -> dict[str, str]:
    """Return each setting of a family and its range, in words.

    The space is define-by-run, so it is drawn from often enough to meet every branch.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found: dict[str, str] = {}
    times: dict[str, int] = {}
    for _ in range(_DRAWS):
        trial = study.ask()
        family.space(trial)
        for name, distribution in trial.distributions.items():
            found[name] = _range(distribution)
            times[name] = times.get(name, 0) + 1
    return {
        name: text if times[name] == _DRAWS else f"{text}, only with some others"
        for name, text in found.items()
    }


def _range(distribution: Any) -> str:
    if isinstance(distribution, optuna.distributions.CategoricalDistribution):
        return "one of " + ", ".join(str(choice) for choice in distribution.choices)
    text = f"{distribution.low:g} to {distribution.high:g}"
    return f"{text}, logarithmic" if distribution.log else text


def _sizes(task: Task, data: TaskData) -> dict[str, Any]:
    parts, counts = np.unique(data.parts, return_counts=True)
    views = {}
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
