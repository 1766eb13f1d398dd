"""Tests of every plugin in use: ``python -m pytest --pyargs tunesmith.testing``."""

import pytest

from tunesmith.artifacts.store import Store
from tunesmith.models import family_names
from tunesmith.models.registry import FAMILIES
from tunesmith.plugins import plugin_files
from tunesmith.tasks import task_names
from tunesmith.tasks.registry import TASKS
from tunesmith.testing import FamilyContract, TaskContract

__all__ = ["TestFamilies", "TestTasks"]

_PATHS = {file.path for file in plugin_files()}
_TASKS = [name for name in task_names() if TASKS.place(name) in _PATHS]
_FAMILIES = [name for name in family_names() if FAMILIES.place(name) in _PATHS]


def test_a_plugin_is_in_use() -> None:
    """A run that tests nothing must not look like one that passed."""
    assert _TASKS or _FAMILIES, "Name your plugins, with : between them, in TUNESMITH_PLUGINS."


class TestTasks(TaskContract):
    """The tasks of plugins."""

    tasks = _TASKS

    @pytest.fixture(scope="class")
    @classmethod
    def store(cls) -> Store:
        """Return the user's own store, for tasks on its datasets; it is only read."""
        return Store(None)


class TestFamilies(FamilyContract):
    """The families of plugins."""

    families = _FAMILIES
