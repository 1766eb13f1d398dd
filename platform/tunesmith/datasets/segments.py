"""Musical features of random segments of pieces: more rows to train on, never to measure on."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import View
from tunesmith.datasets.reader import Dataset
from tunesmith.midi.features import musical_features
from tunesmith.midi.transforms import transpose_notes

__all__ = ["SEGMENTS", "segment_views"]

SEGMENTS = ("segments", "segments_transposed")
"""Names of the views."""
_SEGMENTS_PER_PIECE = 3
_LEAST_NOTES = 60
_SEMITONES = (-5, 6)


def segment_views(dataset: Dataset, piece_ids: Sequence[str], seed: int) -> dict[str, View]:
    """Return features of segments, ``segments`` as written and ``segments_transposed``.

    Each view holds three random segments per piece, of 60 notes up to the whole piece; lengths are
    drawn evenly on a logarithmic scale. The transposed ones are moved by -5 to +6 semitones.

    Parameters
    ----------
    dataset
        The dataset version.
    piece_ids
        The pieces, in the order of the items.
    seed
        Seed of the segments.
    """
    rng = np.random.default_rng(seed)
    rows: dict[str, list[npt.NDArray[np.float32]]] = {name: [] for name in SEGMENTS}
    notes = dataset.notes(piece_ids)
    for piece_id in piece_ids:
        piece = notes[piece_id]
        for _ in range(_SEGMENTS_PER_PIECE):
            rows["segments"].append(musical_features(_segment(piece, rng)))
            semitones = int(rng.integers(_SEMITONES[0], _SEMITONES[1] + 1))
            moved = transpose_notes(_segment(piece, rng), semitones)
            rows["segments_transposed"].append(musical_features(moved))
    item = np.repeat(np.arange(len(piece_ids)), _SEGMENTS_PER_PIECE)
    return {name: View(np.stack(values), item) for name, values in rows.items()}


def _segment(piece: npt.NDArray[np.void], rng: np.random.Generator) -> npt.NDArray[np.void]:
    longest = max(len(piece), _LEAST_NOTES + 1)
    length = min(int(np.exp(rng.uniform(np.log(_LEAST_NOTES), np.log(longest)))), len(piece))
    first = rng.integers(0, len(piece) - length + 1)
    return piece[first : first + length]
