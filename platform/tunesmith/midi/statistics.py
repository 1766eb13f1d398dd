"""Descriptive statistics of a piece: length, notes, pitches, keys, tempo."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled
from tunesmith.midi.score import Score

__all__ = ["piece_statistics"]

_MAJOR = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
_MINOR = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B")
KEY_NAMES = (*(f"{key} Major" for key in _MAJOR), *(f"{key} minor" for key in _MINOR))
"""Name of each key number."""


def piece_statistics(score: Score) -> dict[str, Any]:
    """Return descriptive statistics of a piece.

    Parameters
    ----------
    score
        A decoded file.

    Returns
    -------
    dict
        ``length_s`` (time of the last note-off), number of notes and of pitched notes, summaries
        of pitch, velocity, duration and polyphony, tempo, the first time and key signature (None
        if the file has none), instruments, tracks, resolution. All pieces have the same keys.
        Drums do not count for pitch and polyphony, which are None for a piece of drums only.
    """
    notes = score.notes
    onset_s, offset_s = notes["onset_s"].copy(), notes["offset_s"].copy()
    durations_s = offset_s - onset_s
    length_s = float(offset_s.max())
    velocity, pitch = notes["velocity"].astype(np.int64), notes["pitch"].astype(np.int64)
    if notes["is_drum"].any():
        pitched = ~notes["is_drum"]
        pitch, onset_s, offset_s = pitch[pitched], onset_s[pitched], offset_s[pitched]
    polyphony_mean, polyphony_max = _polyphony(onset_s, offset_s)
    velocity_mean, velocity_std = _mean_and_std(velocity)
    pitch_mean, pitch_std = _mean_and_std(pitch) if pitch.size else (None, None)
    meter_times, numerators, denominators = score.time_signatures
    key_times, keys = score.key_signatures
    tempo_times, tempos = score.tempos
    return {
        "length_s": length_s,
        "n_notes": int(notes.size),
        "n_pitched_notes": int(pitch.size),
        "notes_per_second": float(notes.size / length_s) if length_s > 0 else 0.0,
        "n_pitches": int(np.count_nonzero(np.bincount(pitch))),
        "pitch_min": int(pitch.min()) if pitch.size else None,
        "pitch_max": int(pitch.max()) if pitch.size else None,
        "pitch_mean": pitch_mean,
        "pitch_std": pitch_std,
        "duration_mean_s": float(durations_s.mean()),
        "velocity_mean": velocity_mean,
        "velocity_std": velocity_std,
        "velocity_min": int(velocity.min()),
        "velocity_max": int(velocity.max()),
        "polyphony_mean": polyphony_mean,
        "polyphony_max": polyphony_max,
        "n_tempo_changes": int(tempos.size - 1),
        "tempo_first_qpm": float(tempos[0]),
        "tempo_mean_qpm": _tempo_mean_qpm(tempo_times, tempos, length_s),
        "tempo_min_qpm": float(tempos.min()),
        "tempo_max_qpm": float(tempos.max()),
        "time_signature": _first(
            meter_times, [f"{n}/{d}" for n, d in zip(numerators, denominators, strict=True)]
        ),
        "n_time_signatures": int(meter_times.size),
        "key_signature": _first(key_times, [KEY_NAMES[k] for k in keys.tolist()]),
        "n_key_signatures": int(key_times.size),
        "n_instruments": len(score.instruments),
        "n_tracks": score.n_tracks,
        "has_drums": any(i.is_drum for i in score.instruments),
        "has_pedal": any(i.pedal[0].size > 0 for i in score.instruments),
        "ticks_per_quarter": score.ticks_per_quarter,
    }


def _mean_and_std(values: NDArray[np.int64]) -> tuple[float, float]:
    mean = np.add.reduce(values) / values.size
    centred = values - mean
    return float(mean), math.sqrt(np.add.reduce(centred * centred) / values.size)


def _first(times_s: NDArray[np.float64], names: list[str]) -> str | None:
    return names[int(np.argmin(times_s))] if names else None


def _tempo_mean_qpm(
    times_s: NDArray[np.float64], tempos: NDArray[np.float64], length_s: float
) -> float:
    """Return the time-weighted mean tempo up to the end of the last note."""
    if length_s <= 0:
        return float(tempos[0])
    edges = np.minimum(np.append(times_s, length_s), length_s)
    return float(np.sum(np.diff(edges) * tempos) / length_s)


def _polyphony(
    onsets: NDArray[np.float64], offsets: NDArray[np.float64]
) -> tuple[float | None, int | None]:
    """Return mean and maximum of simultaneous notes; the mean covers the time without silence."""
    if onsets.size == 0:
        return None, None
    # Nearly in order already, which a stable sort makes use of.
    most = _most_at_once(onsets, np.sort(offsets, kind="stable"))
    latest = np.maximum.accumulate(offsets)
    silence_s = np.maximum(onsets[1:] - latest[:-1], 0.0).sum()
    sounding_s = float(latest[-1] - onsets[0] - silence_s)
    total_s = float((offsets - onsets).sum())
    return (total_s / sounding_s if sounding_s > 0 else 0.0), most


@compiled
def _most_at_once(onsets: NDArray[np.float64], offsets: NDArray[np.float64]) -> int:
    """Return the most notes that sound at once; both times are sorted, each by itself."""
    most = ended = 0
    for begun in range(onsets.size):
        while ended < offsets.size and offsets[ended] <= onsets[begun]:
            ended += 1
        most = max(most, begun + 1 - ended)
    return most
