"""The task, family or run that a call of the public API names."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tunesmith.api.results import Run
from tunesmith.api.stores import AnyStore, open_store
from tunesmith.artifacts import layout
from tunesmith.artifacts.store import Store
from tunesmith.errors import UsageError, unknown
from tunesmith.models import Family
from tunesmith.models.registry import FAMILIES
from tunesmith.plugins import using
from tunesmith.registries import Registry
from tunesmith.tasks import Task
from tunesmith.tasks.registry import TASKS

__all__ = ["Plugins", "family_name", "run_of", "task_of", "using_plugins"]

Plugins = str | Path | Sequence[str | Path]
"""One plugin file or several."""


def task_of(task: str | Task) -> Task:
    """Return a task by its name, or a task object after making it known by its name.

    Raises
    ------
    UsageError
        When there is no such task; the message names near ones. Also when an object has the name of
        another task.
    """
    given: object = task
    if isinstance(given, str):
        return TASKS.get(given)
    if isinstance(given, Task):
        _register(TASKS, given)
        return given
    message = (
        f"The task is {given!r}, of type {type(given).__name__}. Give its name or a tunesmith.Task."
    )
    raise UsageError(message)


def family_name(family: str | Family) -> str:
    """Return the name of a family; an object is made known by its name.

    Raises
    ------
    UsageError
        When it is neither, or an object has the name of another family.
    """
    given: object = family
    if isinstance(given, str):
        return given
    if isinstance(given, Family):
        _register(FAMILIES, given)
        return given.name
    message = (
        f"A family is {given!r}, of type {type(given).__name__}. Give its name or a "
        "tunesmith.Family, not its class."
    )
    raise UsageError(message)


def _register(registry: Registry[Any], item: Any) -> None:
    if item.name not in registry.names() or registry.get(item.name) is not item:
        registry.add(item)


def run_of(
    task: str | Task | Run, run: str | None, store: AnyStore | None
) -> tuple[Store, str, str | None]:
    """Return the store, the task and the run that a call is about; the latest run is None.

    Raises
    ------
    UsageError
        When `task` is neither a task nor a run, or both name a run, or no task and no run has the
        name.
    """
    if isinstance(task, Run):
        if run not in (None, task.run_id):
            message = f"The call names two runs: {task.run_id} and {run}. Name one of them."
            raise UsageError(message)
        return task.store if store is None else open_store(store), task.task, task.run_id
    opened = open_store(store)
    if isinstance(task, str) and task not in TASKS.names():
        # A run can be evaluated where its task is not known any more.
        known = opened.list(*layout.searched_tasks())
        if task not in known:
            kind = "task"
            raise unknown(kind, task, {*TASKS.names(), *known})
        return opened, task, run
    return opened, task_of(task).name, run


@contextmanager
def using_plugins(plugin: Plugins) -> Iterator[None]:
    """Know the tasks and families of plugin files inside a ``with`` block."""
    paths = [plugin] if isinstance(plugin, str | Path) else plugin
    with using(paths, named_by="plugin"):
        yield
