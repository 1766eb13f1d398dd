"""Notes from the probabilities of notes and onsets.

The rules are those of Bittner et al. (ICASSP 2022), with the values of the authors' implementation
but two, which were chosen on rendered recordings of 28 pieces: F1 of the notes of a piano 0.876
instead of 0.835, of other instruments 0.496 instead of 0.480. A note begins at a peak of the
onsets, and lasts until its key has been below the threshold for a while. What is left of a sounding
key after that becomes notes, too, from its most probable frame on in both directions. A note takes
the two neighbouring keys with it, in which it is heard as well. Short notes are left out.

Sound of any length takes the same memory: notes are made of one minute at a time, with some
seconds before and behind, so that a note at a seam is seen whole. The loops are plain Python: as
machine code they would take a second less for half an hour of sound, and 80 MB more.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from tunesmith.audio.model import (
    FRAMES_PER_SECOND,
    LOWEST_PITCH,
    N_KEYS,
    PITCHES_PER_KEY,
    Posteriors,
)

__all__ = ["HEARD_DTYPE", "heard_notes", "notes_between"]

ONSET_THRESHOLD = 0.6
"""The authors have 0.5, with which sounding notes are often heard as struck again."""
NOTE_THRESHOLD = 0.3
QUIET_FRAMES = 11
"""Frames below the threshold after which a note has ended."""
LEAST_FRAMES = (5, 25)
"""A note with an onset, and one without, is longer than this: 58 and 290 ms. The authors have 128
ms for both, which loses the fast notes of a piano and hears overtones as notes."""
INFERENCE_FRAMES = 2
"""A key that grows louder over this many frames counts as an onset as well."""

GLIDE_PITCHES = 4
"""Pitches on each side of a key, a third of a semitone apart, between which a note may glide."""

BLOCK_FRAMES = 60 * FRAMES_PER_SECOND
CONTEXT_FRAMES = 8 * FRAMES_PER_SECOND

HEARD_DTYPE = np.dtype(
    [
        ("start", "i8"),
        ("end", "i8"),
        ("pitch", "i2"),
        ("probability", "f4"),
        ("onset", "f4"),
        ("glide", "f4"),
    ]
)
"""A note: first frame, frame after the last, MIDI pitch; mean probability that it sounds, and that
it begins at its first frame or beside it; how far its pitch moves, as a standard deviation in
semitones."""

Heard = NDArray[np.void]
Floats = NDArray[np.float32]


def heard_notes(parts: Iterable[Posteriors]) -> Iterator[Heard]:
    """Yield the notes of one minute at a time, in order of their start.

    Parameters
    ----------
    parts
        Probabilities of consecutive frames.
    """
    buffer = _Buffer()
    for part in parts:
        buffer.add(part)
        if buffer.is_full:
            yield buffer.take(BLOCK_FRAMES)
    if buffer.size:
        yield buffer.take(buffer.size)


class _Buffer:
    """Frames from which no notes were made yet, with those before them that still matter."""

    def __init__(self) -> None:
        self._parts: list[Posteriors] = []
        self._first = 0  # number of the first frame that is held
        self._before = 0  # frames held of which notes were made already
        self.size = 0  # the others

    @property
    def is_full(self) -> bool:
        return self.size >= BLOCK_FRAMES + CONTEXT_FRAMES

    def add(self, part: Posteriors) -> None:
        self._parts.append(part)
        self.size += len(part.notes)

    def take(self, frames: int) -> Heard:
        """Return the notes that start in the next frames, and forget frames of no more use."""
        held = Posteriors.join(self._parts)
        heard = notes_between(held.notes, held.onsets)
        is_here = (heard["start"] >= self._before) & (heard["start"] < self._before + frames)
        heard = heard[is_here]
        heard["glide"] = [_glide(held.contours, note) for note in heard]
        heard["start"] += self._first
        heard["end"] += self._first
        passed = self._before + frames
        drop = max(0, passed - CONTEXT_FRAMES)
        self._parts = [held.after(drop)]
        self._first += drop
        self._before = passed - drop
        self.size -= frames
        return heard


def notes_between(
    notes: Floats, onsets: Floats, least_frames: tuple[int, int] = LEAST_FRAMES
) -> Heard:
    """Return the notes of a stretch of sound, by start and pitch; their `glide` is 0.

    Parameters
    ----------
    notes, onsets
        float32 [frames, 88], as in `Posteriors`.
    least_frames
        Frames that a note with an onset, and one without, must exceed.
    """
    starts, keys = _peaks(_with_rises(onsets, notes))
    energy = notes.astype(np.float32, copy=True)
    heard = np.empty((0, 3), dtype=np.int64)
    if len(notes) > 2:
        at_onsets = _from_onsets(energy, starts[::-1].copy(), keys[::-1].copy(), least_frames[0])
        order = _by_probability(energy)
        heard = np.concatenate([at_onsets, _from_rest(energy, order, least_frames[1])])
    heard = heard[np.lexsort((heard[:, 2], heard[:, 0]))]
    result = np.zeros(len(heard), dtype=HEARD_DTYPE)
    result["start"], result["end"] = heard[:, 0], heard[:, 1]
    result["pitch"] = heard[:, 2] + LOWEST_PITCH
    result["probability"] = [notes[first:end, key].mean() for first, end, key in heard]
    result["onset"] = [onsets[max(first - 1, 0) : first + 2, key].max() for first, _, key in heard]
    return result


def _glide(contours: NDArray[np.float16], note: np.void) -> float:
    """Return the standard deviation of a note's pitch in semitones."""
    middle = (int(note["pitch"]) - LOWEST_PITCH) * PITCHES_PER_KEY + 1
    low = max(middle - GLIDE_PITCHES, 0)
    pitches = slice(low, middle + GLIDE_PITCHES + 1)
    weights = contours[note["start"] : note["end"], pitches].astype(np.float32) ** 2
    centres = weights @ np.arange(weights.shape[1]) / (weights.sum(axis=1) + 1e-9)
    return float(centres.std()) / PITCHES_PER_KEY


def _with_rises(onsets: Floats, notes: Floats) -> Floats:
    """Return the onsets, or where it is larger the rise of a key, scaled to the same maximum."""
    rises = np.full(notes.shape, np.inf, dtype=np.float32)
    for step in range(1, INFERENCE_FRAMES + 1):
        rises[step:] = np.minimum(rises[step:], notes[step:] - notes[:-step])
    rises[:INFERENCE_FRAMES] = 0
    np.maximum(rises, 0, out=rises)
    largest = rises.max(initial=0)
    if largest <= 0:
        return onsets
    combined: Floats = np.maximum(onsets, rises * (onsets.max() / largest))
    return combined


def _peaks(onsets: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return frame and key of each peak above the threshold, in order of time."""
    middle = onsets[1:-1]
    is_peak = (middle > onsets[:-2]) & (middle > onsets[2:]) & (middle >= ONSET_THRESHOLD)
    frames, keys = np.nonzero(is_peak)
    return frames + 1, keys


def _by_probability(energy: Floats) -> NDArray[np.int64]:
    """Return the places of all cells above the threshold, the most probable first."""
    flat = energy.ravel()
    places = np.flatnonzero(flat > NOTE_THRESHOLD)
    ordered: NDArray[np.int64] = places[np.argsort(-flat[places], kind="stable")]
    return ordered


def _from_onsets(
    energy: Floats, starts: NDArray[np.int64], keys: NDArray[np.int64], least_frames: int
) -> NDArray[np.int64]:
    """Return start, end and key of the notes at onsets; their energy is taken out.

    The latest onset comes first, so that a repeated note ends where the next one begins.
    """
    heard = np.empty((starts.size, 3), dtype=np.int64)
    n_heard, last = 0, energy.shape[0] - 1
    for number in range(starts.size):
        start, key = starts[number], keys[number]
        end, quiet = start + 1, 0
        while end < last and quiet < QUIET_FRAMES:
            quiet = quiet + 1 if energy[end, key] < NOTE_THRESHOLD else 0
            end += 1
        end -= quiet
        if start < last and end - start > least_frames:
            energy[start:end, max(key - 1, 0) : min(key + 2, N_KEYS)] = 0
            heard[n_heard, 0], heard[n_heard, 1], heard[n_heard, 2] = start, end, key
            n_heard += 1
    return heard[:n_heard]


def _from_rest(energy: Floats, order: NDArray[np.int64], least_frames: int) -> NDArray[np.int64]:
    """Return start, end and key of the notes in what the notes at onsets left."""
    heard = np.empty((order.size, 3), dtype=np.int64)
    n_heard, last = 0, energy.shape[0] - 1
    for place in order:
        middle, key = place // N_KEYS, place % N_KEYS
        if energy[middle, key] <= NOTE_THRESHOLD:
            continue
        energy[middle, key] = 0
        low, high = max(key - 1, 0), min(key + 2, N_KEYS)
        end, quiet = middle + 1, 0
        while end < last and quiet < QUIET_FRAMES:
            quiet = quiet + 1 if energy[end, key] < NOTE_THRESHOLD else 0
            energy[end, low:high] = 0
            end += 1
        end -= 1 + quiet
        start, quiet = middle - 1, 0
        while start > 0 and quiet < QUIET_FRAMES:
            quiet = quiet + 1 if energy[start, key] < NOTE_THRESHOLD else 0
            energy[start, low:high] = 0
            start -= 1
        start += 1 + quiet
        if end - start > least_frames:
            heard[n_heard, 0], heard[n_heard, 1], heard[n_heard, 2] = start, end, key
            n_heard += 1
    return heard[:n_heard]
