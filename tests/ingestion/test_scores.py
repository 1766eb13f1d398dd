"""Scores beside MIDI in an ingest: kept, refused with a reason, or told how to be read."""

import json
import sys

import pytest
from click.testing import CliRunner

from tests.in_process import ingest_in_process
from tests.midi.test_scores import ABC, KERN, MEI, MUSICXML, archived
from tunesmith.artifacts.store import Store
from tunesmith.cli.ingest import main
from tunesmith.datasets.reader import Dataset
from tunesmith.errors import DatasetError
from tunesmith.ingestion import pipeline


@pytest.fixture
def corpus(tmp_path, midi_factory, monkeypatch):
    """A folder with a file of MIDI, a score of each kind, and XML that is none."""
    ingest_in_process(monkeypatch)
    folder = tmp_path / "corpus" / "Bach"
    folder.mkdir(parents=True)
    files = {
        "1.mid": midi_factory(seed=1),
        "2.musicxml": MUSICXML,
        "3.MXL": archived(MUSICXML),
        "4.mei": MEI,
        "5.krn": KERN,
        "6.abc": ABC,
        "7.xml": b"<project/>",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return tmp_path / "corpus"


def test_scores_are_kept_and_xml_that_is_none_is_told(corpus, tmp_path):
    store = Store(tmp_path / "store")
    manifest = pipeline.ingest(store, [str(corpus)], "d")
    assert (manifest.counts.kept, manifest.counts.rejected) == (6, 1)
    dataset = Dataset(store, manifest)
    assert sorted(set(dataset.pieces()["reader"])) == [
        "abc",
        "humdrum",
        "mei",
        "midi",
        "musicxml",
    ]
    assert dataset.rejects()["error"].tolist() == ["NotScore"]
    (notice,) = [text for text in manifest.notices if "left out" in text]
    assert notice.startswith("1 file left out, such as corpus/Bach/7.xml: The file is XML")


def test_without_the_extra_scores_are_told_and_read_once_it_is_there(corpus, tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "music21", None)
        manifest = pipeline.ingest(store, [str(corpus)], "d")
        assert (manifest.counts.kept, manifest.counts.rejected) == (1, 6)
        assert any("5 files could not be read" in text for text in manifest.notices)
        assert any("pip install 'tunesmith[scores]'" in text for text in manifest.notices)
        (corpus / "Bach" / "1.mid").unlink()
        with pytest.raises(DatasetError, match=r"pip install 'tunesmith\[scores\]'"):
            pipeline.ingest(store, [str(corpus)], "scores")
    manifest = pipeline.ingest(store, [str(corpus)], "d")
    assert manifest.counts.kept == 5


def test_a_dry_run_counts_the_files_by_suffix(corpus):
    arguments = [str(corpus), "--name", "d", "--dry-run"]
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert json.loads(result.output)["suffixes"] == {
        ".mid": 1,
        ".musicxml": 1,
        ".mxl": 1,
        ".mei": 1,
        ".krn": 1,
        ".abc": 1,
        ".xml": 1,
    }
    assert "(1 .mid, 1 .musicxml, " in CliRunner().invoke(main, arguments).output
