"""Tasks by name: every module of this package that holds a ``TASK``."""

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

import tunesmith.tasks as package
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples
from tunesmith.errors import unknown
from tunesmith.tasks.contract import Request, Task

__all__ = ["get_task", "load_for_run", "task_names"]

_NOT_TASKS = {"contract", "registry"}


@cache
def _modules() -> dict[str, str]:
    names = [module.name for module in pkgutil.iter_modules(package.__path__) if not module.ispkg]
    return {
        name: f"{package.__name__}.{name}"
        for name in names
        if not name.startswith("_") and name not in _NOT_TASKS
    }


def task_names() -> tuple[str, ...]:
    """Return the names of all tasks, sorted; a task's file is named after it."""
    return tuple(sorted(_modules()))


def get_task(name: str) -> Task:
    """Return the task called `name`.

    Raises
    ------
    UsageError
        When there is none; the message names the nearest ones.
    """
    modules = _modules()
    if name not in modules:
        kind = "task"
        raise unknown(kind, name, modules)
    task: Task = import_module(modules[name]).TASK
    return task


def load_for_run(store: Store, run: Mapping[str, Any]) -> Examples:
    """Return the very items a run was searched on.

    Parameters
    ----------
    store
        Where the run and its dataset are.
    run
        The content of its ``run.json``.
    """
    return get_task(run["task"]).read(store, Request.of(run["request"])).examples
