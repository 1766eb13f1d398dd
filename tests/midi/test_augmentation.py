"""Copies of a piece as others would have made the file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.midi.material import midi_file, note_arrays, scale_notes
from tunesmith.errors import UsageError
from tunesmith.midi import read_score
from tunesmith.midi.augmentation import (
    KINDS,
    copy_of,
    excerpt,
    mechanical,
    played,
    reduced,
    transcribed,
)


@pytest.fixture(scope="module")
def scale() -> NDArray[np.void]:
    """Return the notes of a scale of 40 quarter notes."""
    return read_score(midi_file(scale_notes(40))).notes


@given(notes=note_arrays(), kind=st.sampled_from(KINDS), seed=st.integers(0, 5))
def test_every_copy_is_a_piece(notes: NDArray[np.void], kind: str, seed: int) -> None:
    original = notes.copy()
    copy = copy_of(notes, kind, seed)
    np.testing.assert_array_equal(notes, original)
    np.testing.assert_array_equal(copy, copy_of(notes, kind, seed))
    assert copy.dtype == notes.dtype
    pitched = notes[~notes["is_drum"]]
    assert len(copy) >= min(1, len(pitched))
    assert (np.diff(copy["onset_s"]) >= 0).all()
    assert (copy["offset_s"] > copy["onset_s"]).all()
    assert (copy["onset_s"] >= 0).all()
    assert ((copy["velocity"] >= 1) & (copy["velocity"] <= 127)).all()
    assert (copy["pitch"] <= 127).all()


@given(notes=note_arrays(), seed=st.integers(0, 5))
def test_what_is_played_or_entered_keeps_every_pitch(notes: NDArray[np.void], seed: int) -> None:
    for make in (played, mechanical):
        copy = make(notes, np.random.default_rng(seed))
        np.testing.assert_array_equal(np.sort(copy["pitch"]), np.sort(notes["pitch"]))


def test_a_played_copy_has_other_times_and_velocities(scale):
    copy = played(scale, np.random.default_rng(0))
    gaps = np.diff(copy["onset_s"])
    assert gaps.std() > 0.02
    assert len(np.unique(copy["velocity"])) > 10
    # The quarter notes of a recording follow its seconds.
    np.testing.assert_allclose(copy["onset_quarters"], 2 * copy["onset_s"], rtol=1e-5)


def test_a_mechanical_copy_of_a_played_one_is_on_the_grid_and_equally_loud(scale):
    rng = np.random.default_rng(0)
    copy = mechanical(played(scale, rng), rng)
    assert len(np.unique(copy["velocity"])) == 1
    places = copy["onset_quarters"].astype(np.float64) * 48
    np.testing.assert_allclose(places, np.rint(places), atol=1e-2)


@given(notes=note_arrays(min_size=30), seed=st.integers(0, 5))
def test_an_excerpt_is_a_stretch_of_the_piece(notes: NDArray[np.void], seed: int) -> None:
    part = excerpt(notes, np.random.default_rng(seed), (1.0, 2.0))
    first = int(np.flatnonzero(notes["onset_s"] == part["onset_s"][0])[0])
    assert 20 <= len(part) <= len(notes)
    assert set(part["onset_s"]) <= set(notes["onset_s"][first:])


def test_a_transcription_misses_some_notes_and_hears_others(scale):
    copies = [transcribed(scale, np.random.default_rng(seed)) for seed in range(20)]
    heard = [len(set(copy["pitch"]) - set(scale["pitch"])) for copy in copies]
    assert min(len(copy) for copy in copies) < len(scale)
    assert max(heard) > 0
    assert all(len(copy) > 0.7 * len(scale) for copy in copies)


def test_a_reduction_has_one_instrument_and_each_unison_once(scale):
    doubled = np.concatenate([scale, scale])
    doubled["instrument"][len(scale) :] = 1
    doubled["velocity"][len(scale) :] = 120
    doubled = doubled[np.lexsort((doubled["pitch"], doubled["onset_s"]))]
    once = reduced(doubled)
    assert len(once) == len(scale)
    assert set(once["instrument"]) == {0}
    assert set(once["velocity"]) == {120}


def test_an_unknown_kind_names_those_that_there_are(scale):
    with pytest.raises(UsageError, match="played"):
        copy_of(scale, "playd", 0)
