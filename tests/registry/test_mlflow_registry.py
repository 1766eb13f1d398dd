"""MLflow's registry says what the store says, whatever came between."""

import json

import pytest

from tests import artefacts
from tunesmith.artifacts.tracking import ENVIRONMENT_VARIABLE, open_client
from tunesmith.registry import (
    CatalogueError,
    aliases,
    catalogue,
    open_bundle,
    promote,
    rollback,
)
from tunesmith.registry.mlflow_registry import _place, catalogue_or_say, model_name


@pytest.fixture
def registry(mlflow_uri):
    return open_client(mlflow_uri)


def promoted(store, add_run, number: int) -> None:
    add_run(f"r{number}", artefacts.chunk_model(artefacts.register_weights(8.0 + number)))
    promote(store, "composer", force="a test")


def held_aliases(registry) -> dict[str, int]:
    found = registry.get_registered_model(model_name("composer")).aliases
    return {name: int(version) for name, version in found.items()}


def test_versions_and_aliases_follow_the_store(registry, store, add_run):
    promoted(store, add_run, 1)
    first = catalogue(store, "composer")
    assert (first.added, first.moved) == ((1,), ("champion",))
    promoted(store, add_run, 2)
    assert catalogue(store, "composer").moved == ("champion", "previous")
    assert held_aliases(registry) == {"champion": 2, "previous": 1}
    rollback(store, "composer", reason="a drill")
    catalogue(store, "composer")
    assert held_aliases(registry) == {"champion": 1, "previous": 2}
    version = registry.get_model_version_by_alias(model_name("composer"), "champion")
    assert json.loads(version.tags["tunesmith.moved"])["reason"] == "a drill"


def test_a_version_tells_where_it_is_and_how_good(registry, store, add_run):
    promoted(store, add_run, 1)
    catalogue(store, "composer")
    version = registry.get_model_version(model_name("composer"), "1")
    assert version.source == f"{store.uri}/models/composer/0001"
    card = store.read_json("models", "composer", "0001", "card.json")
    assert version.tags["sha256"] == card["sha256"]
    value = card["metrics"]["piece"]["accuracy"]["value"]
    assert version.tags["piece.accuracy"].startswith(f"{value:.4f} [")


def test_a_second_time_there_is_nothing_to_write(registry, store, add_run):
    promoted(store, add_run, 1)
    catalogue(store, "composer")
    again = catalogue(store, "composer")
    assert (again.added, again.moved) == ((), ())
    assert again.versions == {1: "1"}


def test_what_a_kill_left_out_is_caught_up_with(registry, store, add_run):
    for number in (1, 2, 3):
        promoted(store, add_run, number)  # killed each time before MLflow was told
    found = catalogue(store, "composer")
    assert found.added == (1, 2, 3)
    assert held_aliases(registry) == {"champion": 3, "previous": 2}


def test_an_alias_that_nothing_stands_behind_is_taken_away(registry, store, add_run):
    promoted(store, add_run, 1)
    catalogue(store, "composer")
    registry.set_registered_model_alias(model_name("composer"), "challenger", "1")
    assert catalogue(store, "composer").moved == ("challenger",)
    assert held_aliases(registry) == {"champion": 1}


def test_a_registry_that_is_away_is_told_of_and_costs_nothing(store, add_run, monkeypatch):
    promoted(store, add_run, 1)
    (store.local_path("nowhere")).write_text("a file where a folder is needed")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, f"sqlite:///{store.path('nowhere', 'x.sqlite3')}")
    with pytest.raises(CatalogueError, match="servers follow it; the next promote"):
        catalogue(store, "composer")
    said: list[str] = []
    assert catalogue_or_say(store, "composer", said.append) is None
    assert said[0].startswith("Warning: MLflow's registry at sqlite:///")
    assert aliases(store, "composer").champion == 1


def test_the_run_of_the_trial_is_linked_where_the_search_tracked_it(registry, store, add_run):
    experiment = registry.create_experiment("composer", artifact_location=store.uri)
    tags = {"run": "r1", "tunesmith.trial": "1"}
    run = registry.create_run(experiment, tags=tags)
    promoted(store, add_run, 1)
    catalogue(store, "composer")
    version = registry.get_model_version(model_name("composer"), "1")
    assert version.run_id == run.info.run_id


def test_a_server_is_not_given_a_path_of_its_own_disk(store, add_run):
    # MLflow's server refuses plain paths and file URIs as the source of a version.
    promoted(store, add_run, 1)
    bundle = open_bundle(store, "composer", 1)
    place = _place(bundle, "http://mlflow.example:5000")
    assert place.startswith("tunesmith://")
    assert place.endswith(f"{store.uri}/models/composer/0001")
    assert _place(bundle, "sqlite:///x") == f"{store.uri}/models/composer/0001"
