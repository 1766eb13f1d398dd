"""Files of music to what models read of them: chunks of a roll, notes, features, n-grams."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import MidiPreparation
from tunesmith.audio import errors as audio_errors
from tunesmith.audio import read_music
from tunesmith.errors import InputError, MidiError, ModelError
from tunesmith.inference.classifier import InputSchema
from tunesmith.midi import errors as midi_errors
from tunesmith.midi import rolls
from tunesmith.midi.features import FEATURE_NAMES, feature_rows, musical_features
from tunesmith.midi.ngrams import ngram_counts, ngram_rows
from tunesmith.midi.reading import Limits
from tunesmith.midi.score import Score, Transcription
from tunesmith.midi.sequences import MAX_NOTES, note_rows, window_notes

__all__ = [
    "INPUTS",
    "OF_WHOLE_PIECES",
    "Cut",
    "Piece",
    "cut",
    "read_piece",
    "whole_features",
    "window_rows",
]

OF_WHOLE_PIECES = frozenset({"features", "ngrams"})
"""Inputs that are one row of the whole piece, or of any of its notes."""
INPUTS = OF_WHOLE_PIECES | {"chunks", "notes"}
"""Inputs of a model that a piece can give."""

Notes = npt.NDArray[np.void]
Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Piece:
    """A decoded file of music."""

    score: Score

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.score.end_time_s)

    @property
    def n_notes(self) -> int:
        """Number of notes, drums included."""
        return len(self.score.notes)

    @cached_property
    def features(self) -> Features:
        """Musical features of the whole piece, ``float32 [features]``."""
        return musical_features(self.score.notes)

    @cached_property
    def ngrams(self) -> npt.NDArray[np.uint8]:
        """Counts of the n-grams of the whole piece, ``uint8 [slots]``."""
        return ngram_counts(self.score.notes)


def read_piece(
    data: bytes, limits: Limits | None = None, between: Callable[[], None] | None = None
) -> Piece:
    """Read a MIDI file, a written score or a recording.

    Parameters
    ----------
    data
        Bytes of the file.
    limits
        Limits on the size.
    between
        Called for every two seconds of a recording; may raise to stop.

    Raises
    ------
    InputError
        ``empty``, ``not-midi``, ``no-notes``, ``no-music``, ``midi-limit``, ``damaged-midi``,
        ``damaged-recording`` or ``not-installed``.
    """
    try:
        score = read_music(data, limits=limits, between=between)
    except audio_errors.RecordingLimitExceeded as error:
        raise InputError(str(error), "midi-limit", limit=error.what) from error
    except midi_errors.MidiLimitExceeded as error:
        unit = _UNITS.get(error.what, "")
        message = (
            f"The file has {error.value:,.0f}{unit}; at most {error.limit:,.0f}{unit} are read "
            f"({error.what})."
        )
        raise InputError(message, "midi-limit", limit=error.what) from error
    except MidiError as error:
        raise InputError(str(error), _reason(error)) from error
    if score.notes["is_drum"].all():
        message = "The file holds nothing but drums. Send one with instruments that have a pitch."
        reason = "no-notes"
        raise InputError(message, reason)
    return Piece(score)


_UNITS = {
    "max_bytes": " bytes",
    "max_duration_s": " seconds",
    "max_notes": " notes",
    "max_ticks": " ticks",
    "max_tracks": " tracks",
}
"""Units of the limits."""


def _reason(error: MidiError) -> str:
    reasons = {
        midi_errors.EmptyFile: "empty",
        midi_errors.NotMidi: "not-midi",
        audio_errors.NoMusicHeard: "no-music",
        midi_errors.NoNotes: "no-notes",
        audio_errors.UnreadableRecording: "damaged-recording",
        audio_errors.AudioNotInstalled: "not-installed",
        midi_errors.ScoresNotInstalled: "not-installed",
    }
    return next((name for kind, name in reasons.items() if isinstance(error, kind)), "damaged-midi")


def window_rows(
    name: str, notes: Notes, starts_s: npt.NDArray[np.float64], length_s: float
) -> npt.NDArray[Any]:
    """Return the rows of one of `OF_WHOLE_PIECES` for the notes of each window."""
    windows = [window_notes(notes, start, length_s) for start in starts_s]
    return ngram_rows(windows) if name == "ngrams" else feature_rows(windows)


@dataclass(frozen=True)
class Cut:
    """A piece as a model reads it.

    Attributes
    ----------
    inputs
        Rows of each input. A model of chunks or of the notes in them has a row per chunk; a model
        of `OF_WHOLE_PIECES` alone has one of the whole piece and then one per chunk.
    starts_s, length_s
        Start of each chunk, ``float64 [chunks]``, and their length, in seconds. Chunks in which
        nothing sounds are not among them.
    by_chunks
        Whether every row is a chunk.
    transcription
        Facts about its transcription, where it is a recording.
    """

    inputs: Mapping[str, npt.NDArray[Any]]
    starts_s: npt.NDArray[np.float64]
    length_s: float
    by_chunks: bool
    transcription: Transcription | None = None

    @property
    def rows(self) -> int:
        """Number of rows of each input."""
        return len(self.starts_s) + (not self.by_chunks)


def cut(
    piece: Piece,
    preparation: MidiPreparation,
    wanted: Mapping[str, InputSchema],
    *,
    segments: bool = True,
) -> Cut:
    """Return a piece as the model with the inputs `wanted` reads it.

    Without `segments` a model of `OF_WHOLE_PIECES` alone gets the row of the piece and no others.
    Chunks in which nothing sounds are left out, as they are in training.

    Raises
    ------
    ModelError
        When the model has an input that a piece does not give, or reads features that this version
        does not compute.
    """
    if absent := wanted.keys() - INPUTS:
        message = (
            f"The model has the inputs {', '.join(sorted(absent))}; a piece gives "
            f"{', '.join(sorted(INPUTS))}."
        )
        raise ModelError(message)
    rate, length_s = preparation.frames_per_second, preparation.chunk_s
    by_chunks = not wanted.keys() <= OF_WHOLE_PIECES
    whole = {name: getattr(piece, name)[None] for name in sorted(wanted.keys() & OF_WHOLE_PIECES)}
    heard = piece.score.transcription
    if not segments and not by_chunks:
        rows = _read(whole, preparation)
        return Cut(rows, np.zeros(0), length_s, by_chunks=False, transcription=heard)
    roll = rolls.velocity_roll(piece.score, rate)
    chunks, starts = rolls.sounding_chunks(roll, preparation.chunk_frames, preparation.hop_frames)
    starts_s = np.asarray(starts) / rate
    inputs: dict[str, npt.NDArray[Any]] = {}
    if "chunks" in wanted:
        inputs["chunks"] = chunks
    if "notes" in wanted:
        most = wanted["notes"].shape[1] or MAX_NOTES
        inputs["notes"] = note_rows(piece.score.notes, starts_s, length_s, most)
    for name, row in whole.items():
        if by_chunks:
            inputs[name] = np.repeat(row, len(starts_s), axis=0)
        else:
            by_window = window_rows(name, piece.score.notes, starts_s, length_s)
            inputs[name] = np.concatenate([row, by_window])
    return Cut(_read(inputs, preparation), starts_s, length_s, by_chunks, heard)


def _read(
    rows: Mapping[str, npt.NDArray[Any]], preparation: MidiPreparation
) -> dict[str, npt.NDArray[Any]]:
    """Return the rows with those of all features that the model reads."""
    return {
        name: of[:, _columns(preparation.features)] if name == "features" else of
        for name, of in rows.items()
    }


def whole_features(piece: Piece, preparation: MidiPreparation) -> Features:
    """Return the musical features of a whole piece that a model reads, ``float32 [features]``."""
    features: Features = piece.features[_columns(preparation.features)]
    return features


def _columns(names: Sequence[str]) -> slice | list[int]:
    """Return the places of a model's features among those that are computed today."""
    if not names or tuple(names) == FEATURE_NAMES:
        return slice(None)
    place = {name: index for index, name in enumerate(FEATURE_NAMES)}
    if absent := [name for name in names if name not in place]:
        message = (
            f"The model reads features that this version does not compute: "
            f"{', '.join(absent[:5])}. Search again."
        )
        raise ModelError(message)
    return [place[name] for name in names]
