"""Scores as pictures: piano rolls, and the fixed-length chunks a network reads.

Rolls are time-first, ``[frames, pitches]``: a chunk is a contiguous slice, and a convolution over
time sees pitches as channels. `piano_roll(...).T` is what `pretty_midi` calls a piano roll.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import UsageError
from tunesmith.midi.score import Instrument, Score

__all__ = [
    "N_PITCHES",
    "binary_roll",
    "chunk_roll",
    "instrumentation_roll",
    "piano_roll",
    "timing_roll",
    "velocity_roll",
]

N_PITCHES = 128
PEDAL_THRESHOLD = 64
BEND_RANGE_SEMITONES = 2.0


def piano_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.float64]:
    """Sum of velocities sounding in each frame, cell for cell `PrettyMIDI.get_piano_roll(fs).T`.

    Sustain pedals hold the loudest velocity so far, pitch bends move and split cells, drums count
    for length alone.

    Parameters
    ----------
    score
        A decoded file.
    frames_per_second
        Frames a second; the study used 10.

    Returns
    -------
    NDArray[np.float64]
        Roll [frames, 128].

    Notes
    -----
    The model is `pretty_midi.Instrument.get_piano_roll` (Raffel and Ellis, ISMIR 2014), without
    its loop over notes.
    """
    frames = _roll_frames(score, frames_per_second)
    if not any(_bends(i) for i in score.instruments):
        return _integer_roll(score, frames_per_second, frames).astype(np.float64)
    # Bent cells are fractions, and a sum of fractions depends on its order: one at a time.
    roll = np.zeros((frames, N_PITCHES))
    for i, instrument in enumerate(score.instruments):
        own_frames = int(frames_per_second * instrument.end_time_s)
        if instrument.is_drum or own_frames == 0:
            continue
        part = np.zeros((own_frames, N_PITCHES))
        start, end, pitch, velocity = _note_frames(score, frames_per_second, np.int64(i))
        _add_notes(part, start, end, pitch, velocity)
        _hold(part, _pedal_regions(instrument, frames_per_second))
        _bend(part, instrument, frames_per_second)
        roll[:own_frames] += part
    return roll


def velocity_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """`piano_roll` rounded and clipped to 0-127, the channel that datasets store.

    Returns
    -------
    NDArray[np.uint8]
        Roll [frames, 128].
    """
    if any(_bends(i) for i in score.instruments):
        exact = np.rint(piano_roll(score, frames_per_second))
        return np.minimum(exact, 127.0).astype(np.uint8)
    frames = _roll_frames(score, frames_per_second)
    return np.minimum(_integer_roll(score, frames_per_second, frames), 127).astype(np.uint8)


def binary_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """1 where anything sounds in `velocity_roll`, 0 elsewhere; [frames, 128]."""
    return (velocity_roll(score, frames_per_second) > 0).astype(np.uint8)


def instrumentation_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """How many instruments sound each pitch in each frame, up to 255; [frames, 128].

    Drums are left out, pedals and bends are not applied.
    """
    frames = _roll_frames(score, frames_per_second)
    roll = np.zeros((frames, N_PITCHES), dtype=np.uint8)
    for i, instrument in enumerate(score.instruments):
        if instrument.is_drum:
            continue
        start, end, pitch, velocity = _note_frames(score, frames_per_second, np.int64(i))
        part = np.zeros((frames, N_PITCHES), dtype=np.int32)
        _add_notes(part, start, end, pitch, velocity)
        roll += (part > 0) & (roll < 255)
    return roll


def timing_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """How many notes begin at each pitch in each frame, up to 255; [frames, 128]. No drums."""
    frames = _roll_frames(score, frames_per_second)
    roll = np.zeros(frames * N_PITCHES, dtype=np.int32)
    start, _, pitch, _ = _note_frames(score, frames_per_second, None)
    kept = start < frames
    np.add.at(roll, start[kept] * N_PITCHES + pitch[kept], np.int32(1))
    return np.minimum(roll, 255).astype(np.uint8).reshape(frames, N_PITCHES)


def chunk_roll(
    roll: NDArray[np.uint8], chunk_frames: int = 150, hop_frames: int = 150
) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
    """Cut a roll into chunks of equal length, the last one padded with silence.

    Parameters
    ----------
    roll
        Roll [frames, 128].
    chunk_frames
        Frames of a chunk.
    hop_frames
        Frames from one start to the next; at most `chunk_frames`, so that no frame is lost.

    Returns
    -------
    chunks : NDArray[np.uint8]
        [chunks, chunk_frames, 128]; at least one chunk unless the roll has no frames.
    padded_frames : NDArray[np.int32]
        Silent frames added at the end of each chunk; [chunks].
    starts : NDArray[np.int32]
        First frame of each chunk; [chunks].

    Raises
    ------
    UsageError
        If the lengths are not positive or the hop would skip frames.
    """
    if not 0 < hop_frames <= chunk_frames:
        msg = (
            f"hop_frames must lie between 1 and chunk_frames, got hop_frames={hop_frames} and "
            f"chunk_frames={chunk_frames}: a longer hop would lose frames."
        )
        raise UsageError(msg)
    frames, pitches = roll.shape
    n_chunks = 1 + max(0, math.ceil((frames - chunk_frames) / hop_frames)) if frames else 0
    starts = np.arange(n_chunks, dtype=np.int32) * np.int32(hop_frames)
    needed = (n_chunks - 1) * hop_frames + chunk_frames if n_chunks else 0
    padded = np.zeros((needed, pitches), dtype=roll.dtype)
    padded[:frames] = roll
    if hop_frames == chunk_frames:
        chunks = padded.reshape(n_chunks, chunk_frames, pitches)
    else:
        rows = starts[:, None] + np.arange(chunk_frames, dtype=np.int32)
        chunks = padded[rows]
    padded_frames = np.maximum(starts + np.int32(chunk_frames) - np.int32(frames), 0)
    return chunks, padded_frames.astype(np.int32), starts


def _roll_frames(score: Score, frames_per_second: float) -> int:
    return max(int(frames_per_second * i.end_time_s) for i in score.instruments)


def _note_frames(
    score: Score, frames_per_second: float, instrument: np.int64 | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
    """First frame, frame after the last, pitch and velocity of pitched notes."""
    notes = score.notes
    if instrument is not None:
        notes = notes[notes["instrument"] == instrument]
    elif any(i.is_drum for i in score.instruments):
        notes = notes[~notes["is_drum"]]
    start = (notes["onset_s"] * frames_per_second).astype(np.int64)
    end = (notes["offset_s"] * frames_per_second).astype(np.int64)
    return start, end, notes["pitch"].astype(np.int64), notes["velocity"].astype(np.int32)


def _add_notes(
    roll: NDArray[np.int32] | NDArray[np.float64],
    start: NDArray[np.int64],
    end: NDArray[np.int64],
    pitch: NDArray[np.int64],
    velocity: NDArray[np.int32],
) -> None:
    """Add each note's velocity to its cells, in place.

    Listing the cells is far cheaper than a difference array and a running sum: notes cover a few
    thousand cells of a few hundred thousand.
    """
    lengths = end - start
    total = int(lengths.sum())
    if total == 0:
        return
    before = np.cumsum(lengths) - lengths
    first = start * N_PITCHES + pitch - before * N_PITCHES
    cells = np.repeat(first, lengths) + np.arange(total, dtype=np.int64) * N_PITCHES
    np.add.at(roll.reshape(-1), cells, np.repeat(velocity.astype(roll.dtype), lengths))


def _integer_roll(score: Score, frames_per_second: float, frames: int) -> NDArray[np.int32]:
    roll = np.zeros((frames, N_PITCHES), dtype=np.int32)
    pedals = {
        i: regions
        for i, instrument in enumerate(score.instruments)
        if not instrument.is_drum and len(regions := _pedal_regions(instrument, frames_per_second))
    }
    if not pedals or sum(not i.is_drum for i in score.instruments) == 1:
        _add_notes(roll, *_note_frames(score, frames_per_second, None))
        for regions in pedals.values():
            _hold(roll, regions)
        return roll
    for i, instrument in enumerate(score.instruments):
        if instrument.is_drum:
            continue
        note_frames = _note_frames(score, frames_per_second, np.int64(i))
        if i in pedals:
            part = np.zeros((frames, N_PITCHES), dtype=np.int32)
            _add_notes(part, *note_frames)
            _hold(part, pedals[i])
            roll += part
        else:
            _add_notes(roll, *note_frames)
    return roll


def _pedal_regions(instrument: Instrument, frames_per_second: float) -> NDArray[np.int64]:
    """First frame and frame after the last of each press that is released; [presses, 2]."""
    times_s, values = instrument.pedal
    if values.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    is_down = values >= PEDAL_THRESHOLD
    changes = np.flatnonzero(np.diff(is_down, prepend=False))
    frames = (times_s[changes] * frames_per_second).astype(np.int64)
    frames = frames[: frames.size // 2 * 2].reshape(-1, 2)
    return frames[frames[:, 1] > frames[:, 0]]


def _hold(roll: NDArray[np.int32] | NDArray[np.float64], regions: NDArray[np.int64]) -> None:
    """Take the running maximum over time inside each region, in place.

    All regions at once: a frame's region number times a number above every velocity sum is added
    first, so that the maximum cannot run from one region into the next.
    """
    if len(regions) == 0:
        return
    pitches = np.flatnonzero(roll.any(axis=0))
    low, high = (int(pitches[0]), int(pitches[-1]) + 1) if pitches.size else (0, 0)
    frames = len(roll)
    step = np.ones(frames + 1, dtype=np.int64)
    held = np.zeros(frames + 1, dtype=np.int64)
    np.add.at(held, np.minimum(regions[:, 0] + 1, frames), 1)
    np.add.at(held, np.minimum(regions[:, 1], frames), -1)
    step -= np.cumsum(held)
    number = np.cumsum(step[:frames])
    part = roll[:, low:high].astype(np.int64)
    top = int(part.max(initial=0)) + 1
    part += (number * top)[:, None]
    np.maximum.accumulate(part, axis=0, out=part)
    part -= (number * top)[:, None]
    roll[:, low:high] = part


def _bends(instrument: Instrument) -> bool:
    return not instrument.is_drum and bool(np.any(instrument.bends[1] != 0))


def _bend(part: NDArray[np.float64], instrument: Instrument, frames_per_second: float) -> None:
    """Move what sounds during each bend by its semitones, in place, splitting between pitches.

    Written in the order of operations of the reference, including that it reads shifted cells of
    the roll it writes, so that fractions come out identical.
    """
    times_s, values = instrument.bends
    if values.size == 0:
        return
    order = np.argsort(times_s, kind="stable")
    times = [*times_s[order].tolist(), instrument.end_time_s]
    for i, value in enumerate(values[order].tolist()):
        if value == 0:
            continue
        semitones = BEND_RANGE_SEMITONES * value / 8192.0
        whole = int(math.copysign(math.floor(abs(semitones)), semitones))
        share = abs(semitones - whole)
        first, last = int(times[i] * frames_per_second), int(times[i + 1] * frames_per_second)
        if last <= first:
            continue
        region = part[first:last]
        bent = np.zeros_like(region)
        if value > 0:
            bent[:, whole:] = region[:, : N_PITCHES - whole]
            bent[:, 1:] = (1 - share) * bent[:, 1:] + share * bent[:, :-1]
        else:
            bent[:, : N_PITCHES + whole] = region[:, -whole:]
            bent[:, :-1] = (1 - share) * bent[:, :-1] + share * bent[:, 1:]
        part[first:last] = bent
