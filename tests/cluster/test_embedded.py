"""A Ray of one's own: it joins no other, is started twice at most, and fails in one line."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.nodes import free_port
from tests.processes import running
from tunesmith.cluster import embedded
from tunesmith.cluster.machine import children

# Each runs in a process of its own: this one may have a Ray already.
_SLOW_ONCE = """
import time
from ray._private import services
usual, calls, others = services.get_node, [], []
def get_node(*args):
    calls.append(args)
    if len(calls) <= {failures}:
        others.append(children())
        raise Exception("The current node timed out during startup. It\\ncould be X.")
    return usual(*args)
services.get_node = get_node
"""
_CONNECT = """
from tunesmith.cluster.connection import ClusterError, connect
from tunesmith.cluster.machine import children
{before}
try:
    resources = connect(say=print, num_cpus=1, object_store_memory=100_000_000)
    import ray
    print(resources["CPU"], ray.get_runtime_context().gcs_address)
    {after}
except ClusterError as error:
    print("ClusterError:", error)
    {after}
"""


def _run(before: str, after: str = "", **environment: str) -> list[str]:
    program = _CONNECT.format(before=before, after=after)
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=180, check=True,
        env={k: v for k, v in os.environ.items() if k != "RAY_ADDRESS"} | environment,
    )  # fmt: skip
    assert "Traceback" not in run.stderr
    return run.stdout.splitlines()


@pytest.mark.cluster
@pytest.mark.slow
def test_no_cluster_is_joined_that_a_file_names() -> None:
    dead = f"127.0.0.1:{free_port()}"
    # The path of a socket of Ray's may be 107 bytes long: pytest's folders are too deep.
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ray").mkdir()
        (Path(folder) / "ray" / "ray_current_cluster").write_text(dead)
        *_, line = _run("", RAY_TMPDIR=folder)
    cpus, address = line.split()
    assert (cpus, address != dead) == ("1.0", True)


@pytest.mark.cluster
@pytest.mark.slow
def test_a_ray_that_starts_too_slowly_is_started_once_more() -> None:
    before = _SLOW_ONCE.format(failures=1)
    lines = _run(before, "print(len(others[0] & children()))")
    assert lines[1] == "Ray did not start within 30 s. Trying once more …"
    assert lines[2].startswith("1.0 ")
    # Nothing of the first attempt is left.
    assert lines[3] == "0"


@pytest.mark.cluster
@pytest.mark.slow
def test_a_ray_that_never_starts_ends_in_one_line_and_leaves_nothing() -> None:
    lines = _run(_SLOW_ONCE.format(failures=2), "print(len(children()))")
    assert lines[2] == (
        "ClusterError: Ray did not start on this machine: The current node timed out during "
        "startup. It. Check it with: tunesmith doctor"
    )
    assert lines[3:] == ["0"]


def test_objects_go_to_disk_where_shared_memory_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[dict[str, object]] = []
    lines: list[str] = []
    monkeypatch.setattr(embedded, "initialise", lambda _, options: given.append(options))
    monkeypatch.setattr(embedded, "_SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(embedded.tempfile, "gettempdir", lambda: "/disk")
    embedded.start(lines.append, {"num_cpus": 1})
    monkeypatch.setattr(embedded.os, "access", lambda *_: False)
    embedded.start(lines.append, {"num_cpus": 1})
    assert given == [{"num_cpus": 1}, {"num_cpus": 1, "_plasma_directory": "/disk"}]
    assert lines == [f"{tmp_path} cannot be written to: Ray keeps its objects in /disk, on disk."]


def test_own_children_are_told_from_other_processes() -> None:
    before = children()
    with running([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        assert children() - before == {process.pid}
        process.kill()
    assert process.pid not in children()
