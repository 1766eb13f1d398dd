"""Correction tables: a row changes what it names for certain, and nothing else."""

from pathlib import Path

import pytest

from tests.in_process import ingest_in_process
from tunesmith.artifacts.corrections import Correction, Outcome, corrections_csv
from tunesmith.artifacts.store import Store
from tunesmith.datasets.reader import Dataset
from tunesmith.errors import UsageError
from tunesmith.ingestion import pipeline
from tunesmith.ingestion.corrections import apply_corrections, read_corrections
from tunesmith.ingestion.labels import Labelled
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.sources import Entry
from tunesmith.reports.data_card import render_card


def files(*paths: str) -> list[Labelled]:
    """Return files of a source, labelled with their folder."""
    return [
        Labelled(
            Entry(path, path.partition("/")[2], (path,), 1, ""),
            path.split("/")[-2],
            path.split("/")[-2],
        )
        for path in paths
    ]


CORPUS = ("c.zip/Bach/1.mid", "c.zip/Bach/2.mid", "c.zip/Bach/new/2.mid", "c.zip/Haydn/1.mid")


@pytest.mark.parametrize(
    ("path", "before", "outcome"),
    [
        ("c.zip/Bach/1.mid", "Bach", Outcome.APPLIED),
        ("c.zip/Bach/1.mid", "bach", Outcome.APPLIED),
        ("other/Bach/1.mid", "Bach", Outcome.APPLIED),  # the source was a folder then
        ("Bach/1.mid", "Bach", Outcome.APPLIED),
        (r"c.zip\Bach\1.mid", "Bach", Outcome.APPLIED),
        ("1.mid", "Bach", Outcome.NO_SUCH_FILE),  # a name alone says too little
        ("c.zip/Bach/3.mid", "Bach", Outcome.NO_SUCH_FILE),
        ("c.zip/Bach/1.mid", "Haydn", Outcome.OTHER_LABEL),
        ("c.zip/Bach/1.mid", "", Outcome.OTHER_LABEL),
    ],
)
def test_a_row_is_applied_to_the_one_file_it_names(path, before, outcome):
    row = Correction(path=path, label_before=before, label_after="Mozart")
    corrected, result = apply_corrections(files(*CORPUS), [row], "t.csv")
    assert [r.outcome for r in result.rows] == [outcome]
    changed = [file.entry.path for file in corrected if file.label == "Mozart"]
    assert changed == (["c.zip/Bach/1.mid"] if outcome is Outcome.APPLIED else [])


def test_rows_that_disagree_or_fit_several_files_change_nothing():
    rows = [
        Correction(path="c.zip/Bach/1.mid", label_before="Bach", label_after="Mozart"),
        Correction(path="c.zip/Bach/1.mid", label_before="Bach", label_after="Haydn"),
        Correction(path="x/Bach/2.mid", label_before="Bach", label_after="Haydn"),
    ]
    twice = files("a/Bach/2.mid", "b/Bach/2.mid", *CORPUS[:1])
    corrected, result = apply_corrections(twice, rows, "t.csv")
    assert corrected == twice
    assert [row.outcome for row in result.rows] == [
        Outcome.ROWS_DISAGREE,
        Outcome.ROWS_DISAGREE,
        Outcome.SEVERAL_FILES,
    ]


def test_a_row_said_twice_is_applied_once():
    row = Correction(path="c.zip/Bach/1.mid", label_before="Bach", label_after="Haydn")
    _, result = apply_corrections(files(*CORPUS), [row, row], "t.csv")
    assert [r.outcome for r in result.rows] == [Outcome.APPLIED, Outcome.ALREADY_RIGHT]


def test_a_table_is_read_as_it_is_written(tmp_path):
    rows = [
        Correction(path='a,"b".mid', label_before="", label_after="Dvořák", reason="a; b"),
        Correction(path="c.mid", label_before="Bach", label_after="Haydn"),
    ]
    path = tmp_path / "c.csv"
    path.write_text(corrections_csv(rows), encoding="utf-8")
    assert read_corrections(path) == rows
    # As a spreadsheet in Europe saves it.
    path.write_bytes("path;label before;label after\na.mid;Bach;Dvořák\n\n".encode("utf-16"))
    assert read_corrections(path) == [
        Correction(path="a.mid", label_before="Bach", label_after="Dvořák")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\na,b\n", "lacks the column label_before and label_after; it has path, label"),
        ("", "No columns"),
        ("path,label_before,label_after\na.mid,Bach,\n", "Row 1 .* no path or no label_after"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tmp_path, text, message):
    path = tmp_path / "c.csv"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_corrections(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_corrections(tmp_path / "none.csv")


def test_an_ingest_applies_and_lists_the_rows(tmp_path, midi_factory, monkeypatch):
    ingest_in_process(monkeypatch)
    for number, composer in enumerate(("Bach", "Bach", "Haydn")):
        folder = tmp_path / "corpus" / composer
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.mid").write_bytes(midi_factory(seed=number))
    table = tmp_path / "fix.csv"
    table.write_text(
        "path,label_before,label_after,reason\n"
        "corpus/Bach/1.mid,Bach,Haydn,same notes\n"
        "corpus/Bach/9.mid,Bach,Haydn,gone\n"
    )
    store, corpus = Store(tmp_path / "store"), [str(Path(tmp_path / "corpus"))]
    plain = pipeline.ingest(store, corpus, "d")
    parameters = IngestParameters(corrections=str(table))
    manifest = pipeline.ingest(store, corpus, "d", parameters)
    assert manifest.version != plain.version
    assert manifest.labels == {"Bach": 1, "Haydn": 2}
    assert manifest.corrections is not None
    assert [row.outcome for row in manifest.corrections.rows] == ["applied", "no such file"]
    assert Dataset(store, manifest).pieces()["label"].tolist() == ["Bach", "Haydn", "Haydn"]
    assert "1 of 2 rows of fix.csv changed a label" in " ".join(
        render_card(Dataset(store, manifest)).split()
    )
    # The same again is the same version; a table that changes nothing is told all the same.
    assert pipeline.ingest(store, corpus, "d", parameters).version == manifest.version
    table.write_text("path,label_before,label_after\ncorpus/Bach/9.mid,Bach,Haydn\n")
    again = pipeline.ingest(store, corpus, "d", parameters)
    assert again.labels == plain.labels
    assert again.corrections is not None
    assert len(again.corrections.not_applied) == 1
