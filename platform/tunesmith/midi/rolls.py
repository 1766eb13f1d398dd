"""Piano rolls, and the chunks of fixed length that networks read.

Rolls are time-first, ``[frames, pitches]``: a chunk is a contiguous slice, and a convolution over
time sees pitches as channels. `piano_roll(...).T` equals the piano roll of `pretty_midi` up to the
end of the last note.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import UsageError
from tunesmith.midi.cells import (
    LOUDEST,
    N_PITCHES,
    PEDAL_THRESHOLD,
    add_bends,
    add_cells,
    add_notes,
    grouped,
    hold,
    round_cells,
)
from tunesmith.midi.compiled import read_only
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

_UNLIMITED = np.iinfo(np.int32).max


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
    straight, bent = _parts(score)
    _add_straight(roll, straight, float(frames_per_second), math.inf)
    _add_bent(roll, 0, bent, float(frames_per_second))
    return roll


def velocity_roll(score: Score, frames_per_second: float = 10) -> NDArray[np.uint8]:
    """`piano_roll` rounded and clipped to 0-127; the roll that datasets store.

    Returns
    -------
    NDArray[np.uint8]
        Roll [frames, 128].
    """
    roll = np.zeros((_roll_frames(score, frames_per_second), N_PITCHES), dtype=np.uint8)
    straight, bent = _parts(score)
    # Clipping early changes no cell: nothing is ever taken away from a sum.
    _add_straight(roll, straight, float(frames_per_second), LOUDEST)
    if bent:
        reached = _reached(bent)
        exact = roll[:, reached].astype(np.float64)
        _add_bent(exact, reached.start, bent, float(frames_per_second))
        round_cells(exact, roll[:, reached])
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
            add_notes(own, 0, read_only(notes), float(frames_per_second), 1)
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
    add_notes(roll, 0, pitched, float(frames_per_second), LOUDEST)
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
class _Part:
    """An instrument with its notes."""

    instrument: Instrument
    notes: NDArray[np.void]
    low: int
    high: int

    @classmethod
    def all_of(cls, score: Score) -> "list[_Part]":
        """Return the instruments of a score that are no drums and play.

        They are one part where nothing but notes is there.
        """
        if not any(i.is_drum or i.pedal[1].size or i.bends[1].size for i in score.instruments):
            common = Instrument(program=0, is_drum=False)
            return [cls(common, read_only(score.notes), 0, N_PITCHES - 1)]
        notes, bounds, reach = grouped(read_only(score.notes), len(score.instruments))
        parts = []
        for i, instrument in enumerate(score.instruments):
            own = read_only(notes[bounds[i] : bounds[i + 1]])
            if own.size and not instrument.is_drum:
                parts.append(cls(instrument, own, int(reach[0, i]), int(reach[1, i])))
        return parts

    @property
    def is_bent(self) -> bool:
        """True where a bend shifts anything."""
        values = self.instrument.bends[1]
        return values.size > 0 and bool(values.any())

    @property
    def is_held(self) -> bool:
        """True where its pedal is ever down."""
        values = self.instrument.pedal[1]
        return values.size > 0 and bool(values.max() >= PEDAL_THRESHOLD)

    def semitones(self) -> NDArray[np.float64]:
        """Return how far each bend shifts, in file order."""
        values, ranges = self.instrument.bends[1], self.instrument.bend_ranges
        if ranges.size == 0:
            ranges = np.full(values.size, DEFAULT_BEND_SEMITONES)
        return ranges * values / 8192.0

    def add(
        self, roll: NDArray[Any], first_pitch: int, frames_per_second: float, limit: float
    ) -> None:
        """Add its notes to a roll that nothing else is in, and hold them by its pedal."""
        add_notes(roll, first_pitch, self.notes, frames_per_second, limit)
        times_s, values = self.instrument.pedal
        if self.is_held:
            hold(roll, (times_s * frames_per_second).astype(np.int64), values)

    def alone(
        self, frames: int, dtype: Any, frames_per_second: float, limit: float
    ) -> NDArray[Any]:
        """Return its roll with the pedal applied, from its lowest pitch to its highest."""
        roll = np.zeros((frames, self.high - self.low + 1), dtype=dtype)
        self.add(roll, self.low, frames_per_second, limit)
        return roll


def _parts(score: Score) -> tuple[list[_Part], list[_Part]]:
    """Return the parts that are not bent, and those that are; drums are silent."""
    straight: list[_Part] = []
    bent: list[_Part] = []
    for part in _Part.all_of(score):
        (bent if part.is_bent else straight).append(part)
    return straight, bent


def _add_straight(
    roll: NDArray[Any], parts: Sequence[_Part], frames_per_second: float, limit: float
) -> None:
    """Add parts that are not bent, up to a limit, to an empty roll."""
    held = [part for part in parts if part.is_held]
    for place, part in enumerate(held):
        if place == 0:  # alone in the roll so far: held where it stands
            part.add(roll, 0, frames_per_second, limit)
        else:
            own = part.alone(len(roll), roll.dtype, frames_per_second, limit)
            add_cells(roll, part.low, own, limit)
    for part in parts:
        if not part.is_held:
            add_notes(roll, 0, part.notes, frames_per_second, limit)


def _add_bent(
    roll: NDArray[np.float64], first_pitch: int, parts: Sequence[_Part], frames_per_second: float
) -> None:
    """Add parts that are bent to a roll whose first column is `first_pitch`.

    Most bends shift multiples of 1/4096 of a velocity, which floating-point addition represents
    exactly, so that the order of parts does not matter.
    """
    for part in parts:
        own = part.alone(len(roll), np.int32, frames_per_second, _UNLIMITED)
        times_s = part.instrument.bends[0]
        order = np.argsort(times_s, kind="stable")
        edges_s = np.append(times_s[order], part.instrument.end_time_s)
        edges = (edges_s * frames_per_second).astype(np.int64)
        add_bends(roll, part.low - first_pitch, own, edges, part.semitones()[order])


def _reached(parts: Sequence[_Part]) -> slice:
    """Return the pitches that bent parts may sound, and those beside them."""
    reach = [math.ceil(np.abs(part.semitones()).max()) + 1 for part in parts]
    low = min(part.low - more for part, more in zip(parts, reach, strict=True))
    high = max(part.high + more for part, more in zip(parts, reach, strict=True))
    return slice(max(low, 0), min(high + 1, N_PITCHES))
