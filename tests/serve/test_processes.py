"""Over real HTTP, and what a serving process must never load."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.serve.conftest import write_bundle
from tunesmith.store import Store

ROOT = Path(__file__).parents[2]
TRAINERS = ("tensorflow", "keras", "torch", "xgboost", "sklearn", "matplotlib")


def test_importing_the_application_loads_no_trainer() -> None:
    code = (
        "import sys, serve.app, serve.routes\n"
        f"print([name for name in {TRAINERS!r} if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "platform", "RAY_AUTH_MODE": "disabled"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert answer.stdout.strip() == "[]"


def test_the_configuration_listens_on_loopback_and_names_a_real_application() -> None:
    from serve.settings import Settings

    config = yaml.safe_load((ROOT / "serve" / "config.yaml").read_text())
    assert config["http_options"]["host"] == "127.0.0.1"
    (application,) = config["applications"]
    assert application["import_path"] == "serve.app:build"
    Settings.model_validate(application["args"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def served(
    store: Store, ray_cluster: dict[str, float], tmp_path: Path
) -> Iterator[tuple[str, Store]]:
    """Run `serve run` with the shipped configuration, on a free port, over the store."""
    import ray

    write_bundle(store)
    port = free_port()
    config: dict[str, Any] = yaml.safe_load((ROOT / "serve" / "config.yaml").read_text())
    config["http_options"]["port"] = port
    config["applications"][0]["args"].update(store=store.uri, reload_s=0.2)
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    address = ray.get_runtime_context().gcs_address
    command = [str(Path(sys.executable).with_name("serve")), "run", str(file), "-a", address]
    log = (tmp_path / "serve.log").open("w")
    process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 90
        while True:
            assert process.poll() is None, (tmp_path / "serve.log").read_text()
            assert time.monotonic() < deadline, (tmp_path / "serve.log").read_text()
            try:
                if httpx2.get(f"{url}/healthz", timeout=2).status_code == 200:
                    break
            except httpx2.TransportError:
                pass
            time.sleep(0.2)
        yield url, store
    finally:
        process.send_signal(signal.SIGINT)  # `serve run` takes its applications down
        process.wait(timeout=30)
        log.close()


def serving_processes() -> list[Path]:
    """Return /proc folders of the replicas whose ancestor is this test's Ray."""
    mine = {os.getpid()}
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    found = []
    for pid in parents:
        ancestor = pid
        while ancestor in parents and ancestor not in mine:
            ancestor = parents[ancestor]
        if ancestor in mine:
            try:
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if b"ServeReplica" in command:
                found.append(Path(f"/proc/{pid}"))
    return found


@pytest.mark.cluster
@pytest.mark.slow
def test_the_shipped_configuration_answers_over_http(
    served: tuple[str, Store], midi_factory: Callable[..., bytes]
) -> None:
    url, store = served
    midi = midi_factory(n_notes=100)
    with httpx2.Client(base_url=url, timeout=20) as client:
        answer = client.post("/v1/composer", files={"file": ("a.mid", midi, "audio/midi")})
        assert answer.status_code == 200
        assert answer.json()["composer"] == "Bach"
        assert len(answer.headers.get_list("x-request-id")) == 1

        refused = client.post("/v1/composer", files={"file": ("a.txt", b"text", "text/plain")})
        assert (refused.status_code, refused.headers["content-type"]) == (
            422,
            "application/problem+json",
        )
        empty = client.post("/v1/composer", content=b"", headers={"Content-Type": "audio/midi"})
        assert empty.status_code == 400
        huge = client.post("/v1/composer", files={"file": ("a.mid", bytes(100_000_000))})
        assert huge.status_code == 413
        assert client.post("/v1/composer", content=midi).status_code == 200

        write_bundle(store, 2, favour=3)
        deadline = time.monotonic() + 20
        while client.get("/v1/models").json()["models"][0]["version"] != 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert client.post("/v1/composer", content=midi).json()["composer"] == "Mozart"

    replicas = serving_processes()
    assert replicas
    for replica in replicas:
        maps = (replica / "maps").read_text()
        assert "onnxruntime" in maps
        assert not [name for name in TRAINERS if f"/site-packages/{name}/" in maps]
