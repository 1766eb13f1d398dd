"""Typed, immutable answers of a server."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tunesmith.client._errors import ClientError, RequestRefused, ServerUnavailable

__all__ = [
    "Answer",
    "Labelled",
    "LabelledAnswer",
    "Mixture",
    "Model",
    "Reason",
    "Segment",
    "Similar",
    "SimilarPiece",
    "Transcription",
    "fault",
    "read_answer",
    "read_labelled",
    "read_mixture",
    "read_reasons",
    "read_similar",
]


@dataclass(frozen=True)
class Model:
    """Model that gave an answer: task, version, and the dataset it was trained on."""

    name: str
    version: int
    dataset: str


@dataclass(frozen=True)
class Segment:
    """Part of a piece with a prediction of its own."""

    start_s: float
    end_s: float
    label: str
    probability: float
    probabilities: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Transcription:
    """Facts about the notes of a recording.

    Attributes
    ----------
    certainty
        Mean probability of the notes by the model that heard them, 0 to 1.
    heard_s
        Seconds of the recording that were transcribed, from its beginning.
    """

    certainty: float
    heard_s: float


@dataclass(frozen=True)
class Answer:
    """Prediction of a task for one item.

    Attributes
    ----------
    task
        Name of the task.
    label
        The most probable class.
    probabilities
        Probability of every class, most probable first.
    unsure
        True if no class is probable enough to be relied on.
    model
        Model that gave the answer.
    segments
        Segments of a piece of music, in order, without silent ones.
    duration_s, notes
        Of a piece of music; 0 for other items.
    transcription
        Of a recording, whose notes were heard by a model; None for other items.
    none_of_these
        True if the item is unlike anything that the model learned from: `label` is then only the
        nearest class. None if the model cannot tell.
    confidence
        Probability that `label` is right where about as many items are of no class as of one: that
        of the class, times the probability that the item is of a class at all.
    known
        How known the item is, 0 to 1; None if the model cannot tell.
    labels_90
        Labels that hold the true one with 90 % probability, if the item is of a class; None if the
        model does not say.
    """

    task: str
    label: str
    probabilities: Mapping[str, float]
    unsure: bool
    model: Model
    segments: tuple[Segment, ...] = ()
    duration_s: float = 0.0
    notes: int = 0
    none_of_these: bool | None = None
    confidence: float = 0.0
    known: float | None = None
    labels_90: tuple[str, ...] | None = None
    transcription: Transcription | None = None

    @property
    def probability(self) -> float:
        """Probability of the most probable class."""
        return self.probabilities[self.label]


@dataclass(frozen=True)
class Reason:
    """A part of an item and its effect on the answer.

    Attributes
    ----------
    part
        In a listener's words, or the name of a feature.
    effect
        Log-odds of the class with the part less those without it: above 0 it speaks for it.
    probability_without
        Probability of the class without the part.
    """

    part: str
    effect: float
    probability_without: float


@dataclass(frozen=True)
class LabelledAnswer:
    """Answer of one of two models about an item with a known label.

    Attributes
    ----------
    model
        The model.
    is_challenger
        True if it is the challenger.
    answer, is_right
        Its most probable class, and whether that is the label.
    """

    model: Model
    is_challenger: bool
    answer: str
    is_right: bool


@dataclass(frozen=True)
class Labelled:
    """Answers of champion and challenger about an item with a known label.

    Attributes
    ----------
    label
        The label.
    answers
        Of each model.
    counted
        True if exactly one of the two models was right and the item was not sent before.
    """

    label: str
    answers: tuple[LabelledAnswer, ...]
    counted: bool


@dataclass(frozen=True)
class SimilarPiece:
    """A piece of a dataset that has some of the same music.

    Attributes
    ----------
    piece_id, path, label
        The piece.
    in_order
        Onsets of the music that both have in the same order.
    strength
        These onsets, relative to the number that makes two pieces the same music.
    """

    piece_id: str
    path: str
    label: str | None
    in_order: int
    strength: float


@dataclass(frozen=True)
class Similar:
    """The piece of a dataset that a file of music is, and the nearest ones.

    Attributes
    ----------
    dataset, version
        Dataset version that was searched.
    match
        The piece that is the same music; None if the dataset has no such one.
    pieces
        The nearest pieces, the nearest first.
    """

    dataset: str
    version: str
    match: SimilarPiece | None
    pieces: tuple[SimilarPiece, ...]


@dataclass(frozen=True)
class Mixture:
    """Predictions of all tasks that could answer, and the errors of the others."""

    answers: Mapping[str, Answer]
    gaps: Mapping[str, ClientError]


def read_answer(task: str, body: Mapping[str, Any]) -> Answer:
    """Return the prediction in a response body."""
    piece = body.get("piece") or {}
    labels, heard = body.get("labels_90"), piece.get("transcription")
    return Answer(
        task=task,
        label=body[task],
        probabilities=body["probabilities"],
        unsure=body["unsure"],
        model=Model(**body["model"]),
        segments=tuple(
            Segment(
                start_s=segment["start_s"],
                end_s=segment["end_s"],
                label=segment[task],
                probability=segment["probability"],
                probabilities=segment.get("probabilities") or {},
            )
            for segment in body.get("segments") or ()
        ),
        duration_s=piece.get("duration_s", 0.0),
        notes=piece.get("notes", 0),
        none_of_these=body.get("none_of_these"),
        # Servers of earlier versions have the probability alone.
        confidence=body.get("confidence", body["probabilities"][body[task]]),
        known=body.get("known"),
        labels_90=None if labels is None else tuple(labels),
        transcription=None if heard is None else Transcription(**heard),
    )


def read_reasons(body: Mapping[str, Any]) -> tuple[Reason, ...]:
    """Return the reasons in the response body of /v1/TASK/why."""
    return tuple(Reason(**reason) for reason in body["reasons"])


def read_labelled(body: Mapping[str, Any]) -> Labelled:
    """Return the answers in the response body of /v1/TASK/label."""
    answers = (
        LabelledAnswer(
            Model(**answer["model"]), answer["challenger"], answer["answer"], answer["right"]
        )
        for answer in body["answers"]
    )
    return Labelled(body["label"], tuple(answers), body["counted"])


def read_similar(body: Mapping[str, Any]) -> Similar:
    """Return the pieces in the response body of /v1/similar."""
    match = body["match"]
    return Similar(
        dataset=body["dataset"],
        version=body["version"],
        match=None if match is None else SimilarPiece(**match),
        pieces=tuple(SimilarPiece(**piece) for piece in body["pieces"]),
    )


def read_mixture(body: Mapping[str, Any]) -> Mixture:
    """Return the predictions in the response body of /v1/classify."""
    return Mixture(
        {task: read_answer(task, answer) for task, answer in body["answers"].items()},
        {task: fault(problem["status"], problem) for task, problem in body["gaps"].items()},
    )


def fault(status: int, problem: Mapping[str, Any]) -> ClientError:
    """Return the exception for a problem body."""
    words = (
        problem.get("detail") or problem.get("title") or f"status {status}",
        problem.get("advice"),
    )
    message = " ".join(str(word) for word in words if word)
    refused = status < 500 and status != 429
    return (RequestRefused if refused else ServerUnavailable)(message, status, problem)
