"""Recordings in an ingest: transcribed, left out with a reason, or told how to be read."""

import sys

import pytest

from tests.audio.sounds import CHORALE, MELODY, encoded, noise, wav
from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.datasets.reader import Dataset
from tunesmith.errors import DatasetError
from tunesmith.ingestion import pipeline
from tunesmith.ingestion.inventory import take_inventory
from tunesmith.ingestion.parameters import ArchiveLimits, IngestParameters, ReadLimits
from tunesmith.ingestion.sources import list_sources


@pytest.fixture
def corpus(tmp_path, midi_factory, monkeypatch):
    """A folder with MIDI, two recordings, noise, and text that is named like a recording."""
    ingest_in_process(monkeypatch)
    folder = tmp_path / "corpus" / "Bach"
    folder.mkdir(parents=True)
    files = {
        "1.mid": midi_factory(seed=1),
        "2.mp3": encoded("mp3"),
        "3.FLAC": encoded("flac", notes=(*MELODY, *CHORALE[:3])),
        "4.wav": wav(noise(4)),
        "5.ogg": b"This is a text, and no recording.",
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return tmp_path / "corpus"


def test_recordings_are_transcribed_and_what_is_none_is_told(corpus, tmp_path):
    store = Store(tmp_path / "store")
    manifest = pipeline.ingest(store, [str(corpus)], "d", IngestParameters(loss_budget=0.5))
    assert (manifest.counts.kept, manifest.counts.rejected) == (3, 2)
    dataset = Dataset(store, manifest)
    pieces = dataset.pieces().set_index("reader")
    assert sorted(pieces.index) == ["flac", "midi", "mp3"]
    assert "transcribed from a recording" in pieces.loc["mp3", "warnings"][0]
    assert pieces.loc["mp3", "n_notes"] >= len(CHORALE)
    assert sorted(dataset.rejects()["error"]) == ["NoMusicHeard", "NotMidi"]
    (notice,) = [text for text in manifest.notices if "left out" in text]
    assert notice.startswith("1 file left out, such as corpus/Bach/4.wav: No music heard")


def test_without_the_extra_recordings_are_told_and_read_once_it_is_there(
    corpus, tmp_path, monkeypatch
):
    (corpus / "Bach" / "5.ogg").unlink()
    store = Store(tmp_path / "store")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "av", None)
        manifest = pipeline.ingest(store, [str(corpus)], "d")
        assert (manifest.counts.kept, manifest.counts.rejected) == (1, 3)
        assert any("3 files could not be read" in text for text in manifest.notices)
        (corpus / "Bach" / "1.mid").unlink()
        with pytest.raises(DatasetError, match=r"pip install 'tunesmith\[audio\]'"):
            pipeline.ingest(store, [str(corpus)], "recordings")
    assert pipeline.ingest(store, [str(corpus)], "d").counts.kept == 2


def test_a_recording_beside_its_notes_is_left_out_unless_it_is_named(tmp_path, midi_factory):
    for name in ("a/1.mid", "a/1.wav", "a/2.wav", "a/3.mp3", "a/3.MIDI", "b/1.wav", "1.mid.mp3"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    listing = list_sources([str(tmp_path)], ArchiveLimits())
    paths = [entry.relative for entry in listing.entries]
    assert paths == ["1.mid.mp3", "a/1.mid", "a/2.wav", "a/3.MIDI", "b/1.wav"]
    assert listing.ignored["recording beside its notes"] == 2
    (tmp_path / "a" / "1.mid").write_bytes(midi_factory(seed=1))
    notices = take_inventory([str(tmp_path / "a")], IngestParameters()).notices
    assert any(text.startswith("2 recordings were left out, because") for text in notices)
    named = list_sources([str(tmp_path / "a" / "1.wav")], ArchiveLimits())
    assert [entry.path for entry in named.entries] == ["1.wav"]


def test_a_recording_larger_than_a_midi_file_may_be_is_read(tmp_path, monkeypatch):
    ingest_in_process(monkeypatch)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.wav").write_bytes(encoded("wav"))
    limits = ReadLimits(max_bytes=100_000)
    settings = IngestParameters(limits=limits)
    manifest = pipeline.ingest(Store(tmp_path / "store"), [str(tmp_path / "in")], "d", settings)
    assert manifest.counts.kept == 1
    smaller = limits.model_copy(update={"max_recording_bytes": 200_000})
    settings = IngestParameters(limits=smaller)
    with pytest.raises(DatasetError, match="RecordingLimitExceeded"):
        pipeline.ingest(Store(tmp_path / "store"), [str(tmp_path / "in")], "e", settings)
