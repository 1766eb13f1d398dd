"""The test items that a model gets wrong, for people to look at."""

import numpy as np

from tunesmith.artifacts.reports import Clip, Mistake
from tunesmith.evaluation.music import Pieces
from tunesmith.evaluation.segments import starts_of
from tunesmith.evaluation.subject import Subject

__all__ = ["most_confident_mistakes"]

_MOST = 100
# Clips make a report large.
_MOST_CLIPS = 30
_MOST_NOTES = 400


def most_confident_mistakes(subject: Subject) -> tuple[Mistake, ...]:
    """Return up to a hundred test items with a wrong prediction, the most confident first.

    A piece has the prediction for each of its segments beside that for the whole; the first thirty
    also have the notes of one segment.

    Parameters
    ----------
    subject
        The model, with its predictions for the test items.
    """
    examples, p = subject.predictions.examples, subject.predictions.by_item
    answers, confidence = p.argmax(axis=1), p.max(axis=1)
    wrong = np.flatnonzero(answers != examples.y)
    order = wrong[np.argsort(-confidence[wrong], kind="stable")][:_MOST]
    pieces, by_chunk = subject.pieces, subject.by_chunk
    paths = None if pieces is None else pieces.facts["path"].tolist()
    starts_s = None if pieces is None or by_chunk is None else starts_of(by_chunk, pieces)
    mistakes: list[Mistake] = []
    for item in order.tolist():
        mistake = Mistake(
            id=examples.ids[item],
            path=paths[item] if paths else None,
            label=examples.classes[examples.y[item]],
            answer=examples.classes[answers[item]],
            confidence=float(confidence[item]),
            of_label=float(p[item, examples.y[item]]),
        )
        if by_chunk is not None and starts_s is not None:
            rows = np.flatnonzero(by_chunk.item == item)
            in_time = {
                "starts_s": tuple(starts_s[rows].tolist()),
                "segments": tuple(examples.classes[i] for i in by_chunk.by_row[rows].argmax(1)),
            }
            mistake = mistake.model_copy(update=in_time)
            if pieces is not None and len(rows) and len(mistakes) < _MOST_CLIPS:
                surest = rows[by_chunk.by_row[rows, answers[item]].argmax()]
                clip = _clip(pieces, item, float(starts_s[surest]))
                mistake = mistake.model_copy(update={"clip": clip})
        mistakes.append(mistake)
    return tuple(mistakes)


def _clip(pieces: Pieces, item: int, start_s: float) -> Clip:
    """Return the notes that begin in a segment of a piece."""
    length_s = pieces.chunk_frames / pieces.frames_per_second
    notes = pieces.notes[item]
    onsets = notes["onset_s"]
    heard = notes[(onsets >= start_s) & (onsets < start_s + length_s) & ~notes["is_drum"]]
    return Clip(
        start_s=start_s,
        notes=tuple(
            (
                round(float(note["onset_s"]) - start_s, 2),
                round(float(note["offset_s"] - note["onset_s"]), 2),
                int(note["pitch"]),
                int(note["velocity"]),
            )
            for note in heard[:_MOST_NOTES]
        ),
    )
