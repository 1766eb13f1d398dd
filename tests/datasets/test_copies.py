"""Copies of pieces as models read them."""

import numpy as np
import pytest

from tunesmith.datasets.copies import COPIES, copies_of_pieces, views_of_notes
from tunesmith.datasets.pieces import PIECE_VIEWS, preparation_of, views_of_pieces
from tunesmith.midi.features import FEATURE_NAMES


@pytest.fixture
def ids(dataset):
    """Return the pieces that are not of drums alone: a transcription has no drums."""
    pieces = dataset.pieces()
    return pieces["piece_id"][~pieces["path"].str.contains("unknown")].tolist()


def test_the_first_copy_has_every_view_and_others_the_cheap_ones(dataset, ids):
    first, second, *more = copies_of_pieces(dataset, ids, PIECE_VIEWS, seed=3)
    assert set(first) == set(PIECE_VIEWS) == set(COPIES)
    assert set(second) == {"features", "ngrams"}
    assert [set(views) for views in more] == [{"features", "ngrams"}, {"ngrams"}]
    assert first["features"].x.shape == (len(ids), len(FEATURE_NAMES))
    # Every piece has at least one chunk, and as many rows of notes as chunks.
    assert set(first["chunks"].item) == set(range(len(ids)))
    np.testing.assert_array_equal(first["chunks"].item, first["notes"].item)


def test_copies_differ_from_the_pieces_and_from_each_other_and_repeat(dataset, ids):
    copies = copies_of_pieces(dataset, ids, ["features"], seed=3)
    again = copies_of_pieces(dataset, ids, ["features"], seed=3)
    own = dataset.features(ids)
    for views, views_again in zip(copies, again, strict=True):
        np.testing.assert_array_equal(views["features"].x, views_again["features"].x)
        assert (np.abs(views["features"].x - own).max(axis=1) > 1e-3).all()
    assert np.abs(copies[0]["features"].x - copies[1]["features"].x).max() > 1e-3


def test_a_copy_depends_on_its_piece_and_not_on_the_others(dataset, ids):
    every, *_ = copies_of_pieces(dataset, ids, ["features"], seed=3)
    few, *_ = copies_of_pieces(dataset, ids[:2], ["features"], seed=3)
    np.testing.assert_array_equal(every["features"].x[:2], few["features"].x)


def test_views_of_unchanged_notes_are_those_of_the_dataset(dataset, ids):
    notes = dataset.notes(ids)
    found = views_of_notes([notes[name] for name in ids], PIECE_VIEWS, preparation_of(dataset))
    stored = views_of_pieces(dataset, ids)
    np.testing.assert_allclose(found["features"].x, stored["features"].x, rtol=1e-5, atol=1e-6)
    for name in ("chunks", "ngrams", "notes"):
        # These files end with their last note, and have neither pedal nor bends.
        np.testing.assert_array_equal(found[name].x, stored[name].x)
        np.testing.assert_array_equal(found[name].item, stored[name].item)


def test_no_view_of_copies_is_no_copy(dataset):
    assert copies_of_pieces(dataset, [], ["tokens"], seed=0) == ()
