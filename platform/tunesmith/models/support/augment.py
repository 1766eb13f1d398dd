"""Random changes of piano rolls that leave the composer's hand as it is."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["RollAugment", "shift_pitch"]


def shift_pitch(rolls: npt.NDArray[Any], semitones: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
    """Transpose each roll by its own number of semitones.

    Parameters
    ----------
    rolls
        ``[rows, frames, pitches]``.
    semitones
        ``int [rows]``; notes that leave the range are lost.

    Returns
    -------
    numpy.ndarray
        Of the same shape and type.
    """
    moved = np.zeros_like(rolls)
    for semitone in np.unique(semitones):
        rows = semitones == semitone
        if semitone > 0:
            moved[rows, :, semitone:] = rolls[rows, :, :-semitone]
        elif semitone < 0:
            moved[rows, :, :semitone] = rolls[rows, :, -semitone:]
        else:
            moved[rows] = rolls[rows]
    return moved


class RollAugment:
    """Transpose at random, and play louder or softer at random.

    Parameters
    ----------
    semitones
        Farthest transposition either way.
    loudness
        Velocities are multiplied by a factor in ``1 ± loudness``, one a roll.
    """

    def __init__(self, semitones: int, loudness: float) -> None:
        self.semitones = semitones
        self.loudness = loudness

    def __call__(
        self, rolls: npt.NDArray[np.uint8], rng: np.random.Generator
    ) -> npt.NDArray[np.uint8]:
        """Return changed copies of ``uint8 [rows, frames, pitches]``; silence stays silent."""
        if self.semitones:
            shifts = rng.integers(-self.semitones, self.semitones + 1, size=len(rolls))
            rolls = shift_pitch(rolls, shifts)
        if self.loudness:
            factor = rng.uniform(1 - self.loudness, 1 + self.loudness, size=(len(rolls), 1, 1))
            louder = np.clip(np.rint(rolls * factor.astype(np.float32)), 1, 127)
            rolls = np.where(rolls > 0, louder, 0).astype(np.uint8)
        return rolls
