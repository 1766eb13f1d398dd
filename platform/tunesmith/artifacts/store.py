"""The store: one URI under which every artefact lives.

A folder on a laptop, `s3://…` on a cluster, always through pyarrow's file systems. Artefacts are
folders that appear whole: they are written in a staging folder beside their final place and then
published. On a local disk publishing is one rename; on an object store, where renames do not exist,
the files are copied and the artefact's `marker` file is written last, so a folder without its
marker is not an artefact.
"""

import errno
import json
import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyarrow import fs as pafs

from tunesmith.artifacts.durable import make_folder, sync_folder, sync_tree, write_file
from tunesmith.artifacts.uris import default_uri, without_credentials
from tunesmith.errors import NotInStoreError, StoreError, StoreUnreachableError

__all__ = ["Staging", "Store", "cannot_write"]

_TORN_READS, _TORN_PAUSE_S = 3, 0.05
_STAGING_PREFIX = ".staging-"
# Names that are made up for one writer; no other one will come back to them.
_LEFT_OVER = re.compile(r"\.staging-[0-9a-f]{32}|\.[0-9a-f]{32}\.part")


def cannot_write(what: str, error: OSError) -> StoreError:
    """Return what a person is told about an error of writing `what`, and what can be done."""
    advice = ""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        advice = " Free some room there; the same command then goes on from what is done."
    return StoreError(f"{what}: {error}.{advice}")


class Store:
    """Artefacts under one URI.

    Every method takes the parts of a path below the root, as in
    ``store.read_json("runs", "composer", "latest.json")``.

    Parameters
    ----------
    uri
        A folder or a URI that pyarrow understands (``s3://bucket/prefix``). Without one, the
        environment variable ``TUNESMITH_STORE``, else ``~/.tunesmith/store``.

    Raises
    ------
    StoreError
        When the URI is of a kind that no file system serves.
    """

    def __init__(self, uri: str | Path | None = None) -> None:
        text = str(uri) if uri else default_uri()
        if "://" in text:
            try:
                self.fs, self._root = pafs.FileSystem.from_uri(text)
            except (ValueError, OSError) as error:
                message = (
                    f"The store {without_credentials(text)!r} cannot be opened: "
                    f"{without_credentials(str(error))}. "
                    "Give a folder or a URI such as s3://bucket/prefix."
                )
                raise StoreError(message) from error
            self.uri = text.rstrip("/")
        else:
            self._root = str(Path(text).expanduser().absolute())
            self.fs = pafs.LocalFileSystem()
            self.uri = self._root

    def __repr__(self) -> str:
        return f"Store({self.shown!r})"

    @property
    def shown(self) -> str:
        """The URI for people and logs: without the credentials that may stand in it."""
        return without_credentials(self.uri)

    def __reduce__(self) -> tuple[type["Store"], tuple[str]]:
        return Store, (self.uri,)

    @property
    def is_local(self) -> bool:
        """True if artefacts are plain files on this machine."""
        return isinstance(self.fs, pafs.LocalFileSystem)

    def path(self, *parts: str) -> str:
        """Return the path of `parts` as the file system `self.fs` wants it.

        Raises
        ------
        StoreError
            When a part would lead out of the store, or is another spelling of a name in it.
        """
        for part in parts:
            if "\0" in part or not {"", ".", ".."}.isdisjoint(part.split("/")):
                message = f"{part!r} is not a name inside the store {self.shown}."
                raise StoreError(message)
        return "/".join([self._root.rstrip("/"), *parts])

    def local_path(self, *parts: str) -> Path:
        """Return `parts` as a path on this machine.

        Raises
        ------
        StoreError
            When the store is not on this machine's disk.
        """
        if not self.is_local:
            message = f"{'/'.join(parts)} is in {self.shown}, not on this machine's disk."
            raise StoreError(message)
        return Path(self.path(*parts))

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Say that the store cannot be reached where its server, disk or network fails."""
        try:
            yield
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise
        except OSError as error:
            message = (
                f"The store {self.shown} cannot be reached: {error}. Check its address, its "
                "credentials and the network; `tunesmith doctor` tries them."
            )
            raise StoreUnreachableError(message) from error

    def exists(self, *parts: str) -> bool:
        """Return whether a file or folder is there."""
        with self._reaching():
            info = self.fs.get_file_info(self.path(*parts))
        return bool(info.type != pafs.FileType.NotFound)

    def is_filled(self, *parts: str) -> bool:
        """Return whether a file is there and not empty, as a power cut can leave one."""
        return bool(self.stamp(*parts)[0])

    def stamp(self, *parts: str) -> tuple[int | None, int | None]:
        """Return a file's size and time of change in ns: another stamp means another content."""
        with self._reaching():
            info = self.fs.get_file_info(self.path(*parts))
        return info.size, info.mtime_ns

    def list(self, *parts: str) -> list[str]:
        """Return the sorted names inside a folder without staging ones; [] where there is none."""
        selector = pafs.FileSelector(self.path(*parts), allow_not_found=True)
        with self._reaching():
            names = [info.base_name for info in self.fs.get_file_info(selector)]
        return sorted(name for name in names if not name.startswith("."))

    def staged(self, *parts: str) -> tuple[str, ...]:
        """Return the sorted keys of artefacts that are being built in a folder, or were left so."""
        selector = pafs.FileSelector(self.path(*parts), allow_not_found=True)
        with self._reaching():
            names = [info.base_name for info in self.fs.get_file_info(selector)]
        staged = [name for name in names if name.startswith(_STAGING_PREFIX)]
        return tuple(sorted(name.removeprefix(_STAGING_PREFIX) for name in staged))

    def read_bytes(self, *parts: str) -> bytes:
        """Return a file's content.

        Raises
        ------
        NotInStoreError
            When there is no such file.
        """
        try:
            with self._reaching(), self.fs.open_input_stream(self.path(*parts)) as stream:
                return bytes(stream.read())
        except (FileNotFoundError, IsADirectoryError) as error:
            message = f"There is no {'/'.join(parts)} in the store {self.shown}."
            raise NotInStoreError(message) from error

    def read_json(self, *parts: str) -> Any:
        """Return a JSON file's content.

        Raises
        ------
        StoreError
            When there is no such file, or it is not JSON.
        """
        for _ in range(_TORN_READS if not self.is_local else 0):
            # pyarrow asks for an object's size first: one that is replaced then arrives torn.
            with suppress(ValueError):
                return json.loads(self.read_bytes(*parts))
            time.sleep(_TORN_PAUSE_S)
        return self.decode_json(self.read_bytes(*parts), *parts)

    def decode_json(self, data: bytes, *parts: str) -> Any:
        """Return the JSON in the content of the file `parts`.

        Raises
        ------
        StoreError
            When it is not JSON, or too deep.
        """
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            empty = "empty" if not data else f"not JSON: {error}"
            message = f"{'/'.join(parts)} in the store {self.shown} is {empty}."
            raise StoreError(message) from error

    def write_bytes(self, data: bytes, *parts: str) -> None:
        """Write a file in one step: a reader sees the old content or the new, never a part.

        Raises
        ------
        StoreError
            When it cannot be written.
        """
        try:
            if self.is_local:
                write_file(Path(self.path(*parts)), data)
            else:
                self.make_folder_above(self.path(*parts))
                with self.fs.open_output_stream(self.path(*parts)) as stream:
                    stream.write(data)
        except OSError as error:
            what = f"{'/'.join(parts)} cannot be written to the store {self.shown}"
            raise cannot_write(what, error) from error

    def make_folder_above(self, path: str) -> None:
        """Make the folder that a file elsewhere will stand in, where there are folders."""
        # In a bucket each level would cost a request and leave an empty object.
        if not isinstance(self.fs, pafs.S3FileSystem):
            self.fs.create_dir(path.rpartition("/")[0], recursive=True)

    def write_json(self, value: Any, *parts: str) -> None:
        """Write `value` as indented JSON with sorted keys, in one step."""
        self.write_bytes(self.encode_json(value), *parts)

    @staticmethod
    def encode_json(value: Any) -> bytes:
        """Return a JSON file's content as `write_json` writes it."""
        text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
        return (text + "\n").encode()

    def remove(self, *parts: str) -> None:
        """Remove a file or a whole folder; nothing happens where there is none."""
        path = self.path(*parts)
        kind = self.fs.get_file_info(path).type
        if kind == pafs.FileType.Directory:
            self.fs.delete_dir(path)
        elif kind == pafs.FileType.File:
            self.fs.delete_file(path)
        if self.is_local and kind != pafs.FileType.NotFound:
            sync_folder(Path(path).parent)

    def sweep(self, *parent: str, older_s: float = 3600.0) -> tuple[str, ...]:
        """Remove what killed jobs left half-written in a folder; return the names.

        Staging folders with a name of their own stay: the job that made them goes on in them.

        Parameters
        ----------
        *parent
            The folder.
        older_s
            Nothing that was written to within this time is touched: it may be another job's.
        """
        selector = pafs.FileSelector(self.path(*parent), allow_not_found=True)
        removed = []
        for info in self.fs.get_file_info(selector):
            if _LEFT_OVER.fullmatch(info.base_name) and self._age_s(info) > older_s:
                self.remove(*parent, info.base_name)
                removed.append(str(info.base_name))
        return tuple(sorted(removed))

    def _age_s(self, info: pafs.FileInfo) -> float:
        """Return how long ago a file, or the last one in a folder, was written."""
        infos = [info]
        if info.type == pafs.FileType.Directory:
            infos += self.fs.get_file_info(pafs.FileSelector(info.path, recursive=True))
        # Object stores know no times of folders, which are nothing of their own there.
        times = [entry.mtime_ns for entry in infos if entry.mtime_ns]
        return (time.time_ns() - max(times)) / 1e9 if times else 0.0

    @contextmanager
    def staging(self, *parent: str, key: str | None = None) -> Iterator["Staging"]:
        """Open a folder to build an artefact in; see `Staging.publish`.

        Parameters
        ----------
        *parent
            Folder the artefact will stand in.
        key
            A fixed name, so that an interrupted job finds its own unfinished folder again and can
            continue in it. Such a folder stays after an error; an unnamed one is removed.

        Yields
        ------
        Staging
            The folder, created.
        """
        name = f"{_STAGING_PREFIX}{key or uuid.uuid4().hex}"
        staging = Staging(self, (*parent, name))
        # Object stores have no folders: making one would cost a request and leave an empty object.
        if self.is_local:
            make_folder(Path(staging.path()))
        try:
            yield staging
        finally:
            if key is None or staging.published:
                self.remove(*staging.parts)


@dataclass
class Staging:
    """A folder in which an artefact is built before it is published."""

    store: Store
    parts: tuple[str, ...]
    published: bool = False

    def path(self, *parts: str) -> str:
        """Return a path inside the folder as `store.fs` wants it."""
        return self.store.path(*self.parts, *parts)

    def write_bytes(self, data: bytes, *parts: str) -> None:
        """Write a file inside the folder."""
        self.store.write_bytes(data, *self.parts, *parts)

    def write_json(self, value: Any, *parts: str) -> None:
        """Write a JSON file inside the folder."""
        self.store.write_json(value, *self.parts, *parts)

    def publish(self, *final: str, marker: str) -> bool:
        """Make the folder the artefact `final`.

        Parameters
        ----------
        *final
            Where the artefact shall stand.
        marker
            The file whose presence makes the folder an artefact; it must have been written.

        Returns
        -------
        bool
            False when an artefact of that name was there already; it is kept as it is.

        Raises
        ------
        StoreError
            When the marker is missing or the artefact cannot be moved into place.
        """
        store = self.store
        if not store.is_filled(*self.parts, marker):
            message = f"{'/'.join(final)} has no {marker} yet: write it before publishing."
            raise StoreError(message)
        try:
            if store.is_filled(*final, marker):
                placed = False
            elif store.is_local:
                placed = self._rename(final, marker)
            else:
                self._copy(final, marker)
                placed = True
        except OSError as error:
            what = f"{'/'.join(final)} cannot be published in {store.shown}"
            raise cannot_write(what, error) from error
        # Only now: a folder with a name of its own must outlive a publication that failed.
        self.published = True
        return placed

    def _rename(self, final: tuple[str, ...], marker: str) -> bool:
        """Rename the folder; return False where another process has published the same name."""
        source, target = Path(self.path()), Path(self.store.path(*final))
        sync_tree(source)
        make_folder(target.parent)
        if target.exists():
            # A power cut or a removal that was cut short left a folder without its marker.
            target.rename(target.with_name(f"{_STAGING_PREFIX}{uuid.uuid4().hex}"))
        try:
            source.rename(target)
        except OSError:
            if self.store.is_filled(*final, marker):
                return False
            raise
        sync_folder(target.parent)
        sync_folder(source.parent)
        return True

    def _copy(self, final: tuple[str, ...], marker: str) -> None:
        fs, source, target = self.store.fs, self.path(), self.store.path(*final)
        selector = pafs.FileSelector(source, recursive=True)
        files = [i.path for i in fs.get_file_info(selector) if i.type == pafs.FileType.File]
        for path in sorted(files, key=lambda path: path == f"{source}/{marker}"):
            copy = target + path.removeprefix(source)
            self.store.make_folder_above(copy)
            fs.copy_file(path, copy)
