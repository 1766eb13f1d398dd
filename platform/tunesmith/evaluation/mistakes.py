"""The test items that a model gets wrong, for people to look at."""

import numpy as np

from tunesmith.artifacts.reports import Clip, Mistake
from tunesmith.evaluation.music import Pieces
from tunesmith.evaluation.segments import starts_of
from tunesmith.evaluation.subject import Subject
from tunesmith.inference.pieces import window_notes

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
    if pieces is None or by_chunk is None:
        item_of_row, by_row, starts_s = np.zeros(0, dtype=int), p[:0], np.zeros(0)
    else:
        item_of_row, by_row = by_chunk.item, by_chunk.by_row
        starts_s = starts_of(by_chunk, pieces)
    mistakes = []
    for number, item in enumerate(order.tolist()):
        rows = np.flatnonzero(item_of_row == item)
        clip = None
        if pieces is not None and rows.size and number < _MOST_CLIPS:
            surest = rows[by_row[rows, answers[item]].argmax()]
            clip = _clip(pieces, item, float(starts_s[surest]))
        mistakes.append(
            Mistake(
                id=examples.ids[item],
                path=None if paths is None else paths[item],
                label=examples.classes[examples.y[item]],
                answer=examples.classes[answers[item]],
                confidence=float(confidence[item]),
                of_label=float(p[item, examples.y[item]]),
                starts_s=tuple(starts_s[rows].tolist()),
                segments=tuple(examples.classes[i] for i in by_row[rows].argmax(axis=1)),
                clip=clip,
            )
        )
    return tuple(mistakes)


def _clip(pieces: Pieces, item: int, start_s: float) -> Clip:
    """Return the notes that begin in a segment of a piece."""
    length_s = pieces.chunk_frames / pieces.frames_per_second
    notes = window_notes(pieces.notes[item], start_s, length_s)
    heard = notes[~notes["is_drum"]]
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
