"""Descriptive statistics of a piece: length, notes, pitches, keys, tempo."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled, read_only
from tunesmith.midi.features.histograms import N_VALUES, count_summary
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
    times_s, duration_s, counts = _counted(read_only(notes))
    length_s = float(notes["offset_s"].max())
    pitch_min, pitch_max, pitch_mean, pitch_std = _summary(counts[0])
    velocity_min, velocity_max, velocity_mean, velocity_std = _summary(counts[1])
    polyphony_mean, polyphony_max = _polyphony(*times_s)
    meter_times, numerators, denominators = score.time_signatures
    key_times, keys = score.key_signatures
    tempo_times, tempos = score.tempos
    return {
        "length_s": length_s,
        "n_notes": int(notes.size),
        "n_pitched_notes": times_s.shape[1],
        "notes_per_second": float(notes.size / length_s) if length_s > 0 else 0.0,
        "n_pitches": int(np.count_nonzero(counts[0])),
        "pitch_min": pitch_min,
        "pitch_max": pitch_max,
        "pitch_mean": pitch_mean,
        "pitch_std": pitch_std,
        "duration_mean_s": duration_s / notes.size,
        "velocity_mean": velocity_mean,
        "velocity_std": velocity_std,
        "velocity_min": velocity_min,
        "velocity_max": velocity_max,
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


@compiled
def _counted(
    notes: NDArray[np.void],
) -> tuple[NDArray[np.float64], float, NDArray[np.int64]]:
    """Return onsets and offsets of the pitched notes, ``[2, n]``, and what is counted.

    That is the sum of all durations, and how often each pitch and each velocity occurs,
    ``[2, 128]``; drums have no pitch.
    """
    n, duration_s = 0, 0.0
    times_s = np.empty((2, notes.size))
    counts = np.zeros((2, N_VALUES), np.int64)
    for i in range(notes.size):
        note = notes[i]
        duration_s += note["offset_s"] - note["onset_s"]
        counts[1, note["velocity"] & N_VALUES - 1] += 1
        if not note["is_drum"]:
            counts[0, note["pitch"] & N_VALUES - 1] += 1
            times_s[0, n], times_s[1, n] = note["onset_s"], note["offset_s"]
            n += 1
    return times_s[:, :n], duration_s, counts


def _summary(
    counts: NDArray[np.int64],
) -> tuple[int | None, int | None, float | None, float | None]:
    """Return minimum, maximum, mean and deviation of whole numbers; None where there are none."""
    if not counts.any():
        return None, None, None, None
    summary = np.empty(7)
    count_summary(counts, summary)
    mean, std, least, *_, most = summary.tolist()
    return int(least), int(most), mean, std


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
    most, total_s, sounding_s = _sounding(onsets, offsets, np.sort(offsets, kind="stable"))
    return (total_s / sounding_s if sounding_s > 0 else 0.0), most


@compiled
def _sounding(
    onsets: NDArray[np.float64], offsets: NDArray[np.float64], ends: NDArray[np.float64]
) -> tuple[int, float, float]:
    """Return the most notes that sound at once, their length in all, and how long any sounds.

    Onsets are sorted; `ends` are the offsets, sorted.
    """
    most = ended = 0
    total_s, sounding_s, latest = 0.0, 0.0, onsets[0]
    for begun in range(onsets.size):
        onset, offset = onsets[begun], offsets[begun]
        while ended < ends.size and ends[ended] <= onset:
            ended += 1
        most = max(most, begun + 1 - ended)
        total_s += offset - onset
        sounding_s += max(offset - max(onset, latest), 0.0)
        latest = max(latest, offset)
    return most, total_s, sounding_s
