"""Where MLflow keeps what is tracked."""

from pathlib import Path

import pytest

from tunesmith.artifacts.store import Store
from tunesmith.artifacts.tracking import ENVIRONMENT_VARIABLE, tracking_uri


def test_a_server_is_named_by_the_variable_that_mlflow_knows(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "http://127.0.0.1:5000")
    assert tracking_uri(store) == "http://127.0.0.1:5000"


def test_else_it_is_a_file_of_the_store(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    assert tracking_uri(store) == f"sqlite:///{store.uri}/mlflow/mlflow.sqlite3"


def test_a_store_elsewhere_has_its_file_in_the_home_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    elsewhere = Store("mock://bucket")
    assert not elsewhere.is_local
    expected = tmp_path / ".tunesmith" / "work" / "mlflow" / "mlflow.sqlite3"
    assert tracking_uri(elsewhere) == f"sqlite:///{expected}"
