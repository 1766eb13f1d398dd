"""Limits of one request to a server."""

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["LimitSettings"]


class LimitSettings(BaseModel):
    """Limits of one request; beyond them the answer is a problem with status 4xx or 503."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    body_bytes: int = Field(
        default=8_388_608,
        ge=1024,
        description="Largest request body. A larger one is refused while it is being received.",
    )
    recording_bytes: int = Field(
        default=33_554_432,
        ge=1024,
        description="Largest request body where recordings are read; of it a MIDI file or a score "
        "may have `body_bytes`.",
    )
    recording_s: float = Field(
        default=180.0,
        gt=0,
        description="Seconds of a recording that are transcribed, from its beginning; the answer "
        "says how many. A second takes about 0.04 s of a core.",
    )
    midi_notes: int = Field(
        default=200_000, ge=1, description="Most notes of one MIDI file; more are a 422."
    )
    midi_duration_s: float = Field(
        default=2 * 3600.0,
        gt=0,
        description="Longest MIDI file or recording in seconds; longer is a 422.",
    )
    items: int = Field(default=1000, ge=1, description="Most rows, images or texts in one request.")
    text_characters: int = Field(
        default=100_000, ge=1, description="Longest text; a longer one is a 413."
    )
    receive_s: float = Field(
        default=20.0,
        gt=0,
        description="Longest time in which a body has to arrive; a slower upload is answered 408.",
    )
    receiving: int = Field(
        default=512,
        ge=1,
        description="Bodies that a replica receives at the same time. Beyond it the upload that "
        "has taken longest gives way with a 503.",
    )
    receiving_bytes: int = Field(
        default=268_435_456,
        ge=1024,
        description="Bytes of unfinished bodies that a replica holds; beyond it as above.",
    )
    in_flight: int = Field(
        default=32,
        ge=1,
        description="Classification requests a replica works on or keeps waiting, their bodies "
        "received; the next one is answered 503 with Retry-After. Bounds memory and waiting.",
    )
    deadline_s: float = Field(
        default=30.0,
        gt=0,
        description="Longest time from a request's arrival to its answer, waiting included; then "
        "it is answered 504. A client may ask for less with the header X-Deadline-S.",
    )
