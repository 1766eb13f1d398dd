"""Fingerprints: blind to key and tempo, robust to cuts and jitter, and not to different music."""

import time

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.midi.material import event, melodies, midi_file, note_arrays, scale_notes, tempo
from tunesmith.midi import read_score
from tunesmith.midi.fingerprints import DuplicateRule, duplicate_clusters, fingerprint, note_hash
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


def random_piece(seed: int, n: int = 300) -> NDArray[np.void]:
    return read_score(midi_file(scale_notes(n, seed=seed))).notes


def test_a_part_of_a_piece_joins_it_and_other_music_does_not() -> None:
    pieces = [random_piece(seed) for seed in range(30)]
    halves = [p[: p.size // 2] for p in pieces]
    quarters = [p[p.size // 2 : 3 * p.size // 4] for p in pieces]
    labels = duplicate_clusters([fingerprint(p) for p in pieces + halves + quarters])
    np.testing.assert_array_equal(labels, np.tile(np.arange(30), 3))


def test_a_short_piece_and_its_copy_meet() -> None:
    short = random_piece(1, n=12)
    labels = duplicate_clusters([fingerprint(random_piece(2)), fingerprint(short)] * 2)
    assert labels.tolist() == [0, 1, 0, 1]


def test_pieces_without_a_fingerprint_stay_alone() -> None:
    empty = np.empty(0, dtype=np.uint64)
    assert duplicate_clusters([]).tolist() == []
    assert duplicate_clusters([empty, empty]).tolist() == [0, 1]


def test_the_rule_can_be_made_stricter() -> None:
    whole = fingerprint(random_piece(5))
    part = fingerprint(np.concatenate([random_piece(5)[:60], random_piece(6)[:240]]))
    assert duplicate_clusters([whole, part]).tolist() == [0, 0]
    assert duplicate_clusters([whole, part], DuplicateRule(min_containment=0.9)).tolist() == [0, 1]


def test_a_hundred_copies_are_one_cluster() -> None:
    sketch = fingerprint(random_piece(7))
    assert set(duplicate_clusters([sketch] * 100)) == {0}


def test_cost_does_not_grow_with_the_number_of_pairs() -> None:
    random = np.random.default_rng(0)

    def cost_s(n: int) -> float:
        sketches = [np.unique(random.integers(0, 2**62, 200).astype(np.uint64)) for _ in range(n)]
        start = time.process_time()
        assert duplicate_clusters(sketches).max() == n - 1
        return time.process_time() - start

    cost_s(100)
    small_s, large_s = (min(cost_s(n) for _ in range(3)) for n in (800, 8000))
    assert large_s < 40 * max(small_s, 0.01)  # all pairs: 100 times


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
