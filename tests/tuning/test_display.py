"""The state of a search as lines."""

import dataclasses

import pytest

from tunesmith.tuning import display
from tunesmith.tuning.display import LINE_PAUSE_S, Display, Lines, Standing

HALF_WAY = Standing(
    "digits", ended=2, n_trials=6, running=2, best="0.9661 (svm #1)", elapsed_s=120.0, rate=1.0,
    budget_left_s=None,
)  # fmt: skip


def test_a_line_has_the_count_the_rate_the_time_left_and_the_best() -> None:
    assert HALF_WAY.line() == (
        "[2:00] digits: 2 of 6 trials ended, 2 running, 1 a minute, about 4:00 left; "
        "best 0.9661 (svm #1)"
    )


def test_before_the_first_trial_ends_nothing_is_guessed() -> None:
    new = dataclasses.replace(HALF_WAY, ended=0, rate=None, best="", elapsed_s=0.0)
    assert new.line() == "[0:00] digits: 0 of 6 trials ended, 2 running; best not known yet"


@pytest.mark.parametrize(("budget_left_s", "left"), [(30.0, "0:30"), (3600.0, "4:00")])
def test_the_time_budget_bounds_the_time_left(budget_left_s: float, left: str) -> None:
    state = dataclasses.replace(HALF_WAY, budget_left_s=budget_left_s)
    assert f"about {left} left" in state.line()


def test_each_task_has_a_line_now_and_then_and_one_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, lines = 0.0, []
    monkeypatch.setattr(display.time, "monotonic", lambda: now)
    shown = Lines(lines.append)
    assert isinstance(shown, Display)
    for _ in range(int(3 * LINE_PAUSE_S)):
        shown.show(HALF_WAY)
        shown.show(dataclasses.replace(HALF_WAY, task="noise"))
        now += 1.0
    assert [line.split()[1] for line in lines] == ["digits:", "noise:"] * 3
    shown.show(dataclasses.replace(HALF_WAY, ended=6))
    assert "6 of 6 trials ended" in lines[-1]
    shown("a note")
    assert lines[-1] == "a note"
