"""Ray as this project starts it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import running
from tunesmith.cluster import connection
from tunesmith.cluster.connection import GROWS_TO, connect, session
from tunesmith.errors import UsageError


def _listening(pids: set[int]) -> set[str]:
    """Return the hexadecimal local addresses on which these processes accept TCP connections."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").glob("*"):
            try:
                target = str(link.readlink())
            except FileNotFoundError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                addresses.add(fields[1].split(":")[0])
    return addresses


def _descendants(root: int) -> set[int]:
    parents = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = entry.read_text().split(" (", 1)
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(pid)] = int(rest.rsplit(") ", 1)[1].split()[1])
    found = {root}
    while True:
        more = {pid for pid, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


@pytest.mark.cluster
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's /proc")
def test_an_embedded_ray_listens_on_loopback_only(ray_cluster: dict[str, float]) -> None:
    import ray

    ray.get(ray.remote(lambda: None).remote())
    loopback = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}
    addresses = _listening(_descendants(os.getpid()))
    assert addresses, "no listening socket found: the test looks at the wrong processes"
    assert addresses <= loopback


@pytest.mark.cluster
def test_a_session_inside_a_running_cluster_leaves_it_running(
    ray_cluster: dict[str, float],
) -> None:
    import ray

    with session() as resources:
        assert resources["CPU"] == ray_cluster["CPU"]
    assert ray.is_initialized()


@pytest.mark.cluster
def test_what_a_session_needs_is_imported_while_ray_starts(
    ray_cluster: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(_: str | None) -> dict[str, float]:
        deadline = time.monotonic() + 10
        while "colorsys" not in sys.modules:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return {}

    with monkeypatch.context() as patched:
        patched.setattr(connection, "connect", start)
        sys.modules.pop("colorsys", None)
        with session(meanwhile=["colorsys"]) as resources:
            assert resources == {}
    with pytest.raises(ModuleNotFoundError), session(meanwhile=["no_such_module"]):
        pass


@pytest.mark.cluster
def test_connecting_twice_gives_the_same_cluster(ray_cluster: dict[str, float]) -> None:
    assert connect()["CPU"] == ray_cluster["CPU"]


@pytest.mark.cluster
def test_an_address_nobody_answers_is_a_clear_error() -> None:
    # In its own process: this one may be connected already.
    program = """
from tunesmith.cluster.connection import ClusterError, connect
try:
    connect("not an address")
except ClusterError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True
    )
    assert run.stdout.startswith("Ray does not answer at not an address")


@pytest.mark.parametrize("how", ["connect()", "session().__enter__()"])
def test_ray_is_imported_after_what_keeps_it_on_loopback_is_set(how: str) -> None:
    program = f"""
import os, sys
from tunesmith.cluster.connection import connect, session
class Finder:
    def find_spec(self, name, *rest):
        if name == "ray":
            token = os.environ["RAY_AUTH_TOKEN"]
            print(os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"], os.environ["RAY_AUTH_MODE"])
            print(len(token))
            raise SystemExit
sys.meta_path.insert(0, Finder())
{how}
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True,
        env=untouched(),
    )  # fmt: skip
    assert run.stdout.split() == ["0", "token", "64"]


def untouched() -> dict[str, str]:
    """Return this process's environment without what tests set for Ray."""
    unset = {"RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"}
    return {name: value for name, value in os.environ.items() if name not in unset}


HOLDING = """
import os, sys
from tunesmith.cluster.connection import connect
connect(num_cpus=1, object_store_memory=100_000_000)
import ray
print(ray.get(ray.remote(lambda: "works").remote()))
print(ray.get_runtime_context().gcs_address, os.environ["RAY_AUTH_TOKEN"], flush=True)
sys.stdin.readline()
"""
JOINING = """
import sys
from ray._raylet import GcsClient
from ray.exceptions import AuthenticationError
try:
    GcsClient(address=sys.argv[1])
except AuthenticationError:
    print("refused")
else:
    print("open")
"""


@pytest.mark.slow
@pytest.mark.cluster
def test_a_ray_that_a_command_started_is_closed_to_others_of_the_machine(tmp_path: Path) -> None:
    with running(
        [sys.executable, "-c", HOLDING], env=untouched() | {"HOME": str(tmp_path)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as holder:  # fmt: skip
        assert holder.stdout is not None
        assert holder.stdin is not None
        assert holder.stdout.readline() == "works\n"
        address, token = holder.stdout.readline().split()

        def join(**environment: str) -> str:
            joining = subprocess.run(
                [sys.executable, "-c", JOINING, address], env=untouched() | environment,
                capture_output=True, text=True, timeout=120, check=True,
            )  # fmt: skip
            return joining.stdout.strip()

        assert join(RAY_AUTH_MODE="disabled") == "refused"
        assert join(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="0" * 64) == "refused"
        assert join(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=token) == "open"
        holder.stdin.write("\n")
        holder.stdin.flush()
    assert holder.returncode == 0
    assert not (tmp_path / ".ray").exists(), "no token is left for a later cluster"


@pytest.mark.cluster
def test_machines_that_come_when_asked_for_count_in_the_plan(
    ray_cluster: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(GROWS_TO, "CPU=1,GPU=3")
    grown = connect()
    assert grown["GPU"] == 3
    # What is there already counts where it is more.
    assert grown["CPU"] == ray_cluster["CPU"]


def test_a_wrong_word_about_growing_says_how_to_write_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GROWS_TO, "CPU=many")
    with pytest.raises(UsageError, match="Write CPU=120,GPU=3"):
        connection._with_what_comes({"CPU": 2.0})
    monkeypatch.setenv(GROWS_TO, "CPU=120, GPU=3")
    assert connection._with_what_comes({"CPU": 2.0, "memory": 9.0}) == {
        "CPU": 120.0, "GPU": 3.0, "memory": 9.0,
    }  # fmt: skip
