"""What the nodes of the graph compute: plain functions, bytes and arrays in, values out.

They run in worker threads, never on an event loop.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serve import problems
from serve.champions import Champion
from serve.problems import ProblemError
from serve.settings import LimitSettings
from tunesmith.errors import MidiError
from tunesmith.midi import errors as midi_errors
from tunesmith.midi import features, reading, rolls
from tunesmith.midi.score import Score

__all__ = ["Piece", "classify_piece", "decode_midi", "round_probabilities"]

# What a card that names no frames was trained with (the platform's defaults).
DEFAULT_FRAMES = {"frames_per_second": 10, "chunk_frames": 150, "hop_frames": 150}


@dataclass(frozen=True)
class Piece:
    """A decoded MIDI file."""

    score: Score

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return float(self.score.end_time_s)

    @property
    def n_notes(self) -> int:
        """Number of notes, drums included."""
        return len(self.score.notes)


def decode_midi(body: bytes, limits: LimitSettings) -> Piece:
    """Parse a MIDI file.

    Raises
    ------
    ProblemError
        Saying what kind of file it is instead, or which limit it passes.
    """
    bounds = reading.Limits(
        max_bytes=limits.body_bytes,
        max_notes=limits.midi_notes,
        max_duration_s=limits.midi_duration_s,
    )
    try:
        return Piece(reading.read_score(body, limits=bounds))
    except midi_errors.EmptyFile as error:
        raise ProblemError(problems.EMPTY_BODY, str(error)) from error
    except midi_errors.NotMidi as error:
        raise ProblemError(problems.NOT_MIDI, str(error)) from error
    except midi_errors.NoNotes as error:
        raise ProblemError(problems.NO_NOTES, str(error)) from error
    except midi_errors.MidiLimitExceeded as error:
        raise ProblemError(problems.MIDI_LIMIT, str(error), limit=error.what) from error
    except MidiError as error:
        raise ProblemError(problems.UNREADABLE_MIDI, str(error)) from error


def round_probabilities(row: npt.NDArray[np.float32], classes: tuple[str, ...]) -> dict[str, float]:
    """Return one row of a prediction by class name, most probable first."""
    order = np.argsort(-row, kind="stable")
    return {classes[index]: round(float(row[index]), 6) for index in order}


def _segments(
    piece: Piece, frames: dict[str, int]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64], float]:
    """Return the piece's chunks [n, T, 128], their starts in seconds and a chunk's length."""
    rate = frames["frames_per_second"]
    roll = rolls.velocity_roll(piece.score, rate)
    chunks, _, starts = rolls.chunk_roll(roll, frames["chunk_frames"], frames["hop_frames"])
    return chunks, np.asarray(starts) / rate, frames["chunk_frames"] / rate


def classify_piece(piece: Piece, champion: Champion) -> dict[str, Any]:
    """Name the composer of a piece and of each of its segments.

    A model of chunks is asked once a chunk and the piece is the mean of its chunks, as it was
    judged in evaluation. A model of musical features alone is asked for the piece as a whole and
    for the notes of each segment. A model of both gets the piece's features beside every chunk.
    """
    frames = _frames_of(champion)
    chunks, starts_s, length_s = _segments(piece, frames)
    notes = piece.score.notes
    wanted = set(champion.inputs)
    if unknown := wanted - {"chunks", "features"}:
        detail = f"The champion wants {sorted(unknown)}, which no MIDI file gives here."
        raise ProblemError(problems.NO_CHAMPION, detail, task=champion.task)
    if "chunks" in wanted:
        inputs: dict[str, npt.NDArray[Any]] = {"chunks": chunks}
        if "features" in wanted:
            whole = features.musical_features(notes)
            inputs["features"] = np.repeat(whole[None], len(chunks), axis=0)
        by_segment = champion.classifier.predict(inputs)
        by_piece = by_segment.mean(axis=0)
    else:
        onsets_s = notes["onset_s"]
        rows = [features.musical_features(notes)]
        for start_s in starts_s:
            first, last = np.searchsorted(onsets_s, (start_s, start_s + length_s))
            rows.append(features.musical_features(notes[first:last]))
        answered = champion.classifier.predict({"features": np.stack(rows)})
        by_piece, by_segment = answered[0], answered[1:]
    classes = champion.classes
    sounding = chunks.any(axis=(1, 2))
    best = by_segment.argmax(axis=1)
    return {
        "composer": classes[int(by_piece.argmax())],
        "probabilities": round_probabilities(by_piece, classes),
        "segments": [
            {
                "start_s": round(float(starts_s[index]), 3),
                "end_s": round(min(float(starts_s[index]) + length_s, piece.duration_s), 3),
                "composer": classes[best[index]],
                "probability": round(float(by_segment[index, best[index]]), 6),
            }
            for index in np.flatnonzero(sounding)
        ],
        "model": champion.describe(),
        "piece": {"duration_s": round(piece.duration_s, 3), "notes": piece.n_notes},
    }


def _frames_of(champion: Champion) -> dict[str, int]:
    dataset = champion.card.get("dataset") or {}
    return {key: dataset.get(key) or value for key, value in DEFAULT_FRAMES.items()}
