"""Piano rolls, and the chunks of fixed length that networks read.

Rolls are time-first, ``[frames, pitches]``: a chunk is a contiguous slice, and a convolution over
time sees pitches as channels. `piano_roll(...).T` equals the piano roll of `pretty_midi` up to the
end of the last note.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import UsageError
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
PEDAL_THRESHOLD = 64


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
    Follows `pretty_midi.Instrument.get_piano_roll` (Raffel and Ellis, ISMIR 2014), without its
    loop over notes.
    """
    frames = _roll_frames(score, frames_per_second)
    low, part = _summed_roll(score, frames_per_second, frames)
    roll = np.zeros((frames, N_PITCHES))
    roll[:, low : low + part.shape[1]] = part
    return roll


def velocity_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """`piano_roll` rounded and clipped to 0-127; the roll that datasets store.

    Returns
    -------
    NDArray[np.uint8]
        Roll [frames, 128].
    """
    frames = _roll_frames(score, frames_per_second)
    low, part = _summed_roll(score, frames_per_second, frames)
    if part.dtype != np.int32:
        np.rint(part, out=part)
    roll = np.zeros((frames, N_PITCHES), dtype=np.uint8)
    roll[:, low : low + part.shape[1]] = np.minimum(part, 127, out=part)
    return roll


def binary_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """1 where a note sounds in `velocity_roll`, 0 elsewhere; [frames, 128]."""
    return (velocity_roll(score, frames_per_second) > 0).astype(np.uint8)


def instrumentation_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """Count the instruments that sound each pitch in each frame, at most 255; [frames, 128].

    Without drums; pedals and bends are not applied.
    """
    frames = _roll_frames(score, frames_per_second)
    roll = np.zeros((frames, N_PITCHES), dtype=np.uint8)
    notes = _pitched_notes(score, frames_per_second)
    for i, instrument in enumerate(score.instruments):
        if not instrument.is_drum:
            low, part = notes.of(i).summed(frames)
            layers = roll[:, low : low + part.shape[1]]
            layers += (part > 0) & (layers < 255)
    return roll


def timing_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """Count the notes that begin at each pitch in each frame, at most 255; [frames, 128].

    Without drums.
    """
    frames = _roll_frames(score, frames_per_second)
    roll = np.zeros(frames * N_PITCHES, dtype=np.int32)
    notes = _pitched_notes(score, frames_per_second)
    kept = notes.start < frames
    np.add.at(roll, notes.start[kept] * N_PITCHES + notes.pitch[kept], np.int32(1))
    return np.minimum(roll, 255).astype(np.uint8).reshape(frames, N_PITCHES)


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
    pitched = _note_frames(notes[~notes["is_drum"]], frames_per_second)
    low, part = pitched.summed(frames)
    roll = np.zeros((frames, N_PITCHES), dtype=np.uint8)
    roll[:, low : low + part.shape[1]] = np.minimum(part, 127)
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


@dataclass(frozen=True, slots=True)
class _NoteFrames:
    """Notes as columns: first frame, frame after the last, pitch, velocity, instrument."""

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    pitch: NDArray[np.int64]
    velocity: NDArray[np.int32]
    instrument: NDArray[np.int16]

    def where(self, chosen: NDArray[np.bool_]) -> "_NoteFrames":
        return _NoteFrames(
            self.start[chosen],
            self.end[chosen],
            self.pitch[chosen],
            self.velocity[chosen],
            self.instrument[chosen],
        )

    def of(self, instrument: int) -> "_NoteFrames":
        return self.where(self.instrument == instrument)

    def summed(self, frames: int) -> tuple[int, NDArray[np.int32]]:
        """Return the lowest pitch, and the summed velocities from that pitch to the highest.

        Adding single cells is much cheaper than a difference array with a running sum, because
        notes cover a few thousand of several hundred thousand cells.
        """
        if self.pitch.size == 0:
            return 0, np.zeros((frames, 0), dtype=np.int32)
        low = int(self.pitch.min())
        width = int(self.pitch.max()) - low + 1
        roll = np.zeros(frames * width, dtype=np.int32)
        lengths = self.end - self.start
        total = int(lengths.sum())
        if total:
            before = np.cumsum(lengths) - lengths
            first = (self.start - before) * width + (self.pitch - low)
            cells = np.repeat(first, lengths) + np.arange(0, total * width, width)
            np.add.at(roll, cells, np.repeat(self.velocity, lengths))
        return low, roll.reshape(frames, width)


def _pitched_notes(score: Score, frames_per_second: float) -> _NoteFrames:
    frames = _note_frames(score.notes, frames_per_second)
    if any(i.is_drum for i in score.instruments):
        return frames.where(~score.notes["is_drum"])
    return frames


def _note_frames(notes: NDArray[np.void], frames_per_second: float) -> _NoteFrames:
    return _NoteFrames(
        (notes["onset_s"] * frames_per_second).astype(np.int64),
        (notes["offset_s"] * frames_per_second).astype(np.int64),
        notes["pitch"].astype(np.int64),
        notes["velocity"].astype(np.int32),
        np.ascontiguousarray(notes["instrument"]),
    )


def _summed_roll(
    score: Score, frames_per_second: float, frames: int
) -> tuple[int, NDArray[np.int32] | NDArray[np.float64]]:
    """Return the lowest pitch, and the roll from that pitch to the highest.

    The roll holds integers unless notes are bent. Bends shift multiples of 1/4096 of a velocity,
    which floating-point addition represents exactly, so the order of instruments does not matter.
    """
    notes = _pitched_notes(score, frames_per_second)
    bent = [i for i, instrument in enumerate(score.instruments) if _is_bent(instrument)]
    straight = notes.where(~np.isin(notes.instrument, bent)) if bent else notes
    low, roll = _held_roll(score, straight, frames_per_second, frames)
    if not bent:
        return low, roll
    whole = np.zeros((frames, N_PITCHES))
    whole[:, low : low + roll.shape[1]] = roll
    for i in bent:
        low, roll = _held_roll(score, notes.of(i), frames_per_second, frames)
        low, bent_roll = _bend(low, roll, score.instruments[i], frames_per_second)
        whole[:, low : low + bent_roll.shape[1]] += bent_roll
    return 0, whole


def _held_roll(
    score: Score, notes: _NoteFrames, frames_per_second: float, frames: int
) -> tuple[int, NDArray[np.int32]]:
    """Return the lowest pitch, and the roll from that pitch on with sustain pedals applied."""
    low, roll = notes.summed(frames)
    instruments = np.flatnonzero(np.bincount(notes.instrument)).tolist()
    for i in instruments:
        regions = _pedal_regions(score.instruments[i], frames_per_second)
        if len(regions) == 0:
            continue
        if len(instruments) == 1:
            _hold(roll, regions)
            break
        own_low, part = notes.of(i).summed(frames)
        held = part.copy()
        _hold(held, regions)
        held -= part
        roll[:, own_low - low : own_low - low + part.shape[1]] += held
    return low, roll


def _pedal_regions(instrument: Instrument, frames_per_second: float) -> NDArray[np.int64]:
    """First frame, and frame after the last, of each pedal press that is released; [presses, 2]."""
    times_s, values = instrument.pedal
    if values.size == 0:
        return np.empty((0, 2), dtype=np.int64)
    is_down = values >= PEDAL_THRESHOLD
    changes = np.flatnonzero(np.diff(is_down, prepend=False))
    frames = (times_s[changes] * frames_per_second).astype(np.int64)
    frames = frames[: frames.size // 2 * 2].reshape(-1, 2)
    return frames[frames[:, 1] > frames[:, 0]]


def _hold(roll: NDArray[np.int32], regions: NDArray[np.int64]) -> None:
    """Take the running maximum over time inside each region, in place.

    All regions are processed at once: adding the index of the region times a number above every
    velocity sum keeps the maximum from running into the next region.
    """
    frames = len(roll)
    if len(regions) == 0 or roll.size == 0:
        return
    held = np.zeros(frames + 1, dtype=np.int64)
    np.add.at(held, np.minimum(regions[:, 0] + 1, frames), 1)
    np.add.at(held, np.minimum(regions[:, 1], frames), -1)
    number = np.cumsum(1 - np.cumsum(held[:frames]))
    above = number * (int(roll.max()) + 1)
    small = above[-1] + roll.max() < np.iinfo(np.int32).max
    lift = above.astype(np.int32 if small else np.int64).reshape(-1, 1)
    lifted: NDArray[np.signedinteger] = np.add(roll, lift)
    np.maximum.accumulate(lifted, axis=0, out=lifted)
    np.subtract(lifted, lift, out=roll, casting="same_kind")


def _is_bent(instrument: Instrument) -> bool:
    return not instrument.is_drum and bool(np.any(instrument.bends[1] != 0))


def _bend(
    low: int, roll: NDArray[np.int32], instrument: Instrument, frames_per_second: float
) -> tuple[int, NDArray[np.float64]]:
    """Shift the notes during each bend by its semitones, split between two pitches.

    Takes and returns the lowest pitch and the roll from that pitch on; the result is wider by the
    reach of a bend.
    """
    ranges = instrument.bend_ranges
    if ranges.size == 0:
        ranges = np.full(len(instrument.bends[1]), DEFAULT_BEND_SEMITONES)
    reach = int(ranges.max()) + 1  # whole semitones, and a fraction of one more
    below = min(reach, low)
    above = min(reach, N_PITCHES - low - roll.shape[1])
    part = np.pad(roll.astype(np.float64), ((0, 0), (below, above)))
    pitches = part.shape[1]
    times_s, values = instrument.bends
    order = np.argsort(times_s, kind="stable")
    edges_s = np.append(times_s[order], instrument.end_time_s)
    edges = (edges_s * frames_per_second).astype(np.int64).tolist()
    for value, semitones_at_most, first, last in zip(
        values[order].tolist(), ranges[order].tolist(), edges[:-1], edges[1:], strict=True
    ):
        if value == 0 or last <= first:
            continue
        semitones = semitones_at_most * value / 8192.0
        whole = int(math.copysign(math.floor(abs(semitones)), semitones))
        share = abs(semitones - whole)
        region = part[first:last]
        bent = np.zeros_like(region)
        if abs(whole) >= pitches:  # beyond the lowest or the highest pitch
            part[first:last] = bent
            continue
        if value > 0:
            bent[:, whole:] = region[:, : pitches - whole]
            bent[:, 1:] = (1 - share) * bent[:, 1:] + share * bent[:, :-1]
        else:
            bent[:, : pitches + whole] = region[:, -whole:]
            bent[:, :-1] = (1 - share) * bent[:, :-1] + share * bent[:, 1:]
        part[first:last] = bent
    return low - below, part
