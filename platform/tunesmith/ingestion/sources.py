"""List the files of the sources: folders, archives, globs and object storage, nested to any depth.

Listing reads folders and the tables of contents of archives, but no music. Every file with a wanted
suffix becomes an `Entry`, or a `Reject` when the listing already shows that it cannot be read.
"""

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tunesmith.artifacts.manifest import SourceSummary
from tunesmith.artifacts.uris import without_credentials
from tunesmith.audio import RECORDING_SUFFIXES
from tunesmith.errors import UsageError
from tunesmith.ingestion.archives import ArchiveError, is_archive
from tunesmith.ingestion.locations import (
    ContentReader,
    SourceFile,
    base_name,
    expand_source,
    walk_remote,
)
from tunesmith.ingestion.parameters import ArchiveLimits
from tunesmith.ingestion.zip_names import readable_names
from tunesmith.midi.notation import NOTATION_SUFFIXES

__all__ = [
    "BESIDE_NOTES",
    "MIDI_SUFFIXES",
    "MUSIC_SUFFIXES",
    "Entry",
    "Listing",
    "Reject",
    "list_sources",
    "suffix_of",
]

_PLAIN_SUFFIXES = (".mid", ".midi", ".smf", ".kar", ".rmi")
MIDI_SUFFIXES = (*_PLAIN_SUFFIXES, *(f"{suffix}.gz" for suffix in _PLAIN_SUFFIXES))
MUSIC_SUFFIXES = (*MIDI_SUFFIXES, *NOTATION_SUFFIXES, *RECORDING_SUFFIXES)
"""Endings of the files that are read: MIDI, notation and recordings."""
BESIDE_NOTES = "recording beside its notes"
"""Kind of ignored files: recordings with a MIDI file or score of the same name beside them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file with a wanted suffix, or named explicitly as a source.

    Attributes
    ----------
    path
        Path shown to people; unique in an ingest.
    relative
        Path inside its source, without wrapping folders.
    location
        Address for the reader: a path or URI, then for each archive on the way the number of the
        member, and the archive's name where the member is an archive itself.
    size
        Size in bytes, as declared.
    stamp
        Checksum or modification time: changes with the content, as far as a listing shows.
    """

    path: str
    relative: str
    location: tuple[str, ...]
    size: int
    stamp: str


@dataclass(frozen=True, slots=True)
class Reject:
    """One file that is not kept, with the stage, class and message of the error."""

    path: str
    stage: str
    error: str
    message: str
    sha256: str | None = None

    @classmethod
    def of(cls, path: str, error: Exception, sha256: str | None = None) -> "Reject":
        """Return the reject for an error raised about the file at `path`."""
        stage = str(getattr(error, "stage", "read"))
        return cls(path, stage, type(error).__name__, str(error), sha256)


@dataclass
class Listing:
    """All files of the sources.

    Attributes
    ----------
    entries
        Wanted files, sorted by path.
    rejects
        Files, archives and folders that cannot be listed.
    ignored
        Number of other files, by suffix.
    sources
        Number of files by source.
    """

    entries: list[Entry] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    ignored: Counter[str] = field(default_factory=Counter)
    sources: list[SourceSummary] = field(default_factory=list)


def suffix_of(path: str) -> str:
    """Return the ending of a file of music, such as ``.mid.gz``; "other" for any other ending."""
    name = path.lower()
    by_length = sorted(MUSIC_SUFFIXES, key=len, reverse=True)
    return next((suffix for suffix in by_length if name.endswith(suffix)), "other")


def list_sources(
    sources: Iterable[str], limits: ArchiveLimits, suffixes: tuple[str, ...] = MUSIC_SUFFIXES
) -> Listing:
    """List every file of every source.

    Parameters
    ----------
    sources
        Folders, files, archives, globs (``corpus/**/*.zip``), or URIs such as
        ``s3://bucket/prefix``, with options as those of a store.
    limits
        Limits of archives.
    suffixes
        Endings, in lower case, of the files that are wanted; a file that is itself a source is
        wanted whatever its ending.

    Returns
    -------
    Listing
        Sorted by path; the same sources give the same listing wherever they are mounted.

    Raises
    ------
    UsageError
        When a source does not exist, or none was given.
    """
    listing = Listing()
    names: Counter[str] = Counter()
    roots = [root for source in sources for root in expand_source(source)]
    if not roots:
        msg = "No source was given. Name at least one folder, file, archive or URI."
        raise UsageError(msg)
    for root in dict.fromkeys(roots):
        base = base_name(root)
        names[base] += 1
        prefix = base if names[base] == 1 else f"{base}#{names[base]}"
        _SourceLister(listing, root, prefix, limits, suffixes).run()
    listing.entries.sort(key=lambda entry: entry.path)
    listing.rejects.sort(key=lambda reject: reject.path)
    return listing


class _SourceLister:
    """Lists one source into a listing."""

    def __init__(
        self,
        listing: Listing,
        root: str,
        prefix: str,
        limits: ArchiveLimits,
        suffixes: tuple[str, ...],
    ) -> None:
        self._listing = listing
        self._root = root
        self._prefix = prefix
        self._limits = limits
        self._suffixes = suffixes
        self._reader = ContentReader(limits, limits.max_nested_bytes)
        self._files: list[SourceFile] = []
        self._rejects: list[Reject] = []
        self._ignored: Counter[str] = Counter()

    def run(self) -> None:
        try:
            for file in self._walk():
                self._add(file)
        finally:
            self._reader.close()
        self._publish()

    def _walk(self) -> Iterator[SourceFile]:
        if "://" in self._root:
            yield from walk_remote(self._root)
            return
        path = Path(self._root)
        if path.is_dir():
            yield from self._walk_folder(path)
        else:
            status = path.stat()
            stamp = str(status.st_mtime_ns)
            yield SourceFile("", (self._root,), status.st_size, stamp, explicit=True)

    def _walk_folder(self, root: Path) -> Iterator[SourceFile]:
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
                    # Links to files are followed. Links to folders are not: they can form a loop.
                    if child.is_dir(follow_symlinks=False):
                        folders.append(path)
                    elif child.is_file():
                        status = child.stat()
                        stamp = str(status.st_mtime_ns)
                        yield SourceFile(name, (child.path,), status.st_size, stamp)
                    elif child.is_symlink() and path.is_dir():
                        msg = (
                            f"{name} is a link to a folder. Links to folders are not followed: "
                            "name the folder itself as a source."
                        )
                        self._reject(name, OSError(msg), stage="list")
                    elif name.lower().endswith(self._suffixes) or is_archive(name):
                        msg = f"{name} is not a regular file, or it is a broken link."
                        self._reject(name, OSError(msg), stage="list")
                except OSError as error:
                    self._reject(name, error, stage="list")

    def _add(self, file: SourceFile) -> None:
        name = file.name or base_name(file.location[-1])
        if _is_hidden(name):
            self._ignored["hidden"] += 1
        elif is_archive(name):
            self._add_archive(file)
        elif name.lower().endswith(self._suffixes) or file.explicit:
            self._files.append(SourceFile(name, file.location, file.size, file.stamp))
        else:
            suffix = Path(name).suffix.lower()
            self._ignored[suffix if len(suffix) < 8 else "other"] += 1

    def _add_archive(self, file: SourceFile) -> None:
        try:
            archive = self._reader.archive(file.location)
            members = list(archive.members())
        except (ArchiveError, OSError) as error:
            self._reject(file.name, error, stage="archive")
            return
        for member in members:
            # The members of an archive that is itself the source are at the top of the source.
            inside = f"{file.name}/{member.name}" if file.name else member.name
            is_wanted = member.name.lower().endswith(self._suffixes) or is_archive(member.name)
            if member.problem is not None:
                if is_wanted or member.number < 0:
                    self._reject(inside, member.problem, stage="archive")
                else:
                    self._ignored["other"] += 1
                continue
            tail: tuple[str, ...] = (str(member.number),)
            if is_archive(member.name):
                tail = (*tail, member.name.rsplit("/", 1)[-1])
            stamp = file.stamp if member.crc is None else f"{member.crc:08x}"
            self._add(SourceFile(inside, (*file.location, *tail), member.size, stamp))

    def _leave_out_recordings_of_files(self) -> None:
        """Leave out recordings beside a file of notes of the same name: those are exact."""
        names = [file.name for file in self._files if file.location != (self._root,)]
        of_notes = {_stem(name) for name in names if not name.lower().endswith(RECORDING_SUFFIXES)}
        kept = []
        for file in self._files:
            is_recording = file.name.lower().endswith(RECORDING_SUFFIXES)
            if is_recording and file.location != (self._root,) and _stem(file.name) in of_notes:
                self._ignored[BESIDE_NOTES] += 1
            else:
                kept.append(file)
        self._files = kept

    def _reject(self, name: str, error: Exception, stage: str) -> None:
        path = _printable("/".join(part for part in (self._prefix, name) if part not in ("", ".")))
        self._rejects.append(Reject(path, stage, type(error).__name__, _printable(str(error))))

    def _publish(self) -> None:
        self._leave_out_recordings_of_files()
        names = readable_names([file.name for file in self._files])
        self._files = [replace(f, name=n) for f, n in zip(self._files, names, strict=True)]
        strip = _wrapper_length([file.name for file in self._files], self._prefix)
        seen: Counter[str] = Counter()
        single = len(self._files) == 1 and self._files[0].location == (self._root,)
        for file in self._files:
            path = _printable(self._prefix if single else f"{self._prefix}/{file.name}")
            seen[path] += 1
            if seen[path] > 1:
                path = f"{path}#{seen[path]}"
            relative = _printable("/".join(file.name.split("/")[strip:]))
            self._listing.entries.append(
                Entry(path, relative, file.location, file.size, file.stamp)
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


def _stem(name: str) -> str:
    """Return a path without the ending of a file of music."""
    suffix = suffix_of(name)
    return name[: -len(suffix)] if suffix != "other" else name


def _is_hidden(name: str) -> bool:
    """Return whether the operating system made a file, such as the resource fork of a Mac."""
    parts = name.split("/")
    return parts[-1].startswith("._") or "__MACOSX" in parts


def _wrapper_length(names: Sequence[str], prefix: str) -> int:
    """Return the number of leading folders that only wrap the source.

    A wrapper holds everything and has the name of the source, as in most zip files.
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


def _printable(name: str) -> str:
    """Return a name as valid UTF-8, with undecodable bytes escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
