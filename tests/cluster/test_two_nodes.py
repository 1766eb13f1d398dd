"""The commands of docs/cluster.md as they stand there: two nodes, a token, a store like S3."""

import csv
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.nodes import BIN, Nodes, free_port, proxy_variables
from tunesmith.artifacts.store import Store
from tunesmith.client import Client, ClientError
from tunesmith.datasets.reader import open_dataset
from tunesmith.registry import champion

ROOT = Path(__file__).resolve().parent.parent.parent
PORT = 8000
PIECES = 150

pytestmark = [
    pytest.mark.long,
    pytest.mark.slow,
    pytest.mark.cluster,
    pytest.mark.skipif(sys.platform != "linux", reason="each node has an address of 127.0.0.0/8"),
]


def commands() -> str:
    """Return the page's block of commands."""
    (block,) = re.findall(r"```bash\n(.*?)```", (ROOT / "docs" / "cluster.md").read_text(), re.S)
    return str(block)


@pytest.fixture
def checkout(tmp_path: Path, midi_factory: Callable[..., bytes]) -> Path:
    """Return a copy of the project, with a piece to ask about."""
    folder = tmp_path / "checkout"
    for name in ("platform", "jobs", "serve"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
        )
    shutil.copy(ROOT / ".rayignore", folder)
    (folder / "piece.mid").write_bytes(midi_factory(seed=1_000))
    return folder


@pytest.fixture
def bucket(s3_server: str, midi_factory: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch):
    """Return what makes a URI of the bucket; there is music in it, under ``midi``."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "tests")

    def uri(prefix: str) -> str:
        options = f"endpoint_override={s3_server}&scheme=http&region=us-east-1"
        return f"s3://ours/two_nodes/{prefix}?{options}"

    music = Store(uri("midi"))
    for first, composer in ((0, "Bach"), (PIECES, "Chopin")):
        for seed in range(first, first + PIECES):
            piece = midi_factory(seed=seed, bpm=120.0 + first)
            music.write_bytes(piece, composer, f"No. {seed}.mid")
    return uri


@pytest.fixture
def nodes(checkout: Path, bucket: Callable[[str], str]) -> Iterator[Nodes]:
    """Return a head and a worker of one CPU each, started as cluster.yaml starts them."""
    variables = {
        "TUNESMITH_STORE": bucket("store"),
        **proxy_variables(),
        **{n: os.environ[n] for n in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
    }
    # Short, for Ray's sockets are in it.
    with (
        tempfile.TemporaryDirectory(prefix="tn-") as name,
        Nodes(Path(name) / "n", variables, working_dir=checkout) as made,
    ):
        made.start_head(cpus=1)
        made.start_worker()
        yield made


def _shell(home: Path, nodes: Nodes) -> dict[str, str]:
    """Return a clean shell of another machine."""
    home.mkdir()
    return {
        "HOME": str(home),
        "PATH": f"{BIN}:/usr/bin:/bin",
        "RAY_AUTH_MODE": "token",
        # What `ray dashboard` forwards to port 8265, which another Ray may have here.
        "RAY_API_SERVER_ADDRESS": nodes.address,
        "RAY_DASHBOARD_ADDRESS": nodes.address,
    }


def _run(command: str, shell: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    # What failed is the last command that -x shows.
    return subprocess.run(
        ["bash", "-exc", command], env=shell, cwd=folder, capture_output=True, text=True,
        timeout=1_500, check=False,
    )  # fmt: skip


def _workers_of_tasks(nodes: Nodes) -> dict[str, set[str]]:
    """Return on which nodes the tasks of each job ran, by job."""
    found: dict[str, set[str]] = {}
    for row in nodes.listed("tasks"):
        if row["node_id"]:
            found.setdefault(row["job_id"], set()).add(row["node_id"])
    return found


def _replicas_reached(node_id: str) -> int:
    """Return to how many replicas a node's HAProxy leads, by its own checks of them."""
    with socket.socket(socket.AF_UNIX) as asking:
        try:
            asking.connect(f"/tmp/haproxy-serve/{node_id}/admin.sock")  # noqa: S108 - Ray's choice
        except OSError:
            return 0
        asking.sendall(b"show stat\n")
        with asking.makefile("r") as answer:
            rows = list(csv.DictReader(answer))
    return sum(row["svname"].startswith("SERVE_REPLICA") and row["status"] == "UP" for row in rows)


def test_the_page_runs_as_written_on_two_nodes(
    nodes: Nodes, checkout: Path, bucket: Callable[[str], str], tmp_path: Path
) -> None:
    shell = _shell(tmp_path / "home", nodes) | {
        "MUSIC": bucket("midi"),
        "STORE": bucket("store"),
        # To write the API key into the store.
        **{name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")},
    }
    stranger = _run("tunesmith jobs list", shell, checkout)
    assert stranger.returncode == 1
    assert "refuses this client" in stranger.stderr
    (tmp_path / "home" / ".ray").mkdir()
    (tmp_path / "home" / ".ray" / "auth_token").write_text(nodes.token)

    # The server's port may be another's here, and each node of one CPU gets a replica; all else is
    # as it stands.
    port = free_port()
    config = checkout / "serve" / "cluster-config.yaml"
    text = config.read_text().replace(f"port: {PORT}", f"port: {port}")
    assert "num_replicas: 1\n" in text
    config.write_text(text.replace("num_replicas: 1\n", "num_replicas: 2\n"))
    block = commands()
    assert block.count(f":{PORT}/") == 1
    done = _run(block.replace(f":{PORT}/", f":{port}/"), shell, checkout)
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-3000:]}"

    store = Store(bucket("store"))
    assert len(open_dataset(store, "mine").pieces()) == 2 * PIECES
    now = champion(store, "composer")
    assert now is not None
    assert store.exists("reports", "composer", now.card.run_id, "report.json")
    answer = json.loads(done.stdout.splitlines()[-1])
    assert answer["composer"] in {"Bach", "Chopin"}
    assert answer["model"]["version"] == now.version
    assert max(len(where) for where in _workers_of_tasks(nodes).values()) == 2

    # The proxy of cluster.yaml runs on both nodes and reaches the replicas of both.
    deadline = time.monotonic() + 120
    while not all(_replicas_reached(row["node_id"]) == 2 for row in nodes.alive()):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    with (
        pytest.raises(ClientError, match="no API key"),
        Client(f"http://127.0.0.1:{port}") as client,
    ):
        client.models()
