"""The task that a call of the public API names."""

from tunesmith.errors import UsageError
from tunesmith.tasks import Task, get_task

__all__ = ["task_of"]


def task_of(task: str | Task) -> Task:
    """Return a task by its name, or the task itself.

    Raises
    ------
    UsageError
        When there is no such task; the message names near ones.
    """
    given: object = task
    if isinstance(given, str):
        return get_task(given)
    if isinstance(given, Task):
        return given
    message = (
        f"The task is {given!r}, of type {type(given).__name__}. Give its name or a tunesmith.Task."
    )
    raise UsageError(message)
