"""Files of a local disk that outlive a power cut, and locks between processes.

A rename is not enough: after a power cut the new name can stand for an empty file, or be gone. So a
file is synced before its folder is, and both before anything names them.
"""

import errno
import fcntl
import logging
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = [
    "append_line",
    "create_file",
    "held",
    "lock_name",
    "locked",
    "make_folder",
    "share_file",
    "sync_file",
    "sync_folder",
    "sync_tree",
    "whole_lines",
    "write_file",
]  # fmt: skip

_log = logging.getLogger(__name__)
# Some network file systems cannot sync a folder; their servers do it by themselves.
_NO_SYNC = {errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.EACCES}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each of them synced."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Make a folder outlive a power cut, with all files and folders in it."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            sync_file(Path(place, name))
        sync_folder(Path(place))


def sync_file(path: Path) -> None:
    """Make the content of a file outlive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_file(path: Path, data: bytes) -> None:
    """Write a file in one step: after a power cut it has the old content or the new."""
    with _written_beside(path, data) as temporary:
        temporary.replace(path)
    sync_folder(path.parent)


def append_line(path: Path, line: str) -> None:
    """Append a line to a file, which is created; both outlive a power cut."""
    is_new = not path.exists()
    with path.open("a", encoding="utf-8") as file:
        file.write(f"{line}\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(path.parent)


def whole_lines(content: bytes) -> bytes:
    """Return a file's content without a last line that its writer has not finished."""
    return content[: content.rfind(b"\n") + 1]


def create_file(path: Path, data: bytes) -> bool:
    """Write a file in one step if there is none of its name; return whether it was written."""
    with _written_beside(path, data) as temporary:
        try:
            os.link(temporary, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A file system without links: a lock keeps other writers out.
            with locked(path):
                if path.exists():
                    return False
                temporary.replace(path)
    sync_folder(path.parent)
    return True


def share_file(source: Path, target: Path) -> None:
    """Give a file a second name, in place of one that is there; neither is ever written to again.

    Where the file system has no links the file is copied. It is synced with its new folder
    (`sync_tree`).
    """
    make_folder(target.parent)
    # Writing into a file that another attempt has linked would change the source.
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        shutil.copyfile(source, target)


@contextmanager
def _written_beside(path: Path, data: bytes) -> Iterator[Path]:
    """Write the content under a temporary name, which is gone afterwards."""
    make_folder(path.parent)
    temporary = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        yield temporary
    finally:
        # A full disk is not helped by half a file.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Keep other processes that lock the same path out; the system frees it when a process ends.

    Parameters
    ----------
    path
        What the lock is for; the lock itself is a hidden file beside it, ``.<name>.lock``.
    wait
        Whether to wait until it is free.

    Raises
    ------
    BlockingIOError
        When it is taken, and `wait` is false.
    """
    with held(path.with_name(lock_name(path.name)), wait=wait):
        yield


@contextmanager
def held(lock: Path, *, wait: bool) -> Iterator[None]:
    """Hold the lock on a file, which is created; see `locked`.

    Raises
    ------
    BlockingIOError
        When it is taken, and `wait` is false.
    """
    make_folder(lock.parent)
    handle = _taken(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        os.close(handle)


def lock_name(name: str) -> str:
    """Return the name of the file that is locked for the file `name` beside it."""
    return f".{name}.lock"


def _taken(lock: Path, how: int) -> int:
    """Return the open file of a lock that is held."""
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(handle, how)
            # Its folder may have been removed while this process waited: that file is no lock.
            if _is_same(handle, lock):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise
        except OSError as error:
            _log.warning(
                "%s is on a file system without locks (%s): run no second command on the same "
                "dataset or task meanwhile.", lock.parent, error.strerror,
            )  # fmt: skip
            return handle
        os.close(handle)
        make_folder(lock.parent)


def _is_same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
