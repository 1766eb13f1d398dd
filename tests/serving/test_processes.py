"""Over real HTTP, and what a serving process must never load."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.asking import AskingThreads, comes_true
from tests.nodes import free_port
from tests.serving.conftest import write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.client import Client, ClientError

ROOT = Path(__file__).parents[2]
TRAINERS = ("tensorflow", "keras", "torch", "xgboost", "sklearn", "matplotlib")


def test_importing_the_application_loads_no_trainer() -> None:
    code = (
        "import sys, tunesmith.serving.app, tunesmith.serving.http.routes\n"
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
    from tunesmith.serving.settings import Settings

    config = yaml.safe_load((ROOT / "serve" / "config.yaml").read_text())
    assert config["http_options"]["host"] == "127.0.0.1"
    (application,) = config["applications"]
    assert application["import_path"] == "tunesmith.serving.app:build"
    Settings.model_validate(application["args"])


def test_what_the_configuration_proposes_in_comments_is_valid_too() -> None:
    with warnings.catch_warnings():  # of Ray's own use of pydantic
        warnings.simplefilter("ignore")
        from ray.serve.schema import ServeDeploySchema

    from tunesmith.serving.settings import Settings

    text = (ROOT / "serve" / "config.yaml").read_text()
    said, proposed = re.subn(
        r"^( *)# (tracing_config|challenger|threads|root_path|origins|similar): (.*?)(   .*)?$",
        r"\1\2: \3",
        text,
        flags=re.M,
    )
    assert proposed == 6
    config = yaml.safe_load(said)
    assert ServeDeploySchema.model_validate(config).tracing_config.enabled
    settings = Settings.model_validate(config["applications"][0]["args"])
    assert settings.challenged() == {"composer"}
    assert settings.listen is not None
    assert settings.listen.host == "127.0.0.1"


def test_the_configuration_of_several_machines_differs_in_who_listens_alone() -> None:
    one, several = (
        yaml.safe_load((ROOT / "serve" / name).read_text())
        for name in ("config.yaml", "cluster-config.yaml")
    )
    assert (one.pop("proxy_location"), several.pop("proxy_location")) == ("Disabled", "EveryNode")
    arguments = one["applications"][0]["args"]
    assert arguments.pop("listen") == {"host": "127.0.0.1", "port": 8000}
    assert several["applications"][0]["args"].pop("threads") == 1
    # Proxies reach the replicas of other machines, and then everyone needs a key.
    hosts = [config["http_options"].pop("host") for config in (one, several)]
    assert hosts == ["127.0.0.1", "0.0.0.0"]  # noqa: S104
    accesses = [c["applications"][0]["args"]["access"].pop("keys") for c in (one, several)]
    assert accesses == ["auto", "always"]
    assert one == several


@contextlib.contextmanager
def serve_run(
    store: Store,
    folder: Path,
    change: Callable[[dict[str, Any]], None] = lambda _: None,
    *,
    listen: bool = False,
) -> Iterator[str]:
    """Run `serve run` with a shipped configuration, changed, on a free port, over the store.

    With `listen` that of one machine, whose replicas answer themselves; else that of several.
    """
    import ray

    port = free_port()
    name = "config.yaml" if listen else "cluster-config.yaml"
    config: dict[str, Any] = yaml.safe_load((ROOT / "serve" / name).read_text())
    config["http_options"].update(host="127.0.0.1", port=port)
    config["applications"][0]["args"].update(store=store.uri, reload_s=0.2)
    config["applications"][0]["args"]["access"]["keys"] = "auto"
    if listen:
        config["applications"][0]["args"]["listen"]["port"] = port
    change(config["applications"][0])
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config))
    address = ray.get_runtime_context().gcs_address
    command = [str(Path(sys.executable).with_name("serve")), "run", str(file), "-a", address]
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        url = f"http://127.0.0.1:{port}"
        try:
            deadline = time.monotonic() + 90
            while not is_ready(url):
                assert process.poll() is None, (folder / "serve.log").read_text()
                assert time.monotonic() < deadline, (folder / "serve.log").read_text()
                time.sleep(0.2)
            yield url
        finally:
            process.send_signal(signal.SIGINT)  # `serve run` takes its applications down
            process.wait(timeout=60)


def is_ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx2.TransportError:
        return False


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


def running_replicas(number: int, name: bytes = b"") -> list[Path]:
    """Return the replicas of a deployment once there are so many.

    On a busy machine those of the test before may still be ending.
    """
    deadline = time.monotonic() + 60
    while True:
        replicas = [path for path in serving_processes() if name in command_of(path)]
        if len(replicas) == number:
            return replicas
        assert time.monotonic() < deadline, replicas
        time.sleep(0.1)


@pytest.mark.cluster
@pytest.mark.slow
def test_the_shipped_configuration_answers_over_http(
    store: Store,
    ray_cluster: dict[str, float],
    tmp_path: Path,
    midi_factory: Callable[..., bytes],
) -> None:
    write_bundle(store)
    midi = midi_factory(n_notes=100)
    with (
        serve_run(store, tmp_path) as url,
        httpx2.Client(base_url=url, timeout=20) as client,
    ):
        answer = client.post("/v1/composer", files={"file": ("a.mid", midi, "audio/midi")})
        assert answer.status_code == 200
        assert answer.json()["composer"] == "Bach"
        # Ray lowers the priority of other workers; requests would wait for all that runs beside.
        (replica,) = running_replicas(1)
        own = os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getpriority(os.PRIO_PROCESS, int(replica.name)) == own
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


def spread(application: dict[str, Any]) -> None:
    """Two ingress replicas, and the composer in a deployment of two replicas of its own."""
    application["args"]["nodes"]["composer"]["placement"] = "deployment"
    share = {"num_replicas": 2, "ray_actor_options": {"num_cpus": 0.5}}
    application["deployments"][0].update(share)
    application["deployments"].append({"name": "composer", "max_ongoing_requests": 64, **share})


class Load(AskingThreads):
    """Asks all the time from several threads and keeps what went wrong."""

    def __init__(self, url: str, midi: bytes, tries: int, threads: int = 3) -> None:
        self.faults: list[str] = []
        self.versions: set[int] = set()
        self.answered = 0
        super().__init__([partial(self._ask, url, midi, tries)] * threads)

    def _ask(self, url: str, midi: bytes, tries: int) -> None:
        with Client(url, tries=tries, patience_s=30) as client:
            while not self.ended.is_set():
                try:
                    self.versions.add(client.predict("composer", midi).model.version)
                    self.answered += 1
                except ClientError as error:
                    self.faults.append(f"{error.status} {error}")

    def lately(self) -> set[int]:
        """Return the versions of the next ten answers."""
        self.versions.clear()
        before = self.answered
        self.until(lambda: self.answered > before + 10)
        return set(self.versions)

    def until(self, condition: Callable[[], bool]) -> None:
        assert comes_true(condition, 30), (self.answered, self.versions, self.faults[:3])


@pytest.mark.cluster
@pytest.mark.slow
def test_promotions_and_a_killed_replica_under_load_in_a_spread_graph(
    store: Store,
    ray_cluster: dict[str, float],
    tmp_path: Path,
    midi_factory: Callable[..., bytes],
) -> None:
    write_bundle(store, 1)
    midi = midi_factory(n_notes=100)
    with serve_run(store, tmp_path, spread) as url:
        with Load(url, midi, tries=1) as load:  # not one failed request, without a retry
            load.until(lambda: load.answered > 20)
            write_bundle(store, 2, favour=3)
            load.until(lambda: 2 in load.versions)
            write_bundle(store, 3, model=b"not a model")
            before = load.answered
            load.until(lambda: load.answered > before + 50)
            assert 3 not in load.versions
            write_bundle(store, 1)
            load.until(lambda: load.lately() == {1})
        assert load.faults == []

        victims = running_replicas(2, b":composer")
        with Load(url, midi, tries=5) as load:  # those in flight on it are asked again
            load.until(lambda: load.answered > 20)
            os.kill(int(victims[0].name), signal.SIGKILL)
            before = load.answered
            load.until(lambda: load.answered > before + 100)
        assert load.faults == []


def two_replicas(application: dict[str, Any]) -> None:
    application["deployments"][0] |= {"num_replicas": 2, "ray_actor_options": {"num_cpus": 0.5}}


@pytest.mark.cluster
@pytest.mark.slow
def test_replicas_that_listen_themselves_answer_while_one_is_killed(
    store: Store,
    ray_cluster: dict[str, float],
    tmp_path: Path,
    midi_factory: Callable[..., bytes],
) -> None:
    write_bundle(store)
    midi = midi_factory(n_notes=100)
    with serve_run(store, tmp_path, two_replicas, listen=True) as url:
        victims = running_replicas(2)
        with Load(url, midi, tries=5) as load:  # what was in flight on it is asked again
            load.until(lambda: load.answered > 20)
            os.kill(int(victims[0].name), signal.SIGKILL)
            before = load.answered
            load.until(lambda: load.answered > before + 100)
            load.until(lambda: len(serving_processes()) == 2)
        assert load.faults == []


def command_of(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""  # it has ended meanwhile
