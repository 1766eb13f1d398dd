"""Piano rolls, and the chunks of fixed length that networks read.

Rolls are time-first, ``[frames, pitches]``: a chunk is a contiguous slice, and a convolution over
time sees pitches as channels. `piano_roll(...).T` equals the piano roll of `pretty_midi` up to the
end of the last note.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import UsageError
from tunesmith.midi.compiled import compiled, read_only
from tunesmith.midi.score import DEFAULT_BEND_SEMITONES, Instrument, Score

__all__ = [
    "N_PITCHES",
    "binary_roll",
    "chunk_roll",
    "instrumentation_roll",
    "notes_roll",
    "piano_roll",
    "sounding",
    "sounding_chunks",
    "timing_roll",
    "velocity_roll",
]

N_PITCHES = 128
_NO_PITCH = "A note has a pitch that is none of the 128 of MIDI."
PEDAL_THRESHOLD = 64
_LOUDEST = 127


def piano_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.float64]:
    """Sum of the velocities sounding in each frame; equals `PrettyMIDI.get_piano_roll(fs).T`.

    A sustain pedal holds the largest velocity so far, a pitch bend shifts and splits cells, and
    drums only contribute to the length.

    Parameters
    ----------
    score
        A decoded file.
    frames_per_second
        Frames per second; the published studies used 10.

    Returns
    -------
    NDArray[np.float64]
        Roll [frames, 128].

    Notes
    -----
    Follows `pretty_midi.Instrument.get_piano_roll` (Raffel and Ellis, ISMIR 2014), as loops in
    machine code.
    """
    roll = np.zeros((_roll_frames(score, frames_per_second), N_PITCHES))
    _add_straight(roll, score, float(frames_per_second), math.inf)
    _add_bent(roll, score, float(frames_per_second))
    return roll


def velocity_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """`piano_roll` rounded and clipped to 0-127; the roll that datasets store.

    Returns
    -------
    NDArray[np.uint8]
        Roll [frames, 128].
    """
    roll = np.zeros((_roll_frames(score, frames_per_second), N_PITCHES), dtype=np.uint8)
    # Clipping early changes no cell: nothing is ever taken away from a sum.
    _add_straight(roll, score, float(frames_per_second), _LOUDEST)
    if any(map(_is_bent, score.instruments)):
        exact = roll.astype(np.float64)
        _add_bent(exact, score, float(frames_per_second))
        np.rint(exact, out=exact)
        roll[:] = np.minimum(exact, _LOUDEST, out=exact)
    return roll


def binary_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """1 where a note sounds in `velocity_roll`, 0 elsewhere; [frames, 128]."""
    return (velocity_roll(score, frames_per_second) > 0).astype(np.uint8)


def instrumentation_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """Count the instruments that sound each pitch in each frame, at most 255; [frames, 128].

    Without drums; pedals and bends are not applied.
    """
    roll = np.zeros((_roll_frames(score, frames_per_second), N_PITCHES), dtype=np.uint8)
    for i, instrument in enumerate(score.instruments):
        if not instrument.is_drum:
            own = np.zeros_like(roll)
            notes = score.notes[score.notes["instrument"] == i]
            _add_notes(own, 0, read_only(notes), float(frames_per_second), 1)
            roll += own & (roll < 255)
    return roll


def timing_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """Count the notes that begin at each pitch in each frame, at most 255; [frames, 128].

    Without drums.
    """
    frames = _roll_frames(score, frames_per_second)
    roll = np.zeros((frames, N_PITCHES), dtype=np.int32)
    pitched = score.notes[~score.notes["is_drum"]]
    start = (pitched["onset_s"] * frames_per_second).astype(np.int64)
    kept = start < frames
    np.add.at(roll, (start[kept], pitched["pitch"][kept].astype(np.int64)), 1)
    return np.minimum(roll, 255).astype(np.uint8)


def notes_roll(notes: NDArray[np.void], frames_per_second: float = 10) -> NDArray[np.uint8]:
    """Velocities of notes that have no file, such as changed ones, clipped to 0-127.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes]; drums only contribute to the length.
    frames_per_second
        Frames per second.

    Returns
    -------
    NDArray[np.uint8]
        Roll [frames, 128], to the end of the last note. It equals `velocity_roll` of a file that
        has these notes, no pedal and no bends, and ends with them.
    """
    frames = int(frames_per_second * float(notes["offset_s"].max(initial=0.0)))
    roll = np.zeros((frames, N_PITCHES), dtype=np.uint8)
    pitched = read_only(notes[~notes["is_drum"]])
    _add_notes(roll, 0, pitched, float(frames_per_second), _LOUDEST)
    return roll


def chunk_roll(
    roll: NDArray[np.uint8], chunk_frames: int = 150, hop_frames: int = 150
) -> tuple[NDArray[np.uint8], NDArray[np.int32], NDArray[np.int32]]:
    """Cut a roll into chunks of equal length, the last one padded with silence.

    Parameters
    ----------
    roll
        Roll [frames, 128].
    chunk_frames
        Frames per chunk.
    hop_frames
        Frames from one start to the next; at most `chunk_frames`, so that no frame is skipped.

    Returns
    -------
    chunks : NDArray[np.uint8]
        [chunks, chunk_frames, 128]; at least one chunk unless the roll has no frames.
    padded_frames : NDArray[np.int32]
        Number of silent frames added at the end of each chunk; [chunks].
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
            f"chunk_frames={chunk_frames}: a longer hop would skip frames."
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


def sounding(chunks: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell for each chunk ``[chunks, frames, pitches]`` whether anything sounds in it.

    Models neither learn from silent chunks nor answer them: a rest says nothing of a piece.
    """
    return np.asarray(chunks.any(axis=(1, 2)))


def sounding_chunks(
    roll: NDArray[np.uint8], chunk_frames: int = 150, hop_frames: int = 150
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Return the chunks in which something sounds, and the first frame of each.

    They are what models read of a roll; see `chunk_roll` for all chunks.
    """
    chunks, _, starts = chunk_roll(roll, chunk_frames, hop_frames)
    heard = sounding(chunks)
    return (chunks, starts) if heard.all() else (chunks[heard], starts[heard])


def _roll_frames(score: Score, frames_per_second: float) -> int:
    return int(frames_per_second * score.end_time_s)


def _add_straight(roll: NDArray[Any], score: Score, frames_per_second: float, limit: float) -> None:
    """Add the instruments that are not bent, up to a limit; drums are silent."""
    plain = np.array([not (i.is_drum or _is_bent(i)) for i in score.instruments])
    for i in np.flatnonzero(plain).tolist():
        values = score.instruments[i].pedal[1]
        if values.size and values.max() >= PEDAL_THRESHOLD:
            plain[i] = False
            low, held = _held_roll(score, i, frames_per_second, len(roll))
            _add_cells(roll, low, held, limit)
    notes = score.notes if plain.all() else score.notes[plain[score.notes["instrument"]]]
    _add_notes(roll, 0, read_only(notes), frames_per_second, limit)


def _add_bent(roll: NDArray[np.float64], score: Score, frames_per_second: float) -> None:
    """Add the instruments that are bent.

    Most bends shift multiples of 1/4096 of a velocity, which floating-point addition represents
    exactly, so that the order of instruments does not matter.
    """
    for i, instrument in enumerate(score.instruments):
        if not _is_bent(instrument):
            continue
        low, held = _held_roll(score, i, frames_per_second, len(roll))
        times_s, values = instrument.bends
        ranges = instrument.bend_ranges
        if ranges.size == 0:
            ranges = np.full(len(values), DEFAULT_BEND_SEMITONES)
        order = np.argsort(times_s, kind="stable")
        edges_s = np.append(times_s[order], instrument.end_time_s)
        edges = (edges_s * frames_per_second).astype(np.int64)
        _add_bends(roll, low, held, edges, ranges[order] * values[order] / 8192.0)


def _is_bent(instrument: Instrument) -> bool:
    values = instrument.bends[1]
    return values.size > 0 and not instrument.is_drum and bool(values.any())


def _held_roll(
    score: Score, instrument: int, frames_per_second: float, frames: int
) -> tuple[int, NDArray[np.int32]]:
    """Return the lowest pitch of an instrument, and its roll with the sustain pedal applied.

    The roll reaches from the lowest pitch to the highest.
    """
    notes = score.notes[score.notes["instrument"] == instrument]
    low, high = int(notes["pitch"].min(initial=N_PITCHES)), int(notes["pitch"].max(initial=-1))
    roll = np.zeros((frames, max(high - low + 1, 0)), dtype=np.int32)
    _add_notes(roll, low, read_only(notes), frames_per_second, np.iinfo(np.int32).max)
    times_s, values = score.instruments[instrument].pedal
    _hold(roll, (times_s * frames_per_second).astype(np.int64), values)
    return low, roll


# The cache of machine code does not notice changes in another module: compiled functions that call
# each other are in one.


@compiled
def _add_notes(
    roll: NDArray[Any], low: int, notes: NDArray[np.void], frames_per_second: float, limit: float
) -> None:
    """Add the velocities of notes, up to a limit, to a roll whose first column is the pitch `low`.

    Adding single cells is much cheaper than a difference array with a running sum, because notes
    cover a few thousand of several hundred thousand cells.
    """
    for i in range(notes.size):
        note = notes[i]
        column, velocity = note["pitch"] - low, note["velocity"]
        if not 0 <= column < roll.shape[1]:
            raise IndexError(_NO_PITCH)
        start = max(int(note["onset_s"] * frames_per_second), 0)
        end = min(int(note["offset_s"] * frames_per_second), len(roll))
        for frame in range(start, end):
            roll[frame, column] = min(roll[frame, column] + velocity, limit)


@compiled
def _hold(roll: NDArray[np.int32], at: NDArray[np.int64], values: NDArray[np.int16]) -> None:
    """Take the running maximum over time while the pedal is down, in place.

    A pedal that is never released holds nothing.
    """
    is_down, first = False, 0
    for event in range(values.size):
        if (values[event] >= PEDAL_THRESHOLD) == is_down:
            continue
        is_down = not is_down
        if is_down:
            first = max(at[event], 0)
            continue
        for frame in range(first + 1, min(at[event], len(roll))):
            before, now = roll[frame - 1], roll[frame]
            for column in range(now.size):
                now[column] = max(now[column], before[column])


@compiled
def _add_cells(roll: NDArray[Any], low: int, part: NDArray[np.int32], limit: float) -> None:
    """Add a roll whose first column is the pitch `low` to another one, up to a limit."""
    for frame in range(len(part)):
        cells, out = part[frame], roll[frame]
        for column in range(cells.size):
            if cells[column] != 0:
                out[low + column] = min(out[low + column] + cells[column], limit)


@compiled
def _add_bends(
    roll: NDArray[np.float64],
    low: int,
    part: NDArray[np.int32],
    edges: NDArray[np.int64],
    semitones: NDArray[np.float64],
) -> None:
    """Add a roll whose first column is the pitch `low`, and shift it by each bend meanwhile.

    A bend lasts from its edge to the next one.
    """
    done = 0
    for bend in range(semitones.size):
        first, last = max(edges[bend], done), min(edges[bend + 1], len(part))
        if semitones[bend] != 0 and first < last:
            _add_cells(roll[done:first], low, part[done:first], math.inf)
            _add_shifted(roll[first:last], low, part[first:last], semitones[bend])
            done = last
    _add_cells(roll[done:], low, part[done:], math.inf)


@compiled
def _add_shifted(
    roll: NDArray[np.float64], low: int, part: NDArray[np.int32], semitones: float
) -> None:
    """Add a roll whose first column is the pitch `low`, each cell split between two pitches.

    Cells are lost beyond the lowest and the highest pitch.
    """
    step = 1 if semitones > 0 else -1
    whole = math.floor(abs(semitones))
    share = abs(semitones) - whole
    moved = low + step * whole
    begin, end = max(-moved, 0), min(part.shape[1], N_PITCHES - moved)
    for frame in range(len(part)):
        cells, out = part[frame], roll[frame]
        for column in range(begin, end):
            velocity = cells[column]
            if velocity == 0:
                continue
            pitch = moved + column
            # The outermost pitch has no neighbour to take a share from, and keeps its own.
            if 0 <= pitch - step < N_PITCHES:
                near = cells[column - step] if begin <= column - step < end else 0
                out[pitch] += (1 - share) * velocity + share * near
            else:
                out[pitch] += velocity
            is_next = begin <= column + step < end and cells[column + step] != 0
            if not is_next and 0 <= pitch + step < N_PITCHES:
                out[pitch + step] += share * velocity
