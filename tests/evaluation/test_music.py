import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.artefacts import FakeDataset, make_notes
from tunesmith.evaluation.music import (
    Pieces,
    on_grid,
    rechunk,
    whole_rolls,
    windows_of,
)
from tunesmith.midi.features import musical_features
from tunesmith.midi.ngrams import ngram_counts
from tunesmith.midi.sequences import window_notes


@given(
    lengths=st.lists(st.integers(1, 70), min_size=1, max_size=5),
    chunk_frames=st.integers(5, 20),
    overlap=st.integers(0, 4),
    seed=st.integers(0, 100),
)
def test_chunks_put_together_and_cut_again_are_the_same(lengths, chunk_frames, overlap, seed):
    hop = chunk_frames - overlap
    random = np.random.default_rng(seed)
    rolls = [random.integers(0, 128, (n, 128)).astype(np.uint8) for n in lengths]
    cut = rechunk(rolls, chunk_frames, hop)
    counts = np.bincount(cut.item)
    padded = np.zeros(len(cut), dtype=np.int32)
    last = np.cumsum(counts) - 1
    padded[last] = [(n - 1) * hop + chunk_frames for n in counts]
    padded[last] -= lengths
    again = whole_rolls(cut.x, cut.item, padded, len(rolls), hop)
    for before, after in zip(rolls, again, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_piece_without_chunks_is_an_empty_roll():
    chunks = np.ones((2, 4, 128), dtype=np.uint8)
    rolls = whole_rolls(chunks, np.array([0, 2]), np.array([1, 0]), 3, 4)
    assert [len(roll) for roll in rolls] == [3, 0, 4]
    assert rechunk(rolls, 4, 4).item.tolist() == [0, 2]


def test_windows_take_the_notes_that_begin_inside():
    notes = make_notes(0, n=40)
    parts = [window_notes(notes, start, 2.5) for start in np.arange(0, 10, 2.5)]
    assert sum(len(part) for part in parts) == len(notes)
    assert all((p["onset_s"] >= s).all() for p, s in zip(parts, np.arange(0, 10, 2.5), strict=True))


def test_features_of_windows_equal_those_of_their_notes_and_silence_is_left_out():
    notes = make_notes(0, n=40)
    quiet = notes[(notes["onset_s"] < 2.5) | (notes["onset_s"] >= 5)]
    views, starts = windows_of([notes, quiet], [4, 4], 2.5, 2.5, ("features", "ngrams"))
    view = views["features"]
    np.testing.assert_array_equal(views["ngrams"].item, view.item)
    np.testing.assert_array_equal(views["ngrams"].x[4], ngram_counts(window_notes(quiet, 0, 2.5)))
    assert view.item.tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert starts.tolist() == [0, 2.5, 5, 7.5, 0, 5, 7.5]
    np.testing.assert_array_equal(view.x[4], musical_features(window_notes(quiet, 0, 2.5)))


def test_pieces_read_the_dataset_once_and_in_the_order_of_the_ids():
    dataset = FakeDataset(n=5)
    pieces = Pieces(dataset, ["p3", "p0"])
    assert list(pieces.facts.index) == ["p3", "p0"]
    np.testing.assert_array_equal(pieces.notes[1], dataset.notes(["p0"])["p0"])
    assert len(pieces.rolls) == 2
    assert len(pieces.rolls[0]) == dataset.frames_of("p3")
    assert pieces.fingerprints.keys() == {f"p{i}" for i in range(5)}


def test_written_notes_are_on_the_grid_and_played_ones_are_not():
    notes = make_notes(0, n=400)
    notes["onset_quarters"] = np.arange(400) / 3
    assert on_grid(notes) == 1
    notes["onset_quarters"] += np.random.default_rng(0).uniform(0, 1, 400)
    assert 0.15 < on_grid(notes) < 0.35
