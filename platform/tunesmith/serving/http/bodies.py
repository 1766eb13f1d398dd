"""Request bodies as media types say: their type, and the parts of a form. Never a file on disk."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

__all__ = ["Part", "media_type", "parse_multipart"]

MAX_PARTS = 64


@dataclass
class Part:
    """One part of a multipart body; `filename` is None for a plain field."""

    name: str = ""
    filename: str | None = None
    content_type: str = ""
    data: bytearray = field(default_factory=bytearray)


def media_type(request: Request) -> str:
    """Return the lower-case media type of the body without its parameters ('' if undeclared)."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


class _Collector:
    """Gathers the parts that the parser's callbacks announce."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._header = b""
        self._value = b""

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_header_field": self._field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= MAX_PARTS:
            raise ProblemError(
                problems.TOO_LARGE,
                f"The form has more than {MAX_PARTS} parts.",
                limit_parts=MAX_PARTS,
            )
        self.parts.append(Part())

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].data += data[start:end]

    def _field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        part, header = self.parts[-1], self._header.lower()
        if header == b"content-disposition":
            _, options = parse_options_header(self._value)
            part.name = options.get(b"name", b"").decode("utf-8", "replace")
            if b"filename" in options:
                part.filename = options[b"filename"].decode("utf-8", "replace")
        elif header == b"content-type":
            part.content_type = self._value.decode("latin-1")
        self._header = self._value = b""


def parse_multipart(content_type: str, body: bytes) -> list[Part]:
    """Return the parts of a multipart/form-data body.

    Raises
    ------
    ProblemError
        ``malformed-body`` when it is not one, ``too-large`` for too many parts.
    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary")
    if not boundary:
        raise ProblemError(problems.MALFORMED_BODY, "The multipart content type names no boundary.")
    collector = _Collector()
    try:
        parser = MultipartParser(boundary, collector.callbacks())
        parser.write(body)
        parser.finalize()
    except FormParserError:
        raise ProblemError(
            problems.MALFORMED_BODY, "The body does not follow the multipart boundary it declares."
        ) from None
    return collector.parts
