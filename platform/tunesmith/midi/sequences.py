"""Notes of each chunk, and as rows of small integers for models that read note sequences."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_NOTES", "note_rows", "window_notes"]

MAX_NOTES = 192
_GAP_STEP_S = 0.01
_DURATION_STEP_S = 0.02
_MOST = 255


def window_notes(notes: NDArray[np.void], start_s: float, length_s: float) -> NDArray[np.void]:
    """Return the notes that begin inside a window; they keep their whole length.

    Parameters
    ----------
    notes
        `tunesmith.midi.NOTE_DTYPE` ``[notes]``, sorted by onset.
    start_s, length_s
        Start and length of the window in seconds.
    """
    first, last = np.searchsorted(notes["onset_s"], (start_s, start_s + length_s))
    window: NDArray[np.void] = notes[first:last]
    return window


def note_rows(
    notes: NDArray[np.void],
    starts_s: NDArray[np.floating],
    chunk_s: float,
    max_notes: int = MAX_NOTES,
) -> NDArray[np.uint8]:
    """Return the notes that begin in each chunk.

    Parameters
    ----------
    notes
        `tunesmith.midi.NOTE_DTYPE` ``[notes]``, sorted by onset; drums are left out.
    starts_s
        Start of each chunk in seconds, ``[chunks]``.
    chunk_s
        Length of a chunk in seconds.
    max_notes
        Largest number of notes per chunk; later ones are dropped.

    Returns
    -------
    NDArray[np.uint8]
        ``[chunks, max_notes, 4]``: pitch + 1, time since the previous note in units of 10 ms,
        duration in units of 20 ms, velocity; all clipped to 255. Chunks with fewer notes are
        padded with zeros at the front.
    """
    pitched = notes[~notes["is_drum"]]
    onset = pitched["onset_s"]
    gap = np.diff(onset, prepend=onset[:1]) / _GAP_STEP_S
    duration = (pitched["offset_s"] - onset) / _DURATION_STEP_S
    columns = [
        pitched["pitch"].astype(np.float64) + 1,
        gap,
        np.maximum(duration, 1),
        np.maximum(pitched["velocity"], 1),
    ]
    values = np.clip(np.rint(np.stack(columns, axis=1)), 0, _MOST).astype(np.uint8)
    rows = np.zeros((len(starts_s), max_notes, len(columns)), dtype=np.uint8)
    first = np.searchsorted(onset, starts_s, side="left")
    last = np.searchsorted(onset, np.asarray(starts_s) + chunk_s, side="left")
    for row, (begin, end) in enumerate(zip(first, last, strict=True)):
        inside = values[begin : min(end, begin + max_notes)]
        if len(inside):
            rows[row, -len(inside) :] = inside
            # The gap to a note before the chunk is not part of it.
            rows[row, -len(inside), 1] = 0
    return rows
