"""Lines about what a search waits for, and trials for what becomes free."""

from types import SimpleNamespace
from typing import Any

import pytest

from tunesmith.tuning import adapters, capacity, waiting
from tunesmith.tuning.progress import Progress
from tunesmith.tuning.waiting import Waiting, Watchman


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return a clock that the test moves."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(waiting.time, "monotonic", lambda: clock.now)
    return clock


def _trials(*states: str) -> list[Any]:
    config = {"task": "noise", "resources": {"CPU": 2.0}}
    return [SimpleNamespace(status=state, config=config) for state in states]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list that printed lines go to, on a machine with one free CPU."""
    monkeypatch.setattr(adapters, "free_by_node", lambda: {"a": {"CPU": 1.0}})
    return []


def test_a_wait_is_said_every_ten_seconds(clock: SimpleNamespace, lines: list[str]) -> None:
    watchman = Watchman(lines.append)
    for second in range(32):
        clock.now = 100.0 + second
        watchman.waits("noise", {"CPU": 2.0})
    assert lines == [
        f"noise: waiting {seconds} s for 2 CPUs, 1 is free" for seconds in (10, 20, 30)
    ]
    watchman.rest()
    clock.now += 5
    watchman.waits("noise", {"CPU": 2.0})
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("states", "is_queued", "expected"),
    [
        (["PENDING"], True, 1),
        # Its process is starting.
        (["PENDING"], False, 0),
        # A trial of the same search has the CPUs.
        (["RUNNING", "PENDING"], True, 0),
        (["TERMINATED"], True, 0),
    ],
)
def test_only_what_others_hold_is_waited_for(
    clock: SimpleNamespace, lines: list[str], monkeypatch: pytest.MonkeyPatch, *,
    states: list[str], is_queued: bool, expected: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(waiting, "is_queued", lambda _: is_queued)
    portfolio: Any = SimpleNamespace(n_slots=2, n_left=0)
    progress = {"noise": Progress(3)}
    watch = Waiting(portfolio, {"CPU": 2.0}, [{"CPU": 2.0}], progress=progress, say=lines.append)
    for _ in range(14):
        clock.now += 1.0
        watch.on_step_end(0, _trials(*states))
    assert len(lines) == expected
    assert progress["noise"].is_queued == bool(expected)


def test_what_others_let_go_of_is_used(clock: SimpleNamespace, lines: list[str]) -> None:
    portfolio: Any = SimpleNamespace(n_slots=1, n_left=5)
    watch = Waiting(portfolio, {"CPU": 3.0}, [{"CPU": 1.0}], progress={}, say=lines.append)
    clock.now += 1.0
    watch.on_step_end(0, _trials("RUNNING"))
    # A trial that begins has its CPU a moment later.
    assert portfolio.n_slots == 1
    for _ in range(5):
        clock.now += 1.0
        watch.on_step_end(0, _trials("RUNNING"))
    assert portfolio.n_slots == 3


def test_a_request_that_ray_has_placed_is_not_queued(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = {
        "a": {"state": "CREATED", "bundles": {0: {"CPU": 1.0}}},
        "b": {"state": "PENDING", "bundles": {0: {"CPU": 2.0}}},
        "c": {"state": "REMOVED", "bundles": {0: {"CPU": 4.0}}},
    }
    monkeypatch.setattr(capacity.ray.util, "placement_group_table", lambda: groups)
    assert not capacity.is_queued({"CPU": 1.0})
    assert capacity.is_queued({"CPU": 2.0})
    assert not capacity.is_queued({"CPU": 4.0})
