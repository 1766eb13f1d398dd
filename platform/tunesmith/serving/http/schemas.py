"""The shapes of answers, for the OpenAPI document."""

from pydantic import BaseModel, ConfigDict, Field

from tunesmith.artifacts.cards import InputShape
from tunesmith.artifacts.preparation import Preparation
from tunesmith.artifacts.reports import Metrics

__all__ = [
    "ChallengerDescription",
    "ClassifyAnswer",
    "GraphAnswer",
    "Health",
    "ItemAnswer",
    "ItemProblem",
    "LabelledItem",
    "ListAnswer",
    "MixedAnswer",
    "ModelCard",
    "ModelList",
    "ModelReference",
    "NodeDescription",
    "NotesAnswer",
    "OpenSetAnswer",
    "PieceAnswer",
    "PlainAnswer",
    "ProblemAnswer",
    "SimilarAnswer",
    "SimilarListAnswer",
    "WhyAnswer",
]


class ModelReference(BaseModel):
    """The model that answered."""

    name: str = Field(description="The task.")
    version: int = Field(description="Version in the registry.")
    dataset: str = Field(description="Dataset version it was trained on, as name@version.")


class TranscriptionSummary(BaseModel):
    """Facts about the notes that were heard in a recording."""

    certainty: float = Field(
        ge=0,
        le=1,
        description="How sure the transcription is: mean probability of its notes, by the model "
        "that heard them.",
    )
    heard_s: float = Field(
        description="Seconds of the recording that were transcribed, from its beginning."
    )


class PieceSummary(BaseModel):
    """Facts about the file of music."""

    duration_s: float = Field(description="Length in seconds, to the end of the last note.")
    notes: int = Field(description="Number of notes.")
    transcription: TranscriptionSummary | None = Field(
        default=None, description="How its notes were heard; null where the file holds notes."
    )


class NotesInstrument(BaseModel):
    """One program on one channel of one track of a file of music."""

    name: str = Field(description="Name of its track or part; empty where it has none.")
    program: int = Field(ge=0, le=127, description="General MIDI program, from 0.")
    is_drum: bool = Field(description="Whether it plays on the percussion channel.")


class NotesAnswer(PieceSummary):
    """The notes of a file of music, as the models read them."""

    reader: str = Field(description="What the file is: `midi`, or a format of scores or sound.")
    warnings: list[str] = Field(description="What was repaired or left out.")
    instruments: list[NotesInstrument] = Field(description="Instruments that the notes name.")
    played: list[tuple[float, float, int, int, bool, int]] = Field(
        description="Of each note its onset and end in seconds, MIDI pitch, velocity, whether it "
        "is a drum, and the place of its instrument among `instruments`; by onset. A "
        "transcription does not hear how loud a note is played."
    )


class SimilarPiece(BaseModel):
    """A piece of a dataset, and how much of the music it shares in the same order."""

    piece_id: str
    path: str = Field(description="Path of its file among the sources of the dataset.")
    label: str | None = Field(description="Its label; null where it has none.")
    in_order: int = Field(description="Onsets of the music that both have in the same order.")
    strength: float = Field(
        description="These onsets, relative to the number that makes two pieces the same music: "
        "from 1 on they are."
    )


class SimilarAnswer(BaseModel):
    """The piece of a dataset that the music is, and the nearest ones."""

    dataset: str = Field(description="Dataset that was searched.")
    version: str = Field(description="Its version.")
    match: SimilarPiece | None = Field(
        description="The piece that the music is, whole or an excerpt, in any key and tempo; null "
        "where the dataset does not have it."
    )
    pieces: list[SimilarPiece] = Field(description="The nearest pieces, the nearest first.")
    piece: PieceSummary


class Segment(BaseModel):
    """A stretch of the piece judged on its own; silent ones are left out.

    The most probable class is in a member of the node's name.
    """

    model_config = ConfigDict(extra="allow")

    start_s: float
    end_s: float
    probability: float = Field(description="Probability of the most probable class.")
    probabilities: dict[str, float] | None = Field(
        default=None, description="Of every class; with ?detail=true."
    )
    disputed: bool | None = Field(
        default=None, description="Whether the models of an ensemble name different classes here."
    )


class OpenSetAnswer(BaseModel):
    """Members that say how far the class that is named can be relied on."""

    confidence: float = Field(
        description="Probability that the class named is right where about as many items are of no "
        "class as of one: that of the class, times the probability that the item is of a class at "
        "all. Without a detector it is that of the class."
    )
    none_of_these: bool | None = Field(
        default=None,
        description="Whether the item is unlike anything that the model learned from; the class "
        "named is then only the nearest. Not true of music that its dataset holds under one of its "
        "classes. Null where the model has no detector of such items.",
    )
    known: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="How known the item is: of the known items of its class this share is as "
        "unusual. Below the class's threshold in the model's card `none_of_these` is true, but for "
        "music of its dataset.",
    )
    labels_90: list[str] | None = Field(
        default=None,
        description="Labels that hold the true one with 90 % probability if the item is of a "
        "class, the most probable first; none where it is unusual for every class. Null where the "
        "model does not say.",
    )


class ItemAnswer(OpenSetAnswer):
    """Answer about one of several items; the most probable class is in a member of the node's name.

    `segments` and `piece` are there for a piece of music alone.
    """

    model_config = ConfigDict(extra="allow")

    probabilities: dict[str, float] = Field(description="Of every class, most probable first.")
    unsure: bool = Field(description="Whether no class is probable enough to be relied on.")
    segments: list[Segment] | None = None
    piece: PieceSummary | None = None
    ensemble: list[ModelReference] | None = Field(
        default=None, description="The models whose mean this is, where a node has several."
    )
    gaps: list[str] | None = Field(
        default=None, description="Members of the ensemble that could not answer."
    )


class MixedAnswer(ItemAnswer):
    """Answer of a node of any kind, with the model that gave it."""

    model: ModelReference


class PlainAnswer(OpenSetAnswer):
    """Answer of a node; the most probable class is in a member of its name."""

    probabilities: dict[str, float] = Field(description="Of every class, most probable first.")
    unsure: bool = Field(description="Whether no class is probable enough to be relied on.")
    model: ModelReference
    ensemble: list[ModelReference] | None = Field(
        default=None, description="The models whose mean this is, where a node has several."
    )
    gaps: list[str] | None = Field(
        default=None, description="Members of the ensemble that could not answer."
    )


class PieceAnswer(PlainAnswer):
    """Answer of a node about a piece of music."""

    segments: list[Segment]
    piece: PieceSummary


class ReasonAnswer(BaseModel):
    """A part of the input and what it did to the probability of the class."""

    part: str = Field(description="In a listener's words, or the name of a feature.")
    effect: float = Field(
        description="Log-odds of the class with the part less those without it: above 0 it speaks "
        "for the class. Without it means at the training data's median, or silenced."
    )
    probability_without: float = Field(description="Probability of the class without the part.")


class WhyAnswer(BaseModel):
    """Reasons for and against the most probable class, which is in a member of the node's name.

    No reasons are given where nothing can be taken out of what the model reads.
    """

    model_config = ConfigDict(extra="allow")

    probability: float = Field(description="Probability of the class.")
    reasons: list[ReasonAnswer] = Field(description="The strongest first.")
    model: ModelReference


class LabelledAnswer(BaseModel):
    """Answer of one model about an item with a known label."""

    model: ModelReference
    challenger: bool = Field(description="Whether the model is the challenger.")
    answer: str = Field(description="Its most probable class.")
    right: bool


class LabelledItem(BaseModel):
    """Answers of champion and challenger about an item with a known label."""

    label: str
    answers: list[LabelledAnswer]
    counted: bool = Field(
        description="Whether exactly one of the two models was right and the item was not sent "
        "before: only such items tell the models apart."
    )


class ItemProblem(BaseModel):
    """Takes the place of an answer about a faulty item of a list."""

    problem: "ProblemAnswer"


class ListAnswer(BaseModel):
    """Answers about the items of a list, in their order; a faulty item's place has its problem."""

    answers: list[ItemAnswer | ItemProblem]
    model: ModelReference | None = Field(description="Null where no item could be answered.")


class SimilarListAnswer(BaseModel):
    """Answers about several files, in their order; a faulty file's place has its problem."""

    answers: list[SimilarAnswer | ItemProblem]


class ClassifyAnswer(BaseModel):
    """Answers by node, and the nodes that have none, with the reason."""

    answers: dict[str, MixedAnswer]
    gaps: dict[str, "ProblemAnswer"] = Field(description="Problem details by node.")


class ChallengerDescription(BaseModel):
    """The contest of a challenger."""

    share: float = Field(description="Share of the clients that it answers.")
    decided: bool = Field(description="Whether it is promoted or withdrawn by itself.")
    shadow: float = Field(description="Share of the requests that both models judge.")
    versions: dict[str, int] = Field(description="Version that is tried, by task.")


class NodeDescription(BaseModel):
    """A node of the graph."""

    name: str
    title: str
    reads: str | None = Field(description="Kind of its items; null before a model says it.")
    placement: str
    failure: str
    preparation: Preparation | None = Field(
        description="How its items are prepared, such as the columns of a table or the size of an "
        "image; null before a model is loaded. The words of a vocabulary are left out."
    )
    ready: bool = Field(description="Whether its model has been promoted and loaded.")
    challenger: ChallengerDescription | None = Field(
        description="How the next model is tried on real requests; null when none is."
    )


class GraphAnswer(BaseModel):
    """The classifiers of this server."""

    nodes: list[NodeDescription]
    similar: str | None = Field(
        description="Dataset whose pieces /v1/similar finds, as NAME@VERSION; null for none."
    )


class ModelCard(BaseModel):
    """Card of a served model."""

    model_config = ConfigDict(extra="allow")

    name: str
    version: int
    labels: list[str]
    inputs: dict[str, InputShape]
    metrics: dict[str, Metrics] = Field(default_factory=dict)


class ModelList(BaseModel):
    """The champions that answer."""

    models: list[ModelCard]


class Health(BaseModel):
    """The server lives."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: str


class ProblemAnswer(BaseModel):
    """ProblemError details (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/not-midi",
                    "title": "The file is neither MIDI, nor a score, nor a recording",
                    "status": 422,
                    "detail": "The file begins with 'Dear', not with 'MThd'.",
                    "instance": "/v1/classify",
                    "advice": "Send a MIDI file, MusicXML, or a recording such as MP3 or WAV.",
                    "request_id": "5d0e3b1c6f0a4c3d9d8f1f7f6a3b2c10",
                }
            ]
        },
    )

    type: str = Field(description="URI reference of the kind of problem; it can be opened.")
    title: str
    status: int
    detail: str
    instance: str | None = Field(
        default=None, description="Path of the request; not of the items and gaps within an answer."
    )
