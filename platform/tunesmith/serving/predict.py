"""Classifying decoded items by a loaded model, and making answers of its predictions."""

import time
from collections.abc import Sequence

from tunesmith.errors import InputError
from tunesmith.inference.items import Item
from tunesmith.inference.pieces import Cut, Piece
from tunesmith.inference.predictions import Prediction, Segments, by_class
from tunesmith.inference.prepared import Prepared
from tunesmith.serving.answers import ModelReference, NodeAnswer, PieceSummary, Segment
from tunesmith.serving.champions import Champion
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.drift import Drift
from tunesmith.serving.http.problems import ProblemError, problem_of
from tunesmith.serving.settings import NodeSettings

__all__ = ["describe", "judge", "summary"]


def judge(
    items: Sequence[Item], champion: Champion, deadline: Deadline
) -> tuple[list[Prediction | ProblemError], float]:
    """Return a model's answer about each item, and the processor time of the model in seconds.

    Reading and preparing the items are no part of that time: what one model has prepared of a
    piece the next one finds there.

    All items are judged in as few runs of the model as their rows allow: a list of items is a
    batch, and so are several requests that meet in a deployment.

    Raises
    ------
    ModelError
        When the model has inputs that such items do not give, or cannot be run.
    ProblemError
        ``deadline`` when the time is over.
    """
    model = champion.model
    prepared = model.prepare(items)
    _observe(champion.drift, prepared)
    started_s = time.thread_time()
    probabilities = model.run(prepared.inputs, deadline.check)
    model_s = time.thread_time() - started_s
    answers = [
        problem_of(answer) if isinstance(answer, InputError) else answer
        for answer in model.answers(prepared, probabilities)
    ]
    return answers, model_s


def _observe(drift: Drift, prepared: Prepared) -> None:
    """Let the drift of inputs be measured; of features, those of the whole piece alone."""
    pieces = [item for item in prepared.items if isinstance(item, Cut)]
    for piece in pieces:
        for name, rows in piece.inputs.items():
            drift.observe(name, rows[:1] if name == "features" else rows)
    if not pieces:
        for name, rows in prepared.inputs.items():
            drift.observe(name, rows)


def describe(  # noqa: PLR0917  what an answer is made of
    name: str,
    node: NodeSettings,
    item: Item,
    prediction: Prediction,
    models: Sequence[ModelReference],
    gaps: Sequence[str] = (),
    detail: bool = False,
) -> NodeAnswer:
    """Return a node's answer.

    Parameters
    ----------
    name
        The node.
    node
        Its settings.
    item
        The item that was classified.
    prediction
        The prediction, of one model or the mean of several.
    models
        The models that made it.
    gaps
        Members of the node's ensemble that could not answer.
    detail
        Whether segments carry every class's probability.
    """
    segments, piece = None, None
    if prediction.segments is not None and isinstance(item, Piece):
        segments = _segments(prediction.segments, prediction.classes, item, detail)
        piece = summary(item)
    return NodeAnswer(
        name,
        prediction.label,
        prediction.probability < node.unsure_below,
        prediction.confidence,
        prediction.by_class(),
        models[0],
        segments,
        piece,
        tuple(models) if node.ensemble else None,
        tuple(gaps),
        prediction.none_of_these,
        prediction.known,
        prediction.labels_90,
    )


def summary(piece: Piece) -> PieceSummary:
    """Return facts about a piece for an answer."""
    return PieceSummary(round(piece.duration_s, 3), piece.n_notes, piece.score.transcription)


def _segments(
    segments: Segments, classes: Sequence[str], item: Piece, detail: bool
) -> list[Segment]:
    """Return the segments of a piece in which anything sounds."""
    bests = segments.probabilities.argmax(axis=1)
    described = []
    for index, start_s in enumerate(segments.starts_s.tolist()):
        described.append(
            Segment(
                round(start_s, 3),
                round(min(start_s + segments.length_s, item.duration_s), 3),
                classes[bests[index]],
                round(float(segments.probabilities[index, bests[index]]), 6),
                bool(segments.disputed[index]) if segments.disputed is not None else None,
                by_class(segments.probabilities[index], classes) if detail else None,
            )
        )
    return described
