"""One measurement of a replication: what was trained, how thoroughly, and what came out."""

from typing import ClassVar

from pydantic import Field

from tunesmith.artifacts.documents import Document, JsonObject, Section

__all__ = ["EffortRecord", "MeasurementRecord"]


class EffortRecord(Section):
    """Share of the data and of the epochs that a measurement used."""

    rows: int | None = None
    epochs_share: float = 1.0


class MeasurementRecord(Document):
    """``<key>.json`` of a replication."""

    REMEDY: ClassVar[str] = "Measure again: tunesmith reproduce."

    study: str = Field(description="Name of the replication.")
    key: str
    title: str
    fingerprint: str = Field(description="Digest of the data's version and of `about`.")
    about: JsonObject = Field(description="What decides the result, by names of its own.")
    data: str = Field(description="Version of the data.")
    effort: EffortRecord
    created: str
    result: JsonObject = Field(description="Metrics and counts, by names of its own.")
