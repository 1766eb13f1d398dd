"""What serve/config.yaml may say about this application, checked before anything starts."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["LimitSettings", "Settings"]


class LimitSettings(BaseModel):
    """What one request may ask for; everything beyond is answered with a 4xx problem."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    body_bytes: int = Field(
        default=8_388_608,
        ge=1024,
        description="Largest request body. A larger one is refused while it is being received.",
    )
    midi_notes: int = Field(
        default=200_000, ge=1, description="Most notes of one MIDI file; more are a 422."
    )
    midi_duration_s: float = Field(
        default=4 * 3600.0, gt=0, description="Longest MIDI file in seconds; longer is a 422."
    )
    items: int = Field(
        default=1000, ge=1, description="Most rows, images or texts in one request; more are a 413."
    )


class Settings(BaseModel):
    """Arguments of the application (`args` in serve/config.yaml)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str | None = Field(
        default=None,
        description="Where the champions live: a folder or a URI such as s3://bucket/prefix. "
        "Left out, the environment variable TUNESMITH_STORE of the replicas decides.",
    )
    threads: int = Field(
        default=1,
        ge=1,
        description="Worker threads of a replica, each running one request's blocking work. "
        "More than the CPUs the replica owns only adds waiting.",
    )
    reload_s: float = Field(
        default=2.0,
        gt=0,
        description="How often a replica looks for a newly promoted champion. A promotion is "
        "answered from at most this much later.",
    )
    log_format: Literal["json", "text"] = Field(
        default="json", description="Form of the access log: JSON lines or plain text."
    )
    limits: LimitSettings = Field(default_factory=LimitSettings)
