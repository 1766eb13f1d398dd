"""The shapes of answers, for the OpenAPI document."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ComposerAnswer",
    "Health",
    "LimitsAnswer",
    "ModelCard",
    "ModelList",
    "ModelReference",
    "ProblemAnswer",
]


class ModelReference(BaseModel):
    """Which model answered."""

    name: str = Field(description="The task.")
    version: int = Field(description="Version in the registry.")
    dataset: str = Field(description="Dataset version it was trained on, as name@version.")


class PieceSummary(BaseModel):
    """What was read from the MIDI file."""

    duration_s: float = Field(description="Length in seconds.")
    notes: int = Field(description="Number of notes.")


class Segment(BaseModel):
    """A stretch of the piece judged on its own; silent ones are left out."""

    start_s: float
    end_s: float
    composer: str
    probability: float = Field(description="Probability of that composer in this segment.")


class ComposerAnswer(BaseModel):
    """Who wrote the piece, as far as the model can tell."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "composer": "Bach",
                    "probabilities": {
                        "Bach": 0.941207,
                        "Mozart": 0.041533,
                        "Beethoven": 0.012904,
                        "Chopin": 0.004356,
                    },
                    "segments": [
                        {"start_s": 0.0, "end_s": 15.0, "composer": "Bach", "probability": 0.9613},
                        {"start_s": 15.0, "end_s": 27.4, "composer": "Bach", "probability": 0.9211},
                    ],
                    "model": {"name": "composer", "version": 3, "dataset": "big4@5f0c2a91d3e4"},
                    "piece": {"duration_s": 27.4, "notes": 312},
                }
            ]
        }
    )

    composer: str = Field(description="The most probable composer of the whole piece.")
    probabilities: dict[str, float] = Field(description="Of every composer, most probable first.")
    segments: list[Segment]
    model: ModelReference
    piece: PieceSummary


class ModelCard(BaseModel):
    """What is known of a served model; the registry's card."""

    model_config = ConfigDict(extra="allow")

    name: str
    version: int
    labels: list[str]
    inputs: dict[str, Any]
    metrics: dict[str, Any] = Field(default_factory=dict)


class ModelList(BaseModel):
    """The champions that answer."""

    models: list[ModelCard]


class Health(BaseModel):
    """The server lives."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"status": "ok"}]})

    status: str


class LimitsAnswer(BaseModel):
    """What one request may ask for."""

    body_bytes: int
    midi_notes: int
    midi_duration_s: float
    items: int


class ProblemAnswer(BaseModel):
    """ProblemError details (RFC 9457)."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "type": "/problems/not-midi",
                    "title": "The file is not a MIDI file",
                    "status": 422,
                    "detail": "The file begins with 'Dear', not with 'MThd'.",
                    "instance": "/v1/composer",
                    "advice": "Send a Standard MIDI File; it begins with the letters MThd.",
                    "request_id": "5d0e3b1c6f0a4c3d9d8f1f7f6a3b2c10",
                }
            ]
        },
    )

    type: str = Field(description="URI reference of the kind of problem; it can be opened.")
    title: str
    status: int
    detail: str
    instance: str
