# ruff: noqa: N818 - a reject row shows these names as the kind of error
"""Read archives member by member, without unpacking them to disk.

A member is addressed by its number in the archive, so two members of the same name stay two files,
and a name in an unknown encoding is only displayed. Limits are checked twice: against the declared
sizes before unpacking, and against the unpacked bytes.
"""

import bz2
import gzip
import io
import lzma
import re
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any, Protocol

import pyarrow as pa

from tunesmith.errors import TunesmithError
from tunesmith.ingestion.archive_checks import (
    CheckedTarInfo,
    count_zip_entries,
    overlapping,
    require_progress,
    spool_room,
)
from tunesmith.ingestion.parameters import ArchiveLimits
from tunesmith.ingestion.zip_names import readable_names, zip_names

__all__ = [
    "UNREAD_ARCHIVES",
    "ArchiveError",
    "ArchiveLimitExceeded",
    "BrokenArchive",
    "LinkInArchive",
    "Member",
    "UnsafePath",
    "archive_stem",
    "is_archive",
    "open_archive",
]


def _open_zstd(handle: IO[bytes]) -> Any:
    return pa.CompressedInputStream(pa.PythonFile(handle, "r"), "zstd")


_COMPRESSED_TARS: dict[str, Callable[[Any], Any]] = {
    ".tar.gz": gzip.open,
    ".tgz": gzip.open,
    ".tar.bz2": bz2.open,
    ".tbz2": bz2.open,
    ".tbz": bz2.open,
    ".tar.xz": lzma.open,
    ".txz": lzma.open,
    ".tar.lzma": lzma.open,
    ".tar.zst": _open_zstd,
    ".tzst": _open_zstd,
}
UNREAD_ARCHIVES = frozenset([
    ".7z", ".rar", ".zipx", ".lz4", ".z", ".lz", ".lzo", ".br", ".cab", ".lzh", ".lha", ".arj",
    ".ace", ".sit", ".sitx", ".iso", ".dmg", ".bz2", ".xz", ".zst",
])  # fmt: skip
"""Last endings of archives and compressed files that are not read."""
_SUFFIXES = (".zip", ".tar", *_COMPRESSED_TARS)
_SMALL_BYTES = 1_000_000
_ENCRYPTED = 0x1
# Exceptions that the standard library raises for damaged archives.
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, pa.ArrowException, zlib.error, lzma.LZMAError, EOFError,
    OSError, NotImplementedError, RuntimeError, ValueError, LookupError, OverflowError, MemoryError,
)  # fmt: skip


class ArchiveError(TunesmithError):
    """A member or a whole archive cannot be used."""

    stage = "archive"


class BrokenArchive(ArchiveError):
    """The archive or a member is damaged, encrypted or in an unsupported format."""


class UnsafePath(ArchiveError):
    """The name of a member points outside the archive."""


class LinkInArchive(ArchiveError):
    """A member is a link or a device, not a file."""


class ArchiveLimitExceeded(ArchiveError):
    """The archive exceeds a limit."""


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive, as its table of contents declares it."""

    number: int
    name: str
    size: int
    packed_size: int
    crc: int | None
    problem: ArchiveError | None = None


class Archive(Protocol):
    """Interface of zip and tar archives."""

    def members(self) -> Iterator[Member]:
        """List the files."""

    def read(self, number: int, max_bytes: int) -> bytes:
        """Return the content of one file."""

    def close(self) -> None:
        """Close the archive and its file."""


def is_archive(name: str) -> bool:
    """Return whether a file name has the suffix of an archive."""
    return name.lower().endswith(_SUFFIXES)


def archive_stem(name: str) -> str:
    """Return a file name without the suffix of an archive, such as ``.tar.gz``."""
    lower = name.lower()
    fitting = [suffix for suffix in _SUFFIXES if lower.endswith(suffix)]
    return name[: -max(map(len, fitting))] if fitting else name


def open_archive(handle: IO[bytes], name: str, limits: ArchiveLimits) -> Archive:
    """Open an archive; the suffix of its name gives the format.

    Raises
    ------
    ArchiveError
        If the archive is damaged or exceeds a limit.
    """
    with ExitStack() as on_error:
        on_error.callback(handle.close)
        try:
            archive = _open(handle, name.lower(), limits)
        except _BROKEN as error:
            msg = f"The archive cannot be opened: {type(error).__name__}: {error}. Pack it again."
            raise BrokenArchive(msg) from error
        on_error.pop_all()
        return archive


def _open(handle: IO[bytes], name: str, limits: ArchiveLimits) -> Archive:
    if name.endswith(".zip"):
        return _Zip(handle, limits)
    for suffix, opener in _COMPRESSED_TARS.items():
        if name.endswith(suffix):
            packed_size = handle.seek(0, io.SEEK_END)
            handle.seek(0)
            with ExitStack() as on_error:
                spooled = on_error.enter_context(tempfile.TemporaryFile())
                with handle, opener(handle) as stream:
                    _spool(stream, spooled, packed_size, limits)
                archive = _Tar(spooled, limits)
                on_error.pop_all()
                return archive
    return _Tar(handle, limits)


class _Zip:
    def __init__(self, handle: IO[bytes], limits: ArchiveLimits) -> None:
        self._handle = handle
        _check_entries(count_zip_entries(handle, limits.max_entries), limits)
        self._zip = zipfile.ZipFile(handle)
        self._infos = self._zip.infolist()
        self._names = zip_names(self._infos)
        self._overlapping = overlapping(self._infos)
        self._limits = limits

    def members(self) -> Iterator[Member]:
        for number, (info, written) in enumerate(zip(self._infos, self._names, strict=True)):
            name = _without_dots(written)
            if name.endswith("/"):
                continue
            yield Member(
                number=number,
                name=name,
                size=info.file_size,
                packed_size=info.compress_size,
                crc=info.CRC,
                problem=self._problem(number, info, name),
            )

    def _problem(self, number: int, info: zipfile.ZipInfo, name: str) -> ArchiveError | None:
        if number in self._overlapping:
            msg = f"{name} shares its bytes with another member. It is probably a zip bomb."
            return BrokenArchive(msg)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            return _link_problem(name)
        if info.flag_bits & _ENCRYPTED:
            return BrokenArchive(f"{name} is encrypted. Unpack it with its password first.")
        return _unsafe_path(name) or _expansion_problem(
            name, info.file_size, info.compress_size, self._limits
        )

    def read(self, number: int, max_bytes: int) -> bytes:
        info = self._infos[number]
        if number in self._overlapping:
            msg = "The member shares its bytes with another one. It is probably a zip bomb."
            raise BrokenArchive(msg)
        try:
            with self._zip.open(info) as stream:
                # One byte more than allowed detects a false declared size.
                data = stream.read(max_bytes + 1)
        except _BROKEN as error:
            msg = f"The file cannot be unpacked: {type(error).__name__}: {error}. Pack it again."
            raise BrokenArchive(msg) from error
        return _checked(data, max_bytes)

    def close(self) -> None:
        self._zip.close()
        self._handle.close()


class _Tar:
    def __init__(self, handle: IO[bytes], limits: ArchiveLimits) -> None:
        self._handle = handle
        self._infos: list[tarfile.TarInfo] = []
        self._end: str | None = None
        # Reads the headers and skips the content between them.
        self._tar = tarfile.open(  # noqa: SIM115 - closed by close()
            fileobj=handle, mode="r:", tarinfo=CheckedTarInfo
        )
        try:
            for info in self._tar:
                require_progress(info, self._tar.offset)
                _check_entries(len(self._infos) + 1, limits)
                self._infos.append(info)
        except (tarfile.TarError, EOFError, OSError, ValueError) as error:
            if not self._infos:
                raise
            self._end = f"{type(error).__name__}: {error}"

    def members(self) -> Iterator[Member]:
        names = readable_names([info.name for info in self._infos])
        for number, (info, written) in enumerate(zip(self._infos, names, strict=True)):
            if info.isdir():
                continue
            name = _without_dots(written.replace("\\", "/"))
            problem = _unsafe_path(name) if info.isreg() else _link_problem(name)
            yield Member(number, name, info.size, info.size, None, problem)
        if self._end is not None:
            msg = (
                f"The archive ends early, after {len(self._infos)} members: {self._end}. "
                "Pack it or download it again."
            )
            yield Member(-1, "", 0, 0, None, BrokenArchive(msg))

    def read(self, number: int, max_bytes: int) -> bytes:
        info = self._infos[number]
        try:
            stream = self._tar.extractfile(info)
            data = stream.read(max_bytes + 1) if stream else b""
        except _BROKEN as error:
            msg = f"The file cannot be unpacked: {type(error).__name__}: {error}. Pack it again."
            raise BrokenArchive(msg) from error
        if len(data) < min(info.size, max_bytes):
            msg = f"The archive holds {len(data)} of its {info.size} bytes. Pack it again."
            raise BrokenArchive(msg)
        return _checked(data, max_bytes)

    def close(self) -> None:
        self._tar.close()
        self._handle.close()


def _checked(data: bytes, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        msg = f"The file unpacks to over {max_bytes} bytes. Raise limits.max_bytes if intended."
        raise ArchiveLimitExceeded(msg)
    return data


def _spool(stream: IO[bytes], spooled: IO[bytes], packed_size: int, limits: ArchiveLimits) -> None:
    """Unpack a compressed tar into a temporary file, so that members can be read in any order."""
    allowed = int(max(_SMALL_BYTES, packed_size * limits.max_expansion))
    room, folder = spool_room()
    written = 0
    while block := stream.read(1 << 20):
        written += len(block)
        if written > room:
            msg = (
                f"The archive unpacks to more than {room:,} bytes, the room for it in {folder}. "
                "Name another folder for temporary files with TMPDIR, or unpack the archive first."
            )
            raise ArchiveLimitExceeded(msg)
        if written > allowed:
            msg = (
                f"The archive unpacks to more than {limits.max_expansion:g} times its size. "
                "Raise archives.max_expansion if intended."
            )
            raise ArchiveLimitExceeded(msg)
        spooled.write(block)
    spooled.seek(0)


def _check_entries(entries: int, limits: ArchiveLimits) -> None:
    if entries > limits.max_entries:
        msg = (
            f"The archive has more than {limits.max_entries} members. "
            "Raise archives.max_entries if intended."
        )
        raise ArchiveLimitExceeded(msg)


def _expansion_problem(
    name: str, size: int, packed_size: int, limits: ArchiveLimits
) -> ArchiveError | None:
    # A small file is harmless at any ratio, such as one of zeros only.
    if size <= max(_SMALL_BYTES, packed_size * limits.max_expansion):
        return None
    return ArchiveLimitExceeded(
        f"{name} declares {size} unpacked bytes for {packed_size} packed ones, more than "
        f"{limits.max_expansion:g} times. It is probably a zip bomb; "
        "raise archives.max_expansion if it is intended."
    )


def _link_problem(name: str) -> ArchiveError:
    return LinkInArchive(f"{name} is a link or a device. Pack the file itself.")


def _without_dots(name: str) -> str:
    """Return a path without ``./``, which `tar` writes before every member of a folder."""
    return re.sub(r"(?:^|(?<=/))(?:\./)+", "", name)


def _unsafe_path(name: str) -> ArchiveError | None:
    parts = name.split("/")
    if name.startswith("/") or ".." in parts or (len(parts[0]) == 2 and parts[0].endswith(":")):
        return UnsafePath(f"{name} points outside its archive. Pack it under a relative name.")
    return None
