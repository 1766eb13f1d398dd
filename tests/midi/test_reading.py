"""Bytes to score: agreement with the reference, typed refusals, limits before allocation."""

import gzip
import io
import tracemalloc
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pretty_midi
import pytest
from hypothesis import given, settings

from tests.midi.material import (
    event,
    meta,
    midi_file,
    midi_files,
    scale_notes,
    tempo,
)
from tunesmith.errors import MidiError
from tunesmith.midi import Limits, piano_roll, read_score
from tunesmith.midi.errors import (
    EmptyFile,
    MidiLimitExceeded,
    NoNotes,
    NotMidi,
    NotScore,
    TruncatedMidi,
    UnreadableMidi,
)
from tunesmith.midi.pairing import _pair


def reference(data: bytes) -> pretty_midi.PrettyMIDI:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return pretty_midi.PrettyMIDI(io.BytesIO(data))


def sounding(notes: list[pretty_midi.Note]) -> list[tuple[float, float, int, int]]:
    return sorted((float(n.start), float(n.end), n.pitch, n.velocity) for n in notes)


class TestAgainstTheReference:
    @settings(max_examples=300, deadline=None)
    @given(data=midi_files(tidy=True))
    def test_same_notes_instruments_controllers_and_rolls(self, data: bytes) -> None:
        expected = reference(data)
        instruments = [i for i in expected.instruments if i.notes]
        if not instruments:
            with pytest.raises(NoNotes):
                read_score(data)
            return
        score = read_score(data)
        assert len(score.instruments) == len(instruments)
        for number, (ours, theirs) in enumerate(zip(score.instruments, instruments, strict=True)):
            notes = score.notes[score.notes["instrument"] == number]
            rows = notes[["onset_s", "offset_s", "pitch", "velocity"]].tolist()
            assert sorted(rows) == sounding(theirs.notes)
            assert (ours.program, ours.is_drum) == (theirs.program, theirs.is_drum)
            assert ours.end_time_s == theirs.get_end_time()
            pedal = [c for c in theirs.control_changes if c.number == 64]
            assert ours.pedal[0].tolist() == [c.time for c in pedal]
            assert ours.pedal[1].tolist() == [c.value for c in pedal]
            assert ours.bends[1].tolist() == [b.pitch for b in theirs.pitch_bends]
        times, qpm = expected.get_tempo_changes()
        np.testing.assert_array_equal(score.tempos[0], times)
        np.testing.assert_allclose(score.tempos[1], qpm, rtol=1e-12)
        assert score.end_time_s == max(n.end for i in instruments for n in i.notes)
        for fps in (4, 10):
            roll = piano_roll(score, fps)
            assert len(roll) == int(fps * score.end_time_s)
            np.testing.assert_array_equal(
                roll.T, expected.get_piano_roll(fps)[:, : len(roll)], strict=True
            )

    def test_doubled_notes_end_at_the_first_note_off(self) -> None:
        track = (
            event(0, 0x90, 60, 50)
            + event(100, 0x90, 60, 70)
            + event(100, 0x80, 60, 0)
            + event(100, 0x90, 60, 90)
            + event(100, 0x80, 60, 0)
        )
        expected = [(0, 200, 50), (100, 200, 70), (300, 400, 90)]
        score = read_score(midi_file(track))
        ticks = np.rint(score.notes["onset_s"] * 960), np.rint(score.notes["offset_s"] * 960)
        assert list(zip(*ticks, score.notes["velocity"], strict=True)) == expected


class TestWhatAFileMayLookLike:
    def test_quarters_come_from_ticks_and_not_from_tempo(self) -> None:
        score = read_score(midi_file(tempo(0, 313_131) + scale_notes(16), division=480))
        np.testing.assert_array_equal(score.notes["onset_quarters"], np.arange(16) / 4)
        np.testing.assert_array_equal(score.notes["duration_quarters"], np.full(16, 0.25))

    def test_riff_and_macbinary_wrappers_are_opened(self) -> None:
        data = midi_file(scale_notes())
        riff = b"RIFF" + (len(data) + 12).to_bytes(4, "little") + b"RMIDdata"
        riff += len(data).to_bytes(4, "little") + data
        mac = bytes([0, 5]) + b"Piece" + bytes(121) + data + bytes(100)
        plain = read_score(data)
        for wrapped in (riff, mac):
            score = read_score(wrapped)
            np.testing.assert_array_equal(score.notes, plain.notes)
            assert "unwrapped" in score.warnings[0]

    @pytest.mark.parametrize("kind", [0, 1, 2])
    def test_formats(self, kind: int) -> None:
        score = read_score(midi_file(scale_notes(12), kind=kind))
        assert score.notes.size == 12
        assert bool(score.warnings) == (kind == 2)

    def test_smpte_time_ignores_tempo(self) -> None:
        division = ((256 - 25) << 8) | 40  # 25 frames of 40 ticks: a millisecond a tick
        score = read_score(midi_file(tempo(0, 1) + scale_notes(4), division=division))
        np.testing.assert_allclose(score.notes["onset_s"], [0, 0.12, 0.24, 0.36])
        assert "SMPTE" in score.warnings[0]

    def test_running_status_of_one_byte_messages(self) -> None:
        track = event(0, 0xC0, 5) + event(0, 7) + event(0, 9) + scale_notes(6)
        assert [i.program for i in read_score(midi_file(track)).instruments] == [9]

    def test_foreign_chunks_are_skipped(self) -> None:
        data = midi_file(scale_notes(6))
        data = data[:14] + b"XFIH" + (5).to_bytes(4, "big") + b"hello" + data[14:]
        assert read_score(data).notes.size == 6

    @pytest.mark.parametrize(("sharps", "mode"), [(253, 255), (254, 2), (8, 0)])
    def test_an_undecodable_key_signature_loses_the_key_and_not_the_file(
        self, sharps: int, mode: int
    ) -> None:
        bad = meta(0, 0x59, bytes([sharps, mode]))
        good = meta(0, 0x59, bytes([253, 1]))
        score = read_score(midi_file(bad + good + scale_notes()))
        assert score.key_signatures[1].tolist() == [12]  # three flats, minor: C minor
        assert any("key signature left out" in warning for warning in score.warnings)

    def test_a_missing_end_of_track_mark_costs_nothing(self) -> None:
        data = midi_file(scale_notes(6))
        assert read_score(data[:-1]).notes.size == 6
        assert read_score(midi_file(scale_notes(6), end=b"")).notes.size == 6

    def test_a_tempo_of_zero_is_left_out(self) -> None:
        score = read_score(midi_file(tempo(0, 0) + scale_notes(6)))
        assert score.tempos[1].tolist() == [120.0]
        assert any("tempo of 0" in warning for warning in score.warnings)

    def test_notes_of_no_length_are_dropped(self) -> None:
        track = event(0, 0x90, 60, 64) + event(0, 0x80, 60, 0) + scale_notes(3)
        assert read_score(midi_file(track)).notes.size == 3

    def test_meters_keys_names_and_drums(self) -> None:
        head = meta(0, 0x03, b"Solo") + meta(0, 0x58, bytes([6, 3, 36, 8]))
        drums = event(0, 0x99, 38, 90) + event(60, 0x89, 38, 0)
        score = read_score(midi_file(head + scale_notes(5), drums))
        assert [n.tolist() for n in score.time_signatures[1:]] == [[6], [8]]
        assert [i.name for i in score.instruments] == ["Solo", ""]
        assert [i.is_drum for i in score.instruments] == [False, True]
        assert score.notes["is_drum"].sum() == 1
        assert score.n_tracks == 2


@pytest.mark.parametrize(
    "compressed",
    [
        lambda data: gzip.compress(data[:20]) + gzip.compress(data[20:]),
        lambda data: gzip.compress(gzip.compress(data)),
        lambda data: gzip.compress(data) + bytes(100),
        lambda data: gzip.compress(data)[:-4],
    ],
)
def test_files_compressed_in_parts_or_twice(compressed: Callable[[bytes], bytes]) -> None:
    score = read_score(compressed(midi_file(scale_notes(6))))
    assert score.notes.size == 6
    assert score.warnings == ("unpacked: the file is compressed with gzip",)


def test_a_compressed_file_is_unpacked_up_to_the_limit() -> None:
    parts = gzip.compress(bytes(600)) * 3
    with pytest.raises(MidiLimitExceeded):
        read_score(parts, limits=Limits(max_bytes=1500))


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "error", "stage", "says"),
        [
            (b"", EmptyFile, "read", "0 bytes"),
            (b"Not found. " * 40, NotMidi, "read", "No MThd header"),
            (b"<html>not found</html>" * 40, NotScore, "read", "its root is <html>"),
            (b"PK\x03\x04" + bytes(600), UnreadableMidi, "parse", "archive of the score"),
            (b"MThd\x00\x00", TruncatedMidi, "read", "inside its header"),
            (midi_file(), TruncatedMidi, "read", "No track"),
            (midi_file(b""), NoNotes, "parse", "no notes"),
            (
                midi_file(event(0, 0x90, 60, 64) + event(0, 0x80, 60, 0)),
                NoNotes,
                "parse",
                "no notes",
            ),
            (b"\x1f\x8b" + bytes(40), UnreadableMidi, "parse", "gzip and damaged"),
            (midi_file(scale_notes(), division=0), UnreadableMidi, "parse", "0 ticks"),
        ],
    )
    def test_each_fault_has_a_type_a_stage_and_words(
        self, data: bytes, error: type[MidiError], stage: str, says: str
    ) -> None:
        with pytest.raises(error, match=says) as caught:
            read_score(data)
        assert type(caught.value) is error
        assert caught.value.stage == stage

    @pytest.mark.parametrize(
        ("limits", "what"),
        [
            (Limits(max_bytes=100), "max_bytes"),
            (Limits(max_ticks=1000), "max_ticks"),
            (Limits(max_duration_s=1.0), "max_duration_s"),
            (Limits(max_notes=20), "max_notes"),
            (Limits(max_tracks=1), "max_tracks"),
        ],
    )
    def test_limits(self, limits: Limits, what: str) -> None:
        data = midi_file(scale_notes(40), scale_notes(40, seed=1))
        with pytest.raises(MidiLimitExceeded, match=what) as caught:
            read_score(data, limits=limits)
        assert caught.value.what == what
        assert caught.value.value > caught.value.limit
        assert caught.value.stage == "limits"

    def test_giant_delta_times_are_refused_without_allocating_them(self) -> None:
        track = scale_notes(4) + event(0x0FFFFFFF, 0x90, 60, 64) + event(10, 0x80, 60, 0)
        data = midi_file(track, division=1)
        read_score(midi_file(scale_notes(4)))  # imports and caches first
        tracemalloc.start()
        with pytest.raises(MidiError):
            read_score(data)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2_000_000

    def test_slow_tempo_cannot_make_a_roll_of_years(self) -> None:
        track = tempo(0, 0xFFFFFF) + scale_notes(4) + event(9_000_000, 0x90, 60, 64)
        data = midi_file(track + event(10, 0x80, 60, 0), division=1)
        with pytest.raises(MidiLimitExceeded, match="max_duration_s"):
            read_score(data)


@pytest.mark.parametrize("counts", [[n] for n in range(1, 20)] + [[7, 0, 8], [1, 16, 9, 23]])
def test_every_event_of_tracks_of_any_length_is_found(counts: list[int]) -> None:
    data = midi_file(*(scale_notes(n, seed=n) for n in counts))
    score = read_score(data)
    assert score.notes.size == sum(counts)
    assert score.n_tracks == len(counts)


def test_a_file_without_events_is_read_by_the_machine_code_of_all_others() -> None:
    read_score(midi_file(scale_notes(3)))
    with pytest.raises(NoNotes):
        read_score(midi_file(b""))
    dispatcher: Any = _pair
    assert len(dispatcher.signatures) == 1
