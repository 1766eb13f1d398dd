"""A search whose store is a bucket: what a lost machine leaves there."""

import json
import shutil
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest
from optuna.trial import TrialState

from tunesmith.artifacts import layout
from tunesmith.artifacts.owners import Owner
from tunesmith.artifacts.runs import latest_run_id, name_latest_run
from tunesmith.artifacts.searches import TrialResult
from tunesmith.artifacts.store import Staging, Store
from tunesmith.errors import SearchError, StoreError
from tunesmith.tuning import staged_copy
from tunesmith.tuning.continuation import begun_plan, unfinished_note
from tunesmith.tuning.planning import plan_search
from tunesmith.tuning.requests import SearchRequest
from tunesmith.tuning.session import Session, finish_session, open_session

CLUSTER = {"CPU": 1.0}
BEGIN = SearchRequest("noise", families=("linear",), trials=4)
RESUME = SearchRequest("noise", resume=True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give the driver a home of its own; return the folder that it is in."""
    monkeypatch.setenv("HOME", str(tmp_path / "first"))
    monkeypatch.setattr(staged_copy, "_EVERY_S", 3600.0)
    return tmp_path


def open_in(stack: ExitStack, store: Store, request: SearchRequest) -> Session:
    planned = plan_search(store, request, begun_plan(store, request), CLUSTER)
    return open_session(store, stack, planned, cluster=CLUSTER, n_trials=4)


def end_trial(session: Session) -> int:
    """End a trial as the driver does: its result first, then the study."""
    trial = session.search.study.ask()
    result = TrialResult(trial.number, "linear", 1, 0.5, 1, 0.1, {})
    with session.history.open("a") as file:
        file.write(json.dumps(result.row()) + "\n")
    trial.set_user_attr("training_iteration", 1)
    session.search.study.tell(trial, 0.5)
    return int(trial.number)


def numbers_of(session: Session) -> list[int]:
    return [result.trial for result in session.ended_results()]


def test_a_fresh_machine_goes_on_where_the_lost_one_was(
    s3_store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as stack:
        first = open_in(stack, s3_store, BEGIN)
        ended = [end_trial(first), end_trial(first)]
    monkeypatch.setenv("HOME", str(home / "second"))
    note = unfinished_note(s3_store, "noise")
    assert note is not None
    assert "2 of 4 trials" in note
    with ExitStack() as stack:
        again = open_in(stack, s3_store, RESUME)
        assert again.run_id == first.run_id
        assert again.folder != first.folder
        assert numbers_of(again) == ended
        assert again.progress.complete == 2
        ended.append(end_trial(again))
    # Back on the first machine, whose own files are of a time before.
    monkeypatch.setenv("HOME", str(home / "first"))
    with ExitStack() as stack:
        assert numbers_of(open_in(stack, s3_store, RESUME)) == ended


def lose_machine_after(n_writes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let so many writes to the store be the last of this machine."""
    write, left = Staging.write_bytes, [n_writes]

    def until_lost(self: Staging, data: bytes, *parts: str) -> None:
        if left[0] <= 0:
            message = "the machine is gone"
            raise StoreError(message)
        left[0] -= 1
        write(self, data, *parts)

    monkeypatch.setattr(Staging, "write_bytes", until_lost)


def go_on_elsewhere(
    stack: ExitStack, store: Store, home: Path, monkeypatch: pytest.MonkeyPatch
) -> set[int]:
    """Resume on a fresh machine; return the trials that have ended, each with its results."""
    monkeypatch.undo()
    monkeypatch.setenv("HOME", str(home / "second"))
    monkeypatch.setattr(staged_copy, "_EVERY_S", 3600.0)
    again = open_in(stack, store, RESUME)
    ended = again.search.study.get_trials(states=(TrialState.COMPLETE,))
    numbers = {trial.number for trial in ended}
    assert numbers == set(numbers_of(again))
    return numbers


@pytest.mark.parametrize("moment", range(6))
def test_a_machine_that_is_lost_while_it_copies_leaves_no_ended_trial_without_results(
    s3_store: Store, home: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    with ExitStack() as stack:
        first = open_in(stack, s3_store, BEGIN)
        lose_machine_after(moment, monkeypatch)
        copied: dict[str, bytes | float] = {}
        for _ in range(3):
            end_trial(first)
            try:
                staged_copy.push_copy(first.staging, first.folder, copied)
            except StoreError:
                break
        shutil.rmtree(first.folder)
    with ExitStack() as stack:
        ended = go_on_elsewhere(stack, s3_store, home, monkeypatch)
        assert len(ended) == moment // 2


@pytest.mark.parametrize("moment", range(7))
def test_a_machine_that_is_lost_while_it_publishes_leaves_no_ended_trial_without_results(
    s3_store: Store, home: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    with ExitStack() as stack:
        first = open_in(stack, s3_store, BEGIN)
        end_trial(first)
        end_trial(first)
        # A folder lists its files in an order of its own; the study is among the first here.
        names = [layout.STUDY, layout.HISTORY, *(f"{letter}.bin" for letter in "abcde")]
        for name in names[2:]:
            (first.folder / name).write_bytes(b"weights")
        in_order = [first.folder / name for name in names]
        monkeypatch.setattr(Path, "rglob", lambda folder, pattern: iter(in_order))
        lose_machine_after(moment, monkeypatch)
        with pytest.raises(StoreError, match="the machine is gone"):
            finish_session(s3_store, first)
        shutil.rmtree(first.folder)
    with ExitStack() as stack:
        go_on_elsewhere(stack, s3_store, home, monkeypatch)


def test_the_copy_follows_while_the_search_runs(
    s3_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(staged_copy, "_EVERY_S", 0.05)
    pushed = threading.Event()
    push_copy = staged_copy.push_copy

    def noticed(*arguments: object) -> None:
        push_copy(*arguments)  # type: ignore[arg-type]
        pushed.set()

    monkeypatch.setattr(staged_copy, "push_copy", noticed)
    with ExitStack() as stack:
        session = open_in(stack, s3_store, BEGIN)
        end_trial(session)
        pushed.clear()
        assert pushed.wait(20)
        pushed.clear()
        assert pushed.wait(20)
        assert s3_store.read_bytes(*session.staging.parts, layout.HISTORY).count(b"\n") == 1


def test_a_search_that_another_machine_has_taken_over_is_not_published(s3_store: Store) -> None:
    with ExitStack() as stack:
        session = open_in(stack, s3_store, BEGIN)
        end_trial(session)
        parts = layout.staged_run("noise", session.run_id, layout.OWNER)
        other = Owner.read(s3_store, *parts).model_copy(update={"nonce": "other", "pid": 1})
        other.write(s3_store, *parts)
        session.staging.write_json({}, layout.RECORD)
        with pytest.raises(SearchError, match="belongs to process 1"):
            finish_session(s3_store, session)
        assert session.folder.exists()
    assert not s3_store.exists(*session.staging.parts, layout.HISTORY)
    assert latest_run_id(s3_store, "noise") is None


@pytest.mark.parametrize("kind", ["store", "s3_store"])
def test_a_driver_that_dies_before_it_publishes_can_be_resumed_and_hides_nothing(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Store = request.getfixturevalue(kind)
    store.write_json({}, *layout.run("noise", "20260101T000000-aaaa", layout.RECORD))
    name_latest_run(store, "noise", "20260101T000000-aaaa")
    publish = Staging.publish

    def die(self: Staging, *final: str, marker: str) -> bool:
        message = "killed"
        raise StoreError(message)

    monkeypatch.setattr(Staging, "publish", die)
    with ExitStack() as stack:
        session = open_in(stack, store, BEGIN)
        end_trial(session)
        session.staging.write_json({}, layout.RECORD)
        with pytest.raises(StoreError, match="killed"):
            finish_session(store, session)
        assert session.folder.exists(), "the study is kept until the run is published"
    assert latest_run_id(store, "noise") == "20260101T000000-aaaa"
    monkeypatch.setattr(Staging, "publish", publish)
    with ExitStack() as stack:
        again = open_in(stack, store, RESUME)
        again.staging.write_json({}, layout.RECORD)
        finish_session(store, again)
    assert latest_run_id(store, "noise") == session.run_id
    names = set(store.list(*layout.run("noise", session.run_id)))
    assert {layout.STUDY, layout.HISTORY, layout.RECORD} <= names
    if store.is_local:
        published = store.local_path(*layout.run("noise", session.run_id))
        assert list(published.glob(".*")) == []
