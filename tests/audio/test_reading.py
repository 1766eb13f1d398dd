"""Recordings in every format, and files that are none, damaged or too large."""

import importlib
import sys

import numpy as np
import pytest

from tests.audio import sounds
from tests.audio.sounds import CHORALE, encoded, noise, speech, tones, wav
from tunesmith.audio import read_music
from tunesmith.audio.errors import (
    AudioNotInstalled,
    NoMusicHeard,
    RecordingLimitExceeded,
    UnreadableRecording,
)
from tunesmith.audio.formats import recording_format
from tunesmith.midi.errors import MidiError, NotMidi
from tunesmith.midi.reading import Limits


def share_heard(score, notes):
    """Return the share of notes that are in a score, within 50 ms of their start."""
    heard = {(round(float(n["onset_s"]) / 0.001), int(n["pitch"])) for n in score.notes}
    found = sum(
        any(pitch == p and abs(start - ms / 1000) < 0.05 for ms, p in heard)
        for start, _, pitch in notes
    )
    return found / len(notes)


@pytest.mark.parametrize("name", ["wav", "flac", "mp3", "ogg", "m4a", "aiff", "webm", "aac"])
def test_the_same_music_is_heard_in_every_format(name):
    score = read_music(encoded(name))
    assert score.reader == name
    assert share_heard(score, CHORALE) > 0.95
    assert len(score.notes) < 2 * len(CHORALE)
    assert score.transcription.heard_s == pytest.approx(10.75, abs=0.1)
    assert 0.4 < score.transcription.certainty < 0.9
    (sentence,) = score.warnings
    assert sentence.startswith("transcribed from a recording")


@pytest.mark.parametrize("rate", [8000, 44_100, 96_000])
def test_any_sample_rate_gives_the_same_times(rate):
    score = read_music(wav(tones(rate=rate), rate=rate, channels=2))
    assert share_heard(score, sounds.MELODY) == 1


def test_a_transcribed_score_is_like_the_simulated_transcriptions_that_models_learn_from():
    score = read_music(encoded("flac"))
    notes = score.notes
    assert not notes["is_drum"].any()
    assert not notes["instrument"].any()
    assert np.allclose(notes["onset_quarters"], 2 * notes["onset_s"], atol=1e-4)
    assert (np.diff(notes["onset_s"]) >= 0).all()
    assert (notes["offset_s"] > notes["onset_s"]).all()
    assert score.tempos[1].tolist() == [120.0]
    assert score.end_time_s == notes["offset_s"].max()


def test_a_midi_file_is_read_as_midi(midi_factory):
    score = read_music(midi_factory(seed=1))
    assert (score.reader, score.transcription) == ("midi", None)


@pytest.mark.parametrize(
    "start",
    [b"", b"MThd", b"RIFF\0\0\0\0RMID", b"\xff\xfe<\0", b"\x1f\x8b", b"<score-partwise/>", b"Dear"],
)
def test_other_files_are_no_recordings(start):
    assert recording_format(start + bytes(20)) is None
    with pytest.raises(MidiError):
        read_music(start)


def test_a_text_named_like_a_recording_is_no_music():
    with pytest.raises(NotMidi, match="a text without notes"):
        read_music(b"Dear Sir or Madam, " * 20)


@pytest.mark.parametrize(
    "sound",
    [np.zeros(110_000, np.float32), noise(6), noise(6, level=0.001), tones(((1, 0.5, 60),))],
    ids=["silence", "noise", "quiet noise", "one note"],
)
def test_no_music_is_heard_in_silence_and_noise(sound):
    with pytest.raises(NoMusicHeard, match=r"No music heard: (no|1|2|3) clear note"):
        read_music(wav(sound))


@pytest.mark.parametrize("seed", [0, 1])
def test_no_music_is_heard_in_speech(seed):
    with pytest.raises(NoMusicHeard, match="No music heard: "):
        read_music(wav(speech(seed=seed)))


@pytest.mark.parametrize("name", ["mp3", "wav", "flac", "ogg"])
def test_a_recording_that_is_cut_off_is_read_as_far_as_it_goes(name):
    data = encoded(name)
    score = read_music(data[: len(data) // 2])
    assert 3 < score.end_time_s < 8
    if name != "ogg":  # which declares its length at its end
        assert any(sentence.startswith("cut off: ") for sentence in score.warnings)


@pytest.mark.parametrize(
    ("name", "size"), [("mp3", 300), ("m4a", 20_000), ("flac", 50), ("wav", 12), ("ogg", 40)]
)
def test_a_recording_without_sound_is_refused_with_a_way_on(name, size):
    with pytest.raises(UnreadableRecording, match=rf"recording \({name}\).*export it again"):
        read_music(encoded(name)[:size])


def test_a_damaged_part_is_left_out_and_told():
    data = bytearray(encoded("mp3"))
    data[3000:6000] = bytes(range(250)) * 12
    assert any("left out" in sentence for sentence in read_music(bytes(data)).warnings)


def test_limits_hold_for_recordings():
    data = encoded("mp3")
    with pytest.raises(RecordingLimitExceeded, match="at most 5 are read"):
        read_music(data, limits=Limits(max_duration_s=5))
    with pytest.raises(RecordingLimitExceeded, match="bytes"):
        read_music(data, limits=Limits(max_recording_bytes=1000))
    # The size of MIDI files is another limit.
    assert read_music(data, limits=Limits(max_bytes=1000)).reader == "mp3"


def test_only_the_beginning_is_heard_where_a_limit_says_so():
    score = read_music(encoded("flac"), limits=Limits(max_heard_s=4))
    assert 3 < score.end_time_s < 4.5
    assert "only the first 4 s were transcribed" in score.warnings


def test_work_stops_between_windows():
    class OverError(Exception):
        pass

    calls = []

    def between():
        calls.append(1)
        if len(calls) == 2:
            raise OverError

    with pytest.raises(OverError):
        read_music(encoded("flac"), between=between)


@pytest.mark.parametrize("package", ["av", "soxr", "onnxruntime"])
def test_without_the_extra_the_message_says_how_to_have_it(package, monkeypatch):
    data = encoded("mp3")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(AudioNotInstalled, match=r"pip install 'tunesmith\[audio\]'"):
        read_music(data)
    assert importlib.import_module("tunesmith.audio")
