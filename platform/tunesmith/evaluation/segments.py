"""Segments of music to look at: where a model was confident, wrong and uncertain."""

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import ChosenSegment
from tunesmith.evaluation.music import Pieces
from tunesmith.evaluation.predictions import Predictions

__all__ = ["choose_segments", "starts_of"]

_LEAST_SOUNDING = 12
_EACH = 2


def choose_segments(by_chunk: Predictions, pieces: Pieces) -> tuple[ChosenSegment, ...]:
    """Return two chunks each where the model was confident and right or wrong, or uncertain.

    At most one chunk per piece is chosen.

    Parameters
    ----------
    by_chunk
        Predictions for chunks, whose items are the pieces.
    pieces
        The test pieces.
    """
    examples, p = by_chunk.examples, by_chunk.by_row
    truth, predicted, confidence = examples.y[by_chunk.item], p.argmax(axis=1), p.max(axis=1)
    starts = starts_of(by_chunk, pieces)
    sounds = np.array([_sounding(pieces, i, s) for i, s in zip(by_chunk.item, starts, strict=True)])
    enough = sounds >= _LEAST_SOUNDING
    wanted = (
        ("confident and right", np.where(enough & (predicted == truth), confidence, -1.0)),
        ("confident and wrong", np.where(enough & (predicted != truth), confidence, -1.0)),
        ("uncertain", np.where(enough, 1.0 - confidence, -1.0)),
    )
    chosen: list[ChosenSegment] = []
    seen: set[int] = set()
    for kind, rank in wanted:
        labels: set[int] = set()
        for row in np.argsort(-rank, kind="stable").tolist():
            item = int(by_chunk.item[row])
            if rank[row] < 0 or len(labels) == _EACH:
                break
            # Another class each time: six segments of one class show less.
            if item in seen or int(truth[row]) in labels:
                continue
            seen.add(item)
            labels.add(int(truth[row]))
            chosen.append(
                ChosenSegment(
                    kind=kind,
                    id=examples.ids[item],
                    index=item,
                    path=str(pieces.facts["path"].iloc[item]),
                    start_s=float(starts[row]),
                    label=examples.classes[truth[row]],
                    answer=examples.classes[predicted[row]],
                    probabilities=dict(zip(examples.classes, p[row].tolist(), strict=True)),
                )
            )
    return tuple(chosen)


def starts_of(by_chunk: Predictions, pieces: Pieces) -> npt.NDArray[np.float64]:
    """Return the start of each chunk in seconds."""
    return pieces.chunk_starts_s if by_chunk.starts_s is None else by_chunk.starts_s


def _sounding(pieces: Pieces, item: int, start_s: float) -> int:
    """Return the number of sounding cells of the roll in a chunk."""
    first = round(start_s * pieces.frames_per_second)
    return int(np.count_nonzero(pieces.rolls[item][first : first + pieces.chunk_frames]))
