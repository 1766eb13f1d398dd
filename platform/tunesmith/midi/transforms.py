"""Augmentation at load time: transposition and tempo changes of notes and chunks.

Copies are made while training data is read. They are never stored as pieces, and they stay in the
split of their piece.
"""

import math

import numpy as np
from numpy.typing import NDArray

from tunesmith.errors import UsageError

__all__ = [
    "scale_tempo_chunks",
    "scale_tempo_notes",
    "transpose_chunks",
    "transpose_notes",
]

HIGHEST_PITCH = 127


def transpose_notes(notes: NDArray[np.void], semitones: int) -> NDArray[np.void]:
    """Transpose all pitched notes; drums are unchanged, and pitches are clipped to 0-127.

    Parameters
    ----------
    notes
        `NOTE_DTYPE` [notes]; not changed.
    semitones
        Semitones up (positive) or down (negative).

    Returns
    -------
    NDArray[np.void]
        A copy, sorted by onset and pitch like every note array.
    """
    moved = notes.copy()
    pitched = ~moved["is_drum"]
    shifted = moved["pitch"].astype(np.int64) + semitones
    moved["pitch"] = np.where(pitched, np.clip(shifted, 0, HIGHEST_PITCH), moved["pitch"])
    if not pitched.all():
        moved = moved[np.lexsort((moved["pitch"], moved["onset_s"]))]
    return moved


def transpose_chunks(chunks: NDArray[np.uint8], semitones: int) -> NDArray[np.uint8]:
    """Transpose rolls along the pitch axis; pitches beyond 0-127 are clipped to the edge.

    Parameters
    ----------
    chunks
        Rolls [..., 128]; not changed.
    semitones
        Semitones up (positive) or down (negative).

    Returns
    -------
    NDArray[np.uint8]
        Rolls of the same shape. Where clipped pitches coincide, the largest velocity counts.
    """
    pitches = chunks.shape[-1]
    shift = max(-pitches + 1, min(pitches - 1, semitones))
    if shift == 0:
        return chunks.copy()
    moved = np.zeros_like(chunks)
    if shift > 0:
        moved[..., shift:] = chunks[..., :-shift]
        moved[..., -1] = chunks[..., -shift - 1 :].max(axis=-1)
    else:
        moved[..., :shift] = chunks[..., -shift:]
        moved[..., 0] = chunks[..., : -shift + 1].max(axis=-1)
    return moved


def scale_tempo_notes(notes: NDArray[np.void], factor: float) -> NDArray[np.void]:
    """Speed the notes up by `factor`; positions in quarter notes are unchanged.

    Raises
    ------
    UsageError
        If the factor is not a positive finite number.
    """
    _check_factor(factor)
    scaled = notes.copy()
    scaled["onset_s"] /= factor
    scaled["offset_s"] /= factor
    return scaled


def scale_tempo_chunks(chunks: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Speed each chunk up by `factor`, keeping its length, by nearest frame.

    Parameters
    ----------
    chunks
        Rolls [..., frames, 128]; not changed.
    factor
        Above 1, faster with silence at the end; below 1, slower with the end cut off.

    Returns
    -------
    NDArray[np.uint8]
        Rolls of the same shape.

    Raises
    ------
    UsageError
        If the factor is not a positive finite number.
    """
    _check_factor(factor)
    frames = chunks.shape[-2]
    source = np.floor((np.arange(frames) + 0.5) * factor).astype(np.int64)
    inside = source < frames
    scaled = np.zeros_like(chunks)
    scaled[..., inside, :] = chunks[..., source[inside], :]
    return scaled


def _check_factor(factor: float) -> None:
    if not (math.isfinite(factor) and factor > 0):
        msg = f"A tempo factor must be a positive number, got {factor!r}; 1.25 is a quarter faster."
        raise UsageError(msg)
