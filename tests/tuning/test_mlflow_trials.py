"""A run of MLflow a trial: one and only one, whatever happened to the search."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from tests import records
from tunesmith.artifacts.tracking import open_client
from tunesmith.tuning.mlflow_trials import TrackedTrials
from tunesmith.tuning.space import FAMILY
from tunesmith.tuning.studies import open_study

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One data base for all tests: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'db' / 'mlflow.sqlite3'}"


@pytest.fixture
def session(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """Return what the tracking needs of a session: files and names."""
    name = request.node.name
    return SimpleNamespace(
        task=SimpleNamespace(name=name, metric="macro_f1"),
        plan=records.make_plan("r1", name, study=f"{name}/1", seed=7),
        data=SimpleNamespace(name="songs", version="abc123", is_sample=False),
        run_id="r1",
        history=tmp_path / "history.jsonl",
        search=SimpleNamespace(study=open_study(tmp_path / "study.journal", name)),
        progress=SimpleNamespace(errors={}),
    )


def _trial(number: int) -> Any:
    config = {"task": "", "trial": number, "family": "boosting", "params": {"depth": 3}}
    return SimpleNamespace(config=config, last_result={"finished": True})


def _ask(session: Any) -> optuna.Trial:
    trial: optuna.Trial = session.search.study.ask()
    trial.suggest_categorical(FAMILY, ["boosting"])
    trial.suggest_int("boosting.depth", 3, 3)
    return trial


def _report(tracked: TrackedTrials, session: Any, trial: Any, step: int) -> None:
    """Do what `Watch` does with a result, and pass it on."""
    trial.config["task"] = session.task.name
    row = {"score": step / 10, "loss": 1.0, "gpus": "", "best_step": step, "fit_s": 0.5}
    with session.history.open("a") as file:
        about = {"trial": trial.config["trial"], "family": "boosting", "step": step}
        file.write(json.dumps(about | row) + "\n")
    tracked.on_trial_result(0, [], trial, {"training_iteration": step, "pid": 1, **row})


def _runs(session: Any, uri: str) -> Iterator[Any]:
    client = open_client(uri)
    found = client.get_experiment_by_name(session.task.name)
    assert found is not None
    yield from client.search_runs([found.experiment_id], order_by=["tags.`tunesmith.trial`"])


def _scores(run: Any, uri: str) -> list[tuple[int, float]]:
    points = open_client(uri).get_metric_history(run.info.run_id, "score")
    return sorted((point.step, point.value) for point in points)


def test_a_trial_is_a_run_with_settings_figures_and_environment(session: Any, uri: str) -> None:
    lines: list[str] = []
    tracked = TrackedTrials([session], uri, lines.append)
    asked, trial = _ask(session), _trial(0)
    for step in (1, 2):
        _report(tracked, session, trial, step)
    session.search.study.tell(asked, 0.2)
    tracked.on_trial_complete(0, [], trial)
    tracked.catch_up()
    tracked.close()
    (run,) = _runs(session, uri)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "boosting #0 (r1)"
    assert run.data.params == {"family": "boosting", "depth": "3"}
    assert run.data.metrics == {"score": 0.2, "loss": 1.0, "best_step": 2.0, "fit_s": 0.5}
    assert _scores(run, uri) == [(1, 0.1), (2, 0.2)]
    tags = run.data.tags
    assert tags["tunesmith.state"] == "COMPLETE"
    assert (tags["dataset"], tags["dataset.version"], tags["seed"]) == ("songs", "abc123", "7")
    assert (tags["tunesmith.task"], tags["run"]) == (session.task.name, "r1")
    assert tags["version.ray"]
    assert len(tags["mlflow.source.git.commit"]) == 40
    assert lines == []


def test_a_search_that_continues_adds_to_the_runs_it_made(session: Any, uri: str) -> None:
    tracked = TrackedTrials([session], uri, print)
    asked = [_ask(session) for _ in range(3)]
    for step in (1, 2):
        _report(tracked, session, _trial(0), step)
        _report(tracked, session, _trial(1), step)
    tracked.on_trial_complete(0, [], _with_task(session, 0))
    session.search.study.tell(asked[0], 0.2)
    tracked.close()
    # Nothing runs when the search has ended, and what it left is opened again.
    assert [run.info.status for run in _runs(session, uri)] == ["FINISHED", "KILLED"]
    # The driver died here: trial 1 was running, trial 2 ended without a word to MLflow.
    _report(SimpleNamespace(on_trial_result=lambda *_: None), session, _trial(2), 1)  # type: ignore[arg-type]
    session.search.study.tell(asked[2], state=TrialState.FAIL)
    session.progress.errors[2] = "ValueError: no"

    again = TrackedTrials([session], uri, print)
    for step in (1, 2, 3):
        _report(again, session, _trial(1), step)
    session.search.study.tell(asked[1], 0.3)
    again.on_trial_complete(0, [], _with_task(session, 1))
    again.catch_up()
    again.close()
    runs = list(_runs(session, uri))
    assert [run.data.tags["tunesmith.trial"] for run in runs] == ["0", "1", "2"]
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED", "FAILED"]
    assert _scores(runs[1], uri) == [(1, 0.1), (2, 0.2), (3, 0.3)]
    assert _scores(runs[2], uri) == [(1, 0.1)]
    assert runs[2].data.tags["error"] == "ValueError: no"


def _with_task(session: Any, number: int) -> Any:
    trial = _trial(number)
    trial.config["task"] = session.task.name
    return trial


def test_a_trial_cut_short_by_the_budget_ends_too(session: Any, uri: str) -> None:
    tracked = TrackedTrials([session], uri, print)
    asked = _ask(session)
    _report(tracked, session, _trial(0), 1)
    session.search.study.tell(asked, state=TrialState.PRUNED)
    tracked.catch_up()
    tracked.close()
    (run,) = _runs(session, uri)
    assert run.info.status == "FINISHED"
    assert run.data.tags["tunesmith.state"] == "PRUNED"
    assert _scores(run, uri) == [(1, 0.1)]


def test_a_server_that_is_away_is_said_once_and_nothing_else(
    session: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    lines: list[str] = []
    tracked = TrackedTrials([session], "http://127.0.0.1:9", lines.append)
    _report(tracked, session, _trial(0), 1)
    tracked.close()
    (line,) = lines
    assert "http://127.0.0.1:9" in line
    assert "the search goes on" in line
