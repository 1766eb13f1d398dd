"""The time at which the detectors of a search begin."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from tunesmith.tuning import detecting
from tunesmith.tuning.detecting import Detecting, DetectorsInTime


class Counted:
    """A detector that counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0

    def begin(self) -> None:
        self.begun += 1


def session(name: str, *, is_exhausted: bool) -> Any:
    return SimpleNamespace(
        task=SimpleNamespace(name=name), search=SimpleNamespace(is_exhausted=is_exhausted)
    )


def detectors(*names: str) -> dict[str, Counted]:
    return {name: Counted() for name in names}


def in_time(sessions: list[Any], own: dict[str, Counted], deadline: float | None) -> Any:
    return DetectorsInTime(sessions, cast("dict[str, Detecting]", own), deadline)


def trials(*states: str) -> list[Any]:
    return [SimpleNamespace(status=state) for state in states]


def test_a_detector_begins_where_the_last_trials_of_its_task_leave_a_slot() -> None:
    own = detectors("digits", "emotion")
    sessions = [session("digits", is_exhausted=True), session("emotion", is_exhausted=False)]
    callback = in_time(sessions, own, None)

    callback.on_step_end(1, trials("RUNNING", "RUNNING"))
    while_full = own["digits"].begun
    callback.on_step_end(2, trials("RUNNING", "TERMINATED"))

    assert while_full == 0
    assert {name: each.begun for name, each in own.items()} == {"digits": 1, "emotion": 0}


def test_every_detector_begins_at_half_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(detecting.time, "monotonic", lambda: now[0])
    own = detectors("digits")
    callback = in_time([session("digits", is_exhausted=False)], own, deadline=160.0)

    now[0] = 129.0
    callback.on_step_end(1, [])
    before = own["digits"].begun
    now[0] = 130.0
    callback.on_step_end(2, [])

    assert (before, own["digits"].begun) == (0, 1)


def test_a_detector_is_learned_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class Remote:
        def options(self, **_: Any) -> "Remote":
            return self

        def remote(self, *arguments: Any, **_: Any) -> str:
            calls.append(arguments)
            return "reference"

    monkeypatch.setattr(detecting.ray, "remote", lambda _: Remote())
    detector = Detecting("items", None, seed=0)

    detector.end()
    detector.begin()
    detector.begin()

    assert calls == [("items", None)]
