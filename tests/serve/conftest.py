"""Hand-made model bundles and a service over them, without Ray and without training."""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import onnx
import pytest
from fastapi.testclient import TestClient
from onnx import TensorProto, helper, numpy_helper

from serve.routes import make_app
from serve.service import Service
from serve.settings import Settings
from tunesmith.midi.features import FEATURE_NAMES
from tunesmith.store import Store

COMPOSERS = ("Bach", "Beethoven", "Chopin", "Mozart")
SHAPES: dict[str, tuple[list[Any], int, str]] = {
    "chunks": (["N", 150, 128], TensorProto.UINT8, "uint8"),
    "features": (["N", len(FEATURE_NAMES)], TensorProto.FLOAT, "float32"),
}


def make_onnx(inputs: tuple[str, ...] = ("chunks",), favour: int = 0) -> bytes:
    """Return a model whose logits are linear in its inputs, with a bonus for class `favour`."""
    random = np.random.default_rng(7)
    nodes, weights, logits = [], [], []
    for name in inputs:
        flat = name
        if name == "chunks":
            nodes.append(helper.make_node("Cast", [name], ["cast"], to=TensorProto.FLOAT))
            weights.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "axes"))
            nodes.append(helper.make_node("ReduceMean", ["cast", "axes"], ["mean"], keepdims=0))
            flat = "mean"
        size = SHAPES[name][0][-1]
        matrix = random.normal(scale=0.05, size=(size, len(COMPOSERS))).astype(np.float32)
        if name == "features":
            matrix *= 0.01
        weights.append(numpy_helper.from_array(matrix, f"{name}_weights"))
        nodes.append(helper.make_node("MatMul", [flat, f"{name}_weights"], [f"{name}_logits"]))
        logits.append(f"{name}_logits")
    bonus = np.zeros(len(COMPOSERS), dtype=np.float32)
    bonus[favour] = 3
    weights.append(numpy_helper.from_array(bonus, "bonus"))
    nodes.append(helper.make_node("Sum", [*logits, "bonus"], ["total"]))
    nodes.append(helper.make_node("Softmax", ["total"], ["probabilities"], axis=1))
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info(name, SHAPES[name][1], SHAPES[name][0]) for name in inputs],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", len(COMPOSERS)])],
        weights,
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
) -> None:
    """Write a bundle as promotion does and point the champion at it."""
    content = model if model is not None else make_onnx(inputs, favour)
    folder = ("models", task, f"{version:04d}")
    card = {
        "name": task,
        "task": task,
        "version": version,
        "labels": list(COMPOSERS),
        "inputs": {
            name: {
                "dtype": SHAPES[name][2],
                "shape": [None if size == "N" else size for size in SHAPES[name][0]],
            }
            for name in inputs
        },
        "output": "probabilities",
        "aggregate": "mean",
        "metrics": {"piece": {"accuracy": {"value": 0.9, "low": 0.85, "high": 0.94}}},
        "dataset": {
            "name": "tiny",
            "version": "0123456789ab",
            "frames_per_second": 10,
            "chunk_frames": 150,
            "hop_frames": 150,
        },
        "run_id": "test",
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    store.write_bytes(content, *folder, "model.onnx")
    store.write_bytes(json.dumps(card).encode(), *folder, "card.json")
    store.write_bytes(
        json.dumps({"champion": version, "previous": None}).encode(),
        "models",
        task,
        "aliases.json",
    )


@pytest.fixture
def make_service(store: Store) -> Iterator[Callable[..., Service]]:
    """Return a maker of started services over the store."""
    started: list[Service] = []

    def make(**settings: Any) -> Service:
        service = Service(Settings(store=store.uri, **{"reload_s": 0.05, **settings}))
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
    with TestClient(make_app(make_service()), raise_server_exceptions=False) as made:
        yield made
