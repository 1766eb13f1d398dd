"""Tasks by name."""

from collections.abc import Mapping
from typing import Any

import tunesmith.tasks as package
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples
from tunesmith.plugins import PluginFile
from tunesmith.registries import Registry
from tunesmith.tasks.contract import Request, Task, TaskData

__all__ = ["TASKS", "add_task", "data_of_run", "get_task", "load_for_run", "task_names"]


def _from_yaml(file: PluginFile) -> Task:
    from tunesmith.tasks.support.declared import task_from_yaml

    return task_from_yaml(file)


TASKS = Registry(
    "task",
    Task,
    package=package,
    attributes=("TASK", "TASKS"),
    entry_points="tunesmith.tasks",
    from_yaml=_from_yaml,
)
"""All tasks: those of this package (a module each), of installed packages and of plugins."""


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks, sorted."""
    return TASKS.names()


def get_task(name: str) -> Task:
    """Return the task called `name`.

    Raises
    ------
    UsageError
        When there is none; the message names the nearest ones.
    """
    return TASKS.get(name)


def add_task(task: Task) -> None:
    """Make a task of a program or notebook known by its name.

    Raises
    ------
    UsageError
        When another task has that name.
    """
    TASKS.add(task)


def data_of_run(store: Store, run: Mapping[str, Any]) -> TaskData:
    """Return the data a run was searched on, as it is today.

    Parameters
    ----------
    store
        Where the run and its dataset are.
    run
        The content of its ``run.json``.
    """
    return get_task(run["task"]).read(store, Request.of(run["request"]))


def load_for_run(store: Store, run: Mapping[str, Any]) -> Examples:
    """Return the items a run was searched on; see `data_of_run`."""
    return data_of_run(store, run).examples
