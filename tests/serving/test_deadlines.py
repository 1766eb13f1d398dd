"""Deadlines that stop what does not look at them."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.serving.conftest import local_client, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.serving import deadlines
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.service import Service

# A score of a few kilobytes: music21 takes minutes to read it.
SLOW_SCORE = ("X:1\nM:4/4\nL:1/8\nK:C\n" + "CDEFGABc|" * 4000 + "\n").encode()


def busy(seconds: float) -> None:
    """Work in Python, as a parser does, which takes every error for one of the file's."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        with suppress(Exception):
            sum(range(100))


def test_work_that_looks_at_no_deadline_is_stopped_by_it() -> None:
    began = time.monotonic()
    with pytest.raises(ProblemError, match="time for the request was over"):
        Deadline.after(0.2).bound(lambda: busy(30))
    assert time.monotonic() - began < 10


def test_work_that_swallows_the_first_interruption_is_stopped_by_the_next() -> None:
    def stubborn() -> None:
        with suppress(BaseException):
            busy(30)
        busy(30)

    began = time.monotonic()
    with pytest.raises(ProblemError, match="time for the request was over"):
        Deadline.after(0.2).bound(stubborn)
    assert time.monotonic() - began < 20


def test_work_that_ends_in_time_meets_nothing_afterwards() -> None:
    for number in range(300):
        # Some end as the time does.
        deadline = Deadline.after(0.0005 if number % 2 else 9)
        with suppress(ProblemError):
            assert deadline.bound(lambda: "done") == "done"
    busy(0.05)
    assert threading.active_count() < 50


def test_an_error_inside_is_the_works_own() -> None:
    with pytest.raises(ValueError, match="its own"):
        Deadline.after(9).bound(lambda: int("its own"))


# The first interruption may arrive in a finaliser or a callback of the garbage collector, where
# Python can only report it; the next one stops the work.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", ["/v1/composer", "/v1/classify", "/v1/notes"])
def test_a_score_that_takes_minutes_is_given_up_at_the_deadline(
    store: Store, make_service: Callable[..., Service], path: str
) -> None:
    pytest.importorskip("music21")
    write_bundle(store)
    service = make_service()
    with local_client(service) as client:
        files = {"midi": SLOW_SCORE} if path == "/v1/classify" else None
        content = None if files else SLOW_SCORE
        headers = {"X-Deadline-S": "2"} | ({} if files else {"Content-Type": "text/vnd.abc"})
        answer = client.post(path, headers=headers, files=files, content=content)
        assert answer.json().get("type") == "/problems/deadline", answer.text
        # The thread is free again, and no more than a moment later.
        assert service._listeners.submit(lambda: "free").result(timeout=10) == "free"


def test_work_that_ends_in_time_leaves_no_signal_to_the_interpreter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # In CPython 3.11 taking one back makes every later step slow, and a traced one endless.
    sent: list[object] = []
    monkeypatch.setattr(
        deadlines.ctypes.pythonapi, "PyThreadState_SetAsyncExc", lambda *call: sent.append(call)
    )

    assert Deadline.after(9).bound(lambda: "done") == "done"

    assert sent == []
