"""Damaged files of a store: one line says which, and the command goes on with the rest."""

import json

import pytest
from click.testing import CliRunner

from tests import artefacts
from tunesmith.artifacts import gaps, layout
from tunesmith.artifacts.runs import latest_run_id
from tunesmith.artifacts.store import Store
from tunesmith.cli import datasets, history, rollback
from tunesmith.errors import StoreError
from tunesmith.registry import bundles, champion, promote
from tunesmith.registry import history as moves
from tunesmith.tuning.leaderboard import leaderboard

DAMAGE = {
    "nothing": b"",
    "a list": b"[]",
    "a number": b"7",
    "cut": b'{"task": "comp',
    "NUL": b"\0\0\0\0",
    "no UTF-8": b"\xff\xfe{",
    "deep": b"[" * 50_000,
    "another type": b'{"schema_version": 1, "labels": 7, "number": "x", "sources": 1, "task": []}',
}


@pytest.fixture
def two_versions(store, add_run):
    for number in (1, 2):
        add_run(f"r{number}", artefacts.chunk_model(artefacts.register_weights(8.0 + number)))
        promote(store, "composer", f"r{number}", force="a drill")
    return store


@pytest.mark.parametrize("damage", ["nothing", "another type"])
def test_a_promotion_goes_on_without_what_is_damaged(two_versions, add_run, caplog, damage):
    store, content = two_versions, DAMAGE[damage]
    store.write_bytes(content, "models", "composer", "0001", "card.json")
    store.write_bytes(content, "runs", "other", "r9", "run.json")
    store.write_json({"run_id": "r9"}, "runs", "other", "latest.json")
    store.write_bytes(content, "runs", "third", "latest.json")
    add_run("r3", artefacts.chunk_model(artefacts.register_weights(12.0)))
    promote(store, "composer", "r3", force="after the damage")
    assert champion(store, "composer").card.run_id == "r3"
    assert [bundle.version for bundle in bundles(store, "composer")] == [2, 3]
    lines = [line for line in caplog.messages if "left out" in line]
    assert any("Version 1 of composer is left out" in line for line in lines)
    assert all("\n" not in line for line in lines)


def test_lists_go_on_without_what_is_damaged(two_versions, caplog):
    store = two_versions
    for damage, content in DAMAGE.items():
        caplog.clear()
        gaps._say_once.cache_clear()
        store.write_bytes(content, "models", "composer", "records", "0002.json")
        assert [record.number for record in moves(store, "composer")] == [1], damage
        store.write_bytes(content, *layout.bundle("composer", 1, layout.CARD))
        assert [bundle.version for bundle in bundles(store, "composer")] == [2], damage
        store.write_bytes(content, *layout.run("composer", "r1", "trials.parquet"))
        store.write_bytes(content, *layout.run("composer", "r0", layout.RECORD))
        store.write_bytes(content, *layout.latest_run("composer"))
        assert {row["run_id"] for row in leaderboard(store, ["composer"])} == {"r2"}, damage
        assert latest_run_id(store, "composer") == "r2"
        lines = [line for line in caplog.messages if "left out" in line]
        assert len(lines) == 5, damage
        assert all("\n" not in line for line in lines)


@pytest.mark.parametrize("damage", DAMAGE)
def test_datasets_are_listed_without_what_is_damaged(store: Store, caplog, damage):
    store.write_bytes(DAMAGE[damage], *layout.dataset_version("broken", "0a", layout.MANIFEST))
    store.write_json({"version": "0a"}, *layout.latest_dataset("broken"))
    done = CliRunner().invoke(datasets.main, ["list", "--store", store.uri, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["versions"] == []
    assert any("0a of the dataset broken is left out" in line for line in caplog.messages)


def test_a_rollback_that_worked_says_so_beside_a_damaged_card(
    two_versions, monkeypatch, mlflow_uri
):
    store = two_versions
    store.write_bytes(b"", "models", "composer", "0003", "card.json")
    done = CliRunner().invoke(rollback.main, ["composer", "--store", store.uri, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["champion"] == 1
    shown = CliRunner().invoke(history.main, ["composer", "--store", store.uri, "--json"])
    assert shown.exit_code == 0, shown.output


def test_a_damaged_champion_itself_is_an_error_in_one_line(two_versions):
    two_versions.write_bytes(b"[]", "models", "composer", "0002", "card.json")
    with pytest.raises(StoreError) as error:
        champion(two_versions, "composer")
    assert "card.json" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_record_that_names_itself_ends(two_versions):
    record = moves(two_versions, "composer")[0]
    record.model_copy(update={"parent": 2}).write(
        two_versions, *layout.champion_record("composer", 2)
    )
    assert [move.number for move in moves(two_versions, "composer")] == [2, 1]
