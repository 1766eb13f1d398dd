"""Features: finite for anything, relative where they say so, stable under cutting."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.midi.material import melodies, midi_file, note_arrays, notes_of, scale_notes
from tunesmith.midi import features, read_score
from tunesmith.midi.features import FEATURE_NAMES, musical_features
from tunesmith.midi.transforms import scale_tempo_notes, transpose_notes


def block(vector: NDArray[np.float32], name: str) -> NDArray[np.float32]:
    return vector[[i for i, n in enumerate(FEATURE_NAMES) if n.rsplit("_", 1)[0] == name]]


def test_names_are_unique_and_of_the_promised_number() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert 300 <= len(FEATURE_NAMES) <= 520
    assert sum(features.vector.BLOCK_SIZES.values()) == len(FEATURE_NAMES)


THEMES = (
    features.chords,
    features.histograms,
    features.melody,
    features.pitch,
    features.rhythm,
    features.texture,
    features.vector,
)


@settings(max_examples=20, deadline=None)
@given(notes=note_arrays())
def test_compiled_loops_stay_inside_their_blocks(notes: NDArray[np.void]) -> None:
    compiled_vector = musical_features(notes)
    with pytest.MonkeyPatch.context() as patch:
        # As plain Python, indices are checked.
        for module in THEMES:
            for name, function in vars(module).copy().items():
                if hasattr(function, "py_func"):
                    patch.setattr(module, name, function.py_func)
        vector = musical_features(notes)
    np.testing.assert_allclose(vector, compiled_vector, rtol=1e-6, atol=1e-7)


def test_columns_of_any_layout_give_the_same() -> None:
    notes = notes_of([(0.25 * i, 0.4, 60 + i, 80) for i in range(9)])
    frozen, spread = notes.copy(), np.repeat(notes, 2)[::2]
    frozen.flags.writeable = False
    np.testing.assert_array_equal(musical_features(frozen), musical_features(notes))
    np.testing.assert_array_equal(musical_features(spread), musical_features(notes))
    assert len(features.vector._columns.signatures) == 1


SHARES = [n for n in features.vector.BLOCK_SIZES if features.vector.is_counts(n)]


@pytest.mark.parametrize("name", [*SHARES, "pitch_class", "degree_by_count", "register"])
def test_shares_add_up(name: str) -> None:
    rows = [(0.3 * i, 0.2 + 0.1 * (i % 3), 50 + i * 5 % 23, 80) for i in range(40)]
    chords = [(0, 4, 7), (9, 12, 16), (5, 9, 12), (2, 5, 9), (7, 11, 14)]
    rows += [(13 + i, 0.9, 60 + step, 70) for i, chord in enumerate(chords) for step in chord]
    assert block(musical_features(notes_of(rows)), name).sum() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("pitch", "velocity"), [(128, 80), (-1, 80), (60, 200)])
def test_what_no_file_can_hold_is_refused(pitch: int, velocity: int) -> None:
    notes = notes_of([(0.0, 0.4, 60, 80)])
    notes["pitch"], notes["velocity"] = pitch, velocity
    with pytest.raises(ValueError, match="outside 0-127"):
        musical_features(notes)


@settings(max_examples=200, deadline=None)
@given(notes=note_arrays())
def test_every_slice_of_notes_has_finite_features(notes: NDArray[np.void]) -> None:
    vector = musical_features(notes)
    assert vector.shape == (len(FEATURE_NAMES),)
    assert vector.dtype == np.float32
    assert np.isfinite(vector).all()


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_almost_nothing(n: int) -> None:
    notes = notes_of([(0.5 * i, 0.4, 60 + i, 80) for i in range(n)])
    vector = musical_features(notes)
    assert np.isfinite(vector).all()
    assert vector.any() == (n > 0)


def test_drums_alone_are_silence() -> None:
    notes = notes_of([(0.0, 1.0, 38, 90), (1.0, 1.0, 38, 90)])
    notes["is_drum"] = True
    assert not musical_features(notes).any()


@settings(max_examples=50, deadline=None)
@given(notes=melodies(), semitones=st.integers(-6, 6))
def test_intervals_and_rhythm_do_not_change_with_the_key(
    notes: NDArray[np.void], semitones: int
) -> None:
    before, after = musical_features(notes), musical_features(transpose_notes(notes, semitones))
    for name in (
        "top_interval",
        "bottom_interval",
        "top_bigram",
        "outer_motion",
        "chord_type",
        "gap_quarters",
        "duration_seconds",
        "chord_size",
        "velocity_summary",
    ):
        np.testing.assert_allclose(block(before, name), block(after, name), atol=1e-6)
    shifted = np.roll(block(before, "pitch_class"), semitones)
    np.testing.assert_allclose(shifted, block(after, "pitch_class"), atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(notes=melodies())
def test_features_in_quarters_do_not_change_with_the_tempo(notes: NDArray[np.void]) -> None:
    before, after = musical_features(notes), musical_features(scale_tempo_notes(notes, 0.8))
    for name in ("gap_quarters", "duration_quarters", "place_in_quarter", "degree_by_count"):
        np.testing.assert_allclose(block(before, name), block(after, name), atol=1e-6)
    assert not np.allclose(block(before, "gap_seconds"), block(after, "gap_seconds")) or (
        before.sum() == after.sum()
    )


def test_a_scale_in_d_major_is_heard_in_d_major() -> None:
    scale = [62, 64, 66, 67, 69, 71, 73, 74, 69, 66, 62]
    notes = notes_of([(0.5 * i, 1.0 if p % 12 == 2 else 0.5, p, 80) for i, p in enumerate(scale)])
    vector = musical_features(notes)
    degrees = block(vector, "degree_by_count")
    assert set(np.flatnonzero(degrees)) == {0, 2, 4, 5, 7, 9, 11}
    assert vector[FEATURE_NAMES.index("key_0")] == 0.0  # major


def test_chords_are_named() -> None:
    cadence = [(60, 64, 67), (65, 69, 72), (67, 71, 74, 77), (60, 64, 67)]
    rows = [(float(i), 0.9, pitch, 80) for i, chord in enumerate(cadence) for pitch in chord]
    vector = musical_features(notes_of(rows))
    chord_types = block(vector, "chord_type")
    assert chord_types[0] == pytest.approx(0.75)  # major
    assert chord_types[4] == pytest.approx(0.25)  # dominant seventh
    assert block(vector, "chord_size")[[2, 3]].tolist() == pytest.approx([0.75, 0.25])
    assert np.flatnonzero(block(vector, "root_motion")).tolist() == [2, 5]


def test_nothing_depends_on_how_the_file_was_made() -> None:
    one = read_score(midi_file(scale_notes(60), division=480))
    other = read_score(midi_file(b"", scale_notes(60), division=480))
    renumbered = other.notes.copy()
    renumbered["instrument"] += 7
    np.testing.assert_array_equal(musical_features(one.notes), musical_features(renumbered))


@settings(max_examples=100, deadline=None)
@given(notes=note_arrays(min_size=1, max_size=40))
def test_polyphony_is_the_time_in_which_so_many_notes_sound(notes: NDArray[np.void]) -> None:
    pitched = notes[~notes["is_drum"]]
    if pitched.size == 0:
        return
    edges = np.unique(np.concatenate([pitched["onset_s"], pitched["offset_s"]]))
    times = np.zeros(10)
    for begin, end in itertools.pairwise(edges.tolist()):
        sounding = np.count_nonzero((pitched["onset_s"] <= begin) & (pitched["offset_s"] >= end))
        times[min(int(sounding), 9)] += end - begin
    expected = times / times.sum()
    np.testing.assert_allclose(block(musical_features(notes), "polyphony"), expected, atol=1e-6)
