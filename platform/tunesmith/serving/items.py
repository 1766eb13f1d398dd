"""Decoding what clients send into items: plain functions from bytes to values.

They run in worker threads, never on an event loop, and know nothing of models.
"""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.errors import MidiError
from tunesmith.midi import errors as midi_errors
from tunesmith.midi import reading
from tunesmith.midi.features import musical_features
from tunesmith.midi.score import Score
from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.settings import ImageSettings, LimitSettings, NodeSettings

__all__ = [
    "Item",
    "Piece",
    "as_list",
    "decode_image",
    "decode_midi",
    "decode_png",
    "decode_song",
    "decode_song_table",
    "decode_text",
    "prepare",
    "too_many",
]

PNG_START = b"\x89PNG\r\n\x1a\n"
MOST_PIXELS = 4_000_000
LONGEST_SIDE = 512
FIELDS_OF_A_SONG = 256


# Middle C for a quarter note.
_ONE_NOTE = bytes.fromhex(
    "4d546864 00000006 0000 0001 0060 4d54726b 0000000c 00903c40 60803c00 00ff2f00"
)


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

    @cached_property
    def features(self) -> npt.NDArray[np.float32]:
        """Musical features of the whole piece, float32 [F]."""
        return musical_features(self.score.notes)


Item = Piece | Mapping[str, float | str | None] | npt.NDArray[np.float32] | str
"""What a node classifies: a piece, a song's features, pixels [height, width], or a text."""


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
        score = reading.read_score(body, limits=bounds)
    except midi_errors.EmptyFile as error:
        raise ProblemError(problems.EMPTY_BODY, str(error)) from error
    except midi_errors.NotMidi as error:
        raise ProblemError(problems.NOT_MIDI, str(error)) from error
    except midi_errors.NoNotes as error:
        raise ProblemError(problems.NO_NOTES, str(error)) from error
    except midi_errors.MidiLimitExceeded as error:
        detail = (
            f"The file asks for {error.value:g} where {error.limit:g} is the most ({error.what})."
        )
        raise ProblemError(problems.MIDI_LIMIT, detail, limit=error.what) from error
    except MidiError as error:
        raise ProblemError(problems.UNREADABLE_MIDI, str(error)) from error
    if score.notes["is_drum"].all():
        raise ProblemError(problems.NO_NOTES, "The file holds drums alone.")
    return Piece(score)


def prepare(nodes: Iterable[NodeSettings]) -> None:
    """Do now what the first request to these nodes would wait for.

    The loops over a MIDI file become machine code once a machine, which takes seconds.
    """
    if any(node.reads == "midi" for node in nodes):
        _ = decode_midi(_ONE_NOTE, LimitSettings()).features


def decode_song(given: Any) -> dict[str, float | str | None]:
    """Check one song: an object of numbers, texts and nulls by feature name.

    Raises
    ------
    ProblemError
        ``invalid-input`` naming the field.
    """
    if not isinstance(given, Mapping) or not given:
        detail = 'A song is an object of features, such as {"tempo": 120.0, "energy": 0.8}.'
        raise ProblemError(problems.INVALID_INPUT, detail)
    if len(given) > FIELDS_OF_A_SONG:
        detail = f"A song has at most {FIELDS_OF_A_SONG} features; this one has {len(given)}."
        raise ProblemError(problems.INVALID_INPUT, detail)
    for name, value in given.items():
        if value is not None and (
            isinstance(value, bool) or not isinstance(value, int | float | str)
        ):
            detail = f"The feature {name[:100]!r} is neither a number, a text nor null."
            raise ProblemError(problems.INVALID_INPUT, detail)
    return dict(given)


def decode_song_table(body: bytes, limits: LimitSettings) -> list[dict[str, float | str | None]]:
    """Parse a CSV of songs; the first line names the features, an empty cell is missing.

    Raises
    ------
    ProblemError
        ``malformed-body`` when it is not UTF-8 or not a table, ``too-large`` for too many rows.
    """
    try:
        rows = csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True)
        songs: list[dict[str, float | str | None]] = []
        for row in rows:
            if None in row:
                detail = f"Line {rows.line_num} has more cells than the first line has names."
                raise ProblemError(problems.MALFORMED_BODY, detail)
            if len(songs) == limits.items:
                raise too_many(limits)
            songs.append(decode_song({name: value or None for name, value in row.items()}))
    except UnicodeDecodeError:
        raise ProblemError(problems.MALFORMED_BODY, "The CSV is not UTF-8.") from None
    except csv.Error as error:
        detail = f"The CSV cannot be read: {error}."
        raise ProblemError(problems.MALFORMED_BODY, detail) from None
    if not songs:
        raise ProblemError(problems.EMPTY_BODY, "The CSV has no rows below its first line.")
    return songs


def too_many(limits: LimitSettings) -> ProblemError:
    """Return the problem of a list that is too long."""
    detail = f"One request may hold at most {limits.items:,} items."
    return ProblemError(problems.TOO_LARGE, detail, limit_items=limits.items)


def decode_image(given: Any, image: ImageSettings) -> npt.NDArray[np.float32]:
    """Check one image given as ``{"pixels": rows of numbers, "largest": number}``.

    0 is the background. `largest`, the value of a full stroke, is the model's own one where it is
    left out. Another size than the model's is resized.

    Returns
    -------
    NDArray[np.float32]
        Pixels [height, width], as the model was trained on.

    Raises
    ------
    ProblemError
        ``invalid-input`` when it is not a picture or a number is out of range.
    """
    if not isinstance(given, Mapping) or "pixels" not in given:
        detail = 'An image is an object such as {"pixels": [[0, 0.5], [1, 0]], "largest": 1}.'
        raise ProblemError(problems.INVALID_INPUT, detail)
    largest = given.get("largest", image.largest)
    if isinstance(largest, bool) or not isinstance(largest, int | float) or not 0 < largest < 1e9:
        raise ProblemError(problems.INVALID_INPUT, "`largest` is not a positive number.")
    try:
        with np.errstate(over="ignore"):  # too large a number becomes infinite, refused below
            pixels = np.array(given["pixels"], dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        detail = "`pixels` is not a table of numbers with rows of equal length."
        raise ProblemError(problems.INVALID_INPUT, detail) from None
    if pixels.ndim == 1 and pixels.size == image.height * image.width:
        pixels = pixels.reshape(image.height, image.width)
    if pixels.ndim != 2 or pixels.size == 0 or max(pixels.shape) > LONGEST_SIDE:
        detail = (
            f"`pixels` has the shape {list(pixels.shape)}; the model wants "
            f"[{image.height}, {image.width}], and other sizes up to {LONGEST_SIDE} are resized."
        )
        raise ProblemError(problems.INVALID_INPUT, detail)
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > largest:
        detail = f"`pixels` has numbers outside 0 to {largest:g}."
        raise ProblemError(problems.INVALID_INPUT, detail)
    return _fit(pixels / np.float32(largest), image)


def _fit(strokes: npt.NDArray[np.float32], image: ImageSettings) -> npt.NDArray[np.float32]:
    """Resize strokes from 0 to 1 to the model's size and scale."""
    from PIL import Image

    if strokes.shape != (image.height, image.width):
        size = (image.width, image.height)
        strokes = np.asarray(Image.fromarray(strokes).resize(size, Image.Resampling.BOX))
    return strokes * np.float32(image.largest)


def decode_png(body: bytes, image: ImageSettings) -> npt.NDArray[np.float32]:
    """Turn a picture into the model's pixels: grey, dark on light made light on dark, resized.

    Raises
    ------
    ProblemError
        ``unsupported-media-type`` when it is no PNG, ``too-large`` above four million pixels,
        ``malformed-body`` when it is damaged.
    """
    from PIL import Image, UnidentifiedImageError

    if not body.startswith(PNG_START):
        raise ProblemError(problems.UNSUPPORTED_MEDIA_TYPE, "The image is not a PNG file.")
    try:
        with Image.open(io.BytesIO(body), formats=["PNG"]) as picture:
            if math.prod(picture.size) > MOST_PIXELS:
                detail = f"The picture has more than {MOST_PIXELS:,} pixels."
                raise ProblemError(problems.TOO_LARGE, detail)
            if "A" in picture.getbands() or "transparency" in picture.info:
                flat = Image.new("RGBA", picture.size, "white")
                flat.alpha_composite(picture.convert("RGBA"))
                grey = flat.convert("L")
            else:
                grey = picture.convert("L")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError):
        raise ProblemError(problems.MALFORMED_BODY, "The PNG file is damaged.") from None
    pixels = np.asarray(grey, dtype=np.float32)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    if edge.mean() > 127:  # drawn dark on light; models are trained light on dark
        pixels = 255 - pixels
    return _fit(pixels / np.float32(255), image)


def decode_text(given: Any, limits: LimitSettings) -> str:
    """Check one text, given as a string or as ``{"text": string}``.

    Raises
    ------
    ProblemError
        ``invalid-input`` when it is no text or blank, ``too-large`` when it is too long.
    """
    if isinstance(given, Mapping):
        given = given.get("text")
    if not isinstance(given, str) or not given.strip():
        detail = 'A text is an object such as {"text": "A fine film."}, with at least one word.'
        raise ProblemError(problems.INVALID_INPUT, detail)
    if len(given) > limits.text_characters:
        detail = f"The text has more than {limits.text_characters:,} characters."
        raise ProblemError(problems.TOO_LARGE, detail, limit_characters=limits.text_characters)
    return given


def as_list(given: Any, limits: LimitSettings) -> Sequence[Any] | None:
    """Return the items of a JSON body that holds a list of them, None when it holds one item.

    Raises
    ------
    ProblemError
        ``empty-body`` for an empty list, ``too-large`` for one that is too long.
    """
    if isinstance(given, Mapping) and given.keys() == {"items"}:
        given = given["items"]
        if not isinstance(given, list):
            raise ProblemError(problems.INVALID_INPUT, "`items` is not a list.")
    elif not isinstance(given, list):
        return None
    if not given:
        raise ProblemError(problems.EMPTY_BODY, "The list has no items.")
    if len(given) > limits.items:
        raise too_many(limits)
    return given
