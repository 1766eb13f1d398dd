"""Early stopping, and what a trial asks for after a lack of memory."""

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from ray.tune import PlacementGroupFactory
from ray.tune.schedulers import TrialScheduler

from tunesmith.artifacts.searches import TrialResult
from tunesmith.models import get_family
from tunesmith.tuning.capacity import larger_share
from tunesmith.tuning.scheduler import EarlyStopping, placement
from tunesmith.tuning.trial import SCORE


class _Trial:
    """As much of Ray Tune's trial as the scheduler reads."""

    def __init__(self, name: str, family: str = "boosting", error_file: str | None = None) -> None:
        self.trial_id = name
        share = {"CPU": 1.0, "GPU": 0.4}
        self.config = {"task": "t", "family": family, "resources": share}
        self.written = error_file
        self.placement: Any = placement(self.config)

    @property
    def num_failures(self) -> int:
        return int(self.written is not None)

    @property
    def error_file(self) -> str:
        if self.written is None:
            # What Ray Tune does for a trial that has not started.
            message = "Should not access `trial_driver_staging_path`"
            raise RuntimeError(message)
        return self.written

    def update_resources(self, factory: PlacementGroupFactory) -> None:
        self.placement = factory


def _result(score: float, step: int, *, finished: bool = False) -> dict[str, Any]:
    return {SCORE: score, "training_iteration": step, "finished": finished}


def _run(scheduler: EarlyStopping, trial: Any, score: float, steps: int) -> str:
    scheduler.on_trial_add(None, trial)
    decision = str(TrialScheduler.CONTINUE)
    for step in range(1, steps + 1):
        decision = scheduler.on_trial_result(None, trial, _result(score, step))
        if decision == TrialScheduler.STOP:
            break
    return decision


def test_bad_trials_are_stopped_once_a_few_came_as_far() -> None:
    scheduler = EarlyStopping({"CPU": 2.0})
    for number, score in enumerate((0.9, 0.8, 0.7)):
        assert _run(scheduler, _Trial(f"{number}"), score, 5) == TrialScheduler.CONTINUE
    assert _run(scheduler, _Trial("bad"), 0.1, 3) == TrialScheduler.STOP
    assert _run(scheduler, _Trial("good"), 0.95, 5) == TrialScheduler.CONTINUE


def test_of_few_the_worst_is_stopped_once_it_had_time() -> None:
    scheduler = EarlyStopping({"CPU": 2.0})
    assert _length(scheduler, 0, [0.5] * 20) == 20
    assert _length(scheduler, 1, [0.1] * 8 + [0.6] * 12) == 20
    assert _length(scheduler, 2, [0.4] * 20) == 9


def test_nothing_is_halved_before_the_grace_period() -> None:
    scheduler = EarlyStopping({"CPU": 2.0})
    for number in range(6):
        _run(scheduler, _Trial(f"{number}"), 0.9, 5)
    assert _run(scheduler, _Trial("bad"), 0.0, 2) == TrialScheduler.CONTINUE


def test_a_slow_family_is_not_compared_with_a_quick_one() -> None:
    scheduler = EarlyStopping({"CPU": 2.0})
    for number in range(6):
        _run(scheduler, _Trial(f"{number}"), 0.9, 5)
    assert _run(scheduler, _Trial("slow", family="cnn1d"), 0.3, 5) == TrialScheduler.CONTINUE


def _with_known_gains(best: float = 0.9) -> EarlyStopping:
    """Return what has seen an SVM as good as that, and what two of ``cnn1d`` gained on their way.

    Of these one gains 0.3 from the first step on and 0.1 after the second.
    """
    scheduler = EarlyStopping({"CPU": 2.0})
    _length(scheduler, 9, [best], "svm")
    _length(scheduler, 0, [0.5, 0.7, 0.8], "cnn1d")
    _length(scheduler, 1, [0.6, 0.6, 0.6], "cnn1d")
    return scheduler


def test_a_trial_stops_once_the_best_of_another_family_is_out_of_reach() -> None:
    scheduler = _with_known_gains()
    assert _length(scheduler, 2, [0.55, 0.85, 0.88], "cnn1d") == 1
    assert _length(scheduler, 3, [0.6, 0.75, 0.88], "cnn1d") == 2
    assert _length(scheduler, 4, [0.62, 0.85, 0.88], "cnn1d") == 3


def test_what_other_families_gain_says_nothing() -> None:
    scheduler = _with_known_gains()
    assert _length(scheduler, 2, [0.1, 0.2, 0.3], "boosting") == 3
    assert _length(scheduler, 3, [0.1, 0.2, 0.3], "boosting") == 3
    assert _length(scheduler, 4, [0.1, 0.2, 0.3], "boosting") == 1


def test_a_trial_that_went_further_than_any_of_its_family_goes_on() -> None:
    scheduler = _with_known_gains()
    assert _length(scheduler, 2, [0.7, 0.8, 0.895, 0.895, 0.895], "cnn1d") == 5


def test_a_trial_beyond_where_most_of_its_family_ended_goes_on() -> None:
    scheduler = _with_known_gains()
    ahead: Any = _Trial("2", "cnn1d")
    scheduler.on_trial_add(None, ahead)
    for step in range(1, 9):
        scheduler.on_trial_result(None, ahead, _result(0.8 + step / 1000, step))
    assert _length(scheduler, 3, [0.8] * 6, "cnn1d") == 3
    assert _length(scheduler, 4, [0.7, 0.8, 0.89, 0.89, 0.89, 0.89], "cnn1d") == 6


def test_nobody_is_measured_by_a_trial_that_failed() -> None:
    scheduler = _with_known_gains(best=0.8)
    failed: Any = _Trial("2", "cnn1d")
    scheduler.on_trial_add(None, failed)
    scheduler.on_trial_result(None, failed, _result(0.95, 1))
    assert _length(scheduler, 3, [0.5, 0.71, 0.8], "cnn1d") == 1
    scheduler.on_trial_error(None, failed)
    assert _length(scheduler, 4, [0.5, 0.71, 0.8], "cnn1d") == 3


def test_a_trial_that_begins_again_stands_where_it_is_now() -> None:
    scheduler = EarlyStopping({"CPU": 2.0})
    trial: Any = _Trial("0")
    scheduler.on_trial_add(None, trial)
    for step, score in ((1, 0.9), (2, 0.9)):
        scheduler.on_trial_result(None, trial, _result(score, step))
    scheduler.on_trial_error(None, trial)
    scheduler.on_trial_add(None, trial)
    scheduler.on_trial_result(None, trial, _result(0.2, 1))
    family = scheduler._families["t", "boosting"]
    assert (family.others_at("another", 1), family.others_at("another", 2)) == ([0.2], [])


@given(
    data=st.data(),
    scores=st.lists(
        st.lists(st.floats(0, 1), min_size=9, max_size=9).map(sorted), min_size=4, max_size=12
    ),
)
def test_a_search_that_continues_stops_whom_it_would_have_stopped(
    data: st.DataObject, scores: list[list[float]]
) -> None:
    undisturbed = EarlyStopping({"CPU": 2.0})
    lengths = [_length(undisturbed, number, row) for number, row in enumerate(scores)]
    n_ended = data.draw(st.integers(0, len(scores)))
    continued = EarlyStopping({"CPU": 2.0})
    results = [
        _recorded(number, step, scores[number])
        for number in range(n_ended)
        for step in range(1, lengths[number] + 1)
    ]
    continued.replay("t", results)
    again = [_length(continued, n, scores[n]) for n in range(n_ended, len(scores))]
    assert again == lengths[n_ended:]


def _recorded(number: int, step: int, scores: list[float]) -> TrialResult:
    """Return a step of a trial as the history of a search holds it."""
    score, is_end = scores[step - 1], step == len(scores)
    return TrialResult(number, "boosting", step, score, step, 0.1, {}, is_end=is_end)


def _length(
    scheduler: EarlyStopping, number: int, scores: list[float], family: str = "boosting"
) -> int:
    """Run a trial as Ray Tune does; return after how many steps it ended."""
    trial: Any = _Trial(f"{number}", family)
    scheduler.on_trial_add(None, trial)
    for step, score in enumerate(scores, 1):
        result = _result(score, step, finished=step == len(scores))
        # Ray Tune does not ask about a trial that says itself that it is done.
        if result["finished"]:
            break
        if scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP:
            break
    scheduler.on_trial_complete(None, trial, result)
    return step


def test_a_trial_without_memory_is_tried_again_with_a_larger_share(tmp_path: Path) -> None:
    cluster = {"CPU": 4.0, "GPU": 1.0, "memory": 10e9}
    scheduler = EarlyStopping(cluster)
    trial: Any = _Trial("a")
    scheduler.on_trial_add(None, trial)
    assert trial.placement == placement(trial.config)
    (tmp_path / "error.txt").write_text("Failure # 1 (now)\nOutOfMemoryError: killed")
    trial.written = str(tmp_path / "error.txt")
    scheduler.on_trial_add(None, trial)
    declared = get_family("boosting").resources.memory_bytes
    share = {"CPU": 1.0, "GPU": 0.8, "memory": 2.0 * declared}
    assert trial.placement == PlacementGroupFactory([share])
    assert larger_share(share, declared, {"memory": 1e6})["GPU"] == 1.0
    assert larger_share(share, declared, {"memory": 1e6})["memory"] == 1e6
