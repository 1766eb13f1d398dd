"""Request bodies to items: the media types of each kind, and how they are decoded."""

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import Request

from tunesmith.artifacts.preparation import ImagePreparation, Preparation
from tunesmith.errors import InputError
from tunesmith.inference.images import decoding_effort
from tunesmith.inference.items import Item, decode, decode_row
from tunesmith.inference.tables import Row
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http import problems
from tunesmith.serving.http.bodies import media_type, parse_multipart
from tunesmith.serving.http.music import (
    MUSIC_TYPES,
    check_size,
    largest_file,
    largest_form,
    music_limits,
    takes_long,
    within,
)
from tunesmith.serving.http.problems import ProblemError, problem_of
from tunesmith.serving.http.receiving import UTF_8, Receiver, charset_of
from tunesmith.serving.limits import LimitSettings

__all__ = [
    "FORM",
    "MEDIA_TYPES",
    "Reading",
    "decode_item",
    "decode_text",
    "parse_json",
    "read_request",
]

FORM = "multipart/form-data"
JSON = "application/json"
MEDIA_TYPES: dict[str, tuple[str, ...]] = {
    "midi": (FORM, *MUSIC_TYPES),
    "table": (JSON, "text/csv"),
    "image": (JSON, "image/png", "image/jpeg", "image/webp", FORM),
    "text": (JSON, "text/plain"),
}
"""Media types of each kind of item; a body without a declared type is taken for the raw one."""
# Pictures of the largest size that one request may hold; smaller ones count less.
_MOST_EFFORT = 4.0
_UNDECLARED = {"midi": "audio/midi", "table": JSON, "image": "image/png", "text": "text/plain"}


class Reading:
    """A received body that can be decoded, in a worker thread, into items.

    Parameters
    ----------
    preparation
        How the node's items are prepared.
    limits
        Limits of one request.
    kind
        Media type of the body.
    content_type
        The whole header, for the boundary of a form.
    body
        The bytes.
    deadline
        The request's; it is looked at before each item.

    Attributes
    ----------
    is_list
        After decoding: whether a list was sent, and a list is to be answered.
    """

    def __init__(
        self,
        preparation: Preparation,
        limits: LimitSettings,
        kind: str,
        content_type: str,
        body: bytes,
        *,
        deadline: Deadline,
    ) -> None:
        self._preparation = preparation
        self._deadline = deadline
        self._forms: list[bytes] | None = None
        self._effort = 0.0
        self._limits = limits
        self._kind = kind
        self._content_type = content_type
        self._body = body
        self.is_list = False

    @property
    def takes_long(self) -> bool:
        """True if a recording or a score is among the items, which may take seconds.

        Of a form the parts have to be found first, which belongs in a worker thread.
        """
        if self._preparation.kind != "midi":
            return False
        if self._kind == FORM:
            return any(map(takes_long, self._files()))
        return takes_long(self._body)

    @property
    def digest(self) -> str:
        """Hash of the item, or of the items; the same however often it is sent."""
        parts = self._files() if self._kind == FORM else [self._body]
        return hashlib.sha256(b"".join(parts)).hexdigest()

    @property
    def is_form(self) -> bool:
        """True if the items are files of a form."""
        return self._kind == FORM

    def _files(self) -> list[bytes]:
        if self._forms is None:
            self._forms = _files(self._content_type, self._body, self._limits)
        return self._forms

    def __call__(self) -> Sequence[Item | ProblemError]:
        """Decode. In a list a faulty item stays in its place as its problem."""
        given: Sequence[Any] | None
        if self._kind == FORM:
            files = self._files()
            given = files if len(files) > 1 else None
            single: Any = files[0]
        elif self._kind == JSON:
            single = parse_json(self._body, self._content_type)
            given = as_list(single, self._limits)
        elif self._kind == "text/csv":
            given = decode_csv(decode_text(self._body, self._content_type, "CSV"), self._limits)
            single = None
        elif self._kind == "text/plain":
            single, given = decode_text(self._body, self._content_type), None
        else:
            single, given = self._body, None
        if given is None:
            return [self._decode(single)]
        self.is_list = True
        return [self._decode_softly(item) for item in given]

    def _decode(self, given: Any) -> Item:
        return decode_item(given, self._preparation, self._limits, self._deadline)

    def _decode_softly(self, given: Any) -> Item | ProblemError:
        self._deadline.check()
        try:
            self._spend(given)
            return self._decode(given)
        except ProblemError as problem:
            return problem

    def _spend(self, given: Any) -> None:
        """Refuse a picture for which the pictures before it have left too little."""
        if isinstance(self._preparation, ImagePreparation) and isinstance(given, bytes):
            effort = decoding_effort(given)
            if self._effort + effort > _MOST_EFFORT:
                detail = (
                    "The pictures of this request have too many pixels together. Send them "
                    "smaller, or in several requests."
                )
                raise ProblemError(problems.TOO_LARGE, detail)
            self._effort += effort


def decode_item(
    given: Any, preparation: Preparation, limits: LimitSettings, deadline: Deadline
) -> Item:
    """Decode one item by the preparation of the model that will judge it.

    Raises
    ------
    ProblemError
        Saying what is wrong with it, or ``deadline``.
    """
    music = given if preparation.kind == "midi" else None
    try:
        item = within(
            deadline,
            music,
            lambda: decode(given, preparation, music_limits(limits), deadline.check),
        )
    except InputError as error:
        raise problem_of(error) from error
    if isinstance(item, str) and len(item) > limits.text_characters:
        detail = f"The text has more than {limits.text_characters:,} characters."
        raise ProblemError(problems.TOO_LARGE, detail, limit_characters=limits.text_characters)
    return item


def decode_csv(text: str, limits: LimitSettings) -> list[Row]:
    """Parse a CSV of rows; the first line names the features, an empty cell is missing.

    Raises
    ------
    ProblemError
        ``malformed-body`` when it is not a table, ``too-large`` for too many rows.
    """
    try:
        rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        table: list[Row] = []
        for row in rows:
            if None in row:
                detail = f"Line {rows.line_num} has more cells than the first line has names."
                raise ProblemError(problems.MALFORMED_BODY, detail)
            if len(table) == limits.items:
                raise too_many(limits)
            table.append(decode_row({name: value or None for name, value in row.items()}))
    except csv.Error as error:
        detail = f"The CSV cannot be read: {error}."
        raise ProblemError(problems.MALFORMED_BODY, detail) from None
    if not table:
        raise ProblemError(problems.EMPTY_BODY, "The CSV has no rows below its first line.")
    return table


def too_many(limits: LimitSettings) -> ProblemError:
    """Return the problem of a list that is too long."""
    detail = f"One request may hold at most {limits.items:,} items."
    return ProblemError(problems.TOO_LARGE, detail, limit_items=limits.items)


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


async def read_request(
    request: Request,
    preparation: Preparation,
    limits: LimitSettings,
    receiver: Receiver,
    deadline: Deadline,
) -> Reading:
    """Receive a request's body.

    Raises
    ------
    ProblemError
        ``unsupported-media-type``, or as `Receiver.read`.
    """
    kind = media_type(request) or _UNDECLARED[preparation.kind]
    accepted = MEDIA_TYPES[preparation.kind]
    if kind not in accepted:
        detail = f"The body is declared as {kind[:100]!r}; this route reads {', '.join(accepted)}."
        raise ProblemError(problems.UNSUPPORTED_MEDIA_TYPE, detail, {"Accept": ", ".join(accepted)})
    content_type = request.headers.get("content-type", "")
    charset_of(content_type)  # refused before anything is received
    largest = None
    if preparation.kind == "midi":
        largest = largest_form(limits) if kind == FORM else largest_file(limits)
    body = await receiver.read(request, deadline, largest)
    return Reading(preparation, limits, kind, content_type, body, deadline=deadline)


def _files(content_type: str, body: bytes, limits: LimitSettings) -> list[bytes]:
    """Return the files of a form; at least one."""
    parts = parse_multipart(content_type, body)
    files = [part for part in parts if part.filename is not None or part.name == "file"]
    if not files:
        detail = "The form has no file; send one in the field 'file'."
        raise ProblemError(problems.MALFORMED_BODY, detail)
    if len(files) > limits.items:
        raise too_many(limits)
    if not files[0].data and len(files) == 1:
        raise ProblemError(problems.EMPTY_BODY, "The file in the form is empty (0 bytes).")
    for part in files:
        check_size(bytes(part.data[: limits.body_bytes + 1]), limits)
    return [bytes(part.data) for part in files]


def parse_json(body: bytes, content_type: str = "") -> Any:
    """Parse a JSON body, in UTF-8, 16 or 32 unless its media type declares another character set.

    Raises
    ------
    ProblemError
        ``malformed-body`` when it is none.
    """
    try:
        declares = charset_of(content_type) != UTF_8
        text = decode_text(body, content_type, "JSON") if declares else body
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        detail = "The JSON is nested too deeply."
        raise ProblemError(problems.MALFORMED_BODY, detail) from None
    except ValueError as error:
        detail = f"The body is not JSON: {error}." if str(error) else "The body is not JSON."
        raise ProblemError(problems.MALFORMED_BODY, detail[:300]) from None


def _no_constant(name: str) -> None:
    message = f"{name} is no JSON number; send null for what is not known"
    raise ValueError(message)


def decode_text(body: bytes, content_type: str, noun: str = "text") -> str:
    """Return a text in the character set that its media type declares, UTF-8 without one."""
    charset = charset_of(content_type)
    try:
        return body.decode(charset)
    except UnicodeError:
        name = charset.removesuffix("-sig").upper()
        raise ProblemError(problems.MALFORMED_BODY, f"The {noun} is not {name}.") from None
