"""The notes of pieces as rows aligned with their chunks."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.reader import Chunks, Dataset
from tunesmith.midi.sequences import note_rows

__all__ = ["note_rows_of"]


def note_rows_of(
    dataset: Dataset, piece_ids: Sequence[str], chunks: Chunks
) -> npt.NDArray[np.uint8]:
    """Return the notes that begin inside each chunk, a row per chunk.

    Parameters
    ----------
    dataset
        The dataset version.
    piece_ids
        The pieces that `chunks` was read for, in the same order.
    chunks
        The chunks of these pieces, as `Dataset.chunks` returns them.

    Returns
    -------
    numpy.ndarray
        ``uint8 [chunks, notes, 4]``; see `tunesmith.midi.sequences.note_rows`.
    """
    manifest = dataset.manifest
    chunk_s = manifest.chunk_frames / manifest.frames_per_second
    notes = dataset.notes(piece_ids)
    bounds = np.searchsorted(chunks.piece_index, np.arange(len(piece_ids) + 1))
    return np.concatenate(
        [
            note_rows(notes[piece_id], chunks.start_s[first:last], chunk_s)
            for piece_id, first, last in zip(piece_ids, bounds[:-1], bounds[1:], strict=True)
        ]
    )
