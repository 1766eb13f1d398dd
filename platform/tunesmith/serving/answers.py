"""Answers of the graph, before they become JSON.

Their fields are documented for clients by `tunesmith.serving.http.schemas`. They are plain
dataclasses, because one is made for every segment of every piece.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tunesmith.inference.explain import Reason
from tunesmith.midi.score import Transcription

__all__ = [
    "Body",
    "Explanation",
    "Labelled",
    "LabelledAnswer",
    "ModelReference",
    "NodeAnswer",
    "PieceSummary",
    "Segment",
]

Body = dict[str, object]
"""A JSON object that is only written, such as an answer on its way out."""


@dataclass(frozen=True, slots=True)
class ModelReference:
    """The model that answered: task, version, and its training data as ``name@version``."""

    name: str
    version: int
    dataset: str

    def body(self) -> Body:
        """Return the reference as JSON holds it."""
        return {"name": self.name, "version": self.version, "dataset": self.dataset}


@dataclass(frozen=True, slots=True)
class PieceSummary:
    """Facts about a file of music.

    Attributes
    ----------
    duration_s
        Length in seconds.
    notes
        Number of notes.
    transcription
        How its notes were heard, where it is a recording.
    """

    duration_s: float
    notes: int
    transcription: Transcription | None = None

    def body(self) -> Body:
        """Return the facts as JSON holds them."""
        heard = self.transcription
        return {
            "duration_s": self.duration_s,
            "notes": self.notes,
            "transcription": None
            if heard is None
            else {"certainty": heard.certainty, "heard_s": heard.heard_s},
        }


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a piece that was classified by itself.

    Attributes
    ----------
    start_s, end_s
        Its limits in seconds.
    label, probability
        The most probable class.
    disputed
        Whether the models of an ensemble name different classes; None for one model.
    probabilities
        Of every class, where a client asks for the detail.
    """

    start_s: float
    end_s: float
    label: str
    probability: float
    disputed: bool | None = None
    probabilities: dict[str, float] | None = None

    def body(self, node: str) -> Body:
        """Return the segment as JSON holds it; the class is in a member of the node's name."""
        body: Body = {
            "start_s": self.start_s,
            "end_s": self.end_s,
            node: self.label,
            "probability": self.probability,
        }
        if self.disputed is not None:
            body["disputed"] = self.disputed
        if self.probabilities is not None:
            body["probabilities"] = self.probabilities
        return body


@dataclass(frozen=True, slots=True)
class NodeAnswer:
    """Answer of a node about one item.

    Attributes
    ----------
    node
        Name of the node; the member of this name holds the most probable class.
    label
        The most probable class.
    unsure
        Whether no class is probable enough to be relied on.
    confidence
        Probability that the class named is right where many items are of no class.
    none_of_these, known
        Whether the item is unlike anything that the model learned from, and how known it is, 0 to
        1; None where the model has no detector.
    labels_90
        Labels that hold the true one with 90 % probability; None where the model does not say.
    probabilities
        Of every class, the most probable first.
    model
        The model that answered, the first one of an ensemble.
    segments, piece
        Of a piece of music alone.
    ensemble, gaps
        The models whose mean this is, and the members that could not answer, where the node has
        several.
    """

    node: str
    label: str
    unsure: bool
    confidence: float
    probabilities: dict[str, float]
    model: ModelReference
    segments: Sequence[Segment] | None = None
    piece: PieceSummary | None = None
    ensemble: Sequence[ModelReference] | None = None
    gaps: Sequence[str] = ()
    none_of_these: bool | None = None
    known: float | None = None
    labels_90: Sequence[str] | None = None

    def body(self, *, with_model: bool = True) -> Body:
        """Return the answer as JSON holds it."""
        body: Body = {
            self.node: self.label,
            "unsure": self.unsure,
            "confidence": round(self.confidence, 6),
            "none_of_these": self.none_of_these,
            "known": None if self.known is None else round(self.known, 4),
            "labels_90": None if self.labels_90 is None else list(self.labels_90),
            "probabilities": self.probabilities,
        }
        if self.segments is not None:
            body["segments"] = [segment.body(self.node) for segment in self.segments]
        if self.piece is not None:
            body["piece"] = self.piece.body()
        if with_model:
            body["model"] = self.model.body()
        if self.ensemble is not None:
            body["ensemble"] = [model.body() for model in self.ensemble]
            body["gaps"] = list(self.gaps)
        return body


@dataclass(frozen=True, slots=True)
class Explanation:
    """Reasons for and against the class that a node names, the strongest first."""

    node: str
    label: str
    probability: float
    reasons: Sequence[Reason]
    model: ModelReference

    def body(self) -> Body:
        """Return the explanation as JSON holds it."""
        return {
            self.node: self.label,
            "probability": self.probability,
            "reasons": [reason.json_object() for reason in self.reasons],
            "model": self.model.body(),
        }


@dataclass(frozen=True, slots=True)
class LabelledAnswer:
    """Answer of one of two models about an item with a known label."""

    model: ModelReference
    is_challenger: bool
    answer: str
    is_right: bool

    def body(self) -> Body:
        """Return the answer as JSON holds it."""
        return {
            "model": self.model.body(),
            "challenger": self.is_challenger,
            "answer": self.answer,
            "right": self.is_right,
        }


@dataclass(frozen=True, slots=True)
class Labelled:
    """Answers about an item with a known label.

    Attributes
    ----------
    label
        The label that the client gave.
    answers
        Of the champion and the challenger of each member of the node.
    counted
        Whether it told the two models of a contest apart, and was not counted before.
    """

    label: str
    answers: Sequence[LabelledAnswer]
    counted: bool

    def body(self) -> Body:
        """Return the answers as JSON holds them."""
        return {
            "label": self.label,
            "answers": [answer.body() for answer in self.answers],
            "counted": self.counted,
        }
