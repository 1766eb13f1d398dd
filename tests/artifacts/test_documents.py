"""Files of earlier and of later versions: read, or refused with what to do."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import records
from tunesmith.artifacts import layout
from tunesmith.artifacts.cards import Aliases, Card, ChampionRecord, read_aliases
from tunesmith.artifacts.manifest import Manifest, latest_version
from tunesmith.artifacts.reports import Report, ReportRecord, open_report
from tunesmith.artifacts.runs import RunRecord, open_run
from tunesmith.artifacts.searches import ClusterRecord, Plan, RunPointer, unfinished_plans
from tunesmith.artifacts.store import Store
from tunesmith.errors import DatasetError, SearchError, StoreError, TunesmithError, UsageError

RECORDED = Path(__file__).parent / "recorded"
DOCUMENTS = (Aliases, Card, ChampionRecord, ClusterRecord, Manifest, Plan, ReportRecord,
             RunPointer, RunRecord)  # fmt: skip


def _recorded(name: str) -> dict[str, Any]:
    """Return a file as version 0.1 wrote it."""
    content: dict[str, Any] = json.loads((RECORDED / name).read_text())
    assert "schema_version" not in content
    return content


def test_a_run_of_an_earlier_version_is_read(store: Store) -> None:
    content = _recorded("run.json")
    store.write_json(content, "runs", "composer", content["run_id"], "run.json")
    store.write_json({"run_id": content["run_id"]}, "runs", "composer", "latest.json")
    record = open_run(store, "composer").record
    assert record.schema_version == 1
    assert record.best.family == content["best"]["family"]
    assert record.counts.planned == content["counts"]["planned"]
    assert record.classes == tuple(content["classes"])
    # Its inputs were made as its parameters say, which had no place of their own yet.
    assert record.preparation is not None
    assert record.preparation.kind == "midi"
    assert list(record.preparation.features) == content["features"]


@pytest.mark.parametrize(("kind", "is_noise"), [("synthetic", True), ("midi", False)])
def test_an_earlier_run_on_generated_noise_is_a_noise_check(kind: str, is_noise: bool) -> None:
    record = RunRecord.parse(_recorded("run.json") | {"kind": kind}, "run.json")
    assert record.is_noise_check is is_noise


def test_a_plan_of_an_earlier_version_is_read(store: Store) -> None:
    content = _recorded("plan.json")
    run_id = content["run_id"]
    store.write_json(content, "runs", "composer", f".staging-{run_id}", "plan.json")
    (plan,) = unfinished_plans(store, "composer")
    assert (plan.run_id, plan.trials) == (run_id, content["trials"])
    assert plan.request.seed == content["request"]["seed"]


def test_a_run_that_lacks_what_is_needed_is_refused_with_what_to_do(store: Store) -> None:
    content = _recorded("run.json")
    del content["best"], content["metric"]
    store.write_json(content, "runs", "noise", "old", "run.json")
    with pytest.raises(StoreError) as error:
        open_run(store, "noise", "old")
    for text in ("runs/noise/old/run.json", "earlier version", "best", "metric", "tunesmith tune"):
        assert text in str(error.value)


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_file_of_a_later_version_is_refused(kind: type[Any]) -> None:
    with pytest.raises(TunesmithError, match=r"schema version 99.*Install the release"):
        kind.parse({"schema_version": 99}, "x.json")


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("content", [[], 3, None, "text"])
def test_what_is_no_object_is_refused(kind: type[Any], content: object) -> None:
    with pytest.raises(TunesmithError, match=r"x\.json is damaged"):
        kind.parse(content, "x.json")


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_every_remedy_names_something_to_do(kind: type[Any]) -> None:
    assert "again" in kind.REMEDY or "new search" in kind.REMEDY


def test_damage_is_told_apart_from_age(store: Store) -> None:
    damaged = records.make_run("r1").json_object() | {"seed": "seven"}
    with pytest.raises(StoreError) as error:
        RunRecord.parse(damaged, "run.json")
    assert "is damaged: seed" in str(error.value)
    with pytest.raises(SearchError, match="Start a new search"):
        Plan.parse({"run_id": "r1"}, "plan.json")
    store.write_json({"name": "x"}, "datasets", "x", "latest.json")
    with pytest.raises(DatasetError, match=r"latest\.json.*Ingest again"):
        latest_version(store, "x")


def test_a_field_that_a_reader_does_not_know_is_left_out() -> None:
    content = records.make_run("r1").json_object() | {"mood": "cheerful"}
    assert RunRecord.parse(content, "run.json") == records.make_run("r1")


def test_aliases_with_an_unknown_name_are_refused_since_they_are_written_again(
    store: Store,
) -> None:
    store.write_json({"champion": 1, "favourite": 2}, *layout.aliases("noise"))
    with pytest.raises(StoreError, match="favourite"):
        read_aliases(store, "noise")


def test_what_is_written_is_what_is_read(store: Store) -> None:
    report = records.make_report(
        per_class=[{"class": "a", "precision": 1, "recall": 1, "f1": 1, "auc": None, "support": 4}],
        comparisons={"champion": {"version": 2, "problem": "it answers other classes"}},
    )
    records.write_report(store, report)
    stored = store.read_json(*layout.report("noise", "r1", layout.REPORT))
    assert stored["schema_version"] == 1
    assert stored["per_class"][0]["class"] == "a"
    assert "difference" not in stored["comparisons"]["champion"]
    assert open_report(store, "noise", "r1") == Report(store, report)


def test_columns_of_an_earlier_card_are_found_in_their_former_place() -> None:
    card = Card.parse(
        {
            "task": "genre", "version": 1, "labels": ["Jazz", "Rock"], "sha256": "0", "run_id": "r",
            "inputs": {"features": {"dtype": "float32", "shape": [None, 2]}},
            "parameters": {"features": ["tempo", "key=A"]}, "comparisons": None,
        },
        "card.json",
    )  # fmt: skip
    assert card.features == ("tempo", "key=A")
    assert card.preparation is not None
    assert card.preparation.kind == "table"


def test_an_interrupted_search_is_to_be_resumed_not_begun_again(store: Store) -> None:
    with pytest.raises(StoreError, match=r"Search first: tunesmith tune noise"):
        open_run(store, "noise")
    records.write_unfinished(store, records.make_plan("r9"))
    with pytest.raises(StoreError, match=r"interrupted.*tunesmith tune noise --resume"):
        open_run(store, "noise")


def test_a_run_that_does_not_exist_lists_the_known(store: Store) -> None:
    records.write_run(store, records.make_run("r1"))
    with pytest.raises(UsageError, match=r"Known: r1\.$"):
        open_run(store, "noise", "r2")
