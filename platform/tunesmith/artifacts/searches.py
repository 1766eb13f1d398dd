"""Files of a running search, readable without Ray or Optuna."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from tunesmith.artifacts import layout
from tunesmith.artifacts.documents import Document, JsonObject, Section, absent
from tunesmith.artifacts.durable import whole_lines
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError, StoreError, TunesmithError

__all__ = [
    "ClusterRecord",
    "DataRequest",
    "DatasetReference",
    "Plan",
    "RunPointer",
    "TrialResult",
    "mend",
    "parse_history",
    "read_history",
    "unfinished_plans",
    "unreadable_study",
]


class DataRequest(Section):
    """Requested data of a search; the task chooses what is left open."""

    dataset: str | None = None
    version: str | None = None
    seed: int = 0
    options: JsonObject = Field(default_factory=dict, description="What only some tasks know.")
    views: tuple[str, ...] | None = None


class DatasetReference(Section):
    """The data that was read."""

    name: str
    version: str
    is_sample: bool = Field(default=False, description="Generated, because the real set is absent.")


class RunPointer(Document):
    """`latest.json` of a task: the name of a run."""

    REMEDY: ClassVar[str] = "Search again: tunesmith tune TASK."

    run_id: str
    before: str | None = absent("The latest run until then.")


class ClusterRecord(Document):
    """`.cluster.json`: the Ray cluster that the newest search runs on."""

    REMEDY: ClassVar[str] = "The next search writes it again."

    dashboard: str | None = Field(default=None, description="URL of Ray's dashboard.")
    metrics: tuple[str, ...] = Field(default=(), description="URLs in Prometheus format.")


class Plan(Document):
    """`plan.json`: what a search set out to do."""

    REMEDY: ClassVar[str] = "Start a new search: tunesmith tune TASK."
    ERROR: ClassVar[type[TunesmithError]] = SearchError

    run_id: str
    study: str = Field(description="Name of Optuna's study in the journal.")
    task: str
    metric: str
    request: DataRequest
    families: tuple[str, ...]
    trials: int
    seed: int
    created: str
    dataset: DatasetReference
    extends: str | None = Field(default=None, description="Run whose trials it begins with.")


@dataclass(frozen=True)
class TrialResult:
    """One step of one trial.

    Attributes
    ----------
    trial, family, step
        Number of the trial, its family, and how many steps it has trained.
    score
        The best of the searched metric so far.
    best_step
        The step that reached it.
    fit_s
        Seconds that one model took to train up to here.
    metrics
        Everything else that was measured at this step, by name.
    is_end
        Whether the trial ended here by itself; known once it has ended.
    """

    trial: int
    family: str
    step: int
    score: float
    best_step: int
    fit_s: float
    metrics: Mapping[str, Any]
    is_end: bool = False

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "TrialResult":
        """Return the result that a line of the history holds."""
        own = {name: row[name] for name in _OWN_COLUMNS}
        rest = {name: value for name, value in row.items() if name not in own}
        return cls(**own, metrics=rest)

    def row(self) -> dict[str, object]:
        """Return the result as a line of the history holds it."""
        return {name: getattr(self, name) for name in _OWN_COLUMNS} | dict(self.metrics)


_OWN_COLUMNS = ("trial", "family", "step", "score", "best_step", "fit_s")


def parse_history(text: str) -> list[TrialResult]:
    """Return results, one JSON object a line, the newest of each trial's step, in order.

    A last line that its writer did not finish is left out.
    """
    results: dict[tuple[int, int], TrialResult] = {}
    for line in text.split("\n")[:-1]:
        result = TrialResult.of(json.loads(line))
        results[result.trial, result.step] = result
    return [results[key] for key in sorted(results)]


def read_history(path: Path) -> list[TrialResult]:
    """Return the results in a file, none where there is no file; see `parse_history`."""
    return parse_history(path.read_text(encoding="utf-8")) if path.exists() else []


def mend(path: Path) -> None:
    """Cut off a last line that its writer did not finish, so that more can be appended.

    A killed process leaves one, and so does a disk that is full.
    """
    if not path.exists():
        return
    content = path.read_bytes()
    whole = whole_lines(content)
    if len(whole) < len(content):
        os.truncate(path, len(whole))


def unfinished_plans(store: Store, task: str) -> list[Plan]:
    """Return the plans of a task's searches that run or did not finish, the newest last.

    Those that this version cannot read are left out: reading one by its name says what to do.
    """
    plans = []
    for run_id in store.staged(*layout.runs(task)):
        # A folder without a plan is of a search that died before it had begun.
        with suppress(SearchError, StoreError):
            plans.append(Plan.read(store, *layout.staged_run(task, run_id, layout.PLAN)))
    return plans


def unreadable_study(task: str, run_id: str) -> SearchError:
    """Return the error about a run whose study an earlier version kept in another form."""
    message = (
        f"Run {run_id} of {task} holds no {layout.STUDY}: an earlier version made it, and this one "
        f"cannot go on with it. Start a new search: tunesmith tune {task}."
    )
    return SearchError(message)
