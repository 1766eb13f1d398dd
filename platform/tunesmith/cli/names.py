"""Names of the tasks and families, from the names of files: help must not wait for imports.

A module of ``tasks/`` and ``models/`` has the name of what it holds; a test compares both lists
with the registries.
"""

import pkgutil
from importlib.metadata import entry_points
from importlib.util import find_spec

__all__ = ["family_names", "task_names"]

_OTHERS = {"contract", "registry"}


def task_names() -> tuple[str, ...]:
    """Return the names of the tasks of this package and of installed packages, sorted."""
    return _names("tasks", "tunesmith.tasks")


def family_names() -> tuple[str, ...]:
    """Return the names of the model families, likewise."""
    return _names("models", "tunesmith.families")


def _names(room: str, group: str) -> tuple[str, ...]:
    spec = find_spec(f"tunesmith.{room}")
    folders = (spec and spec.submodule_search_locations) or []
    modules = {
        module.name
        for module in pkgutil.iter_modules(folders)
        if not module.ispkg and not module.name.startswith("_") and module.name not in _OTHERS
    }
    return tuple(sorted(modules | {point.name for point in entry_points(group=group)}))
