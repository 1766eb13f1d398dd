"""Raw items of every kind decoded by a model's preparation."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import (
    ImagePreparation,
    MidiPreparation,
    Preparation,
    TablePreparation,
)
from tunesmith.datasets.nested import flat_row
from tunesmith.errors import InputError
from tunesmith.inference.images import read_picture, read_pixels
from tunesmith.inference.pieces import Piece, read_piece
from tunesmith.inference.tables import Row
from tunesmith.midi.reading import Limits

__all__ = ["Item", "decode", "decode_row", "decode_text"]

Item = Piece | Row | npt.NDArray[np.float32] | str
"""A decoded item: a piece, a table's row, pixels ``[height, width]``, or a text."""

_MOST_CELLS = 10_000
_NESTED = (Mapping, list)


def decode(
    raw: Any,
    preparation: Preparation,
    limits: Limits | None = None,
    between: Callable[[], None] | None = None,
) -> Item:
    """Return an item from what a client or a program gives.

    Parameters
    ----------
    raw
        Music: the bytes of a MIDI file, a written score or a recording. Table: a mapping of cells
        by column. Image: the bytes of a PNG, JPEG or WebP file, an array, or
        ``{"pixels": rows, "largest": number}``. Text: a string, or ``{"text": string}``.
    preparation
        How the model's items are prepared.
    limits
        Of a file of music.
    between
        Called from time to time while a recording is transcribed; may raise to stop.

    Raises
    ------
    InputError
        When it is not such an item.
    """
    if isinstance(preparation, MidiPreparation):
        if not isinstance(raw, bytes | bytearray | memoryview):
            message = "A piece is given as the bytes of a file."
            raise InputError(message, "not-midi")
        return read_piece(bytes(raw), limits, between)
    if isinstance(preparation, TablePreparation):
        return decode_row(raw)
    if isinstance(preparation, ImagePreparation):
        if isinstance(raw, bytes | bytearray):
            return read_picture(bytes(raw), preparation)
        if isinstance(raw, np.ndarray):
            raw = {"pixels": raw}
        return read_pixels(raw, preparation)
    return decode_text(raw)


def decode_row(raw: Any) -> Row:
    """Return a row of a table: an object of numbers, texts, truth values and nulls by column.

    Values inside values are columns as they are in a table of JSON lines:
    `tunesmith.datasets.nested`.

    Raises
    ------
    InputError
        When it is not; the message names the column.
    """
    if not isinstance(raw, Mapping) or not raw:
        message = 'A row is an object of values by column, such as {"width": 2.5, "name": null}.'
        raise InputError(message)
    row = flat_row(raw) if any(isinstance(value, _NESTED) for value in raw.values()) else dict(raw)
    if len(row) > _MOST_CELLS:
        message = f"A row has at most {_MOST_CELLS:,} values; this one has {len(row):,}."
        raise InputError(message)
    for name, value in row.items():
        if value is not None and not isinstance(value, bool | int | float | str):
            message = f"The value of {str(name)[:100]!r} is not a number, a text or null."
            raise InputError(message)
    return row


def decode_text(raw: Any) -> str:
    """Return a text that holds at least one character which is not a space.

    Raises
    ------
    InputError
        When it does not, or is not a text.
    """
    if isinstance(raw, Mapping):
        raw = raw.get("text")
    if not isinstance(raw, str) or not raw.strip():
        message = 'A text is a string or an object such as {"text": "A fine film."}; not blank.'
        raise InputError(message)
    return raw
