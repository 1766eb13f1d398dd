"""Work that requests leave behind is done together, in order, and never lost."""

import logging
import threading
import time

import pytest

from tunesmith.serving import aside
from tunesmith.serving.aside import Aside, at_once

DEADLINE_S = 10


def test_at_once_does_it_now() -> None:
    done: list[list[int]] = []
    at_once(done.append, 1)
    assert done == [[1]]


def test_everything_is_done_once_in_order_from_many_threads() -> None:
    later = Aside()
    numbers: list[tuple[int, int]] = []
    others: list[str] = []

    def add(thread: int) -> None:
        for number in range(500):
            later(numbers.extend, (thread, number))
            later(others.extend, "x")

    threads = [threading.Thread(target=add, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    later.stop()
    assert len(others) == 2000
    for thread_number in range(4):
        assert [n for t, n in numbers if t == thread_number] == list(range(500))


def test_items_of_one_function_come_together_and_by_themselves() -> None:
    later = Aside()
    batches: list[list[int]] = []
    for number in range(100):
        later(batches.append, number)
    deadline = time.monotonic() + DEADLINE_S
    while sum(map(len, batches)) < 100:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    later.stop()
    assert len(batches) < 100


def test_an_error_is_logged_and_the_others_are_done(caplog: pytest.LogCaptureFixture) -> None:
    later = Aside()
    done: list[int] = []

    def fail(items: list[int]) -> None:
        raise ValueError(items)

    with caplog.at_level(logging.ERROR, "tunesmith.serve"):
        later(fail, 1)
        later(done.extend, 2)
        later.stop()
    assert done == [2]
    assert "1 items" in caplog.text


def test_what_waits_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aside, "_MOST_WAITING", 10)
    monkeypatch.setattr(aside, "PERIOD_S", 1000)
    later = Aside()
    done: list[int] = []
    for number in range(11):
        later(done.extend, number)
    assert done == list(range(11))
    later.stop()
