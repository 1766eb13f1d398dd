"""Power cuts, replayed: what a disk holds of a folder if the machine had lost power at some moment.

At every `fsync`, rename, link and change of folders of a piece of work the folder is looked at.
Four disks are drawn of it. A strict one keeps a file's content from its sync on, and a name from
the sync of its folder on. A hasty one keeps every name at once, while the content of files that
were not synced is lost. A torn one keeps every name, and the first half of what was written since
the sync. A prompt one keeps every write in its order, as a process leaves it that is killed. What a
real file system leaves lies between them.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

__all__ = ["Disk", "Recorder", "recorded"]

Contents = dict[str, bytes | None]
"""Contents of files by path, None for folders."""


Kept = Callable[[bytes, bytes], bytes]
"""Content after a cut, from the one that was synced last and the one that was written last."""


def synced_alone(synced: bytes, written: bytes) -> bytes:
    """Lose what was not synced."""
    del written
    return synced


def whole(synced: bytes, written: bytes) -> bytes:
    """Lose nothing."""
    del synced
    return written


def torn(synced: bytes, written: bytes) -> bytes:
    """Lose the second half of what was written since the sync."""
    if not written.startswith(synced):
        return written[: len(written) // 2]
    return written[: (len(synced) + len(written)) // 2]


@dataclass(frozen=True)
class Disk:
    """What a disk holds after a power cut."""

    contents: tuple[tuple[str, bytes | None], ...]

    def write(self, folder: Path) -> Path:
        """Write the disk's contents into an empty folder."""
        folder.mkdir(parents=True)
        for path, data in self.contents:
            place = folder / path
            if data is None:
                place.mkdir(parents=True, exist_ok=True)
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(data)
        return folder


@dataclass
class Recorder:
    """Draws the disks of a folder; each different one is kept once."""

    root: Path
    disks: list[Disk] = field(default_factory=list)
    _content: dict[int, bytes] = field(default_factory=dict)
    _names: dict[int, dict[str, int]] = field(default_factory=dict)
    _live: set[int] = field(default_factory=set)
    _n_retired: int = 0

    def synced(self, handle: int) -> None:
        """Take note of a sync."""
        inode, path = os.fstat(handle).st_ino, Path(f"/proc/self/fd/{handle}").readlink()
        self._content.pop(inode, None)
        self._names.pop(inode, None)
        if path.is_dir():
            self._names[inode] = {entry.name: entry.inode() for entry in os.scandir(path)}
        else:
            self._content[inode] = path.read_bytes()

    def begin(self) -> None:
        """Take everything that is there now as synced."""
        for place, _, names in os.walk(self.root):
            folder = Path(place)
            self._names[folder.stat().st_ino] = {e.name: e.inode() for e in os.scandir(folder)}
            self._content |= {
                (folder / name).stat().st_ino: (folder / name).read_bytes() for name in names
            }

    def look(self) -> None:
        """Draw the disks of this moment."""
        self._retire()
        unsynced = (self._hasty(), self._hasty(torn), self._hasty(whole))
        for contents in (*unsynced, self._strict()):
            disk = Disk(tuple(sorted(contents.items())))
            if disk not in self.disks:
                self.disks.append(disk)

    def _retire(self) -> None:
        """Give inodes that are gone numbers of their own: the system uses theirs again."""
        live = {
            Path(place, name).stat().st_ino
            for place, folders, names in os.walk(self.root)
            for name in (*folders, *names)
        }
        for gone in self._live - live:
            self._n_retired -= 1
            for known in (self._content, self._names):
                if gone in known:
                    known[self._n_retired] = known.pop(gone)
            for names in self._names.values():
                for name, inode in names.items():
                    if inode == gone:
                        names[name] = self._n_retired
        self._live = live

    def _hasty(self, kept: Kept = synced_alone) -> Contents:
        """Return every name; `kept` says what of a file's content is there."""
        contents: Contents = {}
        for place, folders, names in os.walk(self.root):
            within = Path(place).relative_to(self.root)
            contents |= {str(within / name): None for name in folders}
            for name in names:
                file = Path(place, name)
                synced = self._content.get(file.stat().st_ino, b"")
                contents[str(within / name)] = kept(synced, file.read_bytes())
        return contents

    def _strict(self) -> Contents:
        contents: Contents = {}
        now = {
            Path(place, name).stat().st_ino
            for place, folders, _ in os.walk(self.root)
            for name in folders
        }

        def add(inode: int, within: Path) -> None:
            for name, entry in self._names.get(inode, {}).items():
                if entry in self._names or entry in now:
                    contents[str(within / name)] = None
                    add(entry, within / name)
                else:
                    contents[str(within / name)] = self._content.get(entry, b"")

        add(self.root.stat().st_ino, Path())
        return contents


@contextmanager
def recorded(root: Path) -> Iterator[list[Disk]]:
    """Record the power cuts of what is done in the block to a folder, which is there already."""
    recorder = Recorder(root)
    recorder.begin()
    recorder.look()
    with pytest.MonkeyPatch.context() as patch:
        fsync = os.fsync

        def synced(handle: int) -> None:
            recorder.look()
            fsync(handle)
            recorder.synced(handle)
            recorder.look()

        def looked(call: Callable[..., object]) -> Callable[..., object]:
            def changed(*arguments: object, **options: object) -> object:
                recorder.look()
                result = call(*arguments, **options)
                recorder.look()
                return result

            return changed

        patch.setattr(os, "fsync", synced)
        for name in ("rename", "replace", "link", "unlink", "mkdir", "rmdir", "truncate"):
            patch.setattr(os, name, looked(getattr(os, name)))
        yield recorder.disks
    recorder.look()
