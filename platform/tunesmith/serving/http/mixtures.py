"""Bodies of /v1/classify: one item of several kinds, each for the models that read it."""

import base64
import binascii
import threading
from typing import Any

from tunesmith.artifacts.preparation import Preparation
from tunesmith.inference.items import Item
from tunesmith.inference.pieces import Piece
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http import problems
from tunesmith.serving.http.bodies import Part, parse_multipart
from tunesmith.serving.http.decoding import FORM, MEDIA_TYPES, decode_item, decode_text, parse_json
from tunesmith.serving.http.music import check_size, read_music_file, takes_long
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.limits import LimitSettings

__all__ = ["Decoder", "decode_mixture"]

_FORMER_TABLE = "song"
"""Former name of the kind `table`, still read."""


def decode_mixture(
    kind: str, content_type: str, body: bytes, limits: LimitSettings, deadline: Deadline
) -> "dict[str, Decoder]":
    """Split the body of /v1/classify: for each kind of item sent, how a node decodes it.

    Raises
    ------
    ProblemError
        When the body is neither a form nor a JSON object of known members.
    """
    given: dict[str, object]
    if kind == FORM:
        given = {part.name: _value(part) for part in parse_multipart(content_type, body)}
        if "file" in given:
            given["midi"] = given.pop("file")
    else:
        parsed = parse_json(body, content_type)
        if not isinstance(parsed, dict):
            raise ProblemError(problems.INVALID_INPUT, "The body is not a JSON object.")
        given = parsed
        if "midi" in given:
            given["midi"] = _base64(given["midi"])
    if _FORMER_TABLE in given:
        given["table"] = given.pop(_FORMER_TABLE)
    if unknown := given.keys() - MEDIA_TYPES.keys():
        detail = f"Unknown: {', '.join(sorted(unknown))[:200]}; known: {', '.join(MEDIA_TYPES)}."
        raise ProblemError(problems.INVALID_INPUT, detail)
    if not given:
        raise ProblemError(problems.EMPTY_BODY, f"Send at least one of {', '.join(MEDIA_TYPES)}.")
    music = given.get("midi")
    if isinstance(music, bytes):
        check_size(music, limits)
    return {name: Decoder(value, limits, deadline) for name, value in given.items()}


class Decoder:
    """Decodes an item for a model: a file of music once, however many models judge it.

    Parameters
    ----------
    given
        The item as it was sent.
    limits
        Limits of one request.
    deadline
        The request's.
    """

    def __init__(self, given: Any, limits: LimitSettings, deadline: Deadline) -> None:
        self._given = given
        self._limits = limits
        self._deadline = deadline
        self._lock = threading.Lock()
        self._piece: Piece | ProblemError | None = None

    @property
    def takes_long(self) -> bool:
        """True if the item is a recording or a score."""
        return isinstance(self._given, bytes) and takes_long(self._given)

    def __call__(self, preparation: Preparation) -> Item:
        """Return the item.

        Raises
        ------
        ProblemError
            Saying what is wrong with it.
        """
        if preparation.kind != "midi":
            return decode_item(self._given, preparation, self._limits, self._deadline)
        piece = self.piece()
        if isinstance(piece, ProblemError):
            raise piece.copy()
        return piece

    def piece(self) -> Piece | ProblemError:
        """Return the file of music, or what is wrong with it."""
        with self._lock:
            if self._piece is None:
                try:
                    self._piece = read_music_file(self._given, self._limits, self._deadline)
                except ProblemError as problem:
                    self._piece = problem
            return self._piece


def _value(part: Part) -> Any:
    data = bytes(part.data)
    if part.name in {"table", _FORMER_TABLE}:
        return parse_json(data, part.content_type)
    if part.name == "text":
        return decode_text(data, part.content_type)
    return data


def _base64(given: Any) -> bytes:
    try:
        return base64.b64decode(given, validate=True)
    except (TypeError, ValueError, binascii.Error):
        detail = "`midi` is not the Base64 of a file."
        raise ProblemError(problems.INVALID_INPUT, detail) from None
