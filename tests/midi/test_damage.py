"""Damaged and unusual files: what is there is read, and everything else is counted and said."""

import gzip
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.midi.material import (
    END_OF_TRACK,
    event,
    meta,
    midi_file,
    quantity,
    scale_notes,
    tempo,
)
from tunesmith.midi import Score, chunk_roll, piano_roll, read_score, velocity_roll

Note = tuple[int, float, float]


def note(pitch: int, *, delta: int = 0, ticks: int = 480, channel: int = 0) -> bytes:
    """Encode a note and its end."""
    return event(delta, 0x90 | channel, pitch, 80) + event(ticks, 0x80 | channel, pitch, 0)


def quarters(score: Score) -> list[Note]:
    """Return pitch, onset and end of each note, in quarter notes."""
    ends = score.notes["onset_quarters"] + score.notes["duration_quarters"]
    columns = score.notes["pitch"].tolist(), score.notes["onset_quarters"].tolist(), ends.tolist()
    return sorted(zip(*columns, strict=True))


def counts(score: Score) -> dict[str, int]:
    """Return the faults that were counted."""
    tracks = {"tracks_declared", "tracks_found"}
    return {k: v for k, v in asdict(score.damage).items() if v and k not in tracks}


def chunk(content: bytes, length: int | None = None) -> bytes:
    """Encode a track, with another length than its own if given."""
    length = len(content) if length is None else length
    return b"MTrk" + length.to_bytes(4, "big") + content


def header(n_tracks: int, *, division: int = 480, kind: int = 1) -> bytes:
    """Encode the header of a file."""
    fields = b"".join(n.to_bytes(2, "big") for n in (kind, n_tracks, division))
    return b"MThd" + (6).to_bytes(4, "big") + fields


FIRST, SECOND = note(60) + note(62), note(72)
BOTH = [(60, 0.0, 1.0), (62, 1.0, 2.0), (72, 0.0, 1.0)]


class TestGlobalEvents:
    def test_tempos_of_all_tracks_count_in_order_of_time(self) -> None:
        late = tempo(960, 1_000_000) + meta(0, 0x58, bytes([3, 2, 24, 8]))
        early = tempo(480, 250_000) + meta(0, 0x59, bytes([1, 0]))
        score = read_score(midi_file(meta(0, 3, b"Song"), late, early, note(60) * 3))
        assert score.tempos[0].tolist() == [0.0, 0.5, 0.75]
        assert score.tempos[1].tolist() == pytest.approx([120, 240, 60])
        assert score.notes["offset_s"].tolist() == [0.5, 0.75, 1.75]
        assert [a.tolist() for a in score.time_signatures] == [[0.75], [3], [4]]
        assert [a.tolist() for a in score.key_signatures] == [[0.5], [7]]

    def test_the_last_of_several_tempos_at_one_tick_counts(self) -> None:
        score = read_score(midi_file(tempo(480, 1_000_000), tempo(480, 250_000), note(60) * 2))
        assert score.notes["offset_s"].tolist() == [0.5, 0.75]

    @pytest.mark.parametrize(
        ("payload", "qpm"),
        [
            ((250_000).to_bytes(3, "big") + b"\x00", 240),  # the first three bytes count
            ((250_000).to_bytes(4, "big"), 240),  # unless only zeros before make sense
            (b"\x07\xa1", 120),
            (b"", 120),
            (bytes(3), 120),
        ],
    )
    def test_tempo_events_of_any_size(self, payload: bytes, qpm: float) -> None:
        score = read_score(midi_file(meta(0, 0x51, payload) + FIRST))
        assert score.tempos[1].tolist() == pytest.approx([qpm])
        assert score.damage.bad_signatures == 1
        assert any("tempo" in warning for warning in score.warnings)

    @pytest.mark.parametrize("payload", [bytes([0, 2]), bytes([4, 9]), bytes([4, 255])])
    def test_a_time_signature_that_cannot_be_is_left_out(self, payload: bytes) -> None:
        good = meta(0, 0x58, bytes([6, 3, 36, 8]))
        score = read_score(midi_file(meta(0, 0x58, payload + b"\x18\x08") + good + FIRST))
        assert [a.tolist() for a in score.time_signatures] == [[0.0], [6], [8]]
        assert any("time signature left out" in warning for warning in score.warnings)

    @pytest.mark.parametrize(
        ("code", "frames"), [(24, 24), (25, 25), (29, 30_000 / 1001), (30, 30), (50, 50)]
    )
    def test_smpte_frame_rates(self, code: int, frames: float) -> None:
        division = ((256 - code) << 8) | 80
        score = read_score(midi_file(note(60, ticks=8000), division=division))
        assert score.notes["offset_s"].tolist() == pytest.approx([8000 / frames / 80])
        assert any("SMPTE" in warning for warning in score.warnings)


class TestChunks:
    @pytest.mark.parametrize("declared", [0, 1, 5, 17, 19, 26, 1000, 0x7FFFFFFF, 0xFFFFFFFF])
    def test_a_track_ends_at_its_end_mark_and_not_where_its_length_says(
        self, declared: int
    ) -> None:
        first, second = FIRST + END_OF_TRACK, SECOND + END_OF_TRACK
        assert declared != len(first)
        score = read_score(header(2) + chunk(first, declared) + chunk(second))
        assert quarters(score) == BOTH
        assert counts(score) == {"wrong_lengths": 1}
        assert "1 track with a wrong length" in score.warnings
        score = read_score(header(2) + chunk(second) + chunk(first, declared))
        assert quarters(score) == BOTH
        assert score.damage.wrong_lengths == 1

    @pytest.mark.parametrize("junk", [b"\x00", bytes(7), bytes(8), b"\x85\x00\x00", b"\xff" * 40])
    def test_bytes_between_tracks_are_skipped_and_counted(self, junk: bytes) -> None:
        tracks = [chunk(t + END_OF_TRACK) for t in (FIRST, SECOND)]
        for before, between in ((b"", junk), (junk, b"")):
            score = read_score(header(2) + before + tracks[0] + between + tracks[1])
            assert quarters(score) == BOTH
            assert counts(score) == {"lost_bytes": len(junk)}
        score = read_score(header(2) + b"".join(tracks) + junk)
        assert quarters(score) == BOTH
        assert counts(score) == {"lost_bytes": len(junk)}
        assert any(warning.startswith(f"{len(junk)} byte") for warning in score.warnings)

    @pytest.mark.parametrize(("declared", "found"), [(0, 2), (1, 2), (2, 2), (3, 2), (500, 2)])
    def test_tracks_declared_and_found(self, declared: int, found: int) -> None:
        tracks = [chunk(t + END_OF_TRACK) for t in (FIRST, SECOND)]
        score = read_score(header(declared) + b"".join(tracks))
        assert quarters(score) == BOTH
        assert score.n_tracks == score.damage.tracks_found == found
        assert score.damage.tracks_declared == declared
        message = f"{declared} tracks declared, 2 found"
        assert (message in score.warnings) == bool(score.damage) == (declared != found)

    def test_the_rest_of_an_older_file_is_not_read_as_music(self) -> None:
        older = note(50)[3:] * 40 + END_OF_TRACK + chunk(note(51) + END_OF_TRACK)
        tracks = [chunk(t + END_OF_TRACK) for t in (FIRST, SECOND)]
        score = read_score(header(2) + b"".join(tracks) + older)
        assert quarters(score) == BOTH
        assert counts(score) == {"lost_bytes": len(older)}

    def test_events_behind_the_end_mark_are_not_read(self) -> None:
        score = read_score(midi_file(FIRST + END_OF_TRACK + note(64), SECOND))
        assert quarters(score) == BOTH
        assert score.damage.lost_bytes == len(note(64) + END_OF_TRACK)

    def test_a_header_with_a_wrong_length(self) -> None:
        data = midi_file(FIRST, SECOND)
        for length in (0, 5, 7, 500, 0xFFFFFFFF):
            score = read_score(data[:4] + length.to_bytes(4, "big") + data[8:])
            assert quarters(score) == BOTH
            assert "header with a wrong length" in score.warnings

    @pytest.mark.parametrize("n_tracks", [1024, 1025, 1100, 20_000, 65_535])
    def test_many_tracks(self, n_tracks: int) -> None:
        empty = chunk(END_OF_TRACK)
        score = read_score(header(n_tracks) + empty * (n_tracks - 1) + chunk(FIRST + END_OF_TRACK))
        assert quarters(score) == BOTH[:2]
        assert score.n_tracks == n_tracks
        assert not score.warnings

    def test_every_prefix_gives_the_notes_that_are_complete_in_it(self) -> None:
        first, second = [note(p) for p in (60, 62, 64)], [note(p) for p in (72, 74)]
        data = midi_file(b"".join(first), b"".join(second))
        ends, place = [], 22
        for track in (first, second):
            for encoded in track:
                place += len(encoded)
                ends.append(place)
            place += len(END_OF_TRACK) + 8
        begins = [end - len(e) + 4 for end, e in zip(ends, [*first, *second], strict=True)]
        for size in range(ends[0], len(data)):
            score = read_score(data[:size])
            complete = sum(end <= size for end in ends)
            begun = sum(begin <= size for begin in begins)
            assert complete <= score.notes.size <= begun
            assert score.damage
            assert score.warnings


class TestBytes:
    @pytest.mark.parametrize("value", [0x80, 0x90, 0xB0, 0xF0, 0xFF])
    def test_a_value_above_127_is_read_as_127(self, value: int) -> None:
        loud = event(0, 0x90, 60, value) + event(480, 0x80, 60, 0)
        score = read_score(midi_file(loud + note(62)))
        assert quarters(score) == BOTH[:2]
        assert score.notes["velocity"].tolist() == [127, 80]
        assert counts(score) == {"clipped_bytes": 1}
        control = event(0, 0xB0, 7, value)
        assert quarters(read_score(midi_file(control + FIRST))) == BOTH[:2]

    def test_a_file_of_values_above_127(self) -> None:
        loud = b"".join(event(0, 0x90, p, 200) + event(480, 0x80, p, 200) for p in range(40, 80))
        score = read_score(midi_file(loud))
        assert score.notes["pitch"].tolist() == list(range(40, 80))
        assert set(score.notes["velocity"].tolist()) == {127}
        assert counts(score) == {"clipped_bytes": 80}

    def test_an_event_for_a_pitch_above_127_is_left_out(self) -> None:
        score = read_score(midi_file(note(60) + event(0, 0x90, 200, 80) + note(62) + note(64)))
        assert [n[0] for n in quarters(score)] == [60, 62, 64]
        assert score.damage.lost_events == 1

    @pytest.mark.parametrize("junk", [b"\x45", b"\x00", b"\x45\x46"])
    @pytest.mark.parametrize("place", [0, 1, 5])
    def test_orphan_data_bytes_cost_no_note_that_follows(self, junk: bytes, place: int) -> None:
        notes = [note(p) for p in range(60, 70)]
        data = b"".join(notes[:place]) + junk + b"".join(notes[place:])
        score = read_score(midi_file(data))
        pitches = set(score.notes["pitch"].tolist())
        assert pitches >= set(range(60, 70)) - {60 + place}
        assert counts(score).keys() & {"lost_bytes", "lost_events", "clipped_bytes"}

    def test_data_bytes_without_a_status_at_the_start(self) -> None:
        score = read_score(midi_file(event(0, 60, 64) + FIRST, SECOND))
        assert quarters(score) == BOTH
        assert score.damage.lost_events == 1

    @pytest.mark.parametrize("status", [0xF4, 0xF5, 0xF9, 0xFD])
    def test_an_undefined_status_is_skipped(self, status: int) -> None:
        score = read_score(midi_file(note(60) + event(0, status) + note(62), SECOND))
        assert quarters(score) == BOTH
        assert score.damage.lost_events == 1

    @pytest.mark.parametrize("bad", [b"\x00\xff\x01\x8f\xff\x7f", b"\x00\xf0\xff\xff\xff\x7f"])
    def test_an_event_longer_than_its_track_costs_itself(self, bad: bytes) -> None:
        score = read_score(midi_file(note(60) + bad + note(62), SECOND))
        assert quarters(score) == BOTH
        assert score.damage.lost_events == 1

    def test_a_cut_last_event_costs_itself(self) -> None:
        for cut in (b"\x00\x90", b"\x00\x90\x40", b"\x83", b"\x00\xff\x01\x20abc"):
            data = header(2) + chunk(SECOND + END_OF_TRACK) + chunk(FIRST + cut)
            score = read_score(data)
            assert quarters(score) == BOTH
            assert counts(score) == {"missing_ends": 1, "lost_bytes": len(cut), "lost_events": 1}

    def test_another_file_behind_the_last_track_is_not_read(self) -> None:
        other = midi_file(SECOND)
        score = read_score(midi_file(FIRST) + other)
        assert quarters(score) == BOTH[:2]
        assert counts(score) == {"lost_bytes": len(other)}


class TestNoteEnds:
    def test_a_note_without_an_end_sounds_to_the_end_of_its_track(self) -> None:
        track = note(60) + event(0, 0x90, 62, 80) + meta(960, 6, b"x")
        score = read_score(midi_file(track, note(72) * 9))
        assert (62, 1.0, 3.0) in quarters(score)
        assert score.damage.unended_notes == 1
        assert "1 note without a note-off" in score.warnings

    def test_it_ends_at_the_next_note_of_its_pitch(self) -> None:
        track = event(0, 0x90, 60, 80) + event(480, 0x90, 60, 70) + event(480, 0x90, 62, 80)
        score = read_score(midi_file(track + meta(480, 6, b"x")))
        assert quarters(score) == [(60, 0, 1), (60, 1, 3), (62, 2, 3)]
        assert score.damage.unended_notes == 3

    @pytest.mark.parametrize("controller", [120, 123, 124, 126])
    def test_all_notes_off_ends_the_notes_of_its_channel(self, controller: int) -> None:
        chord = event(0, 0x90, 60, 80) + event(0, 0x90, 64, 80) + event(0, 0x91, 48, 80)
        track = chord + event(480, 0xB0, controller, 0) + note(60) + event(480, 0x81, 48, 0)
        score = read_score(midi_file(track))
        assert quarters(score) == [(48, 0, 3), (60, 0, 1), (60, 1, 2), (64, 0, 1)]
        assert score.damage.unended_notes == 2

    def test_a_note_off_in_another_track_of_the_channel(self) -> None:
        ons = event(0, 0x92, 60, 80) + event(960, 0x92, 60, 80) + meta(4800, 6, b"x")
        offs = event(480, 0x82, 60, 0) + event(960, 0x82, 60, 0)
        other_channel = event(240, 0x83, 60, 0)
        score = read_score(midi_file(ons, offs, other_channel))
        assert quarters(score) == [(60, 0, 1), (60, 2, 3)]
        assert score.damage.unended_notes == 2

    def test_all_notes_off_in_another_track(self) -> None:
        ons = event(0, 0x90, 60, 80) + event(0, 0x91, 62, 80) + meta(4800, 6, b"x")
        score = read_score(midi_file(ons, event(480, 0xB0, 123, 0)))
        assert quarters(score) == [(60, 0, 1), (62, 0, 10)]

    def test_the_last_notes_of_a_track_end_in_another_track(self) -> None:
        ons = event(0, 0x90, 60, 80) + event(480, 0x90, 62, 80) + event(0, 0x90, 64, 80)
        offs = event(480, 0x80, 60, 0) + event(960, 0x80, 62, 0) + event(0, 0x80, 64, 0)
        score = read_score(midi_file(ons, offs))
        assert quarters(score) == [(60, 0, 1), (62, 1, 3), (64, 1, 3)]
        assert score.damage.empty_notes == 0

    def test_notes_with_which_their_track_ends_are_kept(self) -> None:
        chord = b"".join(event(0, 0x90, pitch, 80) for pitch in (60, 64, 67))
        score = read_score(midi_file(note(72) + chord, note(48) * 4))
        assert [each for each in quarters(score) if each[0] != 48] == [
            (60, 1, 2), (64, 1, 2), (67, 1, 2), (72, 0, 1),
        ]  # fmt: skip
        assert counts(score) == {"unended_notes": 3}

    def test_drum_hits_without_ends_last_to_the_next_hit(self) -> None:
        hits = event(0, 0x99, 36, 90) + event(240, 0x99, 38, 90) + event(240, 0x99, 36, 90)
        score = read_score(midi_file(hits + event(240, 0x99, 38, 90) + note(60)))
        drums = score.notes[score.notes["is_drum"]]
        assert drums["pitch"].tolist() == [36, 38, 36, 38]
        assert drums["onset_quarters"].tolist() == [0, 0.5, 1, 1.5]
        assert drums["duration_quarters"].tolist() == [1, 1, 1.5, 1]
        assert score.damage.unended_notes == 4
        assert not any("drums only" in warning for warning in score.warnings)

    def test_a_piece_of_drums_says_so(self) -> None:
        score = read_score(midi_file(event(0, 0x99, 36, 90) + event(240, 0x89, 36, 0)))
        assert any("drums only" in warning for warning in score.warnings)
        assert not velocity_roll(score).any()

    def test_notes_of_no_length_are_counted(self) -> None:
        score = read_score(midi_file(note(64, ticks=0) + FIRST))
        assert quarters(score) == BOTH[:2]
        assert counts(score) == {"empty_notes": 1}


class TestTails:
    @pytest.mark.parametrize(
        "late",
        [
            meta(0x0FFFFFFF, 1, b"x"),
            event(0x0FFFFFFF, 0xB0, 7, 0),
            event(0x0FFFFFFF, 0xB0, 64, 0),
            event(0x0FFFFFFF, 0xE0, 0, 64),
            event(0x0FFFFFFF, 0x80, 60, 0),
            tempo(0x0FFFFFFF, 1_000_000),
            quantity(0x0FFFFFFF) + END_OF_TRACK[1:],
        ],
    )
    def test_a_piece_ends_with_its_last_note(self, late: bytes) -> None:
        score = read_score(midi_file(event(0, 0xB0, 64, 127) + FIRST + late))
        assert score.end_time_s == 1.0
        assert len(piano_roll(score)) == 10
        assert len(chunk_roll(velocity_roll(score))[0]) == 1

    def test_an_open_note_does_not_sound_through_a_long_tail(self) -> None:
        late = meta(0x0FFFFFFF, 1, b"x")
        score = read_score(midi_file(note(60) * 4 + event(0, 0x90, 62, 80) + late))
        assert quarters(score)[-1] == (62, 4, 5)
        score = read_score(midi_file(event(0, 0x90, 62, 80) + note(60) * 4 + late))
        assert quarters(score)[-1] == (62, 0, 4)


class TestWrappers:
    def test_riff_with_other_chunks_around_the_data(self) -> None:
        data = midi_file(FIRST, SECOND)
        for sounds in (b"MThd" * 200_001, bytes(5_000_001)):
            for chunks in (
                [(b"data", data), (b"DLS ", sounds)],
                [(b"LIST", b"INFOICOP" + sounds), (b"data", data), (b"DISP", b"x")],
            ):
                body = b"RMID" + b"".join(
                    name + len(c).to_bytes(4, "little") + c + bytes(len(c) % 2)
                    for name, c in chunks
                )
                riff = b"RIFF" + len(body).to_bytes(4, "little") + body
                assert quarters(read_score(riff)) == BOTH
                assert "unwrapped" in read_score(riff).warnings[0]

    def test_riff_with_wrong_lengths(self) -> None:
        data = midi_file(FIRST, SECOND)
        for length in (0, 3, 30, 1 << 31):
            riff = b"RIFF\x00\x00\x00\x00RMIDdata" + length.to_bytes(4, "little") + data
            assert quarters(read_score(riff)) == BOTH

    def test_gzip(self) -> None:
        score = read_score(gzip.compress(midi_file(FIRST, SECOND)))
        assert quarters(score) == BOTH
        assert "gzip" in score.warnings[0]

    def test_bytes_before_the_header(self) -> None:
        data = midi_file(FIRST, SECOND)
        for before in (bytes(128), b"HTTP/1.1 200 OK\r\n\r\n", b"a page about MThd" * 4000):
            assert quarters(read_score(before + data)) == BOTH


class TestBends:
    @staticmethod
    def range_of(semitones: int, cents: int = 0) -> bytes:
        controls = [(101, 0), (100, 0), (6, semitones), (38, cents), (101, 127), (100, 127)]
        return b"".join(event(0, 0xB0, *c) for c in controls)

    @pytest.mark.parametrize(
        ("semitones", "cents"), [(0, 0), (1, 0), (2, 0), (7, 50), (12, 0), (24, 0)]
    )
    def test_the_range_of_bends_is_read(self, semitones: int, cents: int) -> None:
        up = event(0, 0xE0, 127, 127)
        score = read_score(midi_file(self.range_of(semitones, cents) + up + FIRST))
        assert score.instruments[0].bend_ranges.tolist() == [semitones + cents / 100]
        roll = piano_roll(score)
        shift = (np.arange(128) * roll[2]).sum() / roll[2].sum() - 60
        assert shift == pytest.approx((semitones + cents / 100) * 8191 / 8192, abs=0.01)

    def test_other_parameters_leave_it(self) -> None:
        other = event(0, 0xB0, 99, 0) + event(0, 0xB0, 98, 0) + event(0, 0xB0, 6, 12)
        tuning = event(0, 0xB0, 101, 0) + event(0, 0xB0, 100, 1) + event(0, 0xB0, 6, 64)
        score = read_score(midi_file(other + tuning + event(0, 0xE0, 0, 80) + FIRST))
        assert score.instruments[0].bend_ranges.tolist() == [2.0]

    def test_a_bend_beyond_the_highest_pitch_is_silent(self) -> None:
        score = read_score(midi_file(self.range_of(96) + event(0, 0xE0, 127, 127) + note(100)))
        assert not velocity_roll(score)[1:4].any()


STRAY = st.binary(max_size=24).filter(lambda junk: b"MTrk" not in junk)


@settings(max_examples=150, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    strays=st.lists(STRAY, min_size=6, max_size=6),
    shifts=st.lists(st.integers(-50, 400), min_size=5, max_size=5),
    declared=st.integers(0, 9),
)
def test_every_complete_note_of_a_damaged_container_is_read(
    sizes: list[int], strays: list[bytes], shifts: list[int], declared: int
) -> None:
    tracks = [scale_notes(n, seed=n) + END_OF_TRACK for n in sizes]
    parts = [header(max(declared, len(sizes)))]
    for track, stray, shift in zip(tracks, strays, shifts, strict=False):
        parts += [stray, chunk(track, max(0, len(track) + shift))]
    score = read_score(b"".join([*parts, strays[-1]]))
    whole = read_score(midi_file(*(t.removesuffix(END_OF_TRACK) for t in tracks)))
    assert quarters(score) == quarters(whole)


@settings(max_examples=100, deadline=None)
@given(n=st.integers(2, 40), place=st.integers(0, 39), value=st.integers(0x80, 0xFF))
def test_one_value_above_127_costs_no_note(n: int, place: int, value: int) -> None:
    track = bytearray(scale_notes(n, seed=n))
    track[place % n * 8 + 3] = value
    whole = read_score(midi_file(scale_notes(n, seed=n)))
    assert quarters(read_score(midi_file(bytes(track)))) == quarters(whole)


@pytest.mark.data
def test_the_collected_cases(data_dir: Path) -> None:
    path = data_dir.parent / "cases" / "midi.json"
    if not path.exists():
        pytest.skip("no collected cases beside the data")
    wrong: dict[str, object] = {}
    for case in json.loads(path.read_text()):
        score = read_score(bytes.fromhex(case["hex"]))
        columns = (score.notes[name].tolist() for name in ("pitch", "onset_s", "offset_s"))
        notes = [[p, round(on, 6), round(off, 6)] for p, on, off in zip(*columns, strict=True)]
        if case["notes"] is None:
            assert len(notes) == 5
        elif sorted(notes) != sorted(case["notes"]):
            wrong[case["name"]] = notes
        if "with a warning" in case["right"] and not score.warnings:
            wrong[case["name"]] = "no warning"
    assert wrong == {}
