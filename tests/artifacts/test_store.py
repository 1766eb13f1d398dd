"""The store's promises: whole artefacts or none, and clear errors."""

import errno
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import fs as pafs

from tunesmith.artifacts.store import Store
from tunesmith.errors import StoreError


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Return an empty store of each kind; both keep the same promises."""
    if request.param == "s3":
        made: Store = request.getfixturevalue("s3_store")
        return made
    return Store(tmp_path / "store")


@pytest.fixture
def folder(tmp_path: Path) -> Store:
    """Return an empty store on this machine's disk."""
    return Store(tmp_path / "store")


def _everything(store: Store) -> list[str]:
    """Return every file below the root, hidden ones too."""
    selector = pafs.FileSelector(store._root, recursive=True, allow_not_found=True)
    found = store.fs.get_file_info(selector)
    files = [info.path for info in found if info.type == pafs.FileType.File]
    return sorted(path.removeprefix(store._root).strip("/") for path in files)


def test_json_comes_back_as_it_went(store: Store) -> None:
    store.write_json({"b": 1, "a": ["ž", None]}, "runs", "x.json")
    assert store.read_json("runs", "x.json") == {"a": ["ž", None], "b": 1}


def test_a_missing_file_names_itself_and_the_store(store: Store) -> None:
    with pytest.raises(StoreError, match=r"no runs/latest\.json in the store"):
        store.read_json("runs", "latest.json")


def test_damaged_json_says_so(store: Store) -> None:
    store.write_bytes(b"{", "x.json")
    with pytest.raises(StoreError, match="is not JSON"):
        store.read_json("x.json")


def test_not_a_number_is_refused_rather_than_written_as_invalid_json(store: Store) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        store.write_json({"score": float("nan")}, "x.json")


@pytest.mark.parametrize(
    "part", ["..", "a/../b", "/etc", "", ".", "./a", "a/./b", "a//b", "a/", "a\0b"]
)
def test_no_part_leads_out_of_the_store(store: Store, part: str) -> None:
    with pytest.raises(StoreError, match="not a name inside the store"):
        store.path("datasets", part)


def test_overwriting_leaves_no_parts_behind(store: Store) -> None:
    for value in range(3):
        store.write_json(value, "alias.json")
    assert store.read_json("alias.json") == 2
    assert _everything(store) == ["alias.json"]


def test_an_artefact_appears_only_when_published(store: Store) -> None:
    with store.staging("datasets", "big4") as staging:
        staging.write_bytes(b"rows", "pieces", "0.parquet")
        assert store.list("datasets", "big4") == []
        staging.write_json({}, "manifest.json")
        assert staging.publish("datasets", "big4", "v1", marker="manifest.json")
    assert store.list("datasets", "big4") == ["v1"]
    assert store.read_bytes("datasets", "big4", "v1", "pieces", "0.parquet") == b"rows"
    assert _everything(store) == [
        "datasets/big4/v1/manifest.json", "datasets/big4/v1/pieces/0.parquet",
    ]  # fmt: skip


def test_on_a_file_system_with_folders_that_is_no_disk_they_are_made() -> None:
    store = Store("mock://bucket")
    store.write_json({"a": 1}, "runs", "noise", "r1", "plan.json")
    assert store.read_json("runs", "noise", "r1", "plan.json") == {"a": 1}
    with store.staging("reports") as staging:
        staging.write_bytes(b"figures", "pages", "report.html")
        staging.write_json({}, "report.json")
        assert staging.publish("reports", "noise", "r1", marker="report.json")
    assert store.read_bytes("reports", "noise", "r1", "pages", "report.html") == b"figures"


def test_an_error_while_building_leaves_nothing(store: Store) -> None:
    def build() -> None:
        with store.staging("models") as staging:
            staging.write_bytes(b"half", "model.onnx")
            raise KeyError

    with pytest.raises(KeyError):
        build()
    assert _everything(store) == []


def test_a_named_staging_folder_survives_an_error_and_is_found_again(store: Store) -> None:
    def build() -> None:
        with store.staging("datasets", key="abc") as staging:
            staging.write_bytes(b"shard", "0.parquet")
            raise KeyError

    with pytest.raises(KeyError):
        build()
    with store.staging("datasets", key="abc") as staging:
        assert store.exists(*staging.parts, "0.parquet")


def test_publishing_without_the_marker_is_refused(store: Store) -> None:
    with store.staging("models") as staging, pytest.raises(StoreError, match="has no card"):
        staging.publish("models", "1", marker="card.json")


def test_publishing_the_same_artefact_again_keeps_the_first(store: Store) -> None:
    for content in (b"first", b"second"):
        with store.staging("datasets") as staging:
            staging.write_bytes(content, "manifest.json")
            assert staging.publish("datasets", "v", marker="manifest.json") is (content == b"first")
    assert store.read_bytes("datasets", "v", "manifest.json") == b"first"


def test_what_killed_jobs_left_is_swept_once_it_is_old(folder: Store) -> None:
    store = folder
    store.write_json({}, "models", "a", "0001", "card.json")
    old, young, named = (f".staging-{name}" for name in ("a" * 32, "b" * 32, "my-run"))
    for name in (old, young, named):
        store.write_bytes(b"half", "models", "a", name, "model.onnx")
    part = f".{'c' * 32}.part"
    store.write_bytes(b"half", "models", "a", part)
    for name in (f"{old}/model.onnx", old, named, part):
        os.utime(store.path("models", "a", *name.split("/")), (1e9, 1e9))
    assert store.sweep("models", "a") == tuple(sorted([old, part]))
    assert store.sweep("models", "a") == ()
    assert store.exists("models", "a", young)
    assert store.exists("models", "a", named)
    assert store.exists("models", "a", "0001", "card.json")
    assert store.sweep("nowhere") == ()


def test_removing_what_is_not_there_is_no_error(store: Store) -> None:
    store.remove("models", "9")
    store.write_bytes(b"", "models", "9", "x")
    store.remove("models", "9")
    assert store.list("models") == []


def test_a_store_travels_to_other_processes(store: Store) -> None:
    assert pickle.loads(pickle.dumps(store)).uri == store.uri  # noqa: S301 - our own bytes


def test_an_unknown_kind_of_uri_is_a_clear_error() -> None:
    with pytest.raises(StoreError, match="cannot be opened"):
        Store("carrier-pigeon://loft")


@given(st.binary(max_size=2000))
def test_any_bytes_come_back_as_they_went(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    store = Store(tmp_path_factory.mktemp("store"))
    store.write_bytes(data, "blob")
    assert store.read_bytes("blob") == data


class _Cut:
    """A file system whose copying fails after so many files, as when a job is killed there."""

    def __init__(self, fs: pafs.FileSystem, n_copies: int) -> None:
        self._fs, self._left = fs, n_copies

    def __getattr__(self, name: str) -> object:
        return getattr(self._fs, name)

    def copy_file(self, source: str, target: str) -> None:
        if self._left == 0:
            message = "the connection is gone"
            raise OSError(message)
        self._left -= 1
        self._fs.copy_file(source, target)


@pytest.mark.parametrize("n_copies", range(4))
def test_where_nothing_can_be_renamed_the_marker_is_written_last(
    s3_store: Store, n_copies: int
) -> None:
    store, whole = s3_store, s3_store.fs
    final = ("datasets", "big4", "v1")
    with store.staging("datasets", key="v1") as staging:
        # Sorted by name, the marker would be neither first nor last.
        for name in ("chunks.parquet", "manifest.json", "notes.parquet", "pieces.parquet"):
            staging.write_bytes(name.encode(), name)
        store.fs = _Cut(whole, n_copies)
        with pytest.raises(StoreError, match="cannot be published"):
            staging.publish(*final, marker="manifest.json")
        store.fs = whole
    assert not store.exists(*final, "manifest.json")
    # The work is not lost: the same job finds it again and makes the artefact whole.
    with store.staging("datasets", key="v1") as staging:
        assert staging.publish(*final, marker="manifest.json")
    assert len(store.list(*final)) == 4
    assert [name for name in _everything(store) if ".staging" in name] == []


def test_a_sweep_leaves_what_a_job_on_s3_has_just_written(s3_store: Store) -> None:
    s3_store.write_bytes(b"half", "models", f".staging-{'a' * 32}", "model.onnx")
    assert s3_store.sweep("models") == ()
    assert s3_store.sweep("models", older_s=0.0) == (f".staging-{'a' * 32}",)


class _Down:
    """A file system whose server does not answer."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*_: object, **__: object) -> None:
            message = "Could not connect to server"
            raise OSError(message)

        return fail


@pytest.mark.parametrize("ask", ["exists", "list", "read_bytes", "read_json"])
def test_a_store_that_does_not_answer_says_what_to_check(s3_store: Store, ask: str) -> None:
    s3_store.fs = _Down()
    with pytest.raises(StoreError, match=r"s3://…@ours/.* cannot be reached.*tunesmith doctor"):
        getattr(s3_store, ask)("runs", "composer")


FILLED = """
import resource, signal, sys
from tunesmith.errors import StoreError
from tunesmith.artifacts.store import Store
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
store = Store(sys.argv[1])
store.write_bytes(b"old", "runs", "alias.json")
try:
    store.write_bytes(b"x" * 1_000_000, "runs", "alias.json")
except StoreError as error:
    print(error)
"""


def test_a_disk_that_fills_leaves_the_old_file_and_no_half_one(folder: Store) -> None:
    run = subprocess.run(
        [sys.executable, "-c", FILLED, folder.uri], capture_output=True, text=True, timeout=60,
        check=True,
    )  # fmt: skip
    assert run.stdout.startswith("runs/alias.json cannot be written to the store")
    assert folder.read_bytes("runs", "alias.json") == b"old"
    assert _everything(folder) == ["runs/alias.json"]


def test_a_full_disk_says_what_to_do(folder: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    folder.write_bytes(b"", "runs", "old")
    monkeypatch.setattr(folder, "fs", SimpleNamespace(open_output_stream=refuse,
                        delete_file=lambda _: None, create_dir=folder.fs.create_dir))  # fmt: skip
    with pytest.raises(StoreError, match=r"No space left on device\. Free some room there"):
        folder.write_bytes(b"", "runs", "new")


def test_credentials_in_a_uri_are_not_told(s3_store: Store) -> None:
    assert "tests:tests" in s3_store.uri
    with pytest.raises(StoreError) as told:
        s3_store.read_bytes("missing")
    for text in (repr(s3_store), str(told.value)):
        assert "tests:tests" not in text
        assert "s3://…@ours/" in text


def test_a_bucket_that_is_not_there_names_the_store(s3_server: str) -> None:
    where = f"endpoint_override={s3_server}&scheme=http&region=us-east-1"
    store = Store(f"s3://tests:tests@theirs/store?{where}")
    with pytest.raises(StoreError, match=r"x\.json cannot be written to the store s3://"):
        store.write_bytes(b"", "x.json")
