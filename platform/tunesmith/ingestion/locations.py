"""Files by path or URI: which roots a source names, the files below a URI, and their content."""

import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from pyarrow import fs as pafs

from tunesmith.artifacts.uris import without_credentials
from tunesmith.audio import is_recording
from tunesmith.errors import UsageError
from tunesmith.ingestion.archives import Archive, ArchiveLimitExceeded, open_archive
from tunesmith.ingestion.parameters import ArchiveLimits, IngestParameters
from tunesmith.midi.container import is_wrapped
from tunesmith.midi.reading import Limits

__all__ = [
    "ContentReader",
    "SourceFile",
    "base_name",
    "expand_source",
    "open_location",
    "parent_of",
    "walk_remote",
]

# Scheme with any credentials, path, options. A ? before NAME= begins the options, any other ?
# belongs to a glob. An object whose name contains ?NAME= cannot be read and counts as missing.
_URI = re.compile(r"(\w+://(?:[^/@]*@)?)(.*?)(\?\w+=.*)?", re.DOTALL)
# Schemes under which the path of the URI is also the path in the file system.
_PLAIN = ("s3://", "gs://", "gcs://", "file://")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file inside a source.

    Attributes
    ----------
    name
        Path inside the source; empty where the source is this file.
    location
        Address for `ContentReader`: a path or URI, then the members of nested archives.
    size
        Size in bytes, as declared.
    stamp
        Checksum or modification time.
    explicit
        Whether the user named this very file; it is then read whatever its suffix.
    """

    name: str
    location: tuple[str, ...]
    size: int
    stamp: str
    explicit: bool = False


MAX_WRAPPED_BYTES = 64_000_000
"""Largest RIFF file of MIDI data that is read; its notes obey the limit of other files."""

_LEAST_NESTED_BYTES = 4_000_000_000


class ContentReader:
    """Reads files by location and keeps their archives open.

    Parameters
    ----------
    limits
        Limits of nested archives.
    max_bytes
        Largest file that is read.
    max_recording_bytes
        Largest recording that is read.
    """

    def __init__(
        self,
        limits: ArchiveLimits,
        max_bytes: int,
        max_recording_bytes: int = Limits().max_recording_bytes,
    ) -> None:
        self._limits = limits
        self._max_bytes = max_bytes
        self._max_recording_bytes = max_recording_bytes
        self._archives: dict[tuple[str, ...], Archive] = {}
        # Bytes that the archives inside an outermost one unpacked to so far.
        self._nested_bytes: Counter[str] = Counter()

    @classmethod
    def of(cls, parameters: IngestParameters) -> "ContentReader":
        """Return the reader with the limits of an ingest."""
        limits = parameters.limits
        return cls(parameters.archives, limits.max_bytes, limits.max_recording_bytes)

    def read(self, location: Sequence[str]) -> bytes:
        """Return the content of one file.

        Raises
        ------
        ArchiveError
            If the file cannot be unpacked.
        OSError
            If the file cannot be read.
        """
        if len(location) == 1:
            with open_location(location[0]) as handle:
                data = handle.read(self._max_bytes + 1)
                # One byte above a limit is enough for the reader to refuse the file.
                if len(data) > self._max_bytes and (largest := self._largest(data)):
                    data += handle.read(largest + 1 - len(data))
                return data
        *archive, number = location
        opened = self.archive(tuple(archive))
        try:
            return opened.read(int(number), self._max_bytes)
        except ArchiveLimitExceeded:
            # A bank of sounds may be around the notes; other files are as large as they look.
            data = opened.read(int(number), self._limits.max_nested_bytes)
            if len(data) > self._largest(data):
                raise
            return data

    def _largest(self, data: bytes) -> int:
        """Return the size of the largest file of a kind that may exceed the limit; 0 for others."""
        if is_recording(data):
            return self._max_recording_bytes
        return MAX_WRAPPED_BYTES if is_wrapped(data) else 0

    def archive(self, location: tuple[str, ...]) -> Archive:
        """Return the opened archive at a location that ends in the name of an archive.

        Raises
        ------
        ArchiveError
            If the archive cannot be opened.
        OSError
            If the archive cannot be read.
        """
        if location not in self._archives:
            self._archives[location] = self._open_archive(location)
        return self._archives[location]

    def close(self, *, keep_outermost: bool = False) -> None:
        """Close the archives, or only the nested ones, which are held in memory."""
        for location in list(self._archives):
            if len(location) > 1 or not keep_outermost:
                self._archives.pop(location).close()

    def _open_archive(self, location: tuple[str, ...]) -> Archive:
        if len(location) == 1:
            return open_archive(open_location(location[0]), base_name(location[0]), self._limits)
        *outer, number, name = location
        depth = 1 + len(location) // 2
        if depth > self._limits.max_depth:
            msg = f"{name} is nested {depth} archives deep; {self._limits.max_depth} are allowed."
            raise ArchiveLimitExceeded(msg)
        data = self.archive(tuple(outer)).read(int(number), self._limits.max_nested_bytes)
        self._spend(location[0], len(data))
        return open_archive(io.BytesIO(data), name, self._limits)

    def _spend(self, outermost: str, n_bytes: int) -> None:
        """Refuse archives inside archives that together unpack to too much of the outermost one."""
        self._nested_bytes[outermost] += n_bytes
        with open_location(outermost) as handle:
            size = handle.seek(0, io.SEEK_END)
        allowed = max(_LEAST_NESTED_BYTES, size * self._limits.max_expansion)
        if self._nested_bytes[outermost] > allowed:
            msg = (
                f"The archives inside {base_name(outermost)} unpack to more than "
                f"{self._limits.max_expansion:g} times its size. Raise archives.max_expansion if "
                "intended."
            )
            raise ArchiveLimitExceeded(msg)


def expand_source(source: str) -> list[str]:
    """Return the existing files, folders and URIs that one source argument names.

    Raises
    ------
    UsageError
        If nothing exists there.
    """
    if "://" in source:
        return _expand_remote(source)
    path = Path(source).expanduser()
    if path.exists():
        return [str(path.absolute())]
    if any(mark in source for mark in "*?["):
        pattern = str(path.absolute())
        anchor = Path(path.absolute().anchor)
        matches = sorted(str(match) for match in anchor.glob(pattern[len(str(anchor)) :]))
        if matches:
            return matches
        msg = f"No file or folder matches {source!r}. Check the pattern."
        raise UsageError(msg)
    msg = f"There is no file or folder {source!r}. Name a folder, an archive, a glob or a URI."
    raise UsageError(msg)


def _expand_remote(uri: str) -> list[str]:
    before, rest, options = _parts(uri)
    mark = min((rest.find(m) for m in "*?[" if m in rest), default=-1)
    folder = rest if mark < 0 else rest[:mark].rsplit("/", 1)[0]
    filesystem, path = _remote(f"{before}{folder}{options}")
    if mark < 0:
        if filesystem.get_file_info(path).type == pafs.FileType.NotFound:
            msg = (
                f"There is nothing at {without_credentials(uri)}. Check the bucket and the prefix."
            )
            raise UsageError(msg)
        return [uri]
    pattern = rest if filesystem.type_name != "local" else f"/{rest.lstrip('/')}"
    infos = filesystem.get_file_info(pafs.FileSelector(path, recursive=True))
    matches = sorted(info.path for info in infos if info.is_file and fnmatch(info.path, pattern))
    if not matches:
        msg = f"No object matches {without_credentials(uri)!r}. Check the pattern."
        raise UsageError(msg)
    return [f"{before}{name}{options}" for name in matches]


def _parts(uri: str) -> tuple[str, str, str]:
    """Split a URI into scheme with credentials, path, and options."""
    match = _URI.fullmatch(uri)
    if match is None:
        msg = (
            f"The source {without_credentials(uri)!r} is not a valid URI. "
            "A valid one looks like s3://bucket/prefix."
        )
        raise UsageError(msg)
    before, path, options = match.groups(default="")
    return before, path, options


def base_name(location: str) -> str:
    """Return the last name of a path or URI, without a URI's options."""
    path = _parts(location)[1] if "://" in location else location
    return path.rstrip("/").rsplit("/", 1)[-1]


def parent_of(location: str) -> str:
    """Return the folder of a path or URI, with a URI's options; empty for the root of a bucket."""
    if "://" not in location:
        return str(Path(location).expanduser().absolute().parent)
    before, path, options = _parts(location)
    folder, slash, _ = path.rstrip("/").rpartition("/")
    return f"{before}{folder}{options}" if slash else ""


def _remote(uri: str) -> tuple[Any, str]:
    before, path, options = _parts(uri)
    try:
        if before.startswith(_PLAIN):
            # Opened once per bucket instead of once per file; and names need no escapes.
            bucket = path.split("/", 1)[0] or "/"
            return _filesystem(f"{before}{bucket}{options}"), path.rstrip("/") or "/"
        filesystem, path = pafs.FileSystem.from_uri(uri)
    except (ValueError, OSError) as error:
        msg = f"The source {without_credentials(uri)!r} cannot be opened: {error}"
        raise UsageError(msg) from error
    return filesystem, path


@lru_cache(maxsize=16)
def _filesystem(uri: str) -> Any:
    """Return the file system of a bucket; cached."""
    filesystem, _ = pafs.FileSystem.from_uri(uri)
    return filesystem


def walk_remote(uri: str) -> Iterator[SourceFile]:
    """Yield the files at and below a URI, sorted by path."""
    filesystem, path = _remote(uri)
    info = filesystem.get_file_info(path)
    if info.is_file:
        yield SourceFile("", (uri,), info.size, str(info.mtime_ns), explicit=True)
        return
    before, _, options = _parts(uri)
    infos = filesystem.get_file_info(pafs.FileSelector(path, recursive=True))
    for child in sorted(infos, key=lambda child: child.path):
        if child.is_file:
            name = child.path[len(path) :].lstrip("/")
            location = f"{before}{child.path}{options}"
            yield SourceFile(name, (location,), child.size, str(child.mtime_ns))


def open_location(location: str) -> IO[bytes]:
    """Open the file at a path or URI for reading bytes."""
    if "://" in location:
        filesystem, path = _remote(location)
        handle: IO[bytes] = filesystem.open_input_file(path)
        return handle
    return Path(location).open("rb")
