"""Fingerprints: blind to key and tempo, robust to cuts and jitter, and not to different music."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.midi.material import event, melodies, midi_file, note_arrays, scale_notes, tempo
from tunesmith.midi import read_score
from tunesmith.midi.fingerprints import (
    LINE_NGRAM,
    PLACE_BITS,
    fingerprint,
    ngram_entries,
    note_hash,
)
from tunesmith.midi.transforms import scale_tempo_notes, transpose_notes


@settings(max_examples=60, deadline=None)
@given(notes=melodies(), semitones=st.integers(-6, 6), factor=st.sampled_from([0.5, 0.8, 1.25]))
def test_key_and_tempo_do_not_change_it(
    notes: NDArray[np.void], semitones: int, factor: float
) -> None:
    moved = scale_tempo_notes(transpose_notes(notes, semitones), factor)
    np.testing.assert_array_equal(fingerprint(notes), fingerprint(moved))


@settings(max_examples=60, deadline=None)
@given(notes=melodies(), seed=st.integers(0, 99))
def test_jitter_of_ten_milliseconds_does_not_change_it(notes: NDArray[np.void], seed: int) -> None:
    moved = notes.copy()
    random = np.random.default_rng(seed)
    moved["onset_s"] = np.maximum(0, moved["onset_s"] + random.uniform(-0.01, 0.01, notes.size))
    moved = moved[np.lexsort((moved["pitch"], moved["onset_s"]))]
    np.testing.assert_array_equal(fingerprint(notes), fingerprint(moved))


@given(notes=note_arrays())
def test_it_is_sorted_and_distinct_for_any_notes(notes: NDArray[np.void]) -> None:
    sketch = fingerprint(notes)
    assert sketch.dtype == np.uint64
    assert (sketch[1:] > sketch[:-1]).all()


def test_an_entry_tells_where_its_ngram_begins_first() -> None:
    notes = read_score(midi_file(scale_notes(60, seed=3))).notes
    later = np.concatenate([notes[:20], notes])
    later["onset_s"] = np.arange(later.size) / 2
    places = ngram_entries(later) & np.uint64(2**PLACE_BITS - 1)
    # The first 20 notes come again: they are entered where they come first.
    assert places.max() < later.size - LINE_NGRAM
    begin = ngram_entries(later[:20])
    np.testing.assert_array_equal(np.intersect1d(ngram_entries(later), begin), begin)


class TestNoteHash:
    def test_the_same_notes_have_the_same_hash_however_written(self) -> None:
        track = scale_notes(50)
        plain = note_hash(read_score(midi_file(track)))
        assert len(plain) == 32
        assert plain == note_hash(read_score(midi_file(b"", track)))
        assert plain == note_hash(read_score(midi_file(event(0, 0xC0, 9) + track)))
        halved = midi_file(tempo(0, 250_000) + track, division=240)
        assert plain == note_hash(read_score(halved))

    def test_any_change_of_a_note_changes_it(self) -> None:
        track = scale_notes(50)
        louder = track.replace(bytes([80]), bytes([81]), 1)
        longer = track[:-4] + event(121, *track[-3:])
        hashes = {note_hash(read_score(midi_file(t))) for t in (track, louder, longer)}
        hashes.add(note_hash(read_score(midi_file(scale_notes(50, seed=1)))))
        assert len(hashes) == 4
