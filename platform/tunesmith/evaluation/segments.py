"""Choosing moments to look at: where the model was sure, wrong, and unsure."""

from typing import Any

import numpy as np

from tunesmith.evaluation.music import Pieces
from tunesmith.evaluation.predictions import Predictions

__all__ = ["choose_segments"]

_LEAST_SOUNDING = 12
_EACH = 2


def choose_segments(by_chunk: Predictions, pieces: Pieces) -> list[dict[str, Any]]:
    """Return two chunks each that were answered surely and right, surely and wrong, and unsurely.

    Parameters
    ----------
    by_chunk
        Answers to chunks, whose items are the pieces.
    pieces
        The test pieces.

    Returns
    -------
    list of dict
        ``kind``, piece ``id`` and ``index``, ``path``, ``start_s``, true ``label``, ``answer`` and
        the ``probabilities`` by class. At most one chunk a piece.
    """
    examples, p = by_chunk.examples, by_chunk.by_row
    truth, answer, sure = examples.y[by_chunk.item], p.argmax(axis=1), p.max(axis=1)
    starts = _starts(by_chunk, pieces)
    sounds = np.array([_sounding(pieces, i, s) for i, s in zip(by_chunk.item, starts, strict=True)])
    enough = sounds >= _LEAST_SOUNDING
    wanted = (
        ("sure and right", np.where(enough & (answer == truth), sure, -1.0)),
        ("sure and wrong", np.where(enough & (answer != truth), sure, -1.0)),
        ("unsure", np.where(enough, 1.0 - sure, -1.0)),
    )
    found: list[dict[str, Any]] = []
    seen: set[int] = set()
    for kind, rank in wanted:
        labels: set[int] = set()
        for row in np.argsort(-rank, kind="stable").tolist():
            item = int(by_chunk.item[row])
            if rank[row] < 0 or len(labels) == _EACH:
                break
            # Another class each time: six moments of one composer show less.
            if item in seen or int(truth[row]) in labels:
                continue
            seen.add(item)
            labels.add(int(truth[row]))
            found.append(
                {
                    "kind": kind,
                    "id": examples.ids[item],
                    "index": item,
                    "path": str(pieces.facts["path"].iloc[item]),
                    "start_s": float(starts[row]),
                    "label": examples.classes[truth[row]],
                    "answer": examples.classes[answer[row]],
                    "probabilities": {
                        name: float(value)
                        for name, value in zip(examples.classes, p[row], strict=True)
                    },
                }
            )
    return found


def _starts(by_chunk: Predictions, pieces: Pieces) -> Any:
    """Return where each chunk begins, in seconds."""
    if by_chunk.starts_s is not None:
        return by_chunk.starts_s
    first = np.searchsorted(by_chunk.item, by_chunk.item)
    number = np.arange(len(by_chunk.item)) - first
    return number * pieces.hop_frames / pieces.frames_per_second


def _sounding(pieces: Pieces, item: int, start_s: float) -> int:
    """Return how many cells of the roll sound in a chunk."""
    first = round(start_s * pieces.frames_per_second)
    return int(np.count_nonzero(pieces.rolls[item][first : first + pieces.chunk_frames]))
