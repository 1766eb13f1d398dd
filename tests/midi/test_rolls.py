"""Rolls and chunks: the reference's picture, and nothing lost when it is cut."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.midi.material import event, midi_file, midi_files, scale_notes
from tunesmith.errors import UsageError
from tunesmith.midi import chunk_roll, piano_roll, read_score, velocity_roll
from tunesmith.midi.errors import NoNotes
from tunesmith.midi.rolls import binary_roll, instrumentation_roll, notes_roll, timing_roll


def pedal(delta: int, value: int) -> bytes:
    return event(delta, 0xB0, 64, value)


def note(delta: int, length: int, pitch: int, velocity: int = 80, channel: int = 0) -> bytes:
    return event(delta, 0x90 | channel, pitch, velocity) + event(length, 0x80 | channel, pitch, 0)


class TestPianoRoll:
    # Agreement with pretty_midi on any file: test_reading and test_real_files.

    def test_a_frame_holds_the_velocity_of_what_sounds(self) -> None:
        score = read_score(midi_file(note(0, 480, 60, 50) + note(480, 480, 64, 70)))  # 0.5 s each
        roll = piano_roll(score, 10)
        assert roll.shape == (15, 128)
        assert np.flatnonzero(roll[:, 60]).tolist() == [0, 1, 2, 3, 4]
        assert np.flatnonzero(roll[:, 64]).tolist() == [10, 11, 12, 13, 14]
        assert roll.sum() == 5 * 50 + 5 * 70

    def test_velocities_of_doubled_notes_add_up_and_are_clipped_for_storage(self) -> None:
        score = read_score(midi_file(note(0, 480, 60, 100), note(0, 480, 60, 100)))
        assert piano_roll(score)[0, 60] == 200
        assert velocity_roll(score)[0, 60] == 127

    def test_a_pedal_holds_the_loudest_so_far_until_it_is_released(self) -> None:
        track = pedal(0, 127) + note(0, 96, 60, 90) + note(96, 96, 60, 40) + pedal(192, 0)
        score = read_score(midi_file(track + note(0, 96, 72)))
        assert velocity_roll(score)[:, 60].tolist() == [90, 90, 90, 90, 90, 0]

    def test_a_pedal_that_is_never_released_does_nothing(self) -> None:
        track = pedal(0, 127) + note(0, 96, 60) + note(288, 96, 72)
        assert np.flatnonzero(velocity_roll(read_score(midi_file(track)))[:, 60]).tolist() == [0]

    def test_a_pedal_holds_the_notes_of_its_own_instrument(self) -> None:
        held = pedal(0, 127) + note(0, 96, 60, 90) + pedal(384, 0)
        other = event(0, 0xC1, 73) + note(0, 96, 60, 80, channel=1) + note(0, 384, 62, 7, channel=1)
        score = read_score(midi_file(held, other))
        assert piano_roll(score)[:, 60].tolist() == [170, 90, 90, 90, 90]
        assert velocity_roll(score)[:, 60].tolist() == [127, 90, 90, 90, 90]

    def test_sums_are_rounded_after_they_are_complete(self) -> None:
        bent = event(0, 0xE0, 0, 80) + note(0, 96, 60, 45)  # 22.5 and 22.5
        straight = event(0, 0xC1, 73) + note(0, 96, 60, 1, channel=1)
        again = event(0, 0xC2, 73) + note(0, 96, 60, 126, channel=2)
        assert velocity_roll(read_score(midi_file(bent)))[0, 60] == 22
        assert velocity_roll(read_score(midi_file(bent, straight)))[0, 60] == 24
        assert velocity_roll(read_score(midi_file(bent, again)))[0, 60] == 127

    @pytest.mark.parametrize("pitch", [-1, 128])
    def test_a_pitch_outside_midi_is_an_error_and_touches_no_memory(self, pitch: int) -> None:
        notes = read_score(midi_file(note(0, 96, 60))).notes.copy()
        notes["pitch"] = pitch
        with pytest.raises(IndexError, match="pitch"):
            notes_roll(notes)

    def test_a_bend_of_half_a_semitone_is_shared_by_two_pitches(self) -> None:
        track = event(0, 0xE0, 0, 80) + note(0, 480, 60, 100)  # 2048 of 8192: half a semitone
        roll = piano_roll(read_score(midi_file(track)))
        assert (roll[0, 60], roll[0, 61]) == (50.0, 50.0)
        assert velocity_roll(read_score(midi_file(track)))[0, 60] == 50

    def test_drums_have_length_but_no_cells(self) -> None:
        score = read_score(midi_file(note(0, 96, 60), note(0, 960, 38, channel=9)))
        roll = velocity_roll(score)
        assert roll.shape == (10, 128)
        assert not roll[:, 38].any()

    @settings(max_examples=100, deadline=None)
    @given(data=midi_files(), fps=st.sampled_from([1, 4, 7.5, 10, 16]))
    def test_channels_agree_with_each_other(self, data: bytes, fps: float) -> None:
        try:
            score = read_score(data)
        except NoNotes:
            return
        velocity = velocity_roll(score, fps)
        exact = piano_roll(score, fps)
        assert velocity.dtype == np.uint8
        np.testing.assert_array_equal(velocity, np.minimum(np.rint(exact), 127))
        np.testing.assert_array_equal(binary_roll(score, fps), velocity > 0)
        onsets, layers = timing_roll(score, fps), instrumentation_roll(score, fps)
        assert onsets.shape == layers.shape == velocity.shape
        assert layers.max(initial=0) <= len(score.instruments)
        pitched = score.notes[~score.notes["is_drum"]]
        starts_inside = (pitched["onset_s"] * fps).astype(int) < len(velocity)
        assert onsets.sum(dtype=np.int64) == starts_inside.sum()

    def test_instrumentation_counts_instruments_and_timing_counts_onsets(self) -> None:
        piano = note(0, 480, 60)
        flute = event(0, 0xC1, 73) + note(0, 240, 60, channel=1) + note(0, 240, 60, channel=1)
        score = read_score(midi_file(piano, flute))
        assert instrumentation_roll(score)[:, 60].tolist() == [2] * 5
        assert timing_roll(score)[:, 60].tolist() == [2, 0, 1, 0, 0]


class TestChunks:
    @given(
        frames=st.integers(0, 400),
        chunk_frames=st.integers(1, 60),
        hop_share=st.floats(0.01, 1.0),
        seed=st.integers(0, 9),
    )
    def test_chunks_cover_the_roll_exactly(
        self, frames: int, chunk_frames: int, hop_share: float, seed: int
    ) -> None:
        hop_frames = max(1, int(chunk_frames * hop_share))
        roll = np.random.default_rng(seed).integers(0, 128, (frames, 3)).astype(np.uint8)
        chunks, padded_frames, starts = chunk_roll(roll, chunk_frames, hop_frames)
        assert chunks.dtype == np.uint8
        assert chunks.shape[1:] == (chunk_frames, 3)
        covered = np.zeros(frames, dtype=bool)
        for chunk, padding, start in zip(chunks, padded_frames, starts, strict=True):
            real = chunk_frames - padding
            assert real > 0
            np.testing.assert_array_equal(chunk[:real], roll[start : start + real])
            assert not chunk[real:].any()
            covered[start : start + real] = True
        assert covered.all()
        assert (padded_frames[:-1] == 0).all()
        assert np.diff(starts).tolist() == [hop_frames] * (len(starts) - 1)

    def test_the_study_s_chunks(self) -> None:
        roll = velocity_roll(read_score(midi_file(scale_notes(400))), 10)
        chunks, padded_frames, starts = chunk_roll(roll)
        assert (len(roll), chunks.shape) == (500, (4, 150, 128))
        assert padded_frames.tolist() == [0, 0, 0, 100]
        assert starts.tolist() == [0, 150, 300, 450]

    @pytest.mark.parametrize(("chunk_frames", "hop_frames"), [(10, 11), (10, 0), (0, 0)])
    def test_a_hop_that_would_lose_frames_is_refused(
        self, chunk_frames: int, hop_frames: int
    ) -> None:
        with pytest.raises(UsageError, match="hop_frames"):
            chunk_roll(np.zeros((20, 128), dtype=np.uint8), chunk_frames, hop_frames)
