"""Made-up recordings: tones with harmonics that decay, encoded in every format that is read."""

import io
import wave
from functools import cache

import av
import numpy as np

__all__ = ["CHORALE", "MELODY", "encoded", "noise", "speech", "tones", "wav"]

RATE = 22_050
MELODY = tuple(
    (0.5 + 0.4 * n, 0.35, pitch) for n, pitch in enumerate((60, 64, 67, 72, 67, 64, 62, 60))
)
"""Start in seconds, length and pitch of each note."""
CHORALE = (
    *MELODY,
    *((0.5 + 0.8 * n, 0.75, pitch) for n, pitch in enumerate((48, 45, 41, 43))),
    *((4.2 + 0.6 * n, 0.55, pitch) for n in range(10) for pitch in (52 + n % 5, 59 + n % 4, 67)),
)
_CODECS = {
    "wav": ("wav", "pcm_s16le"),
    "flac": ("flac", "flac"),
    "mp3": ("mp3", "libmp3lame"),
    "ogg": ("ogg", "libopus"),
    "m4a": ("ipod", "aac"),
    "aiff": ("aiff", "pcm_s16be"),
    "webm": ("webm", "libopus"),
    "aac": ("adts", "aac"),
}


def tones(notes=MELODY, seconds=None, rate=RATE):
    """Return mono sound, float32 [samples]: each note six harmonics that decay, like a piano."""
    end = seconds or max(start + length for start, length, _ in notes) + 0.6
    sound = np.zeros(int(end * rate))
    for start, length, pitch in notes:
        time = np.arange(int((length + 0.08) * rate)) / rate
        wave_form = sum(
            np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * k * time) / k**1.3
            for k in range(1, 7)
        )
        envelope = np.minimum(time / 0.005, 1) * np.exp(-2.5 * time)
        envelope *= np.clip((length + 0.08 - time) / 0.08, 0, 1)
        first = int(start * rate)
        part = (0.15 * wave_form * envelope)[: len(sound) - first]
        sound[first : first + len(part)] += part
    return sound.astype(np.float32)


def speech(seconds=8, seed=0):
    """Return sound like a voice that speaks: short vowels whose pitch never stays the same."""
    rng = np.random.default_rng(seed)
    sound = np.zeros(int(seconds * RATE))
    start = 0.2
    while start < seconds - 0.6:
        length, low = rng.uniform(0.15, 0.28), rng.uniform(45, 56)
        time = np.arange(int(length * RATE)) / RATE
        pitch = low + rng.choice([-1, 1]) * rng.uniform(2, 5) * time / length
        phase = 2 * np.pi * np.cumsum(440 * 2 ** ((pitch - 69) / 12)) / RATE
        vowel = sum(np.sin(k * phase) / k for k in range(1, 16))
        first = int(start * RATE)
        sound[first : first + len(time)] += 0.1 * vowel * np.hanning(len(time))
        start += length + rng.uniform(0.02, 0.25)
    return sound.astype(np.float32)


def noise(seconds, level=0.1, seed=0):
    """Return white noise."""
    samples = np.random.default_rng(seed).normal(0, level, int(seconds * RATE))
    return samples.astype(np.float32)


def wav(sound, rate=RATE, channels=1):
    """Return a WAV file of mono sound."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        samples = (np.clip(sound, -1, 1) * 32767).astype("<i2")
        writer.writeframes(np.repeat(samples, channels).tobytes())
    return file.getvalue()


@cache
def encoded(name, notes=CHORALE, rate=48_000):
    """Return the recording of notes as a stereo file of a format."""
    container_format, codec = _CODECS[name]
    file = io.BytesIO()
    with av.open(file, "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate, layout="stereo")
        sound = (np.clip(tones(notes, rate=rate), -1, 1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(sound, 2)[None], "s16", "stereo")
        frame.rate = rate
        for packet in stream.encode(frame):
            container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return file.getvalue()
