"""The doctor passes a healthy machine and finds what is planted in a sick one."""

import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.nodes import free_port
from tunesmith.cli import doctor
from tunesmith.cluster import checks, machine_checks, ray_checks
from tunesmith.cluster.checks import examine
from tunesmith.cluster.findings import Finding, Target
from tunesmith.cluster.machine import Gpu, Machine
from tunesmith.cluster.machine_checks import gpu_of_a_worker

GIB = 1 << 30


@pytest.fixture
def healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Target:
    """Return a question about a machine without a fault, all of it in a temporary folder."""
    for name in ("home", "ray", "shm", "proc/net", "packages/tensorflow/python/platform"):
        (tmp_path / name).mkdir(parents=True)
    proc = tmp_path / "proc"
    (proc / "meminfo").write_text(f"MemTotal: {2**24} kB\nMemAvailable: {2**23} kB\n")
    (proc / "net" / "tcp").write_text("header\n")
    build = tmp_path / "packages/tensorflow/python/platform/build_info.py"
    build.write_text("build_info = OrderedDict([('is_cuda_build', False)])\n")
    monkeypatch.setattr(machine_checks.shutil, "disk_usage", _usage(total=100 * GIB, free=60 * GIB))
    monkeypatch.setattr(machine_checks.resource, "getrlimit", lambda _: (65536, 65536))
    machine = Machine(
        environment={}, home=tmp_path / "home", ray_folder=tmp_path / "ray",
        shared_memory=tmp_path / "shm", proc=proc, packages=tmp_path / "packages",
        list_gpus=lambda: None,
    )  # fmt: skip
    return Target(machine, str(tmp_path / "store"))


def _usage(*, total: int, free: int) -> Callable[[Any], Any]:
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    return lambda _: usage(total, total - free, free)


def _change(question: Target, **changes: Any) -> Target:
    return replace(question, machine=replace(question.machine, **changes))


def _token(question: Target, mode: int = 0o600) -> Path:
    path = question.machine.home / ".ray" / "auth_token"
    path.parent.mkdir()
    path.write_text("0123456789abcdef\n")
    path.chmod(mode)
    return path


def test_a_healthy_machine_passes(healthy: Target) -> None:
    findings = examine(healthy)
    assert [(f.check, f.saw) for f in findings if f.state != "ok"] == []
    assert len({finding.check for finding in findings}) == len(checks.CHECKS)
    assert not any(finding.do for finding in findings)


def test_examining_leaves_nothing_in_the_store(healthy: Target) -> None:
    examine(healthy)
    assert list(Path(str(healthy.store_uri)).iterdir()) == []


# Each plants one fault and returns the question that shall find it.
def _token_wanted(q: Target, _: pytest.MonkeyPatch) -> Target:
    return _change(q, environment={"RAY_AUTH_MODE": "token"})


def _unknown_mode(q: Target, _: pytest.MonkeyPatch) -> Target:
    return _change(q, environment={"RAY_AUTH_MODE": "on"})


def _token_left(q: Target, _: pytest.MonkeyPatch) -> Target:
    _token(q)
    return q


def _token_open(q: Target, _: pytest.MonkeyPatch) -> Target:
    _token(q, 0o644)
    return _change(q, environment={"RAY_AUTH_MODE": "token"})


def _dead_session(q: Target, patch: pytest.MonkeyPatch) -> Target:
    folder = q.machine.ray_folder / "session_2026-01-01_00-00-00_000000_1" / "sockets"
    folder.mkdir(parents=True)
    # A socket's name may be 107 bytes long.
    patch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("plasma_store")
        server.listen()
    return q


def _port_taken(q: Target, patch: pytest.MonkeyPatch) -> Target:
    # 0A is LISTEN, 1F40 is 8000; the owner is this process.
    process = q.machine.proc / "77"
    (process / "fd").mkdir(parents=True)
    (process / "fd" / "3").symlink_to("socket:[4711]")
    (process / "cmdline").write_bytes(b"python\0-m\0http.server\0")
    row = "0: 0100007F:1F40 00000000:0000 0A 0:0 0:0 0 0 0 4711 1\n"
    (q.machine.proc / "net" / "tcp").write_text(f"header\n{row}")
    return q


def _dead_cluster(q: Target, _: pytest.MonkeyPatch) -> Target:
    (q.machine.ray_folder / "ray_current_cluster").write_text(f"127.0.0.1:{free_port()}")
    return q


def _no_address(q: Target, _: pytest.MonkeyPatch) -> Target:
    (q.machine.ray_folder / "ray_current_cluster").write_text("nonsense")
    return q


def _proxy(q: Target, _: pytest.MonkeyPatch) -> Target:
    return _change(q, environment={"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "localhost"})


def _read_only_shared_memory(q: Target, patch: pytest.MonkeyPatch) -> Target:
    # Whoever runs the tests may write everywhere: the answer of a read-only mount is planted.
    usual = os.access
    patch.setattr(
        machine_checks.os, "access",
        lambda path, mode: path != q.machine.shared_memory and usual(path, mode),
    )  # fmt: skip
    return q


def _small_shared_memory(q: Target, patch: pytest.MonkeyPatch) -> Target:
    usual = machine_checks.shutil.disk_usage
    small = _usage(total=64_000_000, free=64_000_000)
    patch.setattr(
        machine_checks.shutil, "disk_usage",
        lambda path: (small if path == q.machine.shared_memory else usual)(path),
    )  # fmt: skip
    return q


def _little_memory(q: Target, _: pytest.MonkeyPatch) -> Target:
    (q.machine.proc / "meminfo").write_text("MemTotal: 4194304 kB\nMemAvailable: 500000 kB\n")
    return q


def _few_files(q: Target, patch: pytest.MonkeyPatch) -> Target:
    patch.setattr(machine_checks.resource, "getrlimit", lambda _: (256, 4096))
    return q


def _full_disk(q: Target, patch: pytest.MonkeyPatch) -> Target:
    patch.setattr(machine_checks.shutil, "disk_usage", _usage(total=100 * GIB, free=GIB))
    return q


def _hidden_gpu(q: Target, _: pytest.MonkeyPatch) -> Target:
    cuda = q.machine.packages / "tensorflow/python/platform/build_info.py"
    cuda.write_text("build_info = OrderedDict([('is_cuda_build', True)])\n")
    (q.machine.packages / "nvidia" / "cudnn").mkdir(parents=True)
    return _change(
        q, environment={"CUDA_VISIBLE_DEVICES": ""}, list_gpus=lambda: (Gpu("GPU 0: NVIDIA L4"),)
    )


def _no_gpu_listed(q: Target, _: pytest.MonkeyPatch) -> Target:
    return _change(q, list_gpus=tuple)


def _wrong_build(q: Target, _: pytest.MonkeyPatch) -> Target:
    return _change(q, list_gpus=lambda: (Gpu("GPU 0: NVIDIA L4"),))


def _no_tensorflow(q: Target, _: pytest.MonkeyPatch) -> Target:
    return _change(q, packages=q.machine.home)


def _store_in_a_file(q: Target, _: pytest.MonkeyPatch) -> Target:
    path = q.machine.home / "file"
    path.write_text("")
    return replace(q, store_uri=str(path / "store"))


def _slow_clock(q: Target, _: pytest.MonkeyPatch) -> Target:
    now_s = q.machine.now_s
    return _change(q, now_s=lambda: now_s() - 900)


def _no_ray(q: Target, patch: pytest.MonkeyPatch) -> Target:
    patch.setattr(ray_checks, "version", lambda _: "2.9.0")
    return q


def _nobody_answers(q: Target, _: pytest.MonkeyPatch) -> Target:
    return replace(q, address=f"http://127.0.0.1:{free_port()}")


PLANTED = {
    _token_wanted: ("authentication", "fault", "ray get-auth-token"),
    _unknown_mode: ("authentication", "fault", "token or disabled"),
    _token_left: ("authentication", "warning", "RAY_AUTH_MODE=token"),
    _token_open: ("token file", "warning", "chmod 600"),
    _dead_session: ("leftovers", "warning", "remove the folders"),
    _port_taken: ("ports", "fault", "--port"),
    _dead_cluster: ("current cluster", "warning", "rm "),
    _no_address: ("current cluster", "warning", "rm "),
    _proxy: ("proxies", "warning", "NO_PROXY=127.0.0.1,localhost,::1"),
    _read_only_shared_memory: ("shared memory", "warning", "remount,rw"),
    _small_shared_memory: ("shared memory", "fault", "--shm-size"),
    _little_memory: ("memory", "fault", "stop other programs"),
    _few_files: ("open files", "warning", "ulimit -n 4096"),
    _full_disk: ("disk", "fault", "make room"),
    _hidden_gpu: ("gpu", "fault", "unset CUDA_VISIBLE_DEVICES"),
    _no_gpu_listed: ("gpu", "fault", "nvidia-smi"),
    _wrong_build: ("tensorflow", "fault", "tunesmith[gpu]"),
    _no_tensorflow: ("tensorflow", "warning", "tunesmith[train]"),
    _store_in_a_file: ("store", "fault", "TUNESMITH_STORE"),
    _slow_clock: ("clock", "fault", "synchronise"),
    _no_ray: ("ray", "fault", "tunesmith[train]"),
    _nobody_answers: ("ray", "fault", "start the cluster"),
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__.strip("_"))
def test_a_planted_fault_is_found_and_nothing_else(
    plant: Callable[..., Target], healthy: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, state, advice = PLANTED[plant]
    found = [f for f in examine(plant(healthy, monkeypatch)) if f.state != "ok"]
    assert [(f.check, f.state) for f in found] == [(check, state)]
    assert advice in found[0].do


def test_the_port_of_a_running_ray_is_no_fault(
    healthy: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = _port_taken(healthy, monkeypatch)
    (question.machine.proc / "77" / "cmdline").write_bytes(b"/x/ray/core/src/ray/gcs/gcs_server\0")
    assert [f for f in examine(question) if f.state != "ok"] == []


@pytest.mark.parametrize(
    "command",
    [
        "/home/somebody/with/a/long/name/.venv/lib/python3.13/site-packages/ray/core/src/ray/raylet",
        "/home/somebody/with/a/long/name/.venv/bin/python -u /x/y/ray/dashboard/dashboard.py",
    ],
)
def test_the_port_of_ones_own_ray_is_no_fault_however_long_its_path(
    healthy: Target, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    question = _port_taken(healthy, monkeypatch)
    words = command.replace(" ", "\0").encode()
    (question.machine.proc / "77" / "cmdline").write_bytes(words + b"\0")
    assert [f for f in examine(question) if f.state != "ok"] == []


def test_a_live_cluster_of_this_machine_is_named(healthy: Target) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        (healthy.machine.ray_folder / "ray_current_cluster").write_text(address)
        (found,) = [f for f in examine(healthy) if f.check == "current cluster"]
    assert found.state == "ok"
    assert f"--address {address}" in found.saw


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "/tmp/ray"),  # noqa: S108 - Ray's own
        ({"RAY_TMPDIR": "/data/r"}, "/data/r/ray"),
        ({"RAY_TMPDIR": "/data/r", "TMPDIR": "/other"}, "/data/r/ray"),
    ],
)
def test_the_folder_of_ray_is_found_as_ray_finds_it(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray._common.utils import get_default_ray_temp_dir

    for name in ("RAY_TMPDIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert str(Machine().ray_folder) == expected == get_default_ray_temp_dir()


def test_the_machine_knows_who_listens_on_a_port() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        owners = Machine().owners((port,))
    assert f"process {os.getpid()} " in owners[port]
    assert Machine().owners((port,)) == {}


def test_a_file_that_is_closed_meanwhile_hides_no_listener(tmp_path: Path) -> None:
    table = "sl local_address rem_address st\n0: 0100007F:1F90 0:0 0A 0 0 0 0 0 4711 1"
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(table)
    files = tmp_path / "77" / "fd"
    files.mkdir(parents=True)
    for number in range(40):
        # What was closed can no longer be read as a link.
        (files / f"{number}").touch()
    (files / "40").symlink_to("socket:[4711]")
    (tmp_path / "77" / "cmdline").write_bytes(b"serve\0")
    assert Machine(proc=tmp_path).owners((8080,)) == {8080: "process 77 (serve)"}


def test_without_linux_files_memory_and_ports_are_still_told(tmp_path: Path) -> None:
    machine = Machine(proc=tmp_path / "no proc")
    total, available = machine.memory_bytes()
    assert 0 < available <= total
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        assert machine.owners((port,)) == {port: "another program"}
    assert machine.owners((port,)) == {}


@pytest.fixture
def dashboard() -> Iterator[dict[str, Any]]:
    """Run a server that answers for its version as Ray's dashboard does, on loopback."""
    told: dict[str, Any] = {"status": 200, "ray_version": version("ray"), "token": None}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told["token"] = self.headers.get("Authorization")
            self.send_response(told["status"])
            self.end_headers()
            self.wfile.write(json.dumps({"ray_version": told["ray_version"]}).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    told["address"] = f"http://127.0.0.1:{server.server_port}"
    yield told
    server.shutdown()
    server.server_close()
    thread.join()


def _about_ray(question: Target) -> Finding:
    return next(f for f in examine(question) if f.check == "ray")


def test_a_cluster_of_the_same_version_is_fine_and_gets_the_token(
    healthy: Target, dashboard: dict[str, Any]
) -> None:
    _token(healthy)
    question = _change(
        replace(healthy, address=dashboard["address"]), environment={"RAY_AUTH_MODE": "token"}
    )
    assert [f for f in examine(question) if f.state != "ok"] == []
    assert dashboard["token"] == "Bearer 0123456789abcdef"  # noqa: S105 - made up


def test_a_cluster_of_another_version_is_a_fault(
    healthy: Target, dashboard: dict[str, Any]
) -> None:
    dashboard["ray_version"] = "2.1.0"
    found = _about_ray(replace(healthy, address=dashboard["address"]))
    assert found.state == "fault"
    assert "2.1.0" in found.saw


@pytest.mark.parametrize(("status", "said"), [(401, "asks for a token"), (403, "refuses")])
def test_a_cluster_that_wants_a_token_is_a_fault(
    healthy: Target, dashboard: dict[str, Any], status: int, said: str
) -> None:
    dashboard["status"] = status
    found = _about_ray(replace(healthy, address=dashboard["address"]))
    assert found.state == "fault"
    assert said in found.saw
    assert "auth_token" in found.do


def test_a_worker_without_its_gpu_is_a_fault() -> None:
    assert gpu_of_a_worker({"CPU": 2.0}, []).state == "ok"
    assert gpu_of_a_worker({"CPU": 2.0, "GPU": 1.0}, ["NVIDIA L4"]).state == "ok"
    assert gpu_of_a_worker({"CPU": 2.0, "GPU": 1.0}, []).state == "fault"


@pytest.mark.cluster
def test_a_real_worker_answers(ray_cluster: dict[str, float]) -> None:
    from tunesmith.cluster.worker import ask_worker

    found = ask_worker()
    assert (found.check, found.state) == ("gpu of a worker", "ok")
    assert "2 CPUs" in found.saw


def _run(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[Any, str]:
    with pytest.raises(SystemExit) as ended:
        doctor.main(arguments)
    return ended.value.code, capsys.readouterr().out


def test_the_command_prints_one_object_and_exits_with_1_on_a_fault(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    code, out = _run(["--store", str(tmp_path / "file" / "store"), "--json"], capsys)
    assert code == 1
    told = json.loads(out)
    assert told["faults"] >= 1
    assert "store" in {f["check"] for f in told["findings"] if f["state"] == "fault"}


def test_the_command_tells_people_what_to_do(
    healthy: Target, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tunesmith.cluster.machine.Machine", lambda: healthy.machine)
    arguments = ["--store", str(healthy.store_uri)]
    code, out = _run(arguments, capsys)
    assert (code or 0, out) == (0, f"{len(checks.CHECKS)} checks passed.\n")
    _, out = _run([*arguments, "--all"], capsys)
    assert len(out.splitlines()) == len(checks.CHECKS) + 1
    _token(healthy)
    code, out = _run(arguments, capsys)
    assert (code or 0) == 0
    assert out.splitlines()[-1] == f"{len(checks.CHECKS)} checks: 1 warning."
    assert out.startswith("warning ")
    assert " -> set RAY_AUTH_MODE=token" in out


def test_the_configuration_of_a_server_is_checked_with_its_port_and_store(
    healthy: Target, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("tunesmith.cluster.machine.Machine", lambda: healthy.machine)
    config = tmp_path / "config.yaml"
    shipped = (Path(doctor.__file__).parent.parent / "serving" / "config.yaml").read_text()
    config.write_text(shipped.replace("port: 8000", "port: 9123"))
    arguments = ["--config", str(config), "--store", str(healthy.store_uri), "--all"]
    code, out = _run(arguments, capsys)
    assert code in {0, None}
    assert f"{config} is valid: port 9123" in out
    assert "9123" in next(line for line in out.splitlines() if " ports " in line)
    config.write_text("applications: 3\n")
    code, out = _run(arguments, capsys)
    assert code == 1
    assert "FAULT   configuration" in out
    assert "--check" in out
