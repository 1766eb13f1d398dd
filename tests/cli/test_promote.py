import json

import pytest
from click.testing import CliRunner

from tests import artefacts
from tunesmith.artifacts.tracking import ENVIRONMENT_VARIABLE, open_client
from tunesmith.cli import history, promote, rollback
from tunesmith.registry import aliases


@pytest.fixture
def run(store, mlflow_uri, monkeypatch):
    """Return a function that runs a job on a store with two runs, the second the weaker."""
    examples = artefacts.make_examples(180)
    artefacts.stand_in(monkeypatch, examples, drawn=False)
    strong = artefacts.chunk_model(artefacts.register_weights())
    weak = artefacts.chunk_model(-artefacts.register_weights())
    artefacts.write_run(store, examples, strong, run_id="r1")
    artefacts.write_run(store, examples, weak, run_id="r2")

    def invoke(job, *arguments):
        return CliRunner().invoke(job.main, ["composer", "--store", store.uri, *arguments])

    return invoke


def test_promotes_after_evaluating_and_says_what_each_rule_found(run, store):
    result = run(promote, "--run", "r1")
    assert result.exit_code == 0, result.stderr
    assert "Evaluated run r1 first" in result.stderr
    for rule in ("schema", "equality", "smoke", "evaluated", "better", "leaks", "noise"):
        assert rule in result.stdout
    assert "version 1 is the champion." in result.stdout
    assert "MLflow: tunesmith-composer version 1 in sqlite:///" in result.stdout
    assert aliases(store, "composer").champion == 1
    again = run(promote, "--run", "r1")
    assert "is the champion already" in again.stdout
    assert "Evaluated" not in again.stderr


def test_a_refusal_exits_with_one_and_keeps_the_champion(run, store):
    run(promote, "--run", "r1")
    result = run(promote, "--run", "r2", "--json")
    assert result.exit_code == 1
    error = json.loads(result.stdout)
    assert error["error"] == "Refused"
    assert "worse beyond noise" in error["message"]
    assert "REFUSED" in result.stderr
    assert aliases(store, "composer").champion == 1


def test_force_then_rollback_then_history(run, store, mlflow_uri):
    run(promote, "--run", "r1")
    forced = run(promote, "--run", "r2", "--force", "a drill", "--json")
    assert json.loads(forced.stdout)["replaced"] == 1
    back = run(rollback, "--reason", "drill over")
    assert back.exit_code == 0
    assert "version 1 is the champion again" in back.stdout
    told = json.loads(run(history, "--json").stdout)
    assert told["aliases"] == {"champion": 1, "previous": 2, "challenger": None}
    assert [(r["action"], r["champion"], r["replaced"]) for r in told["records"]] == [
        ("rollback", 1, 2),
        ("force", 2, 1),
        ("promote", 1, None),
    ]
    assert told["mlflow"]["versions"] == {"1": "1", "2": "2"}
    held = open_client(mlflow_uri).get_registered_model("tunesmith-composer").aliases
    assert {name: int(version) for name, version in held.items()} == {"champion": 1, "previous": 2}
    shown = run(history).stdout
    assert "drill over" in shown
    assert "champion version 1" in shown


def test_rollback_without_a_previous_champion_says_so(run):
    result = run(rollback)
    assert result.exit_code == 1
    assert "no previous champion" in result.stderr


def test_without_mlflow_a_promotion_is_done_and_says_so(run, store, monkeypatch):
    store.write_bytes(b"a file", "in-the-way")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, f"sqlite:///{store.path('in-the-way', 'x.sqlite3')}")
    result = run(promote, "--run", "r1")
    assert result.exit_code == 0
    assert "was not told" in result.stderr
    assert "MLflow:" not in result.stdout
    assert aliases(store, "composer").champion == 1
    monkeypatch.delenv(ENVIRONMENT_VARIABLE)
    assert json.loads(run(history, "--json").stdout)["mlflow"]["added"] == [1]


def test_history_of_nothing(run):
    assert "nothing has been promoted yet" in run(history).stdout
