"""Private names of Ray, Optuna and MLflow that a search needs, all of them here.

Read in Optuna 5.0.0, Ray 2.60.0 and mlflow-skinny 3.17.2. Of MLflow a search needs public names
alone. `tests/tuning/test_adapters.py` fails when one of these moves, and says what to do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import optuna
import ray

__all__ = ["free_by_node", "running_trial", "surviving_lack_of_memory"]


@contextmanager
def surviving_lack_of_memory() -> Iterator[None]:
    """Let Ray Tune count a trial whose process Ray ends for lack of memory as failed.

    Tune's manager of actors knows two errors, of a task and of an actor, and ends the whole search
    at any other. `ray.exceptions.OutOfMemoryError` is neither of them, although the actor is gone.
    """
    actor_manager: Any = import_module("ray.air.execution._internal.actor_manager")
    known = actor_manager.RayActorError
    actor_manager.RayActorError = (known, ray.exceptions.OutOfMemoryError)
    try:
        yield
    finally:
        actor_manager.RayActorError = known


def free_by_node() -> dict[str, dict[str, float]]:
    """Return the free resources of each machine of the connected cluster, by node and name.

    `ray.available_resources` is public and gives the sum over the machines alone; a trial needs
    what one of them has. Ray marks ``available_resources_per_node`` as meant for developers, and
    keeps it in a private module. A resource of which nothing is free has no entry.
    """
    from ray._private.state import available_resources_per_node

    free: dict[str, dict[str, float]] = available_resources_per_node()
    return free


def running_trial(study: Any, frozen: optuna.trial.FrozenTrial) -> optuna.trial.Trial:
    """Return a trial of a study that is running, to go on with it in this process.

    Optuna's public interface gives a trial by its number only as a frozen copy. The class `Trial`
    is public, its argument is the storage's id of the trial, and that id is a private attribute:
    ``FrozenTrial._trial_id``.

    Parameters
    ----------
    study
        The study.
    frozen
        The trial, as `study.get_trials` returns it.
    """
    return optuna.trial.Trial(study, frozen._trial_id)
