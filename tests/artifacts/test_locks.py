"""One process at a time in a folder."""

import errno

import pytest

from tunesmith.artifacts import durable
from tunesmith.artifacts.locks import only_one
from tunesmith.artifacts.store import Store
from tunesmith.errors import DatasetError


def test_a_second_one_is_refused_while_the_first_runs(store: Store) -> None:
    for _ in range(2):
        with (
            only_one(store, "datasets", "small", work="ingest of small", error=DatasetError),
            pytest.raises(DatasetError, match=r"Another ingest of small into .* is running"),
            only_one(store, "datasets", "small", work="ingest of small", error=DatasetError),
        ):
            pass


def test_a_folder_without_locks_is_written_to_and_said(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(durable.fcntl, "flock", refuse)
    with only_one(store, "datasets", "small", work="ingest of small", error=DatasetError):
        pass
    (line,) = caplog.messages
    assert "is on a file system without locks (No locks available)" in line
