"""From decoded items to answers: the arrays a model wants, its probabilities, what they say.

Items are judged together, one run of the model for all of them. A list of items is a batch, and
so are several requests that meet in a deployment.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.errors import ModelError
from tunesmith.midi import rolls
from tunesmith.midi.features import FEATURE_NAMES, musical_features
from tunesmith.midi.sequences import MAX_NOTES, note_rows
from tunesmith.serving.champions import Champion
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.items import Item, Piece
from tunesmith.serving.settings import NodeSettings

__all__ = [
    "Cut",
    "Judgement",
    "Segments",
    "cut",
    "describe",
    "judge",
    "merge",
    "numbers_of",
    "predict",
]

Probabilities = npt.NDArray[np.float32]
# What a card that names no frames was trained with (the platform's defaults).
DEFAULT_FRAMES = {"frames_per_second": 10, "chunk_frames": 150, "hop_frames": 150}
# Most rows of one run of a model: bounds memory, and a deadline is looked at between runs.
ROWS_A_RUN = 256
LARGEST = float(np.finfo(np.float32).max)
# What Keras's Tokenizer drops, so that words are those the vocabulary was counted with.
_PUNCTUATION = re.compile(r"[!\"#$%&()*+,\-./:;<=>?@\[\\\]^_`{|}~\t\n]")


@dataclass(frozen=True)
class Segments:
    """The stretches of a piece, each judged on its own.

    Attributes
    ----------
    starts_s
        Start of each segment in seconds, ``float64 [S]``.
    length_s
        Length of a segment.
    sounding
        Whether anything sounds in it, ``bool [S]``.
    probabilities
        ``float32 [S, C]``.
    disputed
        Whether the members of an ensemble name different classes, ``bool [S]``; None where one
        model judged alone.
    """

    starts_s: npt.NDArray[np.float64]
    length_s: float
    sounding: npt.NDArray[np.bool_]
    probabilities: Probabilities
    disputed: npt.NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Judgement:
    """What a model says about one item: probabilities ``float32 [C]`` and, of a piece, segments."""

    classes: tuple[str, ...]
    probabilities: Probabilities
    segments: Segments | None = None


def judge(
    items: Sequence[Item], champion: Champion, deadline: Deadline
) -> list[Judgement | ProblemError]:
    """Ask a model about items, all in as few runs as their rows allow.

    Returns
    -------
    list
        For each item what the model says, or why it cannot be asked.

    Raises
    ------
    ModelError
        When the model wants what such items do not give, or cannot be run.
    ProblemError
        ``deadline`` when the time is over.
    """
    if items and isinstance(items[0], Piece):
        return _judge_pieces([i for i in items if isinstance(i, Piece)], champion, deadline)
    rows: list[npt.NDArray[Any]] = []
    faults: dict[int, ProblemError] = {}
    (name,) = champion.classifier.inputs if len(champion.classifier.inputs) == 1 else ("",)
    if not name:
        message = f"The champion {champion.task} wants several inputs; such items give one."
        raise ModelError(message)
    row_of = _row_maker(champion, name)
    for index, item in enumerate(items):
        try:
            rows.append(row_of(item))
        except ProblemError as fault:
            faults[index] = fault
    answered = iter(())
    if rows:
        stacked = np.stack(rows)
        champion.drift.observe(name, stacked)
        answered = iter(predict(champion, {name: stacked}, deadline))
    return [
        faults[index] if index in faults else _judgement(champion, next(answered))
        for index in range(len(items))
    ]


def _judgement(champion: Champion, row: Probabilities) -> Judgement | ProblemError:
    """Return a row of probabilities as a judgement, or the problem that it holds no numbers."""
    if np.isfinite(row).all():
        return Judgement(champion.classes, row)
    detail = "The model has no answer to this: a value is missing that it needs, or far too large."
    return ProblemError(problems.INVALID_INPUT, detail)


def predict(
    champion: Champion, inputs: Mapping[str, npt.NDArray[Any]], deadline: Deadline
) -> Probabilities:
    """Run the model over rows, some at a time."""
    n_rows = len(next(iter(inputs.values())))
    parts = []
    for start in range(0, n_rows, ROWS_A_RUN):
        deadline.check()
        part = {name: array[start : start + ROWS_A_RUN] for name, array in inputs.items()}
        parts.append(champion.classifier.predict(part))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


# --- pieces


@dataclass(frozen=True)
class Cut:
    """A piece as a model reads it.

    Attributes
    ----------
    inputs
        Rows of each input. A model of chunks or of the notes in them has a row a chunk; a model of
        features alone has one of the whole piece and then one a chunk.
    starts_s, sounding
        Start of each chunk in seconds, and whether anything sounds in it.
    by_chunks
        Whether there is a row a chunk.
    """

    inputs: dict[str, npt.NDArray[Any]]
    starts_s: npt.NDArray[np.float64]
    sounding: npt.NDArray[np.bool_]
    by_chunks: bool

    @property
    def rows(self) -> int:
        """How many rows the model is asked."""
        return len(self.starts_s) + (not self.by_chunks)


def cut(piece: Piece, champion: Champion) -> Cut:
    """Return a piece as the model reads it.

    Raises
    ------
    ModelError
        When the model wants what a piece does not give.
    """
    wanted = champion.classifier.inputs
    if unknown := wanted.keys() - {"chunks", "notes", "features"}:
        message = f"The champion {champion.task} wants {sorted(unknown)}; a piece does not give it."
        raise ModelError(message)
    frames = _frames_of(champion)
    rate = frames["frames_per_second"]
    length_s = frames["chunk_frames"] / rate
    roll = rolls.velocity_roll(piece.score, rate)
    chunks, _, starts = rolls.chunk_roll(roll, frames["chunk_frames"], frames["hop_frames"])
    starts_s = np.asarray(starts) / rate
    by_chunks = wanted.keys() != {"features"}
    inputs: dict[str, npt.NDArray[Any]] = {}
    if "chunks" in wanted:
        inputs["chunks"] = chunks
    if "notes" in wanted:
        most = wanted["notes"].shape[1] or MAX_NOTES
        inputs["notes"] = note_rows(piece.score.notes, starts_s, length_s, most)
    if "features" in wanted:
        rows = _feature_rows(piece, starts_s, length_s, by_chunks)
        inputs["features"] = rows[:, _columns(champion)]
    return Cut(inputs, starts_s, np.asarray(chunks.any(axis=(1, 2))), by_chunks)


def _judge_pieces(
    pieces: Sequence[Piece], champion: Champion, deadline: Deadline
) -> list[Judgement | ProblemError]:
    """Judge pieces and their segments.

    A model of chunks is asked once a chunk and the piece is the mean of its chunks, as it was
    judged in evaluation. A model of musical features alone is asked for the piece as a whole and
    for the notes of each segment. A model of both gets the piece's features beside every chunk.
    """
    cuts = [cut(piece, champion) for piece in pieces]
    inputs = {
        name: _joined([own.inputs[name] for own in cuts]) for name in champion.classifier.inputs
    }
    _take_note(champion, cuts)
    if sum(own.rows for own in cuts):
        answered = predict(champion, inputs, deadline)
    else:
        answered = np.empty((0, 0), dtype=np.float32)
    if not np.isfinite(answered).all():
        message = f"The champion {champion.task} answers with what is no number."
        raise ModelError(message)
    frames = _frames_of(champion)
    length_s = frames["chunk_frames"] / frames["frames_per_second"]
    judged: list[Judgement | ProblemError] = []
    end = 0
    for own in cuts:
        start, end = end, end + own.rows
        if start == end:
            shortest_s = 1 / frames["frames_per_second"]
            detail = f"The piece is shorter than {shortest_s:g} s, one frame of the model."
            judged.append(ProblemError(problems.NO_NOTES, detail))
            continue
        rows = answered[start:end]
        whole = rows.mean(axis=0) if own.by_chunks else rows[0]
        by_segment = rows if own.by_chunks else rows[1:]
        segments = Segments(own.starts_s, length_s, own.sounding, by_segment)
        judged.append(Judgement(champion.classes, whole, segments))
    return judged


def _joined(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _take_note(champion: Champion, cuts: Sequence[Cut]) -> None:
    """Let the drift of inputs be measured: of chunks and notes, and of whole pieces' features."""
    for own in cuts:
        for name, rows in own.inputs.items():
            champion.drift.observe(name, rows[:1] if name == "features" else rows)


def _feature_rows(
    piece: Piece, starts_s: npt.NDArray[np.float64], length_s: float, repeat: bool
) -> npt.NDArray[np.float32]:
    """Return the piece's features a chunk, or the piece's and then those of each segment."""
    if repeat:
        return np.repeat(piece.features[None], len(starts_s), axis=0)
    notes = piece.score.notes
    firsts = np.searchsorted(notes["onset_s"], starts_s)
    lasts = np.searchsorted(notes["onset_s"], starts_s + length_s)
    segments = (musical_features(notes[a:b]) for a, b in zip(firsts, lasts, strict=True))
    return np.stack([piece.features, *segments])


def _frames_of(champion: Champion) -> dict[str, int]:
    """Return how the rolls that the model was trained on are cut."""
    dataset = champion.card.get("dataset") or {}
    return {key: dataset.get(key) or value for key, value in DEFAULT_FRAMES.items()}


def _columns(champion: Champion) -> slice | list[int]:
    """Return which of today's musical features the model was trained on, in its order."""
    names = champion.feature_names
    if not names or tuple(names) == FEATURE_NAMES:
        return slice(None)
    place = {name: index for index, name in enumerate(FEATURE_NAMES)}
    if missing := [name for name in names if name not in place]:
        message = f"The champion {champion.task} wants features that are gone: {missing[:5]}."
        raise ModelError(message)
    return [place[name] for name in names]


# --- songs, images, texts


def _row_maker(champion: Champion, name: str) -> Any:
    """Return the function from an item to the row that the model's input `name` takes."""
    schema = champion.classifier.inputs[name]
    names = champion.feature_names

    def row(item: Item) -> npt.NDArray[Any]:
        if isinstance(item, str):
            return _tokens(item, champion)
        if isinstance(item, np.ndarray):
            sizes = [size for size in schema.shape[1:] if size is not None]
            return item.astype(schema.dtype).reshape(sizes or item.shape)
        if isinstance(item, Mapping):
            return np.array(numbers_of(item, names), dtype=schema.dtype)
        message = f"The champion {champion.task} does not read such items."
        raise ModelError(message)

    return row


def numbers_of(song: Mapping[str, float | str | None], names: Sequence[str]) -> list[float]:
    """Return a song's features in the model's order; null is missing, what it lacks is a fault."""
    wanted = [name if name in song else name.partition("=")[0] for name in names]
    if missing := [name for name in dict.fromkeys(wanted) if name not in song]:
        detail = (
            f"The song lacks {', '.join(missing[:20])}. The model wants: "
            f"{', '.join(dict.fromkeys(wanted))}; send null for what is not known."
        )
        raise ProblemError(problems.INVALID_INPUT, detail, missing=missing)
    return [
        _number(name, song[name]) if name in song else _is_category(name, song[column])
        for name, column in zip(names, wanted, strict=True)
    ]


def _is_category(name: str, value: float | str | None) -> float:
    """Return 1 where a column of texts holds the one that a feature such as ``key=A`` stands for.

    A text that the model never saw is none of them, as it was in training.
    """
    return float(value is not None and str(value).strip() == name.partition("=")[2])


def _number(name: str, value: float | str | None) -> float:
    try:
        number = math.nan if value is None else float(value)
    except (ValueError, OverflowError):
        number = math.inf
    if abs(number) > LARGEST:
        detail = f"The feature {name!r} is no number, or too large a one."
        raise ProblemError(problems.INVALID_INPUT, detail, where=name)
    return number


def _tokens(text: str, champion: Champion) -> npt.NDArray[np.int32]:
    """Return a text's words as the model's numbers, cut or padded to its length."""
    rules = champion.card.get("text")
    if not rules:
        message = f"The card of {champion.task} has no `text` to turn words into numbers."
        raise ModelError(message)
    words = champion.words
    numbers = [rules["start"]] if rules.get("start") is not None else []
    numbers += [
        words.get(word, rules["unknown"]) for word in _PUNCTUATION.sub(" ", text.lower()).split()
    ]
    length = rules["length"]
    row = np.full(length, rules.get("padding", 0), dtype=np.int32)
    kept = numbers[-length:]
    row[length - len(kept) :] = kept
    return row


# --- from probabilities to answers


def merge(judgements: Sequence[Judgement], weights: Sequence[float]) -> Judgement:
    """Average what several models say about one item by weight.

    Raises
    ------
    ModelError
        When they do not know the same classes.
    """
    first = judgements[0]
    if len(judgements) == 1:
        return first
    share = np.asarray(weights, dtype=np.float32) / np.float32(sum(weights))
    orders = []
    for judgement in judgements:
        if set(judgement.classes) != set(first.classes):
            message = "The members of an ensemble must know the same classes."
            raise ModelError(message)
        place = {name: index for index, name in enumerate(judgement.classes)}
        orders.append([place[name] for name in first.classes])
    whole = sum(
        weight * judgement.probabilities[order]
        for judgement, order, weight in zip(judgements, orders, share, strict=True)
    )
    segments = first.segments
    if segments is not None:
        alike = [
            (judgement.segments.probabilities[:, order], weight)
            for judgement, order, weight in zip(judgements, orders, share, strict=True)
            if judgement.segments is not None
            and judgement.segments.length_s == segments.length_s
            and len(judgement.segments.starts_s) == len(segments.starts_s)
        ]
        total = sum(weight for _, weight in alike)
        mixed = sum(probabilities * (weight / total) for probabilities, weight in alike)
        bests = np.stack([probabilities.argmax(axis=1) for probabilities, _ in alike])
        segments = replace(
            segments,
            probabilities=np.asarray(mixed),
            disputed=(bests != bests[0]).any(axis=0) if len(alike) > 1 else None,
        )
    return Judgement(first.classes, np.asarray(whole), segments)


def _by_class(row: Probabilities, classes: tuple[str, ...]) -> dict[str, float]:
    """Return one row of probabilities by class name, most probable first."""
    order = np.argsort(-row, kind="stable")
    return {classes[index]: round(float(row[index]), 6) for index in order}


def describe(
    name: str, node: NodeSettings, item: Item, judgement: Judgement, detail: bool = False
) -> dict[str, Any]:
    """Put a judgement into words: the answer's members apart from `model`.

    Parameters
    ----------
    name
        The node; the member of this name holds the most probable class.
    node
        Its settings.
    item
        What was judged.
    judgement
        What the model says.
    detail
        Whether segments carry every class's probability.
    """
    row = judgement.probabilities
    best = int(row.argmax())
    answer: dict[str, Any] = {
        name: judgement.classes[best],
        "unsure": float(row[best]) < node.unsure_below,
        "probabilities": _by_class(row, judgement.classes),
    }
    segments = judgement.segments
    if segments is None or not isinstance(item, Piece):
        return answer
    bests = segments.probabilities.argmax(axis=1)
    answer["segments"] = []
    for index in np.flatnonzero(segments.sounding):
        start_s = float(segments.starts_s[index])
        top = float(segments.probabilities[index, bests[index]])
        segment = {
            "start_s": round(start_s, 3),
            "end_s": round(min(start_s + segments.length_s, item.duration_s), 3),
            name: judgement.classes[bests[index]],
            "probability": round(top, 6),
        }
        if segments.disputed is not None:
            segment["disputed"] = bool(segments.disputed[index])
        if detail:
            segment["probabilities"] = _by_class(segments.probabilities[index], judgement.classes)
        answer["segments"].append(segment)
    answer["piece"] = {"duration_s": round(item.duration_s, 3), "notes": item.n_notes}
    return answer
