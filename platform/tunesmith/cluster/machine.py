"""Facts about a machine that can be read without starting anything on it.

Read from ``/proc``, the file system and the environment, each through `Machine`, so that a test can
plant a fault in any of them.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Gpu", "Machine", "Session", "accepts", "children", "end", "ray_folder"]

_LISTENING = "0A"
_GPU_ANSWER_S = 10.0
_KILLED_S, _PAUSE_S = 5.0, 0.05


@dataclass(frozen=True)
class Gpu:
    """One line of what the NVIDIA driver lists."""

    name: str


@dataclass(frozen=True)
class Session:
    """A folder that a Ray of this machine left or uses."""

    path: Path
    is_live: bool


@dataclass(frozen=True)
class Machine:
    """Paths and facts of the machine that checks read.

    Attributes
    ----------
    environment
        Environment variables.
    home
        The user's home folder, where Ray keeps its token.
    ray_folder
        Where Ray keeps a folder for each session, and the address of the current cluster.
    shared_memory
        The file system of Ray's object store.
    proc
        Linux's process file system.
    packages
        The folder that Python's packages are installed in.
    list_gpus
        Returns what the driver lists; None where there is no driver.
    now_s
        Returns this machine's clock in seconds since the epoch.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    home: Path = field(default_factory=Path.home)
    ray_folder: Path = field(default_factory=lambda: ray_folder(os.environ))
    shared_memory: Path = Path("/dev/shm")  # noqa: S108 - where Ray's object store is
    proc: Path = Path("/proc")
    packages: Path = field(default_factory=lambda: Path(sysconfig.get_path("purelib")))
    list_gpus: Callable[[], tuple[Gpu, ...] | None] = field(default=lambda: list_gpus())  # noqa: PLW0108 - defined below
    now_s: Callable[[], float] = field(default_factory=lambda: time.time)

    def token_file(self) -> Path:
        """Return where Ray looks for the token of a cluster."""
        named = self.environment.get("RAY_AUTH_TOKEN_PATH")
        return Path(named).expanduser() if named else self.home / ".ray" / "auth_token"

    def has_token(self) -> bool:
        """Return whether a token is in the environment or in its file."""
        if self.environment.get("RAY_AUTH_TOKEN"):
            return True
        path = self.token_file()
        return path.is_file() and bool(path.read_text().strip())

    def memory_bytes(self) -> tuple[int, int]:
        """Return (total, available) memory; a container's limit counts where it is lower."""
        path = self.proc / "meminfo"
        if not path.exists():
            # Not Linux: what is free cannot be told apart from what could be made free.
            total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
            return total, total
        facts = {}
        for line in path.read_text().splitlines():
            name, _, rest = line.partition(":")
            facts[name] = int(rest.split()[0]) * 1024
        total, available = facts["MemTotal"], facts["MemAvailable"]
        limit = _cgroup_limit()
        return (min(total, limit), min(available, limit)) if limit else (total, available)

    def owners(self, ports: tuple[int, ...]) -> dict[int, str]:
        """Return the processes that listen on `ports`; a name is "another user's" where hidden."""
        if not (self.proc / "net").exists():
            return {port: "another program" for port in ports if accepts("127.0.0.1", port)}
        sockets = {}
        for table in ("tcp", "tcp6"):
            path = self.proc / "net" / table
            if not path.exists():
                continue
            for line in path.read_text().splitlines()[1:]:
                fields = line.split()
                port = int(fields[1].rsplit(":", 1)[1], 16)
                if fields[3] == _LISTENING and port in ports:
                    sockets[fields[9]] = port
        holders = dict.fromkeys(sockets.values(), "a process of another user")
        for process in self.proc.glob("[0-9]*") if sockets else ():
            for inode in _sockets_of(process) & set(sockets):
                holders[sockets[inode]] = _told(process)
        return holders

    def current_cluster(self) -> str | None:
        """Return the address that Ray's own commands join on this machine, None without one."""
        path = self.ray_folder / "ray_current_cluster"
        return path.read_text(encoding="utf-8").strip() or None if path.is_file() else None

    def sessions(self) -> tuple[Session, ...]:
        """Return the folders of Ray's sessions, oldest first, and which still have a process."""
        if not self.ray_folder.is_dir():
            return ()
        folders = sorted(p for p in self.ray_folder.glob("session_2*") if p.is_dir())
        return tuple(Session(path, _answers(path / "sockets")) for path in folders)


def ray_folder(environment: Mapping[str, str]) -> Path:
    """Return the folder that Ray keeps its sessions in, the same way that Ray finds it."""
    above = environment.get("RAY_TMPDIR")
    if above is None and sys.platform.startswith("linux"):
        above = environment.get("TMPDIR")
    return Path(above or "/tmp") / "ray"  # noqa: S108 - Ray's own


def children(proc: Path = Path("/proc")) -> set[int]:
    """Return the processes that this one has started and that still run, none without ``/proc``."""
    own = str(os.getpid())
    children = set()
    for path in proc.glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except (OSError, ValueError):
            # It has ended meanwhile.
            continue
        if parent == own and state != "Z":
            children.add(int(path.parent.name))
    return children


def end(processes: Iterable[int]) -> None:
    """Kill processes that this one has started, and wait until they are gone."""
    killed = set(processes)
    for process in killed:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    deadline = time.monotonic() + _KILLED_S
    while killed & children() and time.monotonic() < deadline:
        time.sleep(_PAUSE_S)


def list_gpus() -> tuple[Gpu, ...] | None:
    """Return the GPUs that NVIDIA's driver lists, None where there is no driver."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        answer = subprocess.run(  # noqa: S603 - the driver's own tool
            [program, "-L"], capture_output=True, text=True, timeout=_GPU_ANSWER_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(Gpu(line.split(" (UUID")[0]) for line in answer.stdout.splitlines() if line)


def _cgroup_limit() -> int | None:
    """Return the memory limit of the container this runs in, None where there is none."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        path = Path("/sys/fs/cgroup") / name
        if path.is_file() and (text := path.read_text().strip()).isdigit():
            return int(text)
    return None


def accepts(host: str, port: int) -> bool:
    """Return whether a process accepts TCP connections on a port of a machine."""
    try:
        with socket.create_connection((host, port), timeout=1.0):
            return True
    except OSError:
        return False


def _sockets_of(process: Path) -> set[str]:
    inodes: set[str] = set()
    try:
        links = list((process / "fd").iterdir())
    except OSError:
        # It has ended meanwhile, or belongs to another user.
        return inodes
    for link in links:
        # A file that has been closed meanwhile says nothing about the others.
        with contextlib.suppress(OSError):
            target = os.readlink(link)  # noqa: PTH115 - "socket:[1]" is no path
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    return inodes


def _told(process: Path) -> str:
    try:
        words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return f"process {process.name}"
    return f"process {process.name} ({' '.join(words).strip()})"


def _answers(folder: Path) -> bool:
    """Return whether a process still accepts on one of the sockets of a session."""
    if not folder.is_dir():
        return False
    for path in folder.iterdir():
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(1.0)
            try:
                probe.connect(str(path))
            except OSError:
                continue
            return True
    return False
