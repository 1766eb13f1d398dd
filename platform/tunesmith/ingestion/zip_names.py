"""Names in archives and file systems that do not say in which code page they are written."""

import re
import zipfile
import zlib
from collections.abc import Sequence

from tunesmith.datasets.code_pages import WESTERN, code_page

__all__ = ["readable_names", "zip_names"]

_UTF8_NAME = 0x800
_UNICODE_PATH = 0x7075
_LATIN_LETTERS = b"\xc0-\xd6\xd8-\xf6\xf8-\xff"


def zip_names(infos: Sequence[zipfile.ZipInfo]) -> list[str]:
    """Return the names of all members, with ``/`` between folders.

    A name is read from its Unicode path field, as UTF-8 where it is marked as such or is valid,
    or else in the code page that fits all other names of the archive.
    """
    raw = [None if info.flag_bits & _UTF8_NAME else _raw(info) for info in infos]
    page = _code_page([name for name in raw if name is not None and not name.isascii()])
    names = []
    for info, encoded in zip(infos, raw, strict=True):
        name = _unicode_path(info, encoded)
        if name is None:
            name = info.filename if encoded is None else _decoded(encoded, page)
        names.append(name.replace("\\", "/"))
    return names


def readable_names(names: Sequence[str]) -> list[str]:
    """Return names with those that are not UTF-8 read in the code page that fits all of them.

    Parameters
    ----------
    names
        Names as Python reads them from a file system or a tar, with bytes that are not UTF-8 as
        surrogates.
    """
    raw = [None if _is_text(name) else name.encode("utf-8", "surrogateescape") for name in names]
    page = _code_page([name for name in raw if name is not None])
    # A page for all, or that of Western Windows: DOS is where zip files come from, not these.
    page = WESTERN if page == "cp437" else page
    return [
        name if encoded is None else encoded.decode(page, "backslashreplace")
        for name, encoded in zip(names, raw, strict=True)
    ]


def _is_text(name: str) -> bool:
    return name.isascii() or not any("\ud800" <= letter <= "\udfff" for letter in name)


def _raw(info: zipfile.ZipInfo) -> bytes | None:
    try:
        return info.filename.encode("cp437")  # as the standard library has decoded it
    except UnicodeEncodeError:
        return None


def _unicode_path(info: zipfile.ZipInfo, encoded: bytes | None) -> str | None:
    """Return the name in the Unicode path field, if it belongs to the name in the header."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
        content, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(content) > 5 and content[0] == 1:
            checksum = int.from_bytes(content[1:5], "little")
            if encoded is not None and zlib.crc32(encoded) == checksum:
                try:
                    return content[5:].decode("utf-8")
                except UnicodeDecodeError:
                    return None
    return None


def _decoded(encoded: bytes, page: str) -> str:
    for encoding in ("utf-8", page):
        try:
            return encoded.decode(encoding)
        except UnicodeDecodeError:
            continue
    return encoded.decode("cp437")


def _code_page(names: Sequence[bytes]) -> str:
    """Return the code page in which all names are words of one script."""
    others = [name for name in names if not _is_utf8(name)]
    if not others:
        return "cp437"
    if page := code_page(others):
        return page
    # Western names: the letters of Windows are at other places than those of DOS.
    if all(re.fullmatch(b"[\x00-\x7f" + _LATIN_LETTERS + b"]*", name) for name in others):
        return "cp1252"
    return "cp437"


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
