"""Contract tests for tasks and model families of your own; they need pytest.

In a test file of yours::

    from tunesmith.testing import FamilyContract, TaskContract
    from my_task import TASK
    from my_family import FAMILY


    class TestMyTask(TaskContract):
        tasks = [TASK]


    class TestMyFamily(FamilyContract):
        families = [FAMILY]

Or, without a test file, over every plugin that is in use::

    TUNESMITH_PLUGINS=my_task.py:my_family.py python -m pytest --pyargs tunesmith.testing

A check that does not suit a class of yours is overridden in it, as any method.
"""

import pytest

pytest.register_assert_rewrite("tunesmith.testing.families", "tunesmith.testing.tasks")

from tunesmith.testing.examples import small_examples  # noqa: E402 - after the line above
from tunesmith.testing.families import FamilyContract  # noqa: E402
from tunesmith.testing.tasks import TaskContract  # noqa: E402

__all__ = ["FamilyContract", "TaskContract", "small_examples"]
