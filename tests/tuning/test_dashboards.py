"""The pages that show a search: which run, which tool, what is said when one is missing."""

import importlib.util
import socket
import urllib.request
from pathlib import Path

import pytest

from tests import records
from tests.serving.test_champions import wait_until
from tunesmith.artifacts import layout
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError, UsageError
from tunesmith.tuning import dashboards, studies
from tunesmith.tuning.dashboards import OtherPages, Watched, open_pages, others, watched


def _published(store: Store, task: str, run_id: str) -> None:
    records.write_run(store, records.make_run(run_id, task))


def _running(store: Store, task: str, run_id: str) -> None:
    records.write_unfinished(store, records.make_plan(run_id, task))


def test_searches_that_run_are_watched_else_the_newest_run(store: Store) -> None:
    with pytest.raises(SearchError, match=r"no search of anything .* tunesmith tune"):
        watched(store)
    _published(store, "digits", "20260102T000000-aa")
    _published(store, "noise", "20260101T000000-bb")
    (newest,) = watched(store)
    assert (newest.task, newest.is_running) == ("digits", False)
    assert newest.folder == store.local_path(*layout.run("digits", newest.run_id))
    _running(store, "noise", "20260103T000000-cc")
    (running,) = watched(store)
    assert (running.run_id, running.is_running) == ("20260103T000000-cc", True)
    assert running.folder == store.local_path("runs", "noise", ".staging-20260103T000000-cc")
    assert [run.task for run in watched(store, ["digits", "noise"])] == ["digits", "noise"]
    with pytest.raises(SearchError, match="no search of composer"):
        watched(store, ["composer", "digits"])


def test_a_store_elsewhere_is_watched_where_the_search_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    store = Store("mock://bucket")
    _running(store, "noise", "r1")
    (run,) = watched(store)
    assert run.folder == tmp_path / ".tunesmith" / "work" / "r1"


def test_a_missing_tool_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dashboards.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(dashboards.shutil, "which", lambda name, path: None)
    with pytest.raises(UsageError) as error:
        open_pages([Watched("noise", "r1", True, tmp_path)])
    for text in ("TensorBoard is not", "optuna-dashboard is not", "pip install 'tunesmith[watch]'"):
        assert text in str(error.value)


def test_ray_is_shown_only_where_it_answers(store: Store) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        here = f"http://127.0.0.1:{listening.getsockname()[1]}"
        gone = f"http://127.0.0.1:{closed.getsockname()[1]}"
        both = {"dashboard": here, "metrics": [f"{gone}/m", f"{here}/m"]}
        store.write_json(both, *layout.CLUSTER)
        pages = others(store, "http://tracking:5000")
        assert pages == OtherPages(here, [f"{here}/m"], "http://tracking:5000")
        store.write_json({"dashboard": gone, "metrics": []}, *layout.CLUSTER)
        assert others(store, "http://tracking:5000").dashboard is None


def test_mlflow_is_a_command_where_it_is_a_file(store: Store) -> None:
    told = others(store, "sqlite:////a/mlflow.sqlite3").mlflow
    assert told.startswith("uvx --from mlflow==")
    assert "--backend-store-uri sqlite:////a/mlflow.sqlite3" in told
    assert "--host 127.0.0.1" in told


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("optuna_dashboard") is None, reason="optuna-dashboard not installed"
)
def test_a_study_is_read_by_the_dashboard_while_it_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dashboards.importlib.util, "find_spec", lambda name: None)
    study = studies.open_study(tmp_path / "study.journal", "noise/r1")
    pages, notes = open_pages([Watched("noise", "r1", True, tmp_path)])
    try:
        (page,) = pages
        assert "TensorBoard is not installed" in notes[0]
        for value in (0.25, 0.5):
            study.tell(study.ask(), value)
            wait_until(lambda value=value: f'"values": [{value}]' in read(page.url))
        journal = (tmp_path / "study.journal").read_bytes()
        # It does whatever anyone asks, but with a copy.
        delete = urllib.request.Request(f"{page.url}/api/studies/0", method="DELETE")  # noqa: S310
        with urllib.request.urlopen(delete, timeout=20) as answer:  # noqa: S310
            assert answer.status == 204
        assert (tmp_path / "study.journal").read_bytes() == journal
        assert len(studies.trial_states(tmp_path / "study.journal", "noise/r1")) == 2
        copy = page.journal.path
        assert copy.exists()
    finally:
        for page in pages:
            page.close()
    assert page.process.poll() is not None
    assert not copy.parent.exists()


def read(url: str) -> str:
    with urllib.request.urlopen(f"{url}/api/studies/0", timeout=20) as answer:  # noqa: S310
        return str(answer.read().decode())
