"""Comparison by order: cuts and keys keep music alike; figures shared in no order do not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.midi.material import midi_file, note_arrays, scale_notes
from tunesmith.midi import read_score
from tunesmith.midi.fingerprints import PLACE_BITS, fingerprint
from tunesmith.midi.matching import chain_length, compare, needed_onsets
from tunesmith.midi.transforms import transpose_notes


def random_piece(seed: int, n: int = 300) -> NDArray[np.void]:
    return read_score(midi_file(scale_notes(n, seed=seed))).notes


def in_other_places(sketch: NDArray[np.uint64], kept: int, seed: int) -> NDArray[np.uint64]:
    """Return a fingerprint with some of the hashes, in another order, and many of its own."""
    random = np.random.default_rng(seed)
    shared = random.choice(sketch, kept, replace=False) >> np.uint64(PLACE_BITS)
    own = random.integers(0, 2**38, sketch.size - kept).astype(np.uint64)
    hashes = np.unique(np.concatenate([shared, own]))
    places = random.permutation(hashes.size).astype(np.uint64)
    return (hashes << np.uint64(PLACE_BITS)) | places


def test_a_piece_in_another_key_is_wholly_alike() -> None:
    notes = random_piece(1)
    likeness = compare(fingerprint(notes), fingerprint(transpose_notes(notes, 5)))
    assert likeness.shared == 1
    assert likeness.in_order == likeness.onsets
    assert likeness.is_same_music


@pytest.mark.parametrize("kept", [12, 20])
def test_shared_hashes_in_no_order_are_no_likeness(kept: int) -> None:
    sketch = fingerprint(random_piece(2, n=400))[:96]
    for seed in range(20):
        other = compare(sketch, in_other_places(sketch, kept, seed))
        assert other.shared >= kept / 97
        assert not other.is_same_music
    part = sketch[:: sketch.size // (2 * kept)]
    assert compare(sketch, part).is_same_music


@pytest.mark.parametrize("step", [1, 2**16, 2**30])
def test_all_shared_hashes_are_found_whatever_bits_they_have_in_common(step: int) -> None:
    numbers = np.arange(1, 201, dtype=np.uint64) * np.uint64(step)
    sketch = (numbers << np.uint64(PLACE_BITS)) | np.arange(200, dtype=np.uint64)
    likeness = compare(sketch[::2], sketch[50:150])
    assert likeness.shared == 0.5


def test_a_cut_inside_and_added_notes_leave_it_the_same_music() -> None:
    notes = random_piece(3)
    rearranged = np.concatenate([notes[150:250], notes[20:120]])
    rearranged["onset_s"] = np.arange(rearranged.size) / 2
    assert compare(fingerprint(notes), fingerprint(rearranged)).is_same_music
    assert not compare(fingerprint(notes), fingerprint(random_piece(4))).is_same_music


def test_the_chain_counts_each_onset_once_and_gaps_cost() -> None:
    places = np.arange(0, 50, 2)
    assert chain_length(places, places) == 7 + 48
    twice = np.repeat(places, 2)
    assert chain_length(twice, twice) == 7 + 48
    later = np.where(places < 24, places, places + 30)
    assert 7 + 40 < chain_length(places, later) < 7 + 48
    assert chain_length(places, places[::-1].copy()) == 7


@settings(max_examples=60, deadline=None)
@given(first=note_arrays(), second=note_arrays())
def test_any_two_pieces_compare_alike_in_either_order(
    first: NDArray[np.void], second: NDArray[np.void]
) -> None:
    a, b = fingerprint(first), fingerprint(second)
    assert compare(a, b).shared == compare(b, a).shared
    assert compare(a, b).onsets == compare(b, a).onsets
    assert compare(a, b).in_order == pytest.approx(compare(b, a).in_order)
    if a.size:
        assert compare(a, a).strength >= 1


@given(onsets=st.integers(7, 10_000))
def test_more_music_needs_more_onsets_and_never_more_than_it_has(onsets: int) -> None:
    assert needed_onsets(onsets) <= needed_onsets(onsets + 1)
    assert needed_onsets(onsets) < onsets
