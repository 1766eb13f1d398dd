"""Receiving bodies: with a deadline, and within a bound of its own.

A slow upload holds no place among the requests that are worked on. Where uploads fill their own
bound, the one that has taken longest gives way, so that slow clients cannot lock others out.
"""

import asyncio
import codecs
import zlib
from collections.abc import Callable, Iterator

from starlette.requests import ClientDisconnect, Request

from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.limits import LimitSettings

__all__ = ["UTF_8", "Receiver", "charset_of", "too_large"]

UTF_8 = "utf-8-sig"
"""Python's name of UTF-8 that leaves out a byte order mark."""
_NO_CHARSETS = {"idna", "punycode", "raw-unicode-escape", "undefined", "unicode-escape"}
_START_BYTES = 64
_GZIP = {"gzip", "x-gzip"}
_GZIP_WINDOW = 31  # zlib's way to say: with the header of gzip


class _Upload:
    """A body on its way: the bytes held so far, and its time."""

    __slots__ = ("displaced", "size", "timeout")

    def __init__(self) -> None:
        self.size = 0
        self.displaced = False
        self.timeout: asyncio.Timeout | None = None


class Receiver:
    """Receives bodies. Belongs on the event loop alone.

    Parameters
    ----------
    limits
        Sizes and times.
    """

    def __init__(self, limits: LimitSettings) -> None:
        self._limits = limits
        self._uploads: dict[_Upload, None] = {}  # in the order of their beginning
        self._held = 0

    async def read(
        self,
        request: Request,
        deadline: Deadline,
        largest: Callable[[bytes], int] | None = None,
    ) -> bytes:
        """Return the body of a request, decompressed where it came as gzip.

        Parameters
        ----------
        request
            The request.
        deadline
            Its deadline.
        largest
            Size of the largest body that begins with such bytes, where some may be larger than
            others; of no bytes it is that of any.

        Raises
        ------
        ProblemError
            ``too-large`` as soon as it is declared or found to be, ``slow-upload`` at the deadline
            of receiving, ``deadline`` at the request's own, ``overloaded`` when it has to give way,
            ``empty-body``, ``malformed-body``, or ``unsupported-media-type`` for another encoding.
        """
        limit = self._limits.body_bytes if largest is None else largest(b"")
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise too_large(limit)
        unpacker = _unpacker(request, limit)
        upload = _Upload()
        self._uploads[upload] = None
        try:
            async with asyncio.timeout(min(self._limits.receive_s, deadline.left_s)) as timeout:
                upload.timeout = timeout
                return await self._receive(request, upload, unpacker, largest)
        except TimeoutError:
            raise self._late(upload, deadline) from None
        except ClientDisconnect:
            text = "The connection ended before the body did."
            raise ProblemError(problems.MALFORMED_BODY, text) from None
        finally:
            del self._uploads[upload]
            self._held -= upload.size

    async def _receive(
        self,
        request: Request,
        upload: _Upload,
        unpacker: "_Gunzip | None",
        largest: Callable[[bytes], int] | None,
    ) -> bytes:
        limit = self._limits.body_bytes
        chunks: list[bytes] = []
        self._make_room(upload)
        async for received in request.stream():
            chunk = unpacker.feed(received) if unpacker is not None else received
            if upload.size + len(chunk) > limit:
                if largest is not None:
                    limit = largest(b"".join((*chunks, chunk))[:_START_BYTES])
                if upload.size + len(chunk) > limit:
                    raise too_large(limit)
                largest = None
            upload.size += len(chunk)
            self._held += len(chunk)
            chunks.append(chunk)
            if self._held > self._limits.receiving_bytes:
                self._make_room(upload)
        if unpacker is not None:
            unpacker.finish()
        if upload.size == 0:
            raise ProblemError(problems.EMPTY_BODY, "The request body is empty (0 bytes).")
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _make_room(self, newest: _Upload) -> None:
        """Let the longest uploads give way while there are too many, or too much is held."""
        count, held = len(self._uploads), self._held
        for upload in self._longest():
            if count <= self._limits.receiving and held <= self._limits.receiving_bytes:
                return
            if upload is newest or upload.timeout is None or upload.displaced:
                continue
            upload.displaced = True
            upload.timeout.reschedule(0)
            count, held = count - 1, held - upload.size

    def _longest(self) -> Iterator[_Upload]:
        return iter(tuple(self._uploads))

    def _late(self, upload: _Upload, deadline: Deadline) -> ProblemError:
        if upload.displaced:
            detail = "Too many requests are being received; this one had taken longest."
            return ProblemError(problems.OVERLOADED, detail, {"Retry-After": "1"})
        if deadline.left_s <= 0:
            return deadline.missed()
        detail = f"The body was not received within {self._limits.receive_s:g} s."
        return ProblemError(problems.SLOW_UPLOAD, detail, limit_s=self._limits.receive_s)


def too_large(limit_bytes: int) -> ProblemError:
    """Return the problem of a body that is too large."""
    return ProblemError(
        problems.TOO_LARGE,
        f"The body is larger than {limit_bytes:,} bytes, the most this server reads.",
        limit_bytes=limit_bytes,
    )


class _Gunzip:
    """Decompresses a body and never makes more of it than one byte above the limit."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._size = 0
        self._stream = zlib.decompressobj(_GZIP_WINDOW)

    def feed(self, packed: bytes) -> bytes:
        """Return the next part of the body."""
        try:
            chunk = self._stream.decompress(packed, self._limit + 1 - self._size)
        except zlib.error:
            raise _damaged_gzip() from None
        self._size += len(chunk)
        if self._size > self._limit:
            raise too_large(self._limit)
        if self._stream.unused_data:
            raise _damaged_gzip()
        return chunk

    def finish(self) -> None:
        """Refuse a body that ends too early; an empty one is refused elsewhere."""
        if self._size and not self._stream.eof:
            raise _damaged_gzip()


def _damaged_gzip() -> ProblemError:
    text = "The body is declared as gzip and is not, or it is damaged."
    return ProblemError(problems.MALFORMED_BODY, text)


def _unpacker(request: Request, limit_bytes: int) -> _Gunzip | None:
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding in {"", "identity"}:
        return None
    if encoding in _GZIP:
        return _Gunzip(limit_bytes)
    detail = f"The body is encoded as {encoding[:100]!r}; this server reads gzip or no encoding."
    raise ProblemError(problems.UNSUPPORTED_MEDIA_TYPE, detail, {"Accept-Encoding": "gzip"})


def charset_of(parameters: str) -> str:
    """Return the character set of a text by the parameters of its media type, UTF-8 undeclared.

    Raises
    ------
    ProblemError
        ``unsupported-media-type`` for a character set that is not known.
    """
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() != "charset":
            continue
        given = value.strip().strip('"')
        try:
            codec = codecs.lookup(given)
        except (LookupError, ValueError):
            codec = None
        # Python has codecs that are no character sets, such as zip, rot13 and escapes of its own.
        if (
            codec is None
            or not getattr(codec, "_is_text_encoding", True)
            or codec.name in _NO_CHARSETS
        ):
            detail = f"The character set {given[:50]!r} is not known; send UTF-8."
            raise ProblemError(problems.UNSUPPORTED_MEDIA_TYPE, detail)
        return UTF_8 if codec.name == "utf-8" else codec.name
    return UTF_8
