"""Work in steps on the cluster: the tasks of a step read the files of the step before."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from tunesmith.artifacts.store import Store, cannot_write
from tunesmith.errors import StoreError
from tunesmith.ingestion.ray_data import results_of

__all__ = ["Run", "Steps", "run_on_cluster", "step_rows"]


class Steps(Protocol):
    """Work that is divided into steps, and each step into tasks."""

    @property
    def store(self) -> Store:
        """The store of all files."""

    def work(self, step: str, number: int) -> None:
        """Do one task of a step."""


Run = Callable[[Steps, str, int], None]
"""Does all tasks of a step: given the work, the name of the step, and the number of its tasks."""


def run_on_cluster(steps: Steps, step: str, count: int) -> None:
    """Do all tasks of a step on the cluster.

    Parameters
    ----------
    steps
        The work; it is sent to the workers.
    step
        Name of the step.
    count
        Number of its tasks.

    Raises
    ------
    StoreError
        If a task cannot read or write its files.
    """
    items = [{"number": str(number)} for number in range(count)]
    for row in results_of(step_rows, items, {"steps": steps, "step": step}) if items else ():
        if row["error"]:
            raise StoreError(row["error"])


def step_rows(rows: Any, steps: Steps, step: str) -> Any:
    """Do the tasks of one block of Ray Data.

    Parameters
    ----------
    rows
        Column ``number``, each the number of a task.
    steps, step
        As of `run_on_cluster`.

    Returns
    -------
    dict
        Column ``error``: the message of a task that cannot read or write its files, else empty. An
        exception would reach the driver wrapped in a page of Ray's traceback.
    """
    errors = []
    for number in rows["number"]:
        message = ""
        try:
            steps.work(step, int(number))
        except StoreError as error:
            message = str(error)
        except OSError as error:
            what = f"Step {step!r} of the ingest cannot go on in {steps.store.shown}"
            message = str(cannot_write(what, error))
        errors.append(message)
    return {"error": np.array(errors, dtype=object)}
