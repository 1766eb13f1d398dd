"""The index of a version: an excerpt finds its piece, other music finds none, damage is told."""

import numpy as np
import pytest

from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.datasets.index import FOLDER, IndexPart, SimilarityIndex, index_file, part_of_notes
from tunesmith.datasets.reader import Dataset, open_dataset
from tunesmith.errors import DatasetError
from tunesmith.ingestion import pipeline
from tunesmith.midi import NOTE_DTYPE, read_score
from tunesmith.midi.fingerprints import ngram_entries
from tunesmith.midi.transforms import scale_tempo_notes, transpose_notes


@pytest.fixture(scope="module")
def index(dataset):
    return SimilarityIndex(dataset)


def worse(notes, seed):
    """Return notes in another key and tempo, one in ten of them wrong."""
    random = np.random.default_rng(seed)
    changed = scale_tempo_notes(transpose_notes(notes, -4), 1.2).copy()
    wrong = random.choice(changed.size, changed.size // 10, replace=False)
    changed["pitch"][wrong] += 1
    return changed


def test_an_excerpt_in_another_key_with_wrong_notes_finds_its_piece(dataset, index):
    pieces = dataset.pieces().set_index("piece_id")
    for number, (piece_id, notes) in enumerate(dataset.notes().items()):
        if not pieces.loc[piece_id, "n_pitched_notes"]:
            continue
        cluster = pieces["cluster"]
        excerpt = notes[notes.size // 3 :]
        assert cluster[index.find(worse(excerpt, number))[0].piece_id] == cluster[piece_id]
        best, *others = index.find(transpose_notes(excerpt, 3))
        assert cluster[best.piece_id] == cluster[piece_id]
        assert best.path == pieces.loc[best.piece_id, "path"]
        assert best.is_same_music
        assert not any(o.is_same_music for o in others if cluster[o.piece_id] != cluster[piece_id])


def test_other_music_is_in_no_piece(midi_factory, index):
    found = index.find(read_score(midi_factory(seed=99)).notes)
    assert not any(piece.is_same_music for piece in found)


def test_too_few_notes_find_nothing(dataset, index):
    notes = next(iter(dataset.notes().values()))
    assert index.find(notes[:5]) == []
    assert index.find(notes[:0]) == []
    assert len(index.find(notes, limit=1)) == 1


def test_a_part_is_the_same_after_writing_and_reading(dataset, tmp_path):
    part = part_of_notes(dataset.notes())
    store = Store(tmp_path)
    path = store.path("part.arrow")
    part.write(store.fs, path)
    for is_local in (True, False):
        read = IndexPart.read(store.fs, path, is_local=is_local)
        np.testing.assert_array_equal(read.entries, part.entries)
        np.testing.assert_array_equal(read.pieces, part.pieces)
        assert read.piece_ids == part.piece_ids
        np.testing.assert_array_equal(read.onsets, part.onsets)
    empty = IndexPart.of([], [])
    empty.write(store.fs, path)
    assert len(IndexPart.read(store.fs, path, is_local=True).entries) == 0


def test_a_version_without_an_index_is_searched_by_its_notes(dataset, index, monkeypatch):
    monkeypatch.setattr("tunesmith.datasets.index.index_file", lambda name: f"{name}.none")
    notes = worse(next(iter(dataset.notes().values())), 0)
    assert SimilarityIndex(dataset).find(notes) == index.find(notes)


def test_a_damaged_index_is_told_with_what_to_do(dataset, monkeypatch, tmp_path):
    broken = tmp_path / "broken.arrow"
    broken.write_bytes(b"no Arrow file")
    monkeypatch.setattr(Dataset, "path", lambda *_: str(broken))
    with pytest.raises(DatasetError, match=r"index of dataset small .* damaged.*ingest again"):
        SimilarityIndex.__init__(object.__new__(SimilarityIndex), dataset)


def entries_of(dataset):
    return {
        (int(entry), part.piece_ids[piece])
        for part in SimilarityIndex(dataset)._parts
        for entry, piece in zip(part.entries, part.pieces, strict=True)
    }


def test_the_index_follows_a_dataset_that_grows_and_shrinks(tmp_path, midi_factory, monkeypatch):
    ingest_in_process(monkeypatch)
    store, folder = Store(tmp_path / "store"), tmp_path / "pieces"
    folder.mkdir()
    for seed in range(4):
        (folder / f"{seed}.mid").write_bytes(midi_factory(seed=seed))
    for change in ("none", "add", "remove"):
        if change == "add":
            (folder / "more.mid").write_bytes(midi_factory(seed=7))
        if change == "remove":
            (folder / "0.mid").unlink()
        pipeline.ingest(store, [str(folder)], "mine")
        dataset = open_dataset(store, "mine")
        names = {index_file(f.path.rsplit("/", 1)[1]) for f in dataset.manifest.tables["notes"]}
        assert set(store.list("datasets", "mine", dataset.version, FOLDER)) == names
        assert entries_of(dataset) == {
            (int(entry), piece_id)
            for piece_id, notes in dataset.notes().items()
            for entry in ngram_entries(notes)
        }


def melody(pitches):
    """Return notes of a fifth of a second, one after the other."""
    notes = np.zeros(len(pitches), dtype=NOTE_DTYPE)
    notes["onset_s"] = np.arange(len(pitches)) * 0.2
    notes["offset_s"] = notes["onset_s"] + 0.19
    notes["pitch"], notes["velocity"] = pitches, 80
    return notes


def test_a_scale_is_in_many_pieces_and_names_none_of_them():
    steps = np.array([0, 2, 4, 5, 7, 9, 11])
    up = np.concatenate([steps + 48, steps + 60, [72]])
    scale = np.concatenate([up, up[-2::-1]])
    pieces = {
        f"{seed:016x}": melody(
            np.concatenate([np.random.default_rng(seed).integers(40, 90, 150), scale + seed % 5])
        )
        for seed in range(60)
    }
    part = part_of_notes(pieces)

    def strengths(notes):
        entries = ngram_entries(notes)
        return {name: strength for strength, _, name in part.compare(entries, len(notes))}

    assert max(strengths(melody(scale)).values()) < 1
    name, notes = next(iter(pieces.items()))
    of_excerpt = strengths(notes[40:100])
    assert of_excerpt.pop(name) >= 1
    assert max(of_excerpt.values(), default=0) < 1
    # What a few pieces share is one piece in several versions.
    versions = part_of_notes(
        {f"{number:016x}": transpose_notes(notes, number) for number in range(8)}
    )
    found = [strength for strength, *_ in versions.compare(ngram_entries(notes[:80]), 80)]
    assert len(found) == 8
    assert min(found) >= 1
