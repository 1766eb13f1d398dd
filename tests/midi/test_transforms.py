"""Augmentation: round trips, clipping, and agreement between notes and chunks."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.midi.material import midi_file, note_arrays, scale_notes
from tunesmith.errors import UsageError
from tunesmith.midi import Score, chunk_roll, read_score, velocity_roll
from tunesmith.midi.transforms import (
    scale_tempo_chunks,
    scale_tempo_notes,
    transpose_chunks,
    transpose_notes,
)


def chunks_of(score: Score) -> NDArray[np.uint8]:
    return chunk_roll(velocity_roll(score), 50, 50)[0]


@given(notes=note_arrays(), semitones=st.integers(-140, 140))
def test_notes_are_moved_clipped_and_kept_in_order(notes: NDArray[np.void], semitones: int) -> None:
    original = notes.copy()
    moved = transpose_notes(notes, semitones)
    np.testing.assert_array_equal(notes, original)
    assert moved.size == notes.size
    assert ((moved["pitch"] >= 0) & (moved["pitch"] <= 127)).all()
    order = np.lexsort((moved["pitch"], moved["onset_s"]))
    np.testing.assert_array_equal(moved[["onset_s", "pitch"]], moved[order][["onset_s", "pitch"]])
    drums = np.sort(notes["pitch"][notes["is_drum"]])
    np.testing.assert_array_equal(np.sort(moved["pitch"][moved["is_drum"]]), drums)


@given(notes=note_arrays(), semitones=st.integers(-20, 20))
def test_transposing_back_restores_what_was_not_clipped(
    notes: NDArray[np.void], semitones: int
) -> None:
    inner = notes[(notes["pitch"] >= 20) & (notes["pitch"] <= 107)]
    back = transpose_notes(transpose_notes(inner, semitones), -semitones)
    np.testing.assert_array_equal(np.sort(back), np.sort(inner))


@given(
    semitones=st.integers(-200, 200),
    seed=st.integers(0, 5),
)
def test_chunks_keep_their_shape_and_their_loudest(semitones: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    chunks = random.integers(0, 128, (2, 9, 128)).astype(np.uint8)
    moved = transpose_chunks(chunks, semitones)
    assert moved.shape == chunks.shape
    assert moved.dtype == np.uint8
    np.testing.assert_array_equal(moved.max(axis=-1), chunks.max(axis=-1))


@pytest.mark.parametrize("semitones", [-30, -6, -1, 0, 1, 5, 40])
def test_a_transposed_chunk_is_the_chunk_of_the_transposed_notes(semitones: int) -> None:
    score = read_score(midi_file(scale_notes(100)))
    shifted = transpose_notes(score.notes, semitones)
    pitches = np.flatnonzero(transpose_chunks(chunks_of(score), semitones).any(axis=(0, 1)))
    assert pitches.tolist() == sorted(set(shifted["pitch"].tolist()))


@pytest.mark.parametrize("semitones", [-12, 7])
def test_transposing_chunks_back_restores_them(semitones: int) -> None:
    chunks = chunks_of(read_score(midi_file(scale_notes(100))))
    back = transpose_chunks(transpose_chunks(chunks, semitones), -semitones)
    np.testing.assert_array_equal(back, chunks)


def test_tempo_scales_seconds_and_not_quarters() -> None:
    notes = read_score(midi_file(scale_notes(20))).notes
    faster = scale_tempo_notes(notes, 1.25)
    np.testing.assert_allclose(faster["offset_s"] * 1.25, notes["offset_s"])
    np.testing.assert_array_equal(faster["onset_quarters"], notes["onset_quarters"])


def test_a_faster_chunk_ends_in_silence_and_a_slower_one_loses_its_end() -> None:
    chunks = np.tile(np.arange(1, 11, dtype=np.uint8)[None, :, None], (1, 1, 128))
    assert scale_tempo_chunks(chunks, 2.0)[0, :, 0].tolist() == [2, 4, 6, 8, 10, 0, 0, 0, 0, 0]
    assert scale_tempo_chunks(chunks, 0.5)[0, :, 0].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    np.testing.assert_array_equal(scale_tempo_chunks(chunks, 1.0), chunks)


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_tempos_are_refused(factor: float) -> None:
    with pytest.raises(UsageError, match="positive"):
        scale_tempo_notes(np.zeros(1, dtype=[("onset_s", "f8"), ("offset_s", "f8")]), factor)
    with pytest.raises(UsageError, match="positive"):
        scale_tempo_chunks(np.zeros((1, 4, 128), dtype=np.uint8), factor)
