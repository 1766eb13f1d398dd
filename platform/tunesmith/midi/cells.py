"""Compiled loops over the cells of piano rolls.

The cache of machine code does not notice changes in another module: compiled functions that call
each other are in this one.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tunesmith.midi.compiled import compiled

__all__ = [
    "LOUDEST",
    "N_PITCHES",
    "PEDAL_THRESHOLD",
    "add_bends",
    "add_cells",
    "add_notes",
    "grouped",
    "hold",
    "round_cells",
]

N_PITCHES = 128
PEDAL_THRESHOLD = 64
LOUDEST = 127
_NO_INSTRUMENT = "A note names an instrument that the score does not have."
_NO_PITCH = "A note has a pitch that is none of the 128 of MIDI."


@compiled
def grouped(
    notes: NDArray[np.void], n_instruments: int
) -> tuple[NDArray[np.void], NDArray[np.int64], NDArray[np.int64]]:
    """Return notes by instrument, in their order, and where each instrument begins.

    The last array has the lowest and the highest pitch of each, ``[2, instruments]``.
    """
    bounds = np.zeros(n_instruments + 1, np.int64)
    reach = np.empty((2, n_instruments), np.int64)
    reach[0], reach[1] = N_PITCHES, -1
    for i in range(notes.size):
        number, pitch = notes[i]["instrument"], notes[i]["pitch"]
        if not 0 <= number < n_instruments:
            raise IndexError(_NO_INSTRUMENT)
        bounds[number + 1] += 1
        reach[0, number] = min(reach[0, number], pitch)
        reach[1, number] = max(reach[1, number], pitch)
    for number in range(n_instruments):
        bounds[number + 1] += bounds[number]
    places, out = bounds.copy(), np.empty_like(notes)
    for i in range(notes.size):
        number = notes[i]["instrument"]
        out[places[number]] = notes[i]
        places[number] += 1
    return out, bounds, reach


@compiled
def add_notes(
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
def hold(roll: NDArray[Any], at: NDArray[np.int64], values: NDArray[np.int16]) -> None:
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
def add_cells(roll: NDArray[Any], low: int, part: NDArray[Any], limit: float) -> None:
    """Add a roll whose first column is the pitch `low` to another one, up to a limit."""
    # Without a look whether a cell is silent: the loop then takes many cells at a time.
    for frame in range(len(part)):
        cells, out = part[frame], roll[frame, low : low + part.shape[1]]
        for column in range(cells.size):
            out[column] = min(out[column] + cells[column], limit)


@compiled
def add_bends(
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
            add_cells(roll[done:first], low, part[done:first], math.inf)
            _add_shifted(roll[first:last], low, part[first:last], semitones[bend])
            done = last
    add_cells(roll[done:], low, part[done:], math.inf)


@compiled
def _add_shifted(
    roll: NDArray[np.float64], low: int, part: NDArray[np.int32], semitones: float
) -> None:
    """Add a roll whose first column is the pitch `low`, each cell split between two pitches.

    Cells are lost beyond the first and the last column.
    """
    step = 1 if semitones > 0 else -1
    whole = math.floor(abs(semitones))
    share = abs(semitones) - whole
    moved = low + step * whole
    begin, end = max(-moved, 0), min(part.shape[1], roll.shape[1] - moved)
    for frame in range(len(part)):
        cells, out = part[frame], roll[frame]
        for column in range(begin, end):
            velocity = cells[column]
            if velocity == 0:
                continue
            pitch = moved + column
            # The outermost pitch has no neighbour to take a share from, and keeps its own.
            if 0 <= pitch - step < roll.shape[1]:
                near = cells[column - step] if begin <= column - step < end else 0
                out[pitch] += (1 - share) * velocity + share * near
            else:
                out[pitch] += velocity
            is_next = begin <= column + step < end and cells[column + step] != 0
            if not is_next and 0 <= pitch + step < roll.shape[1]:
                out[pitch + step] += share * velocity


@compiled
def round_cells(exact: NDArray[np.float64], roll: NDArray[np.uint8]) -> None:
    """Write the nearest whole numbers, at most that of the largest velocity."""
    for frame in range(len(exact)):
        cells, out = exact[frame], roll[frame]
        for column in range(cells.size):
            out[column] = np.uint8(min(np.rint(cells[column]), 127.0))
