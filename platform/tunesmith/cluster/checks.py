"""What `tunesmith doctor` looks at: each check returns what it saw and what to do about it.

None starts Ray or imports TensorFlow; `gpu_of_a_worker`, which needs a cluster, is asked for.
"""

import http.client
import json
import platform
import re
import resource
import shutil
import stat
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from email.utils import parsedate_to_datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from tunesmith.artifacts.store import Store
from tunesmith.cluster.machine import Machine
from tunesmith.errors import StoreError

__all__ = ["CHECKS", "Finding", "Question", "examine", "gpu_of_a_worker"]

State = Literal["ok", "warning", "fault"]

NOTHING = "nothing to do"
GIB = 1 << 30
# Ray's ports that a second cluster or another program collides with, and Serve's.
PORTS = {
    6379: "Ray's control store",
    8265: "Ray's dashboard",
    8000: "Ray Serve",
    52365: "Ray's agent",
}
# Below these Ray does not start; the docker default of 64 MB is the usual cause.
LEAST_SHARED_BYTES = GIB // 4
LEAST_MEMORY_BYTES = 1 * GIB
LEAST_DISK_BYTES = 2 * GIB
# Trainers want about this much for themselves.
GOOD_MEMORY_BYTES = 4 * GIB
GOOD_SHARED_BYTES = 2 * GIB
GOOD_OPEN_FILES = 4096
# Ray stops writing objects to a disk that is fuller than this.
FULLEST_DISK = 0.95
FULL_DISK = 0.85
# Signed requests to object stores are refused beyond 15 minutes.
WORST_CLOCK_S = 300.0
GOOD_CLOCK_S = 5.0
_ANSWER_S = 5.0


@dataclass(frozen=True)
class Finding:
    """What one check saw.

    Attributes
    ----------
    check
        Its name.
    state
        ``ok``, ``warning`` (works, but) or ``fault`` (something will fail).
    saw
        What is the case.
    do
        What to do about it.
    """

    check: str
    state: State
    saw: str
    do: str = NOTHING

    def as_dict(self) -> dict[str, str]:
        """Return the finding as JSON holds it."""
        return asdict(self)


@dataclass(frozen=True)
class Question:
    """What is examined: a machine, the store, and the cluster where one is named.

    Attributes
    ----------
    machine
        This machine.
    store_uri
        The store, or None for the usual one.
    address
        URL of a cluster's dashboard, ``http://host:8265``, or None.
    """

    machine: Machine
    store_uri: str | None = None
    address: str | None = None


def _gib(number: float) -> str:
    return f"{number / GIB:.1f} GiB"


def python(_: Question) -> Finding:
    """Look for a folder that hides the standard library."""
    # Ray asks the standard library's `platform` for the system; the checkout has a folder so named.
    if not hasattr(platform, "system"):
        where = getattr(platform, "__path__", ["an unknown place"])
        return Finding(
            "python",
            "fault",
            f"`import platform` finds {next(iter(where))}, not the standard library's module",
            "remove platform/__init__.py: platform/ is a source root, not a package",
        )
    return Finding("python", "ok", f"Python {platform.python_version()}")


def ray_version(question: Question) -> Finding:
    """Compare the installed Ray with what the project asks for and with the cluster's."""
    try:
        installed = version("ray")
    except PackageNotFoundError:
        return Finding("ray", "fault", "Ray is not installed", "run `make setup`")
    least = _least("ray")
    if _numbers(installed) < _numbers(least):
        what = f"Ray {installed}, the project needs {least} or later"
        return Finding("ray", "fault", what, "run `make setup` again")
    if question.address is None:
        return Finding("ray", "ok", f"Ray {installed}")
    return _cluster(question, installed)


def _cluster(question: Question, installed: str) -> Finding:
    """Ask the cluster for its version; it must be the client's, or jobs fail in odd ways."""
    address = str(question.address)
    try:
        status, _, body = _ask(question)
    except (OSError, http.client.HTTPException) as error:
        return Finding(
            "ray",
            "fault",
            f"{address} does not answer: {error}",
            "start the cluster, or forward its port: `ray dashboard cluster.yaml`",
        )
    if status in {401, 403}:
        return Finding(
            "ray",
            "fault",
            f"{address} refuses the token" if status == 403 else f"{address} asks for a token",
            f"copy the cluster's token to {question.machine.token_file()}, set RAY_AUTH_MODE=token",
        )
    theirs = json.loads(body).get("ray_version", "unknown") if status == 200 else f"HTTP {status}"
    if theirs != installed:
        return Finding(
            "ray",
            "fault",
            f"Ray {installed} here, {theirs} at {address}",
            f"install the cluster's version here, or rebuild the cluster with {installed}",
        )
    return Finding("ray", "ok", f"Ray {installed}, the same at {address}")


def _ask(question: Question) -> tuple[int, str | None, bytes]:
    """Return status, date and body of the dashboard's answer about its version."""
    parts = urlsplit(str(question.address))
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "127.0.0.1", parts.port or 8265, timeout=_ANSWER_S)
    machine = question.machine
    headers = {}
    if machine.has_token():
        token = machine.environment.get("RAY_AUTH_TOKEN") or machine.token_file().read_text()
        headers["Authorization"] = f"Bearer {token.strip()}"
    try:
        connection.request("GET", "/api/version", headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Date"), answer.read()
    finally:
        connection.close()


def _least(package: str) -> str:
    for line in requires("tunesmith") or []:
        if match := re.match(rf"{package}(?:\[[^\]]*\])?>=([0-9.]+)", line):
            return match[1]
    return "0"


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", text)[:3])


def authentication(question: Question) -> Finding:
    """Compare Ray's authentication mode with the tokens there are."""
    machine = question.machine
    mode = machine.environment.get("RAY_AUTH_MODE")
    path = machine.token_file()
    if mode not in {None, "token", "disabled"}:
        what = f"RAY_AUTH_MODE is {mode!r}"
        return Finding("authentication", "fault", what, "set it to token or disabled")
    if mode == "token" and not machine.has_token():
        return Finding(
            "authentication",
            "fault",
            f"RAY_AUTH_MODE=token, but there is no token in {path} nor in RAY_AUTH_TOKEN",
            "run `ray get-auth-token --generate`, or copy the cluster's token there",
        )
    if mode is None and machine.has_token():
        return Finding(
            "authentication",
            "warning",
            f"a token is left in {path} and RAY_AUTH_MODE is not set: the next `ray start` will "
            "demand it and clients without it are refused",
            "set RAY_AUTH_MODE=token for a cluster, or remove the file",
        )
    told = f"RAY_AUTH_MODE={mode}" if mode else "RAY_AUTH_MODE is not set and no token is left"
    return Finding("authentication", "ok", f"{told}; an embedded Ray runs without a token")


def token_mode(question: Question) -> Finding:
    """Look whether others can read the token."""
    path = question.machine.token_file()
    if not path.is_file():
        return Finding("token file", "ok", f"no {path}")
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        what = f"other users can read {path}"
        return Finding("token file", "warning", what, f"chmod 600 {path}")
    return Finding("token file", "ok", f"{path}, readable by its owner alone")


def leftovers(question: Question) -> Finding:
    """Look for folders and sockets of Rays that have ended."""
    sessions = question.machine.sessions()
    dead = [s for s in sessions if not s.is_live]
    told = f"{len(sessions) - len(dead)} running, {len(dead)} ended Ray sessions"
    with_sockets = [s for s in dead if any((s.path / "sockets").glob("*"))]
    if with_sockets:
        return Finding(
            "leftovers",
            "warning",
            f"{told} in {question.machine.ray_folder}; {len(with_sockets)} of them left sockets "
            f"that nobody answers on, such as {with_sockets[0].path.name}",
            "remove the folders of ended sessions; their logs go with them",
        )
    return Finding("leftovers", "ok", told)


def ports(question: Question) -> Finding:
    """Look who listens on the ports that Ray and Serve want."""
    owners = question.machine.owners(tuple(PORTS))
    strangers = {port: who for port, who in owners.items() if not _is_ray(who)}
    if strangers:
        told = "; ".join(f"{port} ({PORTS[port]}): {who}" for port, who in strangers.items())
        return Finding(
            "ports",
            "fault",
            f"taken by other programs: {told}",
            "stop them, or choose others: --port, --dashboard-port and "
            "--dashboard-agent-listen-port of `ray start`, http_options.port of serve/config.yaml",
        )
    if owners:
        told = ", ".join(str(port) for port in sorted(owners))
        return Finding(
            "ports", "ok", f"{told} held by the Ray that runs here; a second needs others"
        )
    return Finding("ports", "ok", f"{', '.join(map(str, PORTS))} are free")


def _is_ray(owner: str) -> bool:
    return bool(re.search(r"gcs_server|raylet|ray::|/ray/|ray start|haproxy", owner))


def shared_memory(question: Question) -> Finding:
    """Measure the file system that Ray's object store is in."""
    folder = question.machine.shared_memory
    if not folder.is_dir():
        what = f"there is no {folder}: Ray puts its object store on disk, which is slow"
        return Finding("shared memory", "warning", what, f"mount a tmpfs at {folder}")
    total = shutil.disk_usage(folder).total
    advice = "start the container with --shm-size=2gb or more; on Kubernetes mount a memory volume"
    if total < LEAST_SHARED_BYTES:
        what = f"{folder} holds {total / 1e6:.0f} MB: Ray does not start"
        return Finding("shared memory", "fault", what, advice)
    if total < GOOD_SHARED_BYTES:
        what = f"{folder} holds {_gib(total)}: objects beyond it go to disk"
        return Finding("shared memory", "warning", what, advice)
    return Finding("shared memory", "ok", f"{folder} holds {_gib(total)}")


def memory(question: Question) -> Finding:
    """Measure free memory."""
    total, available = question.machine.memory_bytes()
    told = f"{_gib(available)} of {_gib(total)} available"
    if available < LEAST_MEMORY_BYTES:
        what = f"{told}: Ray ends its workers"
        return Finding("memory", "fault", what, "stop other programs, or use a larger machine")
    if available < GOOD_MEMORY_BYTES:
        what = f"{told}: little for training"
        return Finding("memory", "warning", what, "run fewer trials at once: `--cpus 1`")
    return Finding("memory", "ok", told)


def open_files(_: Question) -> Finding:
    """Look how many files a process may hold open."""
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit < GOOD_OPEN_FILES:
        what = f"a process may open {limit} files; Ray's head needs more under load"
        return Finding("open files", "warning", what, f"ulimit -n {min(most, 65536)}")
    return Finding("open files", "ok", f"a process may open {limit}")


def disk(question: Question) -> Finding:
    """Measure the disks that Ray and a store on this machine write to."""
    folders = {"Ray's temporary folder": question.machine.ray_folder}
    if (store := _opened(question)) is not None and store.is_local:
        folders["the store"] = Path(store.path("."))
    worst = Finding("disk", "ok", "")
    told = []
    for what, folder in folders.items():
        usage = shutil.disk_usage(_existing(folder))
        told.append(f"{_gib(usage.free)} free for {what}")
        full = 1 - usage.free / usage.total
        if full > FULLEST_DISK or usage.free < LEAST_DISK_BYTES:
            seen = f"{_gib(usage.free)} free ({full:.0%} full) for {what}, {folder}"
            do = "make room, or move it: RAY_TMPDIR for Ray, --store for the store"
            return Finding("disk", "fault", seen, do)
        if full > FULL_DISK:
            seen = f"{_gib(usage.free)} free ({full:.0%} full) for {what}, {folder}"
            worst = Finding("disk", "warning", seen, "make room: beyond 95 % Ray stops spilling")
    return worst if worst.state != "ok" else Finding("disk", "ok", "; ".join(told))


def _existing(path: Path) -> Path:
    """Return the nearest folder above `path` that is there."""
    while not path.exists():
        path = path.parent
    return path


def _opened(question: Question) -> Store | None:
    try:
        return Store(question.store_uri)
    except StoreError:
        return None


def store_writable(question: Question) -> Finding:
    """Write a small file into the store, read it back and remove it."""
    name = f".doctor-{uuid.uuid4().hex}"
    began = time.perf_counter()
    try:
        store = Store(question.store_uri)
        store.write_bytes(b"tunesmith", name)
        back = store.read_bytes(name)
        store.remove(name)
    except (StoreError, OSError) as error:
        return Finding(
            "store",
            "fault",
            str(error),
            "check the URI, its credentials and permissions: --store or TUNESMITH_STORE",
        )
    took_s = time.perf_counter() - began
    if back != b"tunesmith":
        what = f"{store.shown} gave other bytes back than were written"
        return Finding("store", "fault", what, "use another store: --store or TUNESMITH_STORE")
    return Finding("store", "ok", f"{store.shown} written, read and cleaned in {took_s:.3f} s")


def clock(question: Question) -> Finding:
    """Compare this machine's clock with the store's, and with the cluster's where one is named."""
    apart = {name: gap for name, gap in (_store_gap(question), _cluster_gap(question)) if name}
    if not apart:
        return Finding("clock", "ok", "nothing to compare it with: the store is not reachable")
    name, gap_s = max(apart.items(), key=lambda pair: abs(pair[1]))
    told = f"{abs(gap_s):.1f} s {'before' if gap_s > 0 else 'behind'} the clock of {name}"
    do = "synchronise it: `systemctl start systemd-timesyncd`, or chrony"
    if abs(gap_s) > WORST_CLOCK_S:
        return Finding("clock", "fault", f"{told}: object stores refuse requests", do)
    if abs(gap_s) > GOOD_CLOCK_S:
        return Finding("clock", "warning", f"{told}: times in records will not add up", do)
    return Finding("clock", "ok", f"within {GOOD_CLOCK_S:g} s of {', '.join(apart)}")


def _store_gap(question: Question) -> tuple[str, float]:
    """Return the store's name and how many seconds this clock is before its; "" without one."""
    name = f".doctor-{uuid.uuid4().hex}"
    try:
        store = Store(question.store_uri)
        store.write_bytes(b"", name)
        now_s = question.machine.now_s()
        written_s = store.fs.get_file_info(store.path(name)).mtime_ns / 1e9
        store.remove(name)
    except (StoreError, OSError):
        return "", 0.0
    return "the store", now_s - written_s


def _cluster_gap(question: Question) -> tuple[str, float]:
    if question.address is None:
        return "", 0.0
    try:
        _, date, _ = _ask(question)
    except (OSError, http.client.HTTPException):
        return "", 0.0
    if date is None:
        return "", 0.0
    theirs_s = parsedate_to_datetime(date).timestamp()
    return question.address, question.machine.now_s() - theirs_s


def gpu(question: Question) -> Finding:
    """Look whether this process sees the GPUs that the driver lists."""
    gpus = question.machine.list_gpus()
    hidden = question.machine.environment.get("CUDA_VISIBLE_DEVICES")
    if gpus is None:
        return Finding("gpu", "ok", "no NVIDIA driver: everything runs on CPUs")
    if not gpus:
        what = "NVIDIA's driver is installed but lists no GPU"
        return Finding("gpu", "fault", what, "run nvidia-smi; its message names the cause")
    if hidden is not None and hidden.strip() in {"", "-1"}:
        what = f"{len(gpus)} GPUs, hidden by CUDA_VISIBLE_DEVICES={hidden!r}"
        return Finding("gpu", "fault", what, "unset CUDA_VISIBLE_DEVICES")
    return Finding("gpu", "ok", "; ".join(one.name for one in gpus))


def tensorflow(question: Question) -> Finding:
    """Read from TensorFlow's files how it was built; importing it takes seconds."""
    path = question.machine.packages / "tensorflow" / "python" / "platform" / "build_info.py"
    if not path.is_file():
        return Finding(
            "tensorflow",
            "warning",
            "TensorFlow is not installed: this machine can serve, but not search",
            "to search: `make setup`, or BUILD=gpu make setup",
        )
    is_cuda = bool(re.search(r"'is_cuda_build', True|\"is_cuda_build\", True", path.read_text()))
    if question.machine.list_gpus() and not is_cuda:
        return Finding(
            "tensorflow",
            "fault",
            "built for CPUs, on a machine with a GPU",
            "rebuild the environment: `make clean`, then BUILD=gpu make setup",
        )
    if is_cuda and not list(question.machine.packages.glob("nvidia/cudnn")):
        return Finding(
            "tensorflow",
            "warning",
            "built for CUDA, but cuDNN's package is not installed",
            "install with BUILD=gpu make setup, unless the system brings its own",
        )
    return Finding("tensorflow", "ok", f"built for {'CUDA' if is_cuda else 'CPUs'}")


def gpu_of_a_worker(resources: dict[str, float], seen: list[str]) -> Finding:
    """Judge what a Ray worker saw.

    Parameters
    ----------
    resources
        What the cluster has, by resource name.
    seen
        GPUs that a worker listed which had asked for one; empty without one.
    """
    wanted = int(resources.get("GPU", 0))
    told = f"the cluster has {resources.get('CPU', 0):g} CPUs and {wanted} GPUs"
    if wanted and not seen:
        return Finding(
            "gpu of a worker",
            "fault",
            f"{told}, but a worker that asked for one lists none",
            "check the worker's image and its driver: run nvidia-smi on that node",
        )
    return Finding("gpu of a worker", "ok", f"{told}; {', '.join(seen) or 'none to see'}")


CHECKS: tuple[Callable[[Question], Finding], ...] = (
    python,
    ray_version,
    authentication,
    token_mode,
    leftovers,
    ports,
    shared_memory,
    memory,
    open_files,
    disk,
    gpu,
    tensorflow,
    store_writable,
    clock,
)


def examine(question: Question) -> list[Finding]:
    """Return what every check saw."""
    return [check(question) for check in CHECKS]
