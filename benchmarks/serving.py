"""Cost of a request: this server compared with the alternatives.

    python benchmarks/serving.py --seconds 8 --json serving.json

Every variant serves the same model (a 1-D CNN, exported to ONNX) to the same client on one
machine, all of whose cores it may use. The plain server runs all the time and is measured in turns
with each variant, a few seconds each. `rate ratio` and `p50 ratio` compare the best turn of each: a
neighbour on the machine only ever slows, so the best turn is the one it disturbed least.

- ``plain``: this application under uvicorn in one process, without Ray;
- ``shipped``: what ``serve run serve/config.yaml`` starts, with another port and store alone;
  ``shipped-cluster``: the same of ``serve/cluster-config.yaml``, as cluster.yaml starts its nodes;
- ``before``: ``shipped`` of another checkout (``--before``), with the environment in its `.venv`;
- ``two-nodes``: the same on a head without CPUs and a worker, two raylets on this machine: the
  worker has a replica for each of its CPUs, and is asked through the head's HAProxy;
- ``inline``: Ray Serve, every node in the one ingress replica, which listens itself;
- ``inline-2``: the same with two replicas that share the port;
- ``inline-haproxy``: one replica behind HAProxy, throughput mode; ``inline-proxy``: behind Serve's
  default proxy;
- ``spread``: the composer in a deployment of its own, HAProxy and throughput mode;
- ``naive``: three deployments, pretty_midi, and `predict` of the Keras model (needs TensorFlow);
- ``bentoml``: a BentoML service of the same ONNX model. BentoML wants an environment of its own:
  ``python3.11 -m venv bento && bento/bin/pip install bentoml mido numba numpy onnxruntime
  pretty_midi pyarrow pydantic pyyaml symusic``, then ``--bentoml bento/bin/bentoml``.
"""

import asyncio
import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click
import numpy as np
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "platform"), str(ROOT)]

from _two_nodes import two_nodes  # noqa: E402

from tests.nodes import free_port, proxy_variables  # noqa: E402
from tunesmith.artifacts import layout  # noqa: E402
from tunesmith.artifacts.store import Store  # noqa: E402

CLASSES = ["Bach", "Beethoven", "Chopin", "Mozart"]
FEATURES = ["acousticness", "danceability", "energy", "loudness", "speechiness", "tempo", "valence"]
KEY = "ts_benchmark"
QUIET = {"RAY_AUTH_MODE": "disabled", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
VARIANTS = (
    "plain,shipped,before,shipped-cluster,two-nodes,inline,inline-2,inline-haproxy,inline-proxy,spread,"
    "naive,bentoml"
)
CPUS = os.cpu_count() or 1  # as many worker threads, in every variant of this application
P99_LIMIT_S = 0.1
MOST_CONNECTIONS = 100  # of the open loop; what finds none free waits, and its waiting counts


@dataclass(frozen=True)
class Workload:
    """One kind of request."""

    name: str
    path: str
    content_type: str
    body: bytes

    def request(self, port: int, more: str = "") -> bytes:
        """Return the whole HTTP request; `more` are lines of its head."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}"
            f"Authorization: Bearer {KEY}\r\nContent-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\n\r\n"
        )
        return head.encode() + self.body


@dataclass
class Figures:
    """Latencies of one run."""

    latencies_s: list[float] = field(default_factory=list)
    errors: int = 0
    duration_s: float = 0.0

    def summary(self) -> dict[str, float]:
        """Return rate and percentiles."""
        if not self.latencies_s:
            return {"requests_per_s": 0.0, "errors": self.errors}
        p50, p95, p99 = np.percentile(self.latencies_s, [50, 95, 99]) * 1000
        return {
            "requests_per_s": round(len(self.latencies_s) / self.duration_s, 1),
            "p50_ms": round(float(p50), 2),
            "p95_ms": round(float(p95), 2),
            "p99_ms": round(float(p99), 2),
            "errors": self.errors,
        }


# --- what is served


def make_midi(duration_s: float, seed: int = 0) -> bytes:
    """Return a piece of two voices, about eight notes a second."""
    import pretty_midi

    random = np.random.default_rng(seed)
    midi = pretty_midi.PrettyMIDI()
    for low in (40, 60):
        part = pretty_midi.Instrument(0)
        for onset_s in np.arange(0, duration_s, 0.25):
            pitch = int(low + random.integers(0, 20))
            part.notes.append(pretty_midi.Note(80, pitch, onset_s, onset_s + 0.24))
        midi.instruments.append(part)
    buffer = io.BytesIO()
    midi.write(buffer)
    return buffer.getvalue()


def make_bundles(folder: Path) -> Store:
    """Write a CNN and a linear model of songs as promoted champions, and a key."""
    store = Store(folder / "store")
    make_cnn(folder)
    write_bundle(store, "composer", (folder / "model.onnx").read_bytes(), CLASSES, {})
    write_bundle(store, "genre", make_linear(), ["Jazz", "Rock"], {"features": FEATURES})
    write_key(store)
    return store


def write_key(store: Store) -> None:
    """Write the key that every request carries."""
    key = {
        "name": "benchmark",
        "sha256": hashlib.sha256(KEY.encode()).hexdigest(),
        "requests_per_minute": 100_000_000,
    }
    store.write_json({"keys": [key]}, *layout.FORMER_API_KEYS)


def make_cnn(folder: Path) -> None:
    """Make the CNN in a process of its own, so that TensorFlow is not in this one."""
    code = """
import sys
from pathlib import Path
import keras
folder = Path(sys.argv[1])
layers = keras.layers
model = keras.Sequential([
    keras.Input((150, 128), dtype="uint8", name="chunks"),
    layers.Rescaling(1 / 127),
    layers.Conv1D(64, 5, activation="relu"), layers.MaxPooling1D(2),
    layers.Conv1D(128, 5, activation="relu"), layers.GlobalMaxPooling1D(),
    layers.Dense(64, activation="relu"), layers.Dense(4, activation="softmax"),
])
import numpy as np
model.predict(np.zeros((1, 150, 128), dtype="uint8"), verbose=0)
model.save(folder / "model.keras")
model.export(folder / "model.onnx", format="onnx", verbose=False)
import onnx
made = onnx.load(folder / "model.onnx")
old = made.graph.output[0].name
for node in made.graph.node:
    node.output[:] = ["probabilities" if name == old else name for name in node.output]
made.graph.output[0].name = "probabilities"
onnx.save(made, folder / "model.onnx")
"""
    environment = {**os.environ, **QUIET, "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        check=True,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def make_linear() -> bytes:
    """Return a linear model of songs."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).normal(scale=0.01, size=(len(FEATURES), 2))
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["features", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "linear",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", len(FEATURES)])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 2])],
        [numpy_helper.from_array(weights.astype(np.float32), "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return bytes(model.SerializeToString())


def write_bundle(  # noqa: PLR0917  what a bundle is
    store: Store,
    task: str,
    model: bytes,
    labels: list[str],
    more: dict[str, Any],
    version: int = 1,
    promoted: bool = True,
) -> None:
    """Write a bundle and make it the champion: of MIDI, or of a table where `more` has features."""
    names = more.get("features")
    inputs: dict[str, Any] = {"chunks": {"dtype": "uint8", "shape": [None, 150, 128]}}
    preparation: dict[str, Any] = {"kind": "midi"}
    if names:
        inputs = {"features": {"dtype": "float32", "shape": [None, len(names)]}}
        columns = [{"kind": "number", "name": name} for name in names]
        preparation = {"kind": "table", "columns": columns}
    card = {
        "name": task,
        "task": task,
        "version": version,
        "labels": labels,
        "sha256": hashlib.sha256(model).hexdigest(),
        "dataset": {"name": "benchmark", "version": "0"},
        "run_id": "benchmark",
        "inputs": inputs,
        "preparation": preparation,
        **more,
    }
    store.write_bytes(model, "models", task, f"{version:04d}", "model.onnx")
    store.write_json(card, "models", task, f"{version:04d}", "card.json")
    if promoted:
        store.write_json({"champion": version}, "models", task, "aliases.json")


# --- the servers

PLAIN = """
import sys
import uvicorn
from tunesmith.serving.http.routes import make_app
from tunesmith.serving.service import Service
from tunesmith.serving.settings import shipped
service = Service(
    shipped(store=sys.argv[1], threads=int(sys.argv[3]), limits={"in_flight": 128})
)
service.start()
uvicorn.run(make_app(service), host="127.0.0.1", port=int(sys.argv[2]), log_level="error",
            access_log=False)
"""

NAIVE = """
import io, os
import numpy as np
from fastapi import FastAPI, Request
from ray import serve

@serve.deployment(max_ongoing_requests=64)
class Parser:
    def __call__(self, body):
        import pretty_midi
        roll = pretty_midi.PrettyMIDI(io.BytesIO(body)).get_piano_roll(fs=10).T
        roll = np.pad(roll, ((0, -len(roll) % 150), (0, 0)))
        return roll.reshape(-1, 150, 128).clip(0, 127).astype(np.uint8)

@serve.deployment(max_ongoing_requests=64)
class Model:
    def __init__(self, path):
        import keras
        self.model = keras.models.load_model(path)
    def __call__(self, chunks):
        return self.model.predict(chunks, verbose=0)

app = FastAPI()

@serve.deployment(max_ongoing_requests=64)
@serve.ingress(app)
class Ingress:
    def __init__(self, parser, model):
        self.parser, self.model = parser, model
    @app.get("/healthz")
    async def healthz(self):
        return {}
    @app.post("/v1/composer")
    async def composer(self, request: Request):
        chunks = await self.parser.remote(await request.body())
        rows = await self.model.remote(chunks)
        return {"probabilities": rows.mean(axis=0).tolist(), "segments": rows.tolist()}

def build(args):
    return Ingress.bind(Parser.bind(), Model.bind(args["model"]))
"""

BENTO = """
import os
import numpy as np
import bentoml
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.applications import Starlette
from tunesmith.midi import chunk_roll, read_score, velocity_roll
from tunesmith.registry import champion
from tunesmith.artifacts.store import Store

api = Starlette()

@bentoml.service(workers=1, traffic={"timeout": 60})
@bentoml.asgi_app(api, path="/")
class Composer:
    def __init__(self):
        self.classifier = champion(Store(os.environ["TUNESMITH_STORE"]), "composer").load()
    def judge(self, body):
        chunks, _, _ = chunk_roll(velocity_roll(read_score(body), 10))
        return self.classifier.predict({"chunks": chunks})

async def composer(request: Request):
    from anyio import to_thread
    service = bentoml.get_current_service()
    rows = await to_thread.run_sync(service.judge, await request.body())
    return JSONResponse({"probabilities": rows.mean(axis=0).tolist(), "segments": rows.tolist()})

api.add_route("/v1/composer", composer, methods=["POST"])
"""


def serve_config(
    folder: Path,
    store: Store,
    port: int,
    changes: Sequence[Callable[[dict[str, Any]], None] | None],
) -> Path:
    """Write the configuration with proxies, with the benchmark's store and port, and changes."""
    config = yaml.safe_load((ROOT / "serve" / "cluster-config.yaml").read_text())
    config["http_options"].update(host="127.0.0.1", port=port)
    application = config["applications"][0]
    application["args"]["store"] = store.uri
    application["args"]["access"]["keys"] = "auto"
    application["args"]["threads"] = CPUS
    application["args"]["limits"]["in_flight"] = 128
    application["deployments"][0]["max_ongoing_requests"] = 256
    for change in filter(None, changes):
        change(config)
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def shipped_config(name: str, folder: Path, store: Store, port: int, root: Path = ROOT) -> Path:
    """Write a shipped configuration with the benchmark's store and port, on loopback alone."""
    config = yaml.safe_load((root / "serve" / name).read_text())
    config["http_options"].update(host="127.0.0.1", port=port)
    arguments = config["applications"][0]["args"]
    arguments["store"] = store.uri
    if "listen" in arguments:
        arguments["listen"]["port"] = port
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def naive_config(config: dict[str, Any], folder: Path) -> None:
    """Turn the configuration into the naive graph's."""
    (folder / "naive_graph.py").write_text(NAIVE)
    application = config["applications"][0]
    application["import_path"] = "naive_graph:build"
    application["args"] = {"model": str(folder / "model.keras")}
    application["runtime_env"]["env_vars"] = {
        "PYTHONPATH": str(folder),
        "CUDA_VISIBLE_DEVICES": "-1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    application["deployments"] = [
        {"name": name, "ray_actor_options": {"num_cpus": 0.5}} for name in ("Parser", "Model")
    ]


def spread_config(config: dict[str, Any]) -> None:
    """Place the composer in a deployment of its own."""
    application = config["applications"][0]
    application["args"]["nodes"]["composer"]["placement"] = "deployment"
    application["deployments"].append(
        {"name": "composer", "max_ongoing_requests": 256, "ray_actor_options": {"num_cpus": 1}}
    )


def listening_config(config: dict[str, Any], replicas: int = 1) -> None:
    """Let the replicas listen themselves, each with its share of the machine."""
    config["proxy_location"] = "Disabled"
    application = config["applications"][0]
    application["args"]["listen"] = {"port": config["http_options"]["port"]}
    application["args"]["threads"] = max(1, CPUS // replicas)
    application["deployments"][0]["num_replicas"] = replicas
    application["deployments"][0]["ray_actor_options"] = {"num_cpus": CPUS / replicas}


BENTOML = Path(sys.executable).with_name("bentoml")


@dataclass(frozen=True)
class Others:
    """Places of servers that need not share this environment."""

    bentoml: Path = BENTOML
    before: Path = ROOT


def start(  # noqa: PLR0917  where and what
    variant: str,
    folder: Path,
    store: Store,
    port: int,
    log: Any,
    more: Callable[[dict[str, Any]], None] | None = None,
    others: Others = Others(),
) -> subprocess.Popen[bytes]:
    """Start a variant's server."""
    root = others.before if variant == "before" else ROOT
    environment = {**os.environ, **QUIET, "PYTHONPATH": f"{root / 'platform'}:{root}"}
    bin_folder = Path(sys.executable).parent
    if variant == "plain":
        command = [sys.executable, "-c", PLAIN, store.uri, str(port), str(CPUS)]
    elif variant == "bentoml":
        (folder / "bento_service.py").write_text(BENTO)
        environment |= {"TUNESMITH_STORE": store.uri, "BENTOML_DO_NOT_TRACK": "true"}
        command = [str(others.bentoml), "serve", "bento_service:Composer"]
        command += ["--host", "127.0.0.1", "--port", str(port), "--working-dir", str(folder)]
    elif variant == "before":
        path = shipped_config("config.yaml", folder, store, port, root)
        command = [str(root / ".venv" / "bin" / "serve"), "run", str(path)]
    else:
        changes: dict[str, Callable[[dict[str, Any]], None]] = {
            "inline": listening_config,
            "inline-2": lambda config: listening_config(config, 2),
            "spread": spread_config,
            "naive": lambda config: naive_config(config, folder),
        }
        if variant in ("inline-haproxy", "spread", "shipped-cluster"):
            environment |= proxy_variables()
        if variant == "shipped":
            path = shipped_config("config.yaml", folder, store, port)
        elif variant == "shipped-cluster":
            path = shipped_config("cluster-config.yaml", folder, store, port)
        else:
            path = serve_config(folder, store, port, [changes.get(variant), more])
        command = [str(bin_folder / "serve"), "run", str(path), "--app-dir", str(folder)]
        if variant != "naive":
            command = command[:-2]
    return subprocess.Popen(
        command, cwd=root, env=environment, stdout=log, stderr=log, start_new_session=True
    )


@contextlib.contextmanager
def served(
    variant: str,
    folder: Path,
    store: Store,
    more: Callable[[dict[str, Any]], None] | None = None,
    others: Others = Others(),
) -> Iterator[tuple[int, int]]:
    """Serve a variant, its configuration changed by `more`; yields its port and the process id."""
    check = Workload("check", "/v1/composer", "audio/midi", make_midi(5))
    if variant == "two-nodes":

        def is_up(port: int) -> bool:
            return asyncio.run(answers(port, check.request(port)))

        with two_nodes(store, is_up, CPUS) as both:
            yield both
        return
    port = free_port()
    log_path = folder / f"{variant}.log"
    with log_path.open("wb") as log:
        process = start(variant, folder, store, port, log, more, others)
        try:
            deadline = time.monotonic() + 180
            while not asyncio.run(answers(port, check.request(port))):
                if process.poll() is not None or time.monotonic() > deadline:
                    message = f"{variant} does not answer:\n{log_path.read_text()[-3000:]}"
                    raise click.ClickException(message)
                time.sleep(0.5)
            yield port, process.pid
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=40)
            except subprocess.TimeoutExpired:
                process.terminate()
                process.wait(timeout=20)


# --- the client: HTTP/1.1 over kept connections, so thin that it measures the server


class Connection:
    """A kept connection, opened again when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.head = b""  # of the last answer, in lower case

    async def __aenter__(self) -> "Connection":
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection."""
        if self._pair is not None:
            self._pair[1].close()
            self._pair = None

    async def ask(self, request: bytes) -> int:
        """Send a request, read the answer and return its status; 0 when there was none."""
        if self._pair is None:
            self._pair = await asyncio.open_connection("127.0.0.1", self._port, limit=2**24)
        reader, writer = self._pair
        writer.write(request)
        try:
            head = self.head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = 0
            for line in head.split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line[15:])
            await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            self.close()
            return 0
        if b"connection: close" in head or b"content-length" not in head:
            self.close()
        return int(head[9:12])


async def answers(port: int, request: bytes) -> bool:
    """Return whether a server answers with status 200."""
    try:
        async with Connection(port) as connection:
            status = await asyncio.wait_for(connection.ask(request), 30)
    except (OSError, TimeoutError):
        return False
    return status == 200


async def closed_loop(port: int, request: bytes, clients: int, seconds: float) -> Figures:
    """Each client asks again as soon as it is answered."""
    figures = Figures()
    end = time.perf_counter() + seconds

    async def client() -> None:
        async with Connection(port) as connection:
            while time.perf_counter() < end:
                started = time.perf_counter()
                status = await connection.ask(request)
                if status == 200:
                    figures.latencies_s.append(time.perf_counter() - started)
                else:
                    figures.errors += 1

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    figures.duration_s = time.perf_counter() - started
    return figures


async def open_loop(port: int, request: bytes, rate: float, seconds: float) -> Figures:
    """Send requests at a rate, whether or not the ones before are answered."""
    figures = Figures()
    random = np.random.default_rng(0)
    idle: list[Connection] = []
    places = asyncio.Semaphore(MOST_CONNECTIONS)
    async with contextlib.AsyncExitStack() as stack:

        async def one(due: float) -> None:
            async with places:
                if idle:
                    connection = idle.pop()
                else:
                    connection = await stack.enter_async_context(Connection(port))
                status = await connection.ask(request)
                idle.append(connection)
            if status == 200:
                figures.latencies_s.append(time.perf_counter() - due)
            else:
                figures.errors += 1

        began = time.perf_counter()
        tasks, due = [], began
        while due < began + seconds:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(one(due)))
            due += random.exponential(1 / rate)
        await asyncio.gather(*tasks)
        figures.duration_s = time.perf_counter() - began
    return figures


def kept_rate(port: int, request: bytes, highest: float, seconds: float) -> float:
    """Return the highest rate tried at which the 99th percentile stays under 100 ms."""
    for share in (0.95, 0.85, 0.75, 0.6, 0.45, 0.3, 0.15):
        figures = asyncio.run(open_loop(port, request, highest * share, seconds))
        if figures.errors == 0 and np.percentile(figures.latencies_s, 99) < P99_LIMIT_S:
            return round(len(figures.latencies_s) / figures.duration_s, 1)
    return 0.0


def descendants(pid: int) -> list[tuple[int, bytes]]:
    """Return a process and those it began, each with its command line."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    children = []
    for each in parents:
        ancestor = each
        while ancestor in parents and ancestor != pid:
            ancestor = parents[ancestor]
        if ancestor == pid:
            with contextlib.suppress(OSError):
                children.append((each, Path(f"/proc/{each}/cmdline").read_bytes()))
    return children


def memory_mb(pid: int) -> dict[str, float]:
    """Return the proportional memory of a process and its descendants, by what they are."""
    total: dict[str, float] = {"all": 0.0, "replicas": 0.0}
    for each, command in descendants(pid):
        with contextlib.suppress(OSError):
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
            own = int(rollup.split("\nPss:")[1].split()[0]) / 1024
            total["all"] += own
            if b"ServeReplica" in command:
                total["replicas"] += own
    return {name: round(value) for name, value in total.items()}


def whole_graph(folder: Path, store: Store) -> str:
    """Return what the shipped graph needs with a store's champions, and who has TensorFlow."""
    with served("inline", folder, store) as (port, pid):
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models", timeout=60) as answer:
            names = [model["name"] for model in json.load(answer)["models"]]
        memory = memory_mb(pid)
        trainers = 0
        for each, _ in descendants(pid):
            with contextlib.suppress(OSError):
                trainers += "tensorflow" in Path(f"/proc/{each}/maps").read_text()
    return (
        f"{len(names)} champions ({', '.join(names)}): {memory['all']:.0f} MB in all, "
        f"{memory['replicas']:.0f} MB replica; processes with TensorFlow: {trainers}"
    )


@dataclass(frozen=True)
class Turns:
    """Settings of a measurement."""

    clients: tuple[int, ...]
    seconds: float
    count: int


def in_turns(
    ports: dict[str, int], workload: Workload, clients: int, turns: Turns
) -> dict[str, Any]:
    """Measure servers in turns; the last one is compared with the first."""
    runs: dict[str, list[Figures]] = {name: [] for name in ports}
    for _ in range(turns.count):
        for name, port in ports.items():
            request = workload.request(port)
            runs[name].append(asyncio.run(closed_loop(port, request, clients, turns.seconds)))
    summaries: dict[str, Any] = {}
    for name, figures in runs.items():
        every = [latency for run in figures for latency in run.latencies_s]
        # A turn lasts until its last answer, long after its end where the server is slow.
        duration_s = sum(run.duration_s for run in figures)
        whole = Figures(every, sum(run.errors for run in figures), duration_s)
        summaries[name] = whole.summary()
    if len(runs) == 2:
        (base, own), (one, other) = list(runs.values()), list(ports)
        rates = [max(len(f.latencies_s) / f.duration_s for f in each) for each in (base, own)]
        p50s = [min(float(np.median(f.latencies_s)) for f in each) for each in (base, own)]
        summaries[other] |= {
            "rate_ratio": round(rates[1] / rates[0], 2),
            "p50_ratio": round(p50s[1] / p50s[0], 2),
            "plain_beside": summaries[one],
        }
        return dict(summaries[other])
    return dict(summaries[next(iter(ports))])


def measure(
    variant: str, ports: dict[str, int], pid: int, workloads: list[Workload], turns: Turns
) -> dict[str, Any]:
    """Measure one server, the plain one in turns with it."""
    figures: dict[str, Any] = {}
    for workload in workloads:
        if variant in ("naive", "bentoml") and workload.path != "/v1/composer":
            continue
        request = workload.request(ports[variant])
        asyncio.run(closed_loop(ports[variant], request, 4, 2))  # warm
        runs: dict[str, Any] = {}
        for count in turns.clients:
            runs[str(count)] = in_turns(ports, workload, count, turns)
            click.echo(f"  {workload.name:11} {count:3} clients: {runs[str(count)]}", err=True)
        best = max(run["requests_per_s"] for run in runs.values())
        runs["kept_rate"] = kept_rate(ports[variant], request, best, turns.seconds)
        click.echo(f"  {workload.name:11} kept: {runs['kept_rate']}", err=True)
        figures[workload.name] = runs
    if variant != "two-nodes":  # whose processes have no common parent
        figures["memory_mb"] = memory_mb(pid)
        click.echo(f"  memory {figures['memory_mb']}", err=True)
    return figures


@click.command(help=__doc__)
@click.option("--variants", default=VARIANTS)
@click.option("--clients", default="1,8,32", help="Numbers of clients.")
@click.option("--seconds", default=3.0, help="Length of a turn.")
@click.option("--turns", default=3, help="Turns a figure.")
@click.option("--only", default="", help="Names of workloads, all by default.")
@click.option(
    "--bentoml",
    type=click.Path(path_type=Path),
    default=BENTOML,
    help="BentoML's command, perhaps of another environment.",
)
@click.option(
    "--before",
    type=click.Path(exists=True, file_okay=False, resolve_path=True, path_type=Path),
    help="Checkout of another commit, after its `make setup`.",
)
@click.option("--champions", help="Only serve the champions of this store and tell the memory.")
@click.option(
    "--json", "json_path", type=click.Path(path_type=Path), help="Write the figures here."
)
def main(  # noqa: PLR0917  the options
    variants: str,
    clients: str,
    seconds: float,
    turns: int,
    only: str,
    bentoml: Path,
    before: Path | None,
    champions: str | None,
    json_path: Path | None,
) -> None:
    """Run the benchmark."""
    if champions:
        with tempfile.TemporaryDirectory() as name:
            click.echo(whole_graph(Path(name), Store(champions)))
        return
    song = dict.fromkeys(FEATURES, 0.5)
    workloads = [
        Workload("short piece", "/v1/composer", "audio/midi", make_midi(30)),
        Workload("long piece", "/v1/composer", "audio/midi", make_midi(600)),
        Workload("one song", "/v1/genre", "application/json", json.dumps(song).encode()),
        Workload("1000 songs", "/v1/genre", "application/json", json.dumps([song] * 1000).encode()),
    ]
    if only:
        workloads = [workload for workload in workloads if workload.name in only.split(",")]
    how = Turns(tuple(int(count) for count in clients.split(",")), seconds, turns)
    others = Others(bentoml, before or ROOT)
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        click.echo("making the models", err=True)
        store = make_bundles(folder)
        plain_port, plain_pid = stack.enter_context(served("plain", folder, store))
        for variant in variants.split(","):
            if variant == "bentoml" and not bentoml.exists():
                click.echo(f"bentoml: left out, there is no {bentoml}", err=True)
                continue
            if variant == "before" and before is None:
                click.echo("before: left out, --before names no checkout", err=True)
                continue
            click.echo(variant, err=True)
            if variant == "plain":
                ports = {"plain": plain_port}
                results[variant] = measure(variant, ports, plain_pid, workloads, how)
                continue
            with served(variant, folder, store, others=others) as (port, pid):
                ports = {"plain": plain_port, variant: port}
                results[variant] = measure(variant, ports, pid, workloads, how)
    if json_path:
        json_path.write_text(json.dumps(results, indent=1))
    click.echo(table(results))


def table(results: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    columns = {
        "requests/s": "requests_per_s",
        "p50 ms": "p50_ms",
        "p95 ms": "p95_ms",
        "p99 ms": "p99_ms",
        "rate ratio": "rate_ratio",
        "p50 ratio": "p50_ratio",
    }
    head = ["variant", "workload", "clients", *columns, "kept at p99 < 100 ms"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for variant, workloads in results.items():
        for workload, runs in workloads.items():
            if workload == "memory_mb":
                continue
            for clients, run in runs.items():
                if clients == "kept_rate":
                    continue
                figures = [str(run.get(key, "")) for key in columns.values()]
                cells = [variant, workload, clients, *figures, str(runs["kept_rate"])]
                lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    for variant, workloads in results.items():
        memory = workloads.get("memory_mb")
        if memory is None:
            continue
        lines.append(
            f"{variant}: {memory['all']:.0f} MB in all, {memory['replicas']:.0f} MB replicas"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
