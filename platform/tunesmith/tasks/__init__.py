"""Tasks: data, target, honest protocol, families, metric and the published figure, one file each.

Adding a task is adding one file that holds a ``TASK``.
"""

from tunesmith.tasks.contract import METRICS, Reference, Request, Task, TaskData
from tunesmith.tasks.registry import get_task, load_for_run, task_names
from tunesmith.tasks.support.tables import data_folder, find_file

__all__ = [
    "METRICS",
    "Reference",
    "Request",
    "Task",
    "TaskData",
    "data_folder",
    "find_file",
    "get_task",
    "load_for_run",
    "task_names",
]
