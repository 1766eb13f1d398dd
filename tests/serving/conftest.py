"""Hand-made model bundles and a service over them, without Ray and without training."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import pytest
import uvicorn
from fastapi.testclient import TestClient
from onnx import TensorProto, helper, numpy_helper

from tests.nodes import free_port
from tunesmith.artifacts.preparation import (
    ImagePreparation,
    MidiPreparation,
    NumberColumn,
    Preparation,
    TablePreparation,
    TextPreparation,
)
from tunesmith.artifacts.store import Store
from tunesmith.datasets.summary import summarise
from tunesmith.midi.features import FEATURE_NAMES
from tunesmith.midi.sequences import MAX_NOTES
from tunesmith.serving.http.routes import make_app
from tunesmith.serving.service import Service
from tunesmith.serving.settings import shipped

COMPOSERS = ("Bach", "Beethoven", "Chopin", "Mozart")
Shape = tuple[str, list[int]]
INPUTS: dict[str, Shape] = {
    "chunks": ("uint8", [150, 128]),
    "features": ("float32", [len(FEATURE_NAMES)]),
    "notes": ("uint8", [MAX_NOTES, 4]),
}
SONG_FEATURES = ["danceability", "energy", "tempo"]
WORDS = ["bad", "dull", "fine", "good"]
SONG_PREPARATION = TablePreparation(
    columns=[
        NumberColumn(name="danceability", low=0, usual=0.5, high=1),
        NumberColumn(name="energy", low=0, usual=0.5, high=1),
        NumberColumn(name="tempo", low=40, usual=120, high=220),
    ]
)
DIGITS_PREPARATION = ImagePreparation(height=8, width=8, largest=16, flat=True)
MNIST_PREPARATION = ImagePreparation(height=28, width=28, whole_numbers=True, framing="centred")
# Each task's labels, inputs and preparation; the others read MIDI.
TASKS: dict[str, tuple[tuple[str, ...], dict[str, Shape], Preparation]] = {
    "genre": (
        ("Jazz", "Rock"),
        {"features": ("float32", [3])},
        SONG_PREPARATION,
    ),
    "emotion": (
        ("calm", "happy", "sad"),
        {"table": ("float32", [3])},
        SONG_PREPARATION,
    ),
    "digits": (tuple("0123456789"), {"features": ("float32", [64])}, DIGITS_PREPARATION),
    "mnist": (tuple("0123456789"), {"image": ("float32", [28, 28, 1])}, MNIST_PREPARATION),
    "sentiment": (
        ("negative", "positive"),
        {"tokens": ("int32", [8])},
        TextPreparation(words=WORDS, first=3, start=1, unknown=2, length=8),
    ),
}
_TYPES = {
    "uint8": TensorProto.UINT8,
    "float32": TensorProto.FLOAT,
    "int32": TensorProto.INT32,
}


def make_onnx(inputs: dict[str, Shape], n_classes: int, favour: int = 0) -> bytes:
    """Return a model whose logits are linear in its inputs, with a bonus for class `favour`."""
    random = np.random.default_rng(7)
    nodes, constants, logits = [], [], []
    constants.append(numpy_helper.from_array(np.array([0, -1], dtype=np.int64), "flat_shape"))
    for name, (_, shape) in inputs.items():
        nodes.append(helper.make_node("Cast", [name], [f"{name}_float"], to=TensorProto.FLOAT))
        nodes.append(helper.make_node("Reshape", [f"{name}_float", "flat_shape"], [f"{name}_flat"]))
        matrix = random.normal(scale=1e-4, size=(int(np.prod(shape)), n_classes))
        constants.append(numpy_helper.from_array(matrix.astype(np.float32), f"{name}_weights"))
        nodes.append(
            helper.make_node("MatMul", [f"{name}_flat", f"{name}_weights"], [f"{name}_logits"])
        )
        logits.append(f"{name}_logits")
    bonus = np.zeros(n_classes, dtype=np.float32)
    bonus[favour] = 3
    constants.append(numpy_helper.from_array(bonus, "bonus"))
    nodes.append(helper.make_node("Sum", [*logits, "bonus"], ["total"]))
    nodes.append(helper.make_node("Softmax", ["total"], ["probabilities"], axis=1))
    graph = helper.make_graph(
        nodes,
        "linear",
        [
            helper.make_tensor_value_info(name, _TYPES[dtype], ["N", *shape])
            for name, (dtype, shape) in inputs.items()
        ],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", n_classes])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def write_bundle(
    store: Store,
    version: int = 1,
    inputs: tuple[str, ...] = ("chunks",),
    favour: int = 0,
    task: str = "composer",
    model: bytes | None = None,
    labels: tuple[str, ...] = COMPOSERS,
) -> None:
    """Write a bundle as promotion does and point the champion at it."""
    shapes = {name: INPUTS[name] for name in inputs}
    preparation: Preparation = MidiPreparation()
    if task in TASKS:
        labels, shapes, preparation = TASKS[task]
    content = model if model is not None else make_onnx(shapes, len(labels), favour)
    write_card(store, task, preparation, shapes, content, labels, version)


def write_card(
    store: Store,
    task: str,
    preparation: Preparation,
    shapes: dict[str, Shape],
    content: bytes,
    labels: tuple[str, ...],
    version: int = 1,
) -> None:
    """Write a bundle of a model and point the champion at it."""
    folder = ("models", task, f"{version:04d}")
    card = {
        "name": task,
        "task": task,
        "version": version,
        "labels": list(labels),
        "inputs": {
            name: {"dtype": dtype, "shape": [None, *shape]}
            for name, (dtype, shape) in shapes.items()
        },
        "output": "probabilities",
        "aggregate": "mean",
        "metrics": {"piece": {"accuracy": {"value": 0.9, "low": 0.85, "high": 0.94}}},
        "dataset": {"name": "tiny", "version": "0123456789ab"},
        "run_id": "test",
        "sha256": hashlib.sha256(content).hexdigest(),
        "preparation": preparation.model_dump(mode="json"),
    }
    store.write_bytes(content, *folder, "model.onnx")
    store.write_json(card, *folder, "card.json")
    store.write_json({"champion": version, "previous": None}, "models", task, "aliases.json")


@pytest.fixture
def make_service(store: Store) -> Iterator[Callable[..., Service]]:
    """Return a maker of started services over the store."""
    started: list[Service] = []

    def make(**settings: Any) -> Service:
        service = Service(shipped(store=store.uri, **{"reload_s": 0.05, **settings}))
        service.start()
        started.append(service)
        return service

    yield make
    for service in started:
        service.stop()


@pytest.fixture
def client(store: Store, make_service: Callable[..., Service]) -> Iterator[TestClient]:
    """Return a client of an application with a champion of chunks."""
    write_bundle(store)
    with local_client(make_service()) as made:
        yield made


def local_client(service: Service, client: str = "127.0.0.1") -> TestClient:
    """Return a client that asks from this machine itself, or from another address."""
    return TestClient(
        make_app(service),
        base_url="http://127.0.0.1",
        client=(client, 50000),
        raise_server_exceptions=False,
    )


@contextlib.contextmanager
def served(service: Service) -> Iterator[str]:
    """Serve over HTTP in a thread of this process; yield the server's URL."""
    service.start()
    port = free_port()
    config = uvicorn.Config(make_app(service), "127.0.0.1", port, log_level="error", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=20)
    service.stop()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a model of pieces to this machine."""
    store = Store(tmp_path_factory.mktemp("store"))
    write_bundle(store, favour=1)
    with served(Service(shipped(store=store.uri))) as found:
        yield found


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve every task to this machine."""
    store = Store(tmp_path_factory.mktemp("everything"))
    for task in ("composer", *TASKS):
        write_bundle(store, task=task, favour=1)
    card = store.read_json("models", "genre", "0001", "card.json")
    usual = np.random.default_rng(0).random((50, 3)).astype(np.float32) * 5000
    card["summary"] = {"features": summarise(usual).json_object()}
    store.write_json(card, "models", "genre", "0001", "card.json")
    with served(Service(shipped(store=store.uri))) as found:
        yield found
