"""Statistics: plain numbers that can be checked by hand."""

import json

import pytest
from hypothesis import given, settings

from tests.midi.material import event, meta, midi_file, midi_files, scale_notes, tempo
from tunesmith.midi import read_score
from tunesmith.midi.errors import NoNotes
from tunesmith.midi.statistics import piece_statistics


def chord(delta: int, length: int, *pitches: int) -> bytes:
    on = b"".join(event(delta if i == 0 else 0, 0x90, p, 64) for i, p in enumerate(pitches))
    return on + b"".join(event(length if i == 0 else 0, 0x80, p, 0) for i, p in enumerate(pitches))


def test_a_small_piece_by_hand() -> None:
    head = meta(0, 0x58, bytes([3, 2, 24, 8])) + meta(0, 0x59, bytes([2, 0])) + tempo(0, 500_000)
    track = head + chord(0, 480, 62, 66, 69) + tempo(0, 1_000_000) + chord(0, 480, 62)
    row = piece_statistics(read_score(midi_file(track)))
    assert row["length_s"] == pytest.approx(1.5)
    assert (row["n_notes"], row["n_pitches"], row["pitch_min"], row["pitch_max"]) == (4, 3, 62, 69)
    assert row["polyphony_max"] == 3
    assert row["polyphony_mean"] == pytest.approx((3 * 0.5 + 1 * 1.0) / 1.5)
    assert (row["time_signature"], row["key_signature"]) == ("3/4", "D Major")
    assert (row["n_tempo_changes"], row["tempo_first_qpm"]) == (1, pytest.approx(120.0))
    assert row["tempo_mean_qpm"] == pytest.approx((120 * 0.5 + 60 * 1.0) / 1.5)
    assert (row["velocity_mean"], row["velocity_std"]) == (64.0, 0.0)
    assert (row["n_instruments"], row["n_tracks"], row["ticks_per_quarter"]) == (1, 1, 480)


def test_what_a_file_does_not_say_is_none() -> None:
    row = piece_statistics(read_score(midi_file(scale_notes(5))))
    assert row["time_signature"] is None
    assert row["key_signature"] is None
    assert row["n_tempo_changes"] == 0


def test_a_note_that_follows_another_does_not_sound_with_it() -> None:
    row = piece_statistics(read_score(midi_file(scale_notes(50))))
    assert row["polyphony_max"] == 1
    assert row["polyphony_mean"] == pytest.approx(1.0)


def test_drums_alone_have_no_pitches() -> None:
    drums = event(0, 0x99, 38, 90) + event(60, 0x89, 38, 0)
    row = piece_statistics(read_score(midi_file(drums)))
    assert row["n_notes"] == 1
    assert row["has_drums"]
    assert row["pitch_mean"] is None
    assert row["polyphony_max"] is None


@settings(max_examples=60, deadline=None)
@given(data=midi_files())
def test_every_piece_has_the_same_plain_columns(data: bytes) -> None:
    try:
        row = piece_statistics(read_score(data))
    except NoNotes:
        return
    assert list(row) == list(piece_statistics(read_score(midi_file(scale_notes(5)))))
    json.dumps(row, allow_nan=False)
    assert row["tempo_min_qpm"] - 1e-6 <= row["tempo_mean_qpm"] <= row["tempo_max_qpm"] + 1e-6
