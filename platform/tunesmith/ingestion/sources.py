"""Sources to a list of files: folders, archives, globs and object storage, nested to any depth.

Listing reads directories and the tables of contents of archives, no music. Every file that claims
to be MIDI becomes an `Entry`, or a `Reject` when it can be told already that it cannot be read.
"""

import io
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

from pyarrow import fs as pafs

from tunesmith.artifacts.manifest import SourceSummary
from tunesmith.artifacts.store import without_credentials
from tunesmith.errors import UsageError
from tunesmith.ingestion.archives import (
    Archive,
    ArchiveError,
    ArchiveLimitExceeded,
    is_archive,
    open_archive,
)
from tunesmith.ingestion.parameters import ArchiveLimits

__all__ = ["MIDI_SUFFIXES", "ContentReader", "Entry", "Listing", "Reject", "list_sources"]

MIDI_SUFFIXES = (".mid", ".midi", ".smf", ".kar", ".rmi")
# Scheme with any credentials, path, options: a ? before NAME= begins these, any other is a glob's.
# So an object whose own name holds ?NAME= cannot be read; it is accounted for as missing.
_URI = re.compile(r"(\w+://(?:[^/@]*@)?)(.*?)(\?\w+=.*)?", re.DOTALL)
# Where a path is the same in the URI and to the file system, once the bucket is known.
_PLAIN = ("s3://", "gs://", "gcs://", "file://")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that claims to be MIDI.

    Attributes
    ----------
    path
        Where it is, for people; unique in an ingest.
    relative
        Where it is inside its source, without wrapping folders.
    location
        How to read it: a path or URI, then a member's number for each archive on the way, each
        after the archive's name.
    size
        Bytes, as declared.
    stamp
        Changes when the content does, as far as a listing can tell: a checksum or a time.
    """

    path: str
    relative: str
    location: tuple[str, ...]
    size: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Reject:
    """One file that cannot be kept, and why."""

    path: str
    stage: str
    error: str
    message: str
    sha256: str | None = None

    @classmethod
    def of(cls, path: str, error: Exception, sha256: str | None = None) -> "Reject":
        """Describe what `error` says about the file at `path`."""
        stage = str(getattr(error, "stage", "read"))
        return cls(path, stage, type(error).__name__, str(error), sha256)


@dataclass
class Listing:
    """Everything the sources hold.

    Attributes
    ----------
    entries
        Files that claim to be MIDI, sorted by path.
    rejects
        Files, archives and folders that cannot even be listed.
    ignored
        Number of files that do not claim to be MIDI, by suffix.
    sources
        The account by source.
    """

    entries: list[Entry] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    sources: list[SourceSummary] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Found:
    """A file inside a source: its name there, how to read it, how large it is."""

    name: str
    location: tuple[str, ...]
    size: int
    stamp: str
    explicit: bool = False


class ContentReader:
    """Reads entries, keeping the archives they are in open.

    Parameters
    ----------
    limits
        Limits of nested archives.
    max_bytes
        Largest file that is read.
    """

    def __init__(self, limits: ArchiveLimits, max_bytes: int) -> None:
        self._limits = limits
        self._max_bytes = max_bytes
        self._archives: dict[tuple[str, ...], Archive] = {}

    def read(self, location: Sequence[str]) -> bytes:
        """Return one file's content.

        Raises
        ------
        ArchiveError
            When it cannot be unpacked.
        OSError
            When it cannot be read.
        """
        if len(location) == 1:
            with _open(location[0]) as handle:
                return handle.read(self._max_bytes + 1)
        *archive, number = location
        return self.archive(tuple(archive)).read(int(number), self._max_bytes)

    def archive(self, location: tuple[str, ...]) -> Archive:
        """Return the opened archive at a location that ends in an archive's name.

        Raises
        ------
        ArchiveError
            When it cannot be opened.
        OSError
            When it cannot be read.
        """
        if location not in self._archives:
            self._archives[location] = self._open_archive(location)
        return self._archives[location]

    def close(self, *, keep_outermost: bool = False) -> None:
        """Close the archives; those inside others are in memory, the outermost are not."""
        for location in [of for of in self._archives if len(of) > 1 or not keep_outermost]:
            self._archives.pop(location).close()

    def _open_archive(self, location: tuple[str, ...]) -> Archive:
        if len(location) == 1:
            return open_archive(_open(location[0]), _base(location[0]), self._limits)
        *outer, number, name = location
        depth = 1 + len(location) // 2
        if depth > self._limits.max_depth:
            msg = f"{name} is nested {depth} archives deep; {self._limits.max_depth} are allowed."
            raise ArchiveLimitExceeded(msg)
        data = self.archive(tuple(outer)).read(int(number), self._limits.max_nested_bytes)
        return open_archive(io.BytesIO(data), name, self._limits)


def list_sources(sources: Iterable[str], limits: ArchiveLimits) -> Listing:
    """List every file of every source.

    Parameters
    ----------
    sources
        Folders, files, archives, globs (``corpus/**/*.zip``), or URIs such as
        ``s3://bucket/prefix``, with options as those of a store.
    limits
        Limits of archives.

    Returns
    -------
    Listing
        Sorted, the same for the same sources wherever they are mounted.

    Raises
    ------
    UsageError
        When a source does not exist, or none was given.
    """
    listing = Listing()
    names: Counter[str] = Counter()
    roots = [root for source in sources for root in _expand(source)]
    if not roots:
        msg = "No source was given. Name at least one folder, archive or URI of MIDI files."
        raise UsageError(msg)
    for root in dict.fromkeys(roots):
        base = _base(root)
        names[base] += 1
        prefix = base if names[base] == 1 else f"{base}#{names[base]}"
        _SourceLister(listing, root, prefix, limits).run()
    listing.entries.sort(key=lambda entry: entry.path)
    listing.rejects.sort(key=lambda reject: reject.path)
    return listing


class _SourceLister:
    """Lists one source into a listing."""

    def __init__(self, listing: Listing, root: str, prefix: str, limits: ArchiveLimits) -> None:
        self._listing = listing
        self._root = root
        self._prefix = prefix
        self._limits = limits
        self._reader = ContentReader(limits, limits.max_nested_bytes)
        self._files: list[_Found] = []
        self._rejects: list[Reject] = []
        self._ignored: Counter[str] = Counter()

    def run(self) -> None:
        try:
            for found in self._walk():
                self._take(found)
        finally:
            self._reader.close()
        self._publish()

    def _walk(self) -> Iterator[_Found]:
        if "://" in self._root:
            yield from _walk_remote(self._root)
            return
        path = Path(self._root)
        if path.is_dir():
            yield from self._walk_folder(path)
        else:
            status = path.stat()
            stamp = str(status.st_mtime_ns)
            yield _Found("", (self._root,), status.st_size, stamp, explicit=True)

    def _walk_folder(self, root: Path) -> Iterator[_Found]:
        folders = [root]
        while folders:
            folder = folders.pop()
            try:
                with os.scandir(folder) as scan:
                    children = sorted(scan, key=lambda child: child.name)
            except OSError as error:
                self._reject(str(folder.relative_to(root)), error, stage="list")
                continue
            for child in children:
                path = Path(child.path)
                name = str(path.relative_to(root))
                try:
                    # Links to files are followed, links to folders are not: they can circle.
                    if child.is_dir(follow_symlinks=False):
                        folders.append(path)
                    elif child.is_file():
                        status = child.stat()
                        stamp = str(status.st_mtime_ns)
                        yield _Found(name, (child.path,), status.st_size, stamp)
                    elif child.is_symlink() and path.is_dir():
                        msg = (
                            f"{name} is a link to a folder, which is not followed: name its target."
                        )
                        self._reject(name, OSError(msg), stage="list")
                    elif name.lower().endswith(MIDI_SUFFIXES) or is_archive(name):
                        msg = f"{name} is not a regular file, or a link that leads nowhere."
                        self._reject(name, OSError(msg), stage="list")
                except OSError as error:
                    self._reject(name, error, stage="list")

    def _take(self, found: _Found) -> None:
        name = found.name or _base(found.location[-1])
        if _is_hidden(name):
            self._ignored["hidden"] += 1
        elif is_archive(name):
            self._take_archive(found)
        elif name.lower().endswith(MIDI_SUFFIXES) or found.explicit:
            self._files.append(_Found(name, found.location, found.size, found.stamp))
        else:
            suffix = Path(name).suffix.lower()
            self._ignored[suffix if len(suffix) < 8 else "other"] += 1

    def _take_archive(self, found: _Found) -> None:
        try:
            archive = self._reader.archive(found.location)
            members = list(archive.members())
        except (ArchiveError, OSError) as error:
            self._reject(found.name, error, stage="archive")
            return
        for member in members:
            # What an archive given as the source holds stands at the top of the source.
            inside = f"{found.name}/{member.name}" if found.name else member.name
            claims = member.name.lower().endswith(MIDI_SUFFIXES) or is_archive(member.name)
            if member.problem is not None:
                if claims or member.number < 0:
                    self._reject(inside, member.problem, stage="archive")
                else:
                    self._ignored["other"] += 1
                continue
            tail: tuple[str, ...] = (str(member.number),)
            if is_archive(member.name):
                tail = (*tail, member.name.rsplit("/", 1)[-1])
            stamp = found.stamp if member.crc is None else f"{member.crc:08x}"
            self._take(_Found(inside, (*found.location, *tail), member.size, stamp))

    def _reject(self, name: str, error: Exception, stage: str) -> None:
        path = _shown("/".join(part for part in (self._prefix, name) if part not in ("", ".")))
        self._rejects.append(Reject(path, stage, type(error).__name__, _shown(str(error))))

    def _publish(self) -> None:
        strip = _wrapper_length([found.name for found in self._files], self._prefix)
        seen: Counter[str] = Counter()
        single = len(self._files) == 1 and self._files[0].location == (self._root,)
        for found in self._files:
            path = _shown(self._prefix if single else f"{self._prefix}/{found.name}")
            seen[path] += 1
            if seen[path] > 1:
                path = f"{path}#{seen[path]}"
            relative = _shown("/".join(found.name.split("/")[strip:]))
            self._listing.entries.append(
                Entry(path, relative, found.location, found.size, found.stamp)
            )
        self._listing.rejects += self._rejects
        self._listing.ignored += self._ignored
        self._listing.sources.append(
            SourceSummary(
                uri=without_credentials(self._root),
                found=len(self._files) + len(self._rejects),
                ignored=self._ignored.total(),
            )
        )


def _expand(source: str) -> list[str]:
    """Return the existing roots that one argument names."""
    if "://" in source:
        return _expand_remote(source)
    path = Path(source).expanduser()
    if path.exists():
        return [str(path.absolute())]
    if any(mark in source for mark in "*?["):
        pattern = str(path.absolute())
        anchor = Path(path.absolute().anchor)
        found = sorted(str(match) for match in anchor.glob(pattern[len(str(anchor)) :]))
        if found:
            return found
        msg = f"Nothing matches {source!r}."
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
            msg = f"There is nothing at {without_credentials(uri)}."
            raise UsageError(msg)
        return [uri]
    pattern = rest if filesystem.type_name != "local" else f"/{rest.lstrip('/')}"
    infos = filesystem.get_file_info(pafs.FileSelector(path, recursive=True))
    found = sorted(info.path for info in infos if info.is_file and fnmatch(info.path, pattern))
    if not found:
        msg = f"Nothing matches {without_credentials(uri)!r}."
        raise UsageError(msg)
    return [f"{before}{name}{options}" for name in found]


def _parts(uri: str) -> tuple[str, str, str]:
    """Return scheme and credentials, path, and options of a URI."""
    found = _URI.fullmatch(uri)
    if found is None:
        msg = f"The source {without_credentials(uri)!r} is no URI such as s3://bucket/prefix."
        raise UsageError(msg)
    before, path, options = found.groups(default="")
    return before, path, options


def _base(location: str) -> str:
    """Return the last name of a path or URI, without a URI's options."""
    path = _parts(location)[1] if "://" in location else location
    return path.rstrip("/").rsplit("/", 1)[-1]


def _remote(uri: str) -> tuple[Any, str]:
    before, path, options = _parts(uri)
    try:
        if before.startswith(_PLAIN):
            # Opened once a bucket, not once a file; and names need no escapes.
            bucket = path.split("/", 1)[0] or "/"
            return _filesystem(f"{before}{bucket}{options}"), path.rstrip("/") or "/"
        filesystem, path = pafs.FileSystem.from_uri(uri)
    except (ValueError, OSError) as error:
        msg = f"The source {without_credentials(uri)!r} cannot be opened: {error}"
        raise UsageError(msg) from error
    return filesystem, path


@lru_cache(maxsize=16)
def _filesystem(uri: str) -> Any:
    """Return the file system of a bucket."""
    filesystem, _ = pafs.FileSystem.from_uri(uri)
    return filesystem


def _walk_remote(uri: str) -> Iterator[_Found]:
    filesystem, path = _remote(uri)
    info = filesystem.get_file_info(path)
    if info.is_file:
        yield _Found("", (uri,), info.size, str(info.mtime_ns), explicit=True)
        return
    before, _, options = _parts(uri)
    infos = filesystem.get_file_info(pafs.FileSelector(path, recursive=True))
    for child in sorted(infos, key=lambda child: child.path):
        if child.is_file:
            name = child.path[len(path) :].lstrip("/")
            location = f"{before}{child.path}{options}"
            yield _Found(name, (location,), child.size, str(child.mtime_ns))


def _open(location: str) -> IO[bytes]:
    if "://" in location:
        filesystem, path = _remote(location)
        handle: IO[bytes] = filesystem.open_input_file(path)
        return handle
    return Path(location).open("rb")


def _is_hidden(name: str) -> bool:
    """Return whether a file is a system's own, such as a Mac's resource fork of a real file."""
    parts = name.split("/")
    return parts[-1].startswith("._") or "__MACOSX" in parts


def _wrapper_length(names: Sequence[str], prefix: str) -> int:
    """Return how many leading folders only wrap the source.

    A wrapper is a folder that holds everything and is named like the source, as most zips have.
    """
    if not names:
        return 0
    stem = prefix.split("#", maxsplit=1)[0].split(".", maxsplit=1)[0].lower()
    split = [name.split("/") for name in names]
    strip = 0
    while all(len(p) > strip + 1 for p in split) and len({p[strip] for p in split}) == 1:
        if split[0][strip].lower() != stem:
            break
        strip += 1
    return strip


def _shown(name: str) -> str:
    """Return a name as text that every table can hold, undecodable bytes escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
