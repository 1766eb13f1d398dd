"""Pointers under rivals: no move is lost, on a disk and in a bucket."""

import subprocess
import sys
from contextlib import ExitStack

import pytest

from tunesmith.artifacts import layout, pointers
from tunesmith.artifacts.buckets import Bucket
from tunesmith.artifacts.cards import Aliases
from tunesmith.artifacts.pointers import claim, create, move, point
from tunesmith.artifacts.searches import RunPointer
from tunesmith.artifacts.store import Store
from tunesmith.errors import StoreError

PARTS = layout.aliases("noise")
COUNTING = """
import sys
from tunesmith.artifacts import layout
from tunesmith.artifacts.cards import Aliases
from tunesmith.artifacts.pointers import move
from tunesmith.artifacts.store import Store

store = Store(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(sys.argv[2])):
    move(store, Aliases, layout.aliases("noise"),
         lambda now: Aliases(record=(now.record if now else 0) + 1))
"""


@pytest.fixture(params=["folder", "s3"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """Return an empty store of each kind."""
    store: Store = request.getfixturevalue("s3_store" if request.param == "s3" else "store")
    return store


def run_together(programs: list[list[str]]) -> list[str]:
    """Run programs from one moment on; return what each wrote after that."""
    with ExitStack() as stack:
        processes = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", *program],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                )
            )
            for program in programs
        ]  # fmt: skip
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        outputs = [process.communicate(timeout=1500)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * len(programs)
    return outputs


def test_no_move_of_two_processes_is_lost(any_store: Store) -> None:
    run_together([[COUNTING, any_store.uri, "20"]] * 2)
    assert Aliases.read(any_store, *PARTS).record == 40


def test_a_move_that_leaves_a_pointer_as_it_is_writes_nothing(any_store: Store) -> None:
    point(any_store, Aliases(champion=1), *PARTS)
    before = any_store.stamp(*PARTS)
    move(any_store, Aliases, PARTS, lambda now: now)
    move(any_store, Aliases, PARTS, lambda now: None)
    assert any_store.stamp(*PARTS) == before


def test_a_refusal_leaves_a_pointer_as_it_is(any_store: Store) -> None:
    def refuse(_: Aliases | None) -> Aliases:
        raise KeyError

    point(any_store, Aliases(champion=1), *PARTS)
    with pytest.raises(KeyError):
        move(any_store, Aliases, PARTS, refuse)
    move(any_store, Aliases, PARTS, lambda now: Aliases(champion=(now or Aliases()).champion))
    assert Aliases.read(any_store, *PARTS).champion == 1


def test_a_file_is_created_once(any_store: Store) -> None:
    assert create(any_store, b"first", "models", "a", "x.json")
    assert not create(any_store, b"second", "models", "a", "x.json")
    assert any_store.read_bytes("models", "a", "x.json") == b"first"
    assert any_store.list("models", "a") == ["x.json"]


def test_the_name_of_an_artefact_in_a_bucket_is_claimed_once(s3_store: Store) -> None:
    assert claim(s3_store, "models", "a", "0001")
    assert not claim(s3_store, "models", "a", "0001")


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\0", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_pointer_is_named_and_can_be_pointed_again(
    any_store: Store, content: bytes
) -> None:
    parts = layout.latest_run("noise")
    any_store.write_bytes(content, *parts)
    with pytest.raises(StoreError, match=r"runs/noise/latest\.json in the store"):
        move(any_store, RunPointer, parts, lambda now: now)
    point(any_store, RunPointer(run_id="r1"), *parts)
    assert RunPointer.read(any_store, *parts).run_id == "r1"


def test_an_answer_that_was_lost_on_its_way_is_no_second_move(
    s3_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.s3.responses import S3Response

    point(s3_store, Aliases(), *PARTS)
    respond, answers = S3Response.put_object, iter([(500, {}, "")])

    def lost_once(self: S3Response) -> object:
        answer = respond(self)
        return next(answers, answer)

    monkeypatch.setattr(S3Response, "put_object", lost_once)
    moves = []
    move(s3_store, Aliases, PARTS, lambda now: moves.append(now) or Aliases(record=len(moves)))
    assert moves == [Aliases()]
    assert Aliases.read(s3_store, *PARTS).record == 1


def test_a_pointer_that_others_change_all_the_time_ends_loudly(
    s3_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    point(s3_store, RunPointer(run_id="r0"), *PARTS)
    monkeypatch.setattr(pointers, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(Bucket, "write", lambda *_: False)
    with pytest.raises(StoreError, match="was changed by others all the time"):
        point(s3_store, RunPointer(run_id="r1"), *PARTS)


def test_a_server_without_conditions_is_refused(
    s3_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.s3.responses import S3Response

    respond = S3Response.put_object

    def unconditional(self: S3Response) -> object:
        self.headers = {
            name: value for name, value in self.headers.items() if "-match" not in name.lower()
        }
        return respond(self)

    monkeypatch.setattr(S3Response, "put_object", unconditional)
    with pytest.raises(StoreError, match="does not know conditional writes"):
        point(s3_store, RunPointer(run_id="r1"), *PARTS)


def test_an_address_that_nobody_answers_at_names_the_store_without_its_credentials() -> None:
    store = Store(
        "s3://me:secret@ours/x?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1"
    )
    with pytest.raises(StoreError, match=r"s3://…@ours/x.* cannot be reached") as told:
        point(store, RunPointer(run_id="r1"), *PARTS)
    assert "secret" not in str(told.value)
