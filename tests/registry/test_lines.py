"""Tables with other columns or classes have champions of their own under one task."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from tests import artefacts
from tunesmith.artifacts.preparation import NumberColumn, TablePreparation
from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation import evaluator
from tunesmith.registry import aliases, champion, line_of, open_run, promote
from tunesmith.reports.publishing import make_report
from tunesmith.tasks import SourceTable


def _table(n_columns: int, classes: tuple[str, ...] = artefacts.CLASSES) -> Examples:
    random = np.random.default_rng(n_columns)
    y = np.arange(240) % len(classes)
    x = random.normal(size=(240, n_columns)).astype(np.float32)
    x[np.arange(240), y] += 4
    ids = [f"row-{n_columns}-{row}" for row in range(240)]
    return Examples(y, classes, np.arange(240), ids, {"features": View.one_row_each(x)})


@pytest.fixture
def search(store, monkeypatch):
    """Return a function that writes a run on a table of some columns, and evaluates it."""

    def run(run_id, columns, classes=artefacts.CLASSES, *, file="songs.csv", strength=1.2):
        examples = _table(len(columns), classes)
        weights = strength * np.eye(len(columns), len(classes))
        artefacts.write_run(
            store, examples, artefacts.feature_model(weights), task="songs", run_id=run_id
        )
        record = store.read_json("runs", "songs", run_id, "run.json")
        preparation = TablePreparation(columns=tuple(NumberColumn(name=c) for c in columns))
        changes = {
            "kind": "table", "features": list(columns), "title": "Songs",
            "preparation": preparation.model_dump(mode="json"),
            "dataset": {"name": file, "version": "0123456789ab"},
        }  # fmt: skip
        store.write_json(record | changes, "runs", "songs", run_id, "run.json")
        artefacts.stand_in(monkeypatch, examples, drawn=False)
        return make_report(store, "songs", run_id).record

    return run


def test_two_tables_with_other_columns_have_a_champion_each(store, search):
    search("r1", ["tempo", "energy", "mode"])
    first = promote(store, "songs", force="a test")
    report = search("r2", ["bpm", "loudness", "key", "year"], file="Other Songs.csv")
    assert "champion" not in report.comparisons
    second = promote(store, "songs", force="a test")
    assert (first.task, first.version) == ("songs", 1)
    assert (second.task, second.version) == ("songs_other_songs", 1)
    assert second.card.task == "songs"
    assert second.card.title == "Songs: Other Songs.csv"
    assert aliases(store, "songs").champion == 1
    for bundle in (first, second):
        found = champion(store, bundle.task)
        assert found is not None
        row = dict.fromkeys(found.card.features or (), 0.5)
        assert found.model().predict(row).label in artefacts.CLASSES


def test_a_later_run_competes_in_the_line_of_its_table(store, search):
    search("r1", ["tempo", "energy", "mode"], strength=0.3)
    promote(store, "songs", force="a test")
    search("r2", ["bpm", "loudness", "key", "year"], file="other.csv")
    promote(store, "songs", force="a test")
    report = search("r3", ["tempo", "energy", "mode"])
    assert report.comparisons["champion"].run_id == "r1"
    assert promote(store, "songs", force="a test").task == "songs"
    assert aliases(store, "songs").champion == 2
    assert aliases(store, "songs_other").champion == 1


def test_a_champion_reads_a_table_in_its_own_way(store, search, monkeypatch):
    search("r1", ["tempo", "energy", "mode"], strength=0.3)
    promote(store, "songs", force="a test")
    # The later table has its columns in another order.
    search("r2", ["mode", "energy", "tempo"])
    examples = _table(3)
    x = examples.view("features").x
    frame = pd.DataFrame(x[:, ::-1].astype(object), columns=["tempo", "energy", "mode"])
    source = SourceTable(frame, "genre", ("mode", "energy", "tempo"))
    data = replace(artefacts.data_of(examples), source=source)
    monkeypatch.setattr(evaluator, "load_data", lambda run: data)
    comparison = make_report(store, "songs", "r2").record.comparisons["champion"]
    assert comparison.problem is None
    # By the order of its own columns the champion takes the last class for the first.
    assert comparison.only_first > comparison.only_second
    without = replace(data, source=None)
    monkeypatch.setattr(evaluator, "load_data", lambda run: without)
    problem = make_report(store, "songs", "r2").record.comparisons["champion"].problem
    assert problem is not None
    assert "prepares its columns in another way" in problem


def test_other_classes_of_the_same_columns_are_another_line(store, search):
    search("r1", ["tempo", "energy", "mode"])
    promote(store, "songs", force="a test")
    search("r2", ["tempo", "energy", "mode"], ("calm", "happy", "sad"))
    run = open_run(store, "songs", "r2")
    assert line_of(run) == "songs_songs"
