"""More rows for training, made while reading: transposed and at another tempo.

A copy is another row of its piece, never a piece of its own: it has the piece's label and group,
and a split or a fold cannot put it on another side.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tunesmith.datasets.examples import Examples, View
from tunesmith.errors import DatasetError
from tunesmith.midi.score import NOTE_DTYPE
from tunesmith.midi.transforms import (
    scale_tempo_chunks,
    scale_tempo_notes,
    transpose_chunks,
    transpose_notes,
)

__all__ = ["STUDY_SEMITONES", "with_copies"]

STUDY_SEMITONES = (-2, 2)
"""The transpositions the composer study added."""


def with_copies(
    examples: Examples,
    view: str,
    semitones: Sequence[int] = STUDY_SEMITONES,
    tempo_factors: Sequence[float] = (),
) -> Examples:
    """Add transposed and stretched copies of the rows of a view.

    Parameters
    ----------
    examples
        Training items; held-out ones have no use for copies.
    view
        A view of chunks, uint8 ``[rows, frames, 128]``, or of notes, a list of `NOTE_DTYPE` arrays.
    semitones
        One copy of every row each, that much higher or lower.
    tempo_factors
        One copy of every row each, at that many times the tempo.

    Returns
    -------
    tunesmith.datasets.examples.Examples
        The same items; the view has ``1 + len(semitones) + len(tempo_factors)`` times the rows.

    Raises
    ------
    DatasetError
        When the view holds neither chunks nor notes.
    """
    rows = examples.view(view)
    copies: list[Any] = [rows.x]
    if isinstance(rows.x, np.ndarray) and rows.x.ndim == 3 and rows.x.dtype == np.uint8:
        copies += [transpose_chunks(rows.x, step) for step in semitones]
        copies += [scale_tempo_chunks(rows.x, factor) for factor in tempo_factors]
        x: Any = np.concatenate(copies)
    elif isinstance(rows.x, list) and all(notes.dtype == NOTE_DTYPE for notes in rows.x):
        copies += [[transpose_notes(notes, step) for notes in rows.x] for step in semitones]
        copies += [[scale_tempo_notes(n, factor) for n in rows.x] for factor in tempo_factors]
        x = [notes for copy in copies for notes in copy]
    else:
        msg = f"View {view!r} holds neither chunks nor notes: only those can be transposed."
        raise DatasetError(msg)
    more = View(x, np.tile(rows.item, len(copies)))
    return Examples(
        y=examples.y,
        classes=examples.classes,
        groups=examples.groups,
        ids=examples.ids,
        views={**examples.views, view: more},
    )
