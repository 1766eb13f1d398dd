"""API keys in the store: two commands at once lose none, and a revoked key stays revoked."""

import json
import threading

import pytest

from tests.artifacts.test_pointers import run_together
from tunesmith.artifacts import api_keys, layout
from tunesmith.artifacts.api_keys import (
    add_key,
    hash_of,
    keys_by_file,
    limit_key,
    read_keys,
    revoke_key,
)
from tunesmith.artifacts.store import Store
from tunesmith.errors import StoreError, UsageError

# One process revokes keys while the other adds some, and changes limits of those being revoked.
CHANGING = """
import sys
from tunesmith.artifacts.api_keys import add_key, limit_key, revoke_key
from tunesmith.artifacts.store import Store
from tunesmith.errors import UsageError

store, how, n_keys = Store(sys.argv[1]), sys.argv[2], int(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
for number in range(n_keys):
    if how == "revoke":
        revoke_key(store, f"old {number}")
    else:
        add_key(store, f"new {number}")
        try:
            limit_key(store, f"old {number}", 60 + number)
        except UsageError as error:
            assert "There is no key" in str(error)
"""


@pytest.fixture(params=["folder", "s3"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """Return an empty store of each kind."""
    store: Store = request.getfixturevalue("s3_store" if request.param == "s3" else "store")
    return store


def names(store: Store) -> list[str]:
    return [key.name for key in read_keys(store)]


def test_a_key_is_added_limited_and_revoked(any_store: Store) -> None:
    secrets = {name: add_key(any_store, name) for name in ("ben", "ann")}
    limit_key(any_store, "ann", 60)
    limit_key(any_store, "ann", 30)
    ann, ben = read_keys(any_store)
    assert (ann.name, ann.requests_per_minute, ann.sha256) == ("ann", 30, hash_of(secrets["ann"]))
    assert (ben.name, ben.requests_per_minute) == ("ben", 600)
    revoke_key(any_store, "ann")
    assert names(any_store) == ["ben"]
    for change in (revoke_key, lambda store, name: limit_key(store, name, 5)):
        with pytest.raises(UsageError, match=r"no key named 'ann'.*Known: ben"):
            change(any_store, "ann")
    with pytest.raises(UsageError, match=r"There is a key called 'ben'; revoke it first"):
        add_key(any_store, "ben")


def test_no_file_of_a_key_is_written_twice_or_holds_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a command read before, it cannot write a revoked key back."""
    monkeypatch.setattr(Store, "write_bytes", lambda *_: pytest.fail("a file was written over"))
    secret = add_key(store, "ann")
    limit_key(store, "ann", 60)
    revoke_key(store, "ann")
    files = [store.read_bytes(*layout.api_key(file)) for file in store.list(*layout.api_keys())]
    assert len(files) == 3
    assert not any(secret.encode() in content for content in files)


def test_a_name_can_be_used_again_for_another_key(any_store: Store) -> None:
    first = add_key(any_store, "ann")
    revoke_key(any_store, "ann")
    second = add_key(any_store, "ann")
    (key,) = read_keys(any_store)
    assert key.sha256 == hash_of(second) != hash_of(first)
    revoke_key(any_store, "ann")
    assert names(any_store) == []


@pytest.mark.parametrize("name", [".x", "../../x", "a/b", "ä" * 300, "a b", "😀"])
def test_any_name_that_can_be_printed_will_do(store: Store, name: str) -> None:
    add_key(store, name)
    add_key(store, f"{name}A")
    add_key(store, f"{name}a")
    revoke_key(store, name)
    assert names(store) == [f"{name}A", f"{name}a"]


@pytest.mark.parametrize("name", ["", "a\nb", "nul\0", "\udcff"])
def test_a_name_that_cannot_be_printed_is_refused(store: Store, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a key"):
        add_key(store, name)
    with pytest.raises(UsageError, match="There is no key named"):
        revoke_key(store, name)


def test_what_is_revoked_while_another_command_changes_it_stays_revoked(
    any_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_key(any_store, "ann")
    create = api_keys.create
    overtaken = []

    def slow(store: Store, data: bytes, *parts: str) -> bool:
        if not overtaken:
            overtaken.append(parts)
            revoke_key(any_store, "ann")
        return create(store, data, *parts)

    monkeypatch.setattr(api_keys, "create", slow)
    limit_key(any_store, "ann", 60)
    assert overtaken
    assert names(any_store) == []


def test_one_process_revokes_while_another_one_adds(any_store: Store) -> None:
    n_keys = 12
    for number in range(n_keys):
        add_key(any_store, f"old {number}")
    run_together([[CHANGING, any_store.uri, how, str(n_keys)] for how in ("revoke", "add")])
    assert names(any_store) == sorted(f"new {number}" for number in range(n_keys))


def test_of_two_commands_that_add_one_name_one_is_refused(any_store: Store) -> None:
    secrets, refusals = [], []
    barrier = threading.Barrier(4)

    def add() -> None:
        barrier.wait()
        try:
            secrets.append(add_key(any_store, "ann"))
        except UsageError as error:
            refusals.append(str(error))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(secrets), len(refusals)) == (1, 3)
    (key,) = read_keys(any_store)
    assert key.sha256 == hash_of(secrets[0])


def write_former(store: Store) -> bytes:
    keys = [
        {"name": name, "sha256": hash_of(name), "requests_per_minute": 60}
        for name in ("ann", "ben")
    ]
    content = json.dumps({"schema_version": 1, "keys": keys}).encode()
    store.write_bytes(content, *layout.FORMER_API_KEYS)
    return content


def test_keys_of_an_earlier_version_hold_and_are_moved_over(any_store: Store) -> None:
    former = write_former(any_store)
    assert names(any_store) == ["ann", "ben"]
    revoke_key(any_store, "ann")
    assert names(any_store) == ["ben"]
    assert not any_store.exists(*layout.FORMER_API_KEYS)
    (ben,) = read_keys(any_store)
    assert (ben.sha256, ben.requests_per_minute) == (hash_of("ben"), 60)
    # As from a backup.
    any_store.write_bytes(former, *layout.FORMER_API_KEYS)
    assert names(any_store) == ["ben"]
    add_key(any_store, "cleo")
    assert names(any_store) == ["ben", "cleo"]


def test_a_move_that_was_cut_short_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write_former(store)
    create, done = api_keys.create, []

    def die(*arguments: object) -> bool:
        if done:
            message = "killed"
            raise StoreError(message)
        done.append(arguments)
        return create(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(api_keys, "create", die)
    with pytest.raises(StoreError, match="killed"):
        add_key(store, "cleo")
    monkeypatch.undo()
    assert names(store) == ["ann", "ben"]
    add_key(store, "cleo")
    assert names(store) == ["ann", "ben", "cleo"]


def test_a_damaged_file_is_the_gap_of_its_key_alone(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("ann", "ben"):
        add_key(store, name)
    known = keys_by_file(store)
    (file,) = [file for file, key in known.items() if key.name == "ann"]
    store.write_bytes(b"[]", *layout.api_key(file))
    assert names(store) == ["ben"]
    assert file in caplog.text
    assert keys_by_file(store, known) == known, "a server keeps what it had read"
    with pytest.raises(StoreError, match=r"Revoke that key and add another: tunesmith keys revoke"):
        limit_key(store, "ann", 60)
    revoke_key(store, "ann")
    add_key(store, "ann")
    assert names(store) == ["ann", "ben"]
