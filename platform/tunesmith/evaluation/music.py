"""Reading the pieces of a task beside its examples: notes, windows of notes, facts for slices."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import View
from tunesmith.datasets.reader import Dataset
from tunesmith.midi.features import musical_features

__all__ = ["window_features", "window_notes"]

Notes = npt.NDArray[np.void]


def window_notes(notes: Notes, start_s: float, length_s: float) -> Notes:
    """Return the notes that begin inside a window; they keep their whole length."""
    first, last = np.searchsorted(notes["onset_s"], (start_s, start_s + length_s))
    window: Notes = notes[first:last]
    return window


def window_features(dataset: Dataset, piece_ids: Sequence[str]) -> View:
    """Return the musical features of the notes of each chunk, as a server computes them.

    Parameters
    ----------
    dataset
        Holds the pieces.
    piece_ids
        Which pieces; item i of the view is piece ``piece_ids[i]``.

    Returns
    -------
    View
        ``float32 [chunks, features]``. Chunks in which no note begins are left out.
    """
    parameters = dataset.manifest.parameters
    rate = float(parameters["frames_per_second"])
    length_s, hop_s = parameters["chunk_frames"] / rate, parameters["hop_frames"] / rate
    pieces = dataset.pieces().set_index("piece_id")["n_chunks"]
    notes = dataset.notes(piece_ids)
    rows: list[npt.NDArray[Any]] = []
    item: list[int] = []
    for index, piece_id in enumerate(piece_ids):
        for chunk in range(int(pieces[piece_id])):
            window = window_notes(notes[piece_id], chunk * hop_s, length_s)
            if len(window):
                rows.append(musical_features(window))
                item.append(index)
    width = len(dataset.manifest.feature_names)
    x = np.stack(rows) if rows else np.zeros((0, width), dtype=np.float32)
    return View(x, np.asarray(item, dtype=np.int64))
