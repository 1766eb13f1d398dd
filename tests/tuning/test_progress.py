"""When a search ends, and a trial that keeps others waiting."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle

from tunesmith.artifacts.searches import TrialResult
from tunesmith.tuning.display import Standing
from tunesmith.tuning.progress import Budget, Progress, Watch

_TOTAL_S = 600.0


def _seen(trial: int, score: float, fit_s: float) -> TrialResult:
    return TrialResult(trial, "svm", 1, score, 1, fit_s, {})


def _progress(n_trials: int = 4, results: int = 0) -> Progress:
    progress = Progress(n_trials)
    for number in range(results):
        progress.saw(_seen(number, 0.5, 1.0))
    return progress


def _budget(
    *, total_s: float | None = _TOTAL_S, all_wait: bool = True, **tasks: Progress
) -> Budget:
    deadline = None if total_s is None else time.monotonic() + total_s
    return Budget(deadline, tasks, max_failed=None, n_slots=2, waits=lambda task: all_wait)


def _result(task: str, total_s: float) -> dict[str, Any]:
    return {"config": {"task": task}, "time_total_s": total_s}


def test_a_trial_of_a_task_that_used_up_its_share_makes_room() -> None:
    budget = _budget(composer=_progress(), digits=_progress())
    assert not budget("a", _result("composer", 400.0))
    assert not budget("b", _result("composer", 150.0))
    # Two slots for ten minutes, two tasks: ten minutes each.
    assert budget("b", _result("composer", 210.0))
    assert not budget("c", _result("digits", 10.0))


@pytest.mark.parametrize(
    ("others", "total_s", "all_wait"),
    [
        ({}, _TOTAL_S, True),
        ({"digits": _progress()}, _TOTAL_S, False),
        ({"digits": _progress()}, None, True),
    ],
    ids=["alone", "nobody waits", "no time is given"],
)
def test_it_goes_on_where_nobody_loses_by_it(
    others: dict[str, Progress], total_s: float | None, all_wait: bool
) -> None:
    budget = _budget(total_s=total_s, all_wait=all_wait, composer=_progress(), **others)
    assert not budget("a", _result("composer", 2000.0))


def test_tasks_that_all_used_up_their_shares_leave_each_other_alone() -> None:
    budget = _budget(composer=_progress(), digits=_progress())
    budget("a", _result("composer", 601.0))
    assert not budget("b", _result("digits", 601.0))
    assert not budget("a", _result("composer", 602.0))


def test_the_search_ends_while_there_is_time_for_refits() -> None:
    progress = _progress(results=1)
    budget = _budget(total_s=60.0, digits=progress)
    assert not budget.stop_all()
    progress.saw(_seen(1, 0.9, 40.0))
    assert budget.stop_all()
    assert budget.reason == "time budget"


def test_a_task_without_a_score_is_waited_for_until_the_time_is_over() -> None:
    assert not _budget(total_s=5.0, digits=_progress()).stop_all()
    assert _budget(total_s=-1.0, digits=_progress()).stop_all()
    # Another task's refit keeps its time, whatever is missing.
    assert _budget(total_s=15.0, digits=_progress(), composer=_progress(results=1)).stop_all()


def test_too_many_failures_end_the_search() -> None:
    progress = _progress()
    budget = Budget(None, {"digits": progress}, max_failed=1, n_slots=1, waits=lambda task: False)
    progress.failed = 1
    assert not budget.stop_all()
    progress.failed = 2
    assert budget.stop_all()
    assert budget.reason == "2 trials failed"


def test_the_callback_is_stored_without_its_terminal(tmp_path: Path) -> None:
    class Terminal:
        def __init__(self) -> None:
            self.lock = threading.RLock()

        def __call__(self, line: str) -> None:
            raise AssertionError

        def show(self, standing: Standing) -> None:
            raise AssertionError

    watch = Watch({"noise": Progress(3)}, {"noise": tmp_path}, Terminal(), None)
    stored: Watch = cloudpickle.loads(cloudpickle.dumps(watch))
    stored.setup()
