"""Read any file of music: MIDI and written scores as they are, recordings by transcription."""

import importlib
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from tunesmith.audio.decoding import Sound
from tunesmith.audio.errors import AudioNotInstalled, NoMusicHeard, RecordingLimitExceeded
from tunesmith.audio.foreign import foreign_kind
from tunesmith.audio.formats import recording_format
from tunesmith.audio.model import Posteriors, frame_times, posteriors
from tunesmith.audio.notes import Heard, heard_notes
from tunesmith.midi.augmentation import RECORDED_QUARTERS_PER_S
from tunesmith.midi.errors import NotMidi, NotScore
from tunesmith.midi.reading import Limits, read_score
from tunesmith.midi.score import NOTE_DTYPE, Instrument, Score, Transcription

__all__ = ["read_music", "transcribe"]

VELOCITY_MEAN, VELOCITY_SPREAD = 72, 8
"""Loudness of transcribed notes, as in the simulated transcriptions that models learn from."""
SURE_NOTE, SURE_ONSET = 0.45, 0.5
"""Probabilities above which a note is sure: it sounds, and it begins where it is heard to."""
CLEAR_FRAMES = 11
"""Notes are clear that are longer than this, 128 ms."""
LEAST_SURE_NOTES = 4
LEAST_SURE_SHARE = 0.25
"""Share of sure notes below which a recording is no music; noise has at most 0.18, piano 0.6."""
SPEECH_GLIDE, SPEECH_NOTE_S = 0.11, 0.25
"""Medians of speech: its notes glide by more semitones, and they are shorter. Of instruments the
median glide is at most 0.09; a singer's notes glide and are longer."""
TICKS_PER_QUARTER = 480
"""Resolution that is given to transcribed notes; their times are exact to a frame of 12 ms."""
_UNKNOWN_KIND = (
    "no kind of file that is known here. Export the music as MIDI or MusicXML, or record it as MP3 "
    "or WAV."
)
_PACKAGES = ("av", "soxr", "onnxruntime")


def read_music(
    data: bytes,
    *,
    limits: Limits | None = None,
    between: Callable[[], None] | None = None,
) -> Score:
    """Decode a file of music: MIDI, a written score, or a recording, as its bytes say.

    Parameters
    ----------
    data
        Bytes of the file.
    limits
        Limits on the size; the defaults suit single pieces of music.
    between
        Called for every two seconds of a recording; may raise to stop.

    Raises
    ------
    MidiError
        If the file cannot be read; one of the classes of `tunesmith.midi.errors` or
        `tunesmith.audio.errors`.
    """
    limits = limits or Limits()
    name = recording_format(data)
    if name is None:
        return _read_score(data, limits)
    return transcribe(data, name, limits, between)


def _read_score(data: bytes, limits: Limits) -> Score:
    """Read MIDI or a written score; an error about another file names its kind."""
    try:
        return read_score(data, limits=limits)
    except NotMidi as error:
        kind = foreign_kind(data)
        if kind is None:
            if isinstance(error, NotScore):
                raise
            kind = _UNKNOWN_KIND
        raise NotMidi(data, kind) from error


def transcribe(
    data: bytes, name: str, limits: Limits, between: Callable[[], None] | None = None
) -> Score:
    """Transcribe a recording.

    Parameters
    ----------
    data
        Bytes of the file.
    name
        Its format, as `recording_format` returns it.
    limits, between
        As in `read_music`.

    Raises
    ------
    MidiError
        As in `read_music`.
    """
    if len(data) > limits.max_recording_bytes:
        limit = "max_recording_bytes"
        raise RecordingLimitExceeded(limit, len(data), limits.max_recording_bytes)
    for package in _PACKAGES:
        try:
            importlib.import_module(package)
        except ModuleNotFoundError as error:
            raise AudioNotInstalled(name) from error
    sound = Sound(data, name, limits.max_duration_s, limits.max_heard_s)
    blocks = heard_notes(_watched(posteriors(sound), between))
    heard = np.concatenate(list(blocks))
    heard = heard[frame_times(heard["start"]) < sound.seconds]
    limits.check("max_notes", heard.size)
    _check_music(heard, sound.seconds)
    return _score(heard, sound, name)


def _watched(
    parts: Iterator[Posteriors], between: Callable[[], None] | None
) -> Iterator[Posteriors]:
    for part in parts:
        if between is not None:
            between()
        yield part


def _check_music(heard: Heard, seconds: float) -> None:
    """Refuse a recording of silence, noise or speech."""
    # The shortest notes say little: neither whether they are sure nor how they glide.
    clear = heard[heard["end"] - heard["start"] > CLEAR_FRAMES]
    is_sure = (clear["probability"] > SURE_NOTE) & (clear["onset"] > SURE_ONSET)
    n_sure = int(is_sure.sum())
    if n_sure < max(LEAST_SURE_NOTES, LEAST_SURE_SHARE * clear.size):
        notes = {0: "no clear note", 1: "1 clear note"}.get(n_sure, f"{n_sure} clear notes")
        message = (
            f"No music heard: {notes} in {seconds:.0f} s. Send a recording of music: silence, "
            "speech and noise have no notes."
        )
        raise NoMusicHeard(message)
    length_s = np.median(frame_times(clear["end"]) - frame_times(clear["start"]))
    if np.median(clear["glide"]) > SPEECH_GLIDE and length_s < SPEECH_NOTE_S:
        message = (
            f"No music heard: what sounds in {seconds:.0f} s glides like speech. Send a recording "
            "of music."
        )
        raise NoMusicHeard(message)


def _score(heard: Heard, sound: Sound, name: str) -> Score:
    """Return heard notes as a score of one instrument at 120 quarter notes a minute."""
    notes = np.zeros(heard.size, dtype=NOTE_DTYPE)
    notes["onset_s"], notes["offset_s"] = frame_times(heard["start"]), frame_times(heard["end"])
    notes["onset_quarters"] = notes["onset_s"] * RECORDED_QUARTERS_PER_S
    length_s = notes["offset_s"] - notes["onset_s"]
    notes["duration_quarters"] = length_s * RECORDED_QUARTERS_PER_S
    notes["pitch"], notes["velocity"] = heard["pitch"], _velocities(heard)
    notes = notes[np.lexsort((notes["pitch"], notes["onset_s"]))]
    end_time_s = float(notes["offset_s"].max())
    certainty = float(heard["probability"].mean())
    no_times, no_numbers = np.empty(0), np.empty(0, dtype=np.int64)
    heard_s = round(sound.seconds, 2)
    return Score(
        notes=notes,
        instruments=(Instrument(program=0, is_drum=False, end_time_s=end_time_s),),
        tempos=(np.zeros(1), np.full(1, 60 * RECORDED_QUARTERS_PER_S)),
        time_signatures=(no_times, no_numbers, no_numbers),
        key_signatures=(no_times, no_numbers),
        ticks_per_quarter=TICKS_PER_QUARTER,
        end_time_s=end_time_s,
        n_tracks=1,
        reader=name,
        warnings=_warnings(sound, certainty),
        transcription=Transcription(round(certainty, 4), heard_s),
    )


def _velocities(heard: Heard) -> NDArray[np.int16]:
    """Return velocities by the notes' probabilities, which follow loudness a little."""
    probability = heard["probability"].astype(np.float64)
    spread = probability.std() or 1.0
    scaled = VELOCITY_MEAN + VELOCITY_SPREAD * (probability - probability.mean()) / spread
    velocities: NDArray[np.int16] = np.clip(np.rint(scaled), 1, 127).astype(np.int16)
    return velocities


def _warnings(sound: Sound, certainty: float) -> tuple[str, ...]:
    sentences = [f"transcribed from a recording, certainty {certainty:.2f}"]
    if sound.seconds >= sound.max_heard_s:
        sentences.append(f"only the first {sound.seconds:.0f} s were transcribed")
    return (*sentences, *sound.warnings())
