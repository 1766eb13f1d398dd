"""Recordings made from MIDI files: excerpts, sound fonts, a room, noise, MP3."""

import io
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pretty_midi
from numpy.typing import NDArray

__all__ = [
    "EXCERPT_S",
    "ONSET_S",
    "RATE",
    "Rendering",
    "Samples",
    "excerpt",
    "matches",
    "mp3",
    "render",
]

FONTS = ("FluidR3_GM.sf2", "TimGM6mb.sf2")
EXCERPT_S = 45.0
ONSET_S = 0.05
"""A heard note is right within this time of one that was played, at the same pitch."""
RATE = 44_100
BIT_RATE = 64_000
_ROOM_S, _ROOM_SHARE = 1.0, 0.25
_NOISE_BELOW_DB = 35.0
_SUSTAIN = 64

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Rendering:
    """A way to make a recording.

    Attributes
    ----------
    font
        File of the sound font.
    in_room
        Whether a second of reverb and noise 35 dB below the music are added.
    """

    font: Path
    in_room: bool

    @classmethod
    def by_turns(cls, number: int) -> "Rendering":
        """Return the way of a recording: two sound fonts, each dry and in a room."""
        font = Path("/usr/share/sounds/sf2", FONTS[number % len(FONTS)])
        return cls(font, in_room=number // len(FONTS) % 2 == 1)


def excerpt(midi: bytes, seconds: float, rng: np.random.Generator) -> bytes:
    """Return a MIDI file of the notes that begin in a stretch of a piece, with their pedal.

    Parameters
    ----------
    midi
        The piece.
    seconds
        Length of the stretch; a shorter piece stays whole.
    rng
        Draws where the stretch begins.
    """
    piece = pretty_midi.PrettyMIDI(io.BytesIO(midi))
    onsets = [note.start for track in piece.instruments for note in track.notes]
    begin = rng.uniform(min(onsets), max(min(onsets) + 1e-9, max(onsets) - seconds))
    end = begin + seconds
    cut = pretty_midi.PrettyMIDI(initial_tempo=120)
    for track in piece.instruments:
        copy = pretty_midi.Instrument(track.program, track.is_drum)
        for note in track.notes:
            if begin <= note.start < end:
                times = (note.start - begin, min(note.end, end) - begin)
                copy.notes.append(pretty_midi.Note(note.velocity, note.pitch, *times))
        pedal = [change for change in track.control_changes if change.number == _SUSTAIN]
        held = [change.value for change in pedal if change.time < begin][-1:]
        copy.control_changes = [pretty_midi.ControlChange(_SUSTAIN, value, 0.0) for value in held]
        copy.control_changes += [
            pretty_midi.ControlChange(_SUSTAIN, change.value, change.time - begin)
            for change in pedal
            if begin <= change.time < end
        ]
        cut.instruments.append(copy)
    file = io.BytesIO()
    cut.write(file)
    return file.getvalue()


def render(midi: bytes, how: Rendering, seconds: float, rng: np.random.Generator) -> Samples:
    """Return the sound of a MIDI file, float32 [samples] of one channel at `RATE`."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "piece.mid"), Path(folder, "piece.wav")
        source.write_bytes(midi)
        command = ["fluidsynth", "-ni", "-q", "-R", "0", "-C", "0", "-g", "0.5", "-r", str(RATE)]
        subprocess.run([*command, "-F", target, how.font, source], check=True, capture_output=True)
        with av.open(str(target)) as container:
            blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    interleaved = np.concatenate(blocks, axis=1).reshape(-1, 2)
    sound = interleaved.mean(axis=1, dtype=np.float32)[: int((seconds + 1) * RATE)] / 32_768
    return _in_room(sound, rng) if how.in_room else sound


def _in_room(sound: Samples, rng: np.random.Generator) -> Samples:
    """Return the sound with the reverb of a room and white noise."""
    times = np.arange(int(_ROOM_S * RATE)) / RATE
    room = rng.normal(size=times.size) * np.exp(-6.9 * times / _ROOM_S)  # 60 dB down at its end
    room *= _ROOM_SHARE / np.sqrt((room**2).sum())
    room[0] += 1
    size = 1 << (sound.size + room.size).bit_length()
    spectrum = np.fft.rfft(sound, size) * np.fft.rfft(room, size)
    wet = np.fft.irfft(spectrum, size)[: sound.size]
    level = np.sqrt((wet**2).mean()) * 10 ** (-_NOISE_BELOW_DB / 20)
    noisy: Samples = (wet + rng.normal(0, level, wet.size)).astype(np.float32)
    return noisy


def mp3(sounds: Iterable[Samples]) -> bytes:
    """Return an MP3 file at 64 kbit/s of sounds one after the other."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE, layout="mono")
        stream.bit_rate = BIT_RATE
        for sound in sounds:
            samples = (np.clip(sound, -1, 1) * 32_767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
            frame.rate = RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def matches(heard: NDArray[np.void], true: NDArray[np.void]) -> NDArray[np.int64]:
    """Return the places of a heard note and of the one played that it is, ``[pairs, 2]``.

    Notes of a pitch are matched in their order, within `ONSET_S`; each counts once.
    """
    pairs: list[tuple[int, int]] = []
    for pitch in np.unique(true["pitch"]):
        played, sounds = (_by_onset(notes, pitch) for notes in (true, heard))
        place = 0
        for sound in sounds:
            onset_s = heard["onset_s"][sound]
            while place < played.size and true["onset_s"][played[place]] < onset_s - ONSET_S:
                place += 1
            if place < played.size and true["onset_s"][played[place]] <= onset_s + ONSET_S:
                pairs.append((sound, played[place]))
                place += 1
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def _by_onset(notes: NDArray[np.void], pitch: int) -> NDArray[np.int64]:
    """Return the places of the notes of a pitch, in order of their onsets."""
    places = np.flatnonzero(notes["pitch"] == pitch)
    return places[np.argsort(notes["onset_s"][places], kind="stable")]
