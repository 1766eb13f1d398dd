"""Judging decoded items by a loaded model, and putting what it answers into words."""

from collections.abc import Sequence

import numpy as np

from tunesmith.artifacts.documents import JsonObject
from tunesmith.errors import InputError
from tunesmith.inference.items import Item
from tunesmith.inference.model import Prepared
from tunesmith.inference.pieces import Cut, Piece
from tunesmith.inference.predictions import Prediction, by_class
from tunesmith.serving.champions import Champion
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.drift import Drift
from tunesmith.serving.http.problems import ProblemError, problem_of
from tunesmith.serving.settings import NodeSettings

__all__ = ["describe", "judge"]


def judge(
    items: Sequence[Item], champion: Champion, deadline: Deadline
) -> list[Prediction | ProblemError]:
    """Return a model's answer about each item, or why it has none.

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
    probabilities = model.run(prepared.inputs, deadline.check)
    return [
        problem_of(answer) if isinstance(answer, InputError) else answer
        for answer in model.answers(prepared, probabilities)
    ]


def _observe(drift: Drift, prepared: Prepared) -> None:
    """Let the drift of inputs be measured; of features, those of the whole piece alone."""
    pieces = [item for item in prepared.items if isinstance(item, Cut)]
    for piece in pieces:
        for name, rows in piece.inputs.items():
            drift.observe(name, rows[:1] if name == "features" else rows)
    if not pieces:
        for name, rows in prepared.inputs.items():
            drift.observe(name, rows)


def describe(
    name: str, node: NodeSettings, item: Item, prediction: Prediction, detail: bool = False
) -> JsonObject:
    """Return the members of an answer apart from `model`.

    Parameters
    ----------
    name
        The node; the member of this name holds the most probable class.
    node
        Its settings.
    item
        The item that was judged.
    prediction
        The model's answer.
    detail
        Whether segments carry every class's probability.
    """
    answer: JsonObject = {
        name: prediction.label,
        "unsure": prediction.probability < node.unsure_below,
        "probabilities": prediction.by_class(),
    }
    segments = prediction.segments
    if segments is None or not isinstance(item, Piece):
        return answer
    classes = prediction.classes
    bests = segments.probabilities.argmax(axis=1)
    described = []
    for index in np.flatnonzero(segments.sounding):
        start_s = float(segments.starts_s[index])
        segment: JsonObject = {
            "start_s": round(start_s, 3),
            "end_s": round(min(start_s + segments.length_s, item.duration_s), 3),
            name: classes[bests[index]],
            "probability": round(float(segments.probabilities[index, bests[index]]), 6),
        }
        if segments.disputed is not None:
            segment["disputed"] = bool(segments.disputed[index])
        if detail:
            segment["probabilities"] = by_class(segments.probabilities[index], classes)
        described.append(segment)
    piece = {"duration_s": round(item.duration_s, 3), "notes": item.n_notes}
    return {**answer, "segments": described, "piece": piece}
