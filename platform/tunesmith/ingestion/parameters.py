"""Settings of an ingest, from a YAML file and command-line options."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tunesmith.errors import UsageError
from tunesmith.midi.reading import Limits

__all__ = [
    "PROCESSING_VERSION",
    "ArchiveLimits",
    "IngestParameters",
    "ReadLimits",
    "load_parameters",
]

PROCESSING_VERSION = 7
"""Raise it when the same file gives different rows; earlier results are then not reused."""

_Positive = Annotated[int, Field(gt=0)]


class _Parameters(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReadLimits(_Parameters):
    """Limits of one file of music, checked before memory is allocated."""

    max_bytes: _Positive = Limits().max_bytes
    max_ticks: _Positive = Limits().max_ticks
    max_duration_s: float = Field(default=Limits().max_duration_s, gt=0)
    max_notes: _Positive = Limits().max_notes
    max_tracks: _Positive = Limits().max_tracks
    max_recording_bytes: _Positive = Limits().max_recording_bytes
    max_frames: _Positive = Field(default=400_000, description="Frames of a roll, 512 bytes each.")

    def as_limits(self) -> Limits:
        """Return the limits in the form that the reader takes."""
        return Limits(**self.model_dump(exclude={"max_frames"}))


class ArchiveLimits(_Parameters):
    """Limits of an archive, checked before it is unpacked."""

    max_entries: _Positive = Field(default=1_000_000, description="Members of one archive.")
    max_expansion: float = Field(default=200.0, gt=1, description="Unpacked bytes per packed byte.")
    max_nested_bytes: _Positive = Field(
        default=256_000_000, description="Unpacked size of an archive inside an archive."
    )
    max_depth: int = Field(
        default=4, ge=1, description="Depth of nested archives; the outermost is 1."
    )


class IngestParameters(_Parameters):
    """All settings, besides the sources, that determine a dataset version."""

    frames_per_second: float = Field(default=10.0, gt=0, le=1000)
    chunk_frames: _Positive = 150
    hop_frames: _Positive | None = Field(default=None, description="None means chunk_frames.")
    label: str = Field(
        default="auto",
        description="auto, folder, prefix, none, regex:PATTERN or csv:PATH (paths and labels).",
    )
    composers: tuple[str, ...] = Field(default=(), description="Keep only these labels.")
    composer_table: str | None = Field(
        default=None,
        description="YAML file that extends the shipped table of names; none for no table.",
    )
    corrections: str | None = Field(
        default=None, description="CSV of labels to correct: path, label_before, label_after."
    )
    loss_budget: float = Field(
        default=0.05, ge=0, le=1, description="Share of files that may be rejected."
    )
    limits: ReadLimits = ReadLimits()
    archives: ArchiveLimits = ArchiveLimits()

    @model_validator(mode="after")
    def _hop_within_chunk(self) -> "IngestParameters":
        if self.hop > self.chunk_frames:
            msg = f"hop_frames {self.hop} is above chunk_frames {self.chunk_frames}"
            raise ValueError(msg)
        return self

    @property
    def hop(self) -> int:
        """Number of frames from the start of one chunk to the next."""
        return self.chunk_frames if self.hop_frames is None else self.hop_frames

    def processing_key(self) -> str:
        """Return a digest of all settings that affect the rows of one file.

        Labels are not among them: relabelling a corpus reads no file again.
        """
        relevant = {
            "processing_version": PROCESSING_VERSION,
            "frames_per_second": self.frames_per_second,
            "chunk_frames": self.chunk_frames,
            "hop_frames": self.hop,
            "limits": self.limits.model_dump(),
        }
        text = json.dumps(relevant, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_parameters(
    path: str | Path | None = None, options: Mapping[str, Any] | None = None
) -> IngestParameters:
    """Return parameters from a YAML file and from options, which take precedence.

    Parameters
    ----------
    path
        YAML mapping of fields of `IngestParameters`; none by default.
    options
        Fields by name.

    Raises
    ------
    UsageError
        If the file cannot be read, or a field does not exist or has an invalid value.
    """
    fields: dict[str, Any] = {}
    if path is not None:
        try:
            fields = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeError, yaml.YAMLError) as error:
            msg = f"The parameter file {path} cannot be read: {error}. Check the path and the YAML."
            raise UsageError(msg) from error
        if not isinstance(fields, dict):
            msg = f"The parameter file {path} must be a mapping, such as 'chunk_frames: 150'."
            raise UsageError(msg)
    try:
        return IngestParameters.model_validate(fields | dict(options or {}))
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, e['loc'])) or 'parameters'}: {e['msg']}" for e in error.errors()
        )
        msg = f"Invalid ingest parameters: {problems}."
        raise UsageError(msg) from None
