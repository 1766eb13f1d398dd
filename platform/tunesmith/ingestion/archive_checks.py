"""Checks of archives before and beside the standard library's own.

Python 3.11.0 to 3.11.13 let a tar header with a negative size lead backwards without end, and all
versions parse a zip's whole table of contents before one can count it.
"""

import io
import shutil
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Sequence
from typing import IO

__all__ = ["CheckedTarInfo", "count_zip_entries", "overlapping", "require_progress", "spool_room"]

_END, _END_64, _LOCATOR = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_END_BYTES, _LOCATOR_BYTES, _ENTRY_BYTES, _LOCAL_BYTES = 22, 20, 46, 30
_LONGEST_COMMENT = 65_535
_SATURATED = 0xFFFF_FFFF
# Headers that hold names or attributes, which are read into memory whole.
_LARGEST_HEADER_BYTES = 1_000_000
_HEADERS = {
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
}  # fmt: skip
_LARGEST_SPOOL_BYTES = 64_000_000_000
_SHARE_OF_FREE = 0.5


def count_zip_entries(handle: IO[bytes], most: int) -> int:
    """Return how many entries the table of contents of a zip holds, `most` + 1 for any more.

    Nothing is kept in memory. The number that a zip declares itself is not trusted. 0 where there
    is no table; the standard library then says what is wrong.
    """
    start, size = _table(handle)
    if size // _ENTRY_BYTES <= most:
        return size // _ENTRY_BYTES
    handle.seek(start)
    table, count, done = io.BufferedReader(handle, 1 << 20), 0, 0  # type: ignore[type-var]
    try:
        while count <= most and done < size:
            header = table.read(_ENTRY_BYTES)
            if len(header) < _ENTRY_BYTES:
                break
            rest = sum(struct.unpack_from("<3H", header, 28))
            table.read(rest)
            done += _ENTRY_BYTES + rest
            count += 1
    finally:
        table.detach()
    return count


def _table(handle: IO[bytes]) -> tuple[int, int]:
    """Return where the table of contents begins and its bytes, as the standard library finds it."""
    length = handle.seek(0, io.SEEK_END)
    handle.seek(max(length - _END_BYTES - _LONGEST_COMMENT, 0))
    tail = handle.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < _END_BYTES:
        return 0, 0
    end = length - len(tail) + at
    (size,) = struct.unpack_from("<I", tail, at + 12)
    handle.seek(max(end - _LOCATOR_BYTES, 0))
    locator = handle.read(_LOCATOR_BYTES)
    if locator.startswith(_LOCATOR) and len(locator) == _LOCATOR_BYTES:
        # The standard library reads the record right before its locator, wherever that points.
        end_64 = end - _LOCATOR_BYTES - 56
        handle.seek(max(end_64, 0))
        record = handle.read(56)
        if record.startswith(_END_64) and len(record) == 56:
            (size,) = struct.unpack_from("<Q", record, 40)
            end = end_64
    if size == _SATURATED or size > end:
        return 0, 0
    return end - size, size


def overlapping(infos: Sequence[zipfile.ZipInfo]) -> frozenset[int]:
    """Return the numbers of entries of a zip whose bytes belong to another entry, too.

    Such a zip unpacks to far more than its size and each of its entries looks harmless.
    """
    order = sorted(range(len(infos)), key=lambda number: infos[number].header_offset)
    shared: set[int] = set()
    reach, owner = -1, -1
    for number in order:
        info = infos[number]
        if info.header_offset < reach:
            shared |= {owner, number}
        end = info.header_offset + _LOCAL_BYTES + info.compress_size
        if end > reach:
            reach, owner = end, number
    return frozenset(shared)


class CheckedTarInfo(tarfile.TarInfo):
    """A header of a tar whose size is not negative, and that fits into memory where it has to."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "CheckedTarInfo":
        """Return the header in a block.

        Raises
        ------
        tarfile.ReadError
            When its size cannot be.
        """
        info = super().frombuf(buf, encoding, errors)
        if info.size < 0:
            message = f"a header has the size {info.size}"
            raise tarfile.ReadError(message)
        if info.type in _HEADERS and info.size > _LARGEST_HEADER_BYTES:
            message = f"a header of names has {info.size} bytes"
            raise tarfile.ReadError(message)
        return info


def require_progress(info: tarfile.TarInfo, reached: int) -> None:
    """Refuse a member that leads back to where the archive was read already.

    Raises
    ------
    tarfile.ReadError
        When it does: an extended header gave it a negative size.
    """
    if info.size < 0 or reached <= info.offset:
        message = f"the member {info.name!r} has the size {info.size}"
        raise tarfile.ReadError(message)


def spool_room() -> tuple[int, str]:
    """Return the most bytes that may be unpacked to the disk for temporary files, and its folder.

    At most half of what is free there: other work needs room as well.
    """
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    return min(_LARGEST_SPOOL_BYTES, int(free * _SHARE_OF_FREE)), folder
