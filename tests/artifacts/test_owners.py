"""The process that a search belongs to."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.processes import running
from tunesmith.artifacts import layout, owners
from tunesmith.artifacts.owners import Owner, Ownership, owner_of
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError

_PARTS = layout.staged_run("noise", "r1", layout.OWNER)
_HOLD = """
import sys
from tunesmith.artifacts.owners import Ownership
from tunesmith.artifacts.store import Store
with Ownership(Store(sys.argv[1]), "noise", "r1"):
    print("owns", flush=True)
    sys.stdin.read()
"""


def _other_machine(store: Store, *, heartbeat: float) -> None:
    owner = Owner(
        host="elsewhere", pid=1, place="another boot", started="1", heartbeat=heartbeat, nonce="n"
    )
    owner.write(store, *_PARTS)


def test_a_run_that_another_process_owns_is_refused_until_that_is_killed(store: Store) -> None:
    with running(
        [sys.executable, "-c", _HOLD, store.uri],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "owns\n"
        with pytest.raises(SearchError, match=rf"belongs to process {process.pid} on "):
            Ownership(store, "noise", "r1").__enter__()
        # Killed, so that it cannot give the run up; its heartbeat is fresh.
        process.kill()
    assert store.exists(*_PARTS)
    with Ownership(store, "noise", "r1"):
        owner = owner_of(store, "noise", "r1")
        assert owner is not None
        assert owner.pid == os.getpid()
    assert not store.exists(*_PARTS)


def test_a_process_that_got_the_number_of_a_dead_owner_is_not_taken_for_it(store: Store) -> None:
    with Ownership(store, "noise", "r1"):
        owner = Owner.read(store, *_PARTS)
    owner.model_copy(update={"started": "1"}).write(store, *_PARTS)
    assert owner_of(store, "noise", "r1") is None


def test_another_machine_is_judged_by_its_heartbeat(store: Store) -> None:
    _other_machine(store, heartbeat=time.time() - 20)
    with pytest.raises(SearchError, match=r"process 1 on elsewhere.* 20 s old"):
        Ownership(store, "noise", "r1").__enter__()
    _other_machine(store, heartbeat=time.time() - 70)
    with Ownership(store, "noise", "r1"):
        pass


def test_the_heartbeat_is_renewed_and_ends_with_the_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "_BEAT_S", 0.02)
    with Ownership(store, "noise", "r1"):
        first = Owner.read(store, *_PARTS).heartbeat
        deadline = time.monotonic() + 10
        while Owner.read(store, *_PARTS).heartbeat == first:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert not store.exists(*_PARTS)
    assert "owner" not in {thread.name for thread in threading.enumerate()}


@pytest.mark.parametrize("n_claims", [8])
def test_of_many_that_claim_a_run_at_once_one_gets_it(store: Store, n_claims: int) -> None:
    start, won, lost = threading.Barrier(n_claims), [], []

    def claim() -> None:
        ownership = Ownership(store, "noise", "r1")
        start.wait()
        try:
            won.append(ownership.__enter__())
        except SearchError as error:
            lost.append(error)

    threads = [threading.Thread(target=claim) for _ in range(n_claims)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, n_claims - 1)
    won[0].__exit__(None, None, None)


def test_a_store_without_locks_is_claimed_too(s3_store: Store) -> None:
    with (
        Ownership(s3_store, "noise", "r1"),
        pytest.raises(SearchError, match=f"process {os.getpid()} on"),
    ):
        Ownership(s3_store, "noise", "r1").__enter__()
    assert not s3_store.exists(*_PARTS)


def test_a_folder_that_was_published_meanwhile_is_not_made_again(store: Store) -> None:
    with Ownership(store, "noise", "r1") as ownership:
        ownership.stop()
        staged = Path(store.local_path(*layout.staged_run("noise", "r1")))
        staged.rename(staged.with_name("r1"))
    assert not staged.exists()
