"""A small run artefact with a hand-made ONNX model, for tests of evaluation and registry."""

import hashlib
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnx.compose
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from tunesmith.artifacts.open_set import Detector, DetectorPart, Exposure, LabelSets
from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.reader import Chunks
from tunesmith.midi.features import musical_features
from tunesmith.midi.fingerprints import fingerprint
from tunesmith.midi.score import NOTE_DTYPE
from tunesmith.tasks import TaskData

CLASSES = ("bach", "chopin", "mozart")
FRAMES = 20
N_FEATURES = 6


def chunk_model(weights: np.ndarray, frames: int = FRAMES) -> bytes:
    """Return softmax(mean over time of a uint8 roll / 127 @ weights) as ONNX."""
    return _model(
        "chunks",
        TensorProto.UINT8,
        ["rows", frames, 128],
        weights,
        [
            helper.make_node("Cast", ["chunks"], ["float"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["float"], ["mean"], axes=[1], keepdims=0),
            helper.make_node("Mul", ["mean", "scale"], ["x"]),
        ],
    )


def feature_model(weights: np.ndarray, name: str = "features") -> bytes:
    """Return softmax(features @ weights) as ONNX."""
    return _model(
        name,
        TensorProto.FLOAT,
        ["rows", len(weights)],
        weights,
        [helper.make_node("Mul", [name, "one"], ["x"])],
    )


def mixed_model(of_chunks: np.ndarray, of_features: np.ndarray) -> bytes:
    """Return the mean of a `chunk_model` and a `feature_model` as one graph of two inputs."""
    first, second = (
        onnx.compose.add_prefix(onnx.load_model_from_string(model), prefix)
        for model, prefix in ((chunk_model(of_chunks), "c_"), (feature_model(of_features), "f_"))
    )
    both = onnx.compose.merge_models(first, second, io_map=[])
    graph = both.graph
    graph.initializer.append(numpy_helper.from_array(np.array(0.5, dtype=np.float32), "half"))
    graph.node.extend(
        [
            helper.make_node("Add", ["c_probabilities", "f_probabilities"], ["sum"]),
            helper.make_node("Mul", ["sum", "half"], ["probabilities"]),
        ]
    )
    names = {"c_chunks": "chunks", "f_features": "features"}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    for value in graph.input:
        value.name = names[value.name]
    del graph.output[1:]
    graph.output[0].name = "probabilities"
    onnx.checker.check_model(both)
    return both.SerializeToString()


def _model(name: str, dtype: int, shape: list[Any], weights: np.ndarray, front: list[Any]) -> bytes:
    graph = helper.make_graph(
        [
            *front,
            helper.make_node("MatMul", ["x", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
        ],
        "test",
        [helper.make_tensor_value_info(name, dtype, shape)],
        [
            helper.make_tensor_value_info(
                "probabilities", TensorProto.FLOAT, ["rows", weights.shape[1]]
            )
        ],
        [
            numpy_helper.from_array(weights.astype(np.float32), "weights"),
            *([numpy_helper.from_array(np.float32(1 / 127), "scale")] if name == "chunks" else []),
            *([numpy_helper.from_array(np.float32(1), "one")] if name != "chunks" else []),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def answer(model: bytes, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """Return the model's probabilities, without any code of the platform."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], inputs)[0]


def make_examples(n_items: int = 90, seed: int = 0, overlap: float = 0.35) -> Examples:
    """Return pieces of 1 to 4 chunks whose class shows in the register, two to a group."""
    random = np.random.default_rng(seed)
    y = np.arange(n_items) % len(CLASSES)
    groups = np.arange(n_items) // (2 * len(CLASSES)) * len(CLASSES) + y
    rolls, item = [], []
    for index, label in enumerate(y):
        sounds_like = label if random.random() > overlap else random.integers(len(CLASSES))
        for _ in range(random.integers(1, 5)):
            roll = np.zeros((FRAMES, 128), dtype=np.uint8)
            pitch = 40 + 12 * sounds_like + random.integers(0, 16, FRAMES)
            roll[np.arange(FRAMES), pitch] = random.integers(30, 110, FRAMES)
            rolls.append(roll)
            item.append(index)
    features = random.normal(size=(n_items, N_FEATURES)).astype(np.float32)
    features[np.arange(n_items), y] += 1.2
    return Examples(
        y=y,
        classes=CLASSES,
        groups=groups,
        ids=[f"piece{index:03d}" for index in range(n_items)],
        views={
            "chunks": View(np.stack(rolls), np.array(item)),
            "features": View.one_row_each(features),
        },
    )


def register_weights(strength: float = 9.0) -> np.ndarray:
    """Return weights ``[128, 3]`` that know which register belongs to which class."""
    pitch = np.arange(128)[:, None]
    centre = 47.5 + 12 * np.arange(len(CLASSES))[None]
    return strength * np.exp(-(((pitch - centre) / 8.0) ** 2))


def feature_weights(strength: float = 1.2) -> np.ndarray:
    """Return weights ``[features, 3]`` that know which feature belongs to which class."""
    return strength * np.eye(N_FEATURES, len(CLASSES))


def write_run(
    store: Store,
    examples: Examples,
    model: bytes,
    *,
    task: str = "composer",
    run_id: str = "r1",
    seed: int = 0,
    reference_rows: int = 240,
    temperature: float | None = None,
) -> None:
    """Write what a search leaves behind: see the run artefact's contract."""
    random = np.random.default_rng(seed)
    of_group = random.choice(
        ["train", "validation", "test"], examples.groups.max() + 1, p=[0.4, 0.2, 0.4]
    )
    part = of_group[examples.groups]
    names = [value.name for value in onnx.load_model_from_string(model).graph.input]
    rows = random.integers(0, min(len(examples.view(name)) for name in names), reference_rows)
    inputs = {name: examples.view(name).x[rows] for name in names}
    here = ("runs", task, run_id)
    facts = {
        "run_id": run_id,
        "task": task,
        "dataset": {"name": "toy", "version": "0123456789ab"},
        "protocol": "whole groups on one side",
        "kind": "midi",
        "unit": "piece",
        "metric": "macro_f1",
        "seed": seed,
        "created": "2030-01-01T00:00:00+00:00",
        "finished": "2030-01-01T00:10:00+00:00",
        "status": "finished",
        "classes": list(examples.classes),
        "counts": {"planned": 4, "completed": 3, "pruned": 1, "failed": 0},
        "best": {
            "trial": 1,
            "family": "toy",
            "params": {"strength": 60.0},
            "score": 0.8,
            "steps": 5,
        },
        "views": names,
        "aggregate": "mean",
        "features": None,
        "parameters": {"frames_per_second": 10, "chunk_frames": FRAMES, "hop_frames": FRAMES},
        "versions": {"python": "3.11"},
        "commit": None,
    }
    store.write_bytes(
        _parquet(
            pd.DataFrame(
                {
                    "id": list(examples.ids),
                    "part": part,
                    "group": examples.groups,
                    "label": [examples.classes[i] for i in examples.y],
                }
            )
        ),
        *here,
        "split.parquet",
    )
    trials = pd.DataFrame(
        {
            "trial": [0, 1, 2, 3],
            "family": ["toy", "toy", "other", "other"],
            "params": ['{"strength": 1.0}', '{"strength": 60.0}', '{"rate": 0.1}', '{"rate": 1.0}'],
            "state": ["COMPLETE", "COMPLETE", "COMPLETE", "PRUNED"],
            "score": [0.5, 0.8, 0.7, 0.3],
            "steps": [5, 5, 5, 2],
            "duration_s": [1.0, 1.1, 2.0, 0.4],
            "error": [None] * 4,
        }
    )
    history = pd.DataFrame(
        [
            {"trial": trial, "step": step, "macro_f1": score * (1 - 0.5**step), "loss": 0.5**step}
            for trial, score, steps in zip(
                trials["trial"], trials["score"], trials["steps"], strict=True
            )
            for step in range(1, steps + 1)
        ]
    )
    if temperature is not None:
        history["temperature"] = temperature
    store.write_bytes(_parquet(trials), *here, "trials.parquet")
    store.write_bytes(_parquet(history), *here, "history.parquet")
    buffer = io.BytesIO()
    np.savez(buffer, probabilities=answer(model, inputs), **inputs)
    store.write_bytes(buffer.getvalue(), *here, "model", "reference.npz")
    store.write_bytes(model, *here, "model", "model.onnx")
    store.write_json(facts, *here, "run.json")
    store.write_json({"run_id": run_id}, "runs", task, "latest.json")


def add_detector(store: Store, *, task: str = "composer", run_id: str = "r1") -> bytes:
    """Give a run limits of sets, and a detector that finds a large first feature unusual."""
    weights = np.zeros((N_FEATURES, 2))
    weights[0, 1] = 1.0
    graph = feature_model(weights)
    levels = tuple(np.linspace(0.1, 1.0, 21).tolist())
    part = DetectorPart(
        name="size",
        column=1,
        share=1.0,
        calibration=dict.fromkeys(CLASSES, levels),
        calibrated_on=dict.fromkeys(CLASSES, 21),
    )
    facts = Detector(
        sha256=hashlib.sha256(graph).hexdigest(), input="features", columns=("known", "none"),
        promised=0.05, threshold=0.05, parts=(part,), recognised=0.75, auroc=0.9, recognised_of=40,
        recognised_labels=8, exposures=(Exposure(source="other@1", items=40, labels=8),),
    )  # fmt: skip
    sets = LabelSets(coverage=0.9, least=dict.fromkeys(CLASSES, 0.3), calibrated_on={})
    place = ("runs", task, run_id)
    record = store.read_json(*place, "run.json")
    record |= {"detector": facts.json_object(), "label_sets": sets.json_object()}
    store.write_json(record, *place, "run.json")
    store.write_bytes(graph, *place, "model", "known.onnx")
    return graph


def data_of(examples: Examples) -> TaskData:
    """Return items as the data of a task."""
    return TaskData(examples, np.full(len(examples), "test"), "toy", "0123456789ab")


def stand_in(
    monkeypatch: Any, examples: Examples, pieces: Any = None, *, drawn: bool = True
) -> None:
    """Let evaluation read these examples instead of a dataset.

    Parameters
    ----------
    pieces
        Dataset of the pieces of music, None for a task without any.
    drawn
        Whether figures are drawn, which takes most of a report's time.
    """
    from tunesmith.evaluation import evaluator
    from tunesmith.evaluation.music import Pieces
    from tunesmith.reports import publishing

    monkeypatch.setattr(evaluator, "load_data", lambda run: data_of(examples))
    monkeypatch.setattr(
        evaluator, "load_pieces", lambda run, test: pieces and Pieces(pieces, test.ids)
    )
    if not drawn:
        monkeypatch.setattr(publishing, "draw", lambda evaluation: {})


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def sha256(store: Store, run_id: str, task: str = "composer") -> str:
    """Return the hash of a run's model."""
    data = store.read_bytes("runs", task, run_id, "model", "model.onnx")
    return hashlib.sha256(data).hexdigest()


def hungry_model(size: int) -> bytes:
    """Return the model of `register_weights` that fills `size` bytes with zeros on its way."""
    proto = onnx.load_model_from_string(chunk_model(register_weights()))
    graph = proto.graph
    shape = numpy_helper.from_array(np.array([size // 4], dtype=np.int64), "hungry_shape")
    graph.initializer.append(shape)
    graph.node[-2].output[0] = "fed"
    # The size depends on the input, or onnxruntime would fold the zeros while loading.
    nodes = [
        helper.make_node("Shape", ["chunks"], ["hungry_like"]),
        helper.make_node("ReduceMin", ["hungry_like"], ["hungry_any"], keepdims=1),
        helper.make_node("Min", ["hungry_any", "hungry_one"], ["hungry_unit"]),
        helper.make_node("Mul", ["hungry_shape", "hungry_unit"], ["hungry_size"]),
        helper.make_node("ConstantOfShape", ["hungry_size"], ["hungry_zeros"]),
        helper.make_node("ReduceSum", ["hungry_zeros"], ["hungry_sum"], keepdims=0),
        helper.make_node("Add", ["fed", "hungry_sum"], ["logits"]),
    ]
    graph.initializer.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "hungry_one"))
    last = graph.node.pop()
    graph.node.extend([*nodes, last])
    return proto.SerializeToString()


def make_notes(seed: int, n: int = 120, low: int = 50) -> np.ndarray:
    """Return notes of one voice, four a second."""
    random = np.random.default_rng(seed)
    notes = np.zeros(n, dtype=NOTE_DTYPE)
    notes["onset_s"] = np.arange(n) * 0.25
    notes["offset_s"] = notes["onset_s"] + 0.2
    notes["onset_quarters"] = np.arange(n) * 0.5
    notes["duration_quarters"] = 0.4
    notes["pitch"] = random.integers(low, low + 20, n)
    notes["velocity"] = random.integers(40, 110, n)
    return notes


class FakeDataset:
    """What evaluation reads of a dataset version: pieces p0, p1, … of one voice each."""

    def __init__(self, n: int, chunk_frames: int = FRAMES) -> None:
        self.names = [f"p{i}" for i in range(n)]
        self.chunk_frames = chunk_frames
        parameters = {
            "frames_per_second": 10,
            "chunk_frames": chunk_frames,
            "hop_frames": chunk_frames,
        }
        self.manifest = SimpleNamespace(parameters=parameters, **parameters)
        self._notes = {
            name: make_notes(i, n=30 + 7 * i, low=42 + 12 * (i % 3))
            for i, name in enumerate(self.names)
        }

    def frames_of(self, name: str) -> int:
        """Return the length of a piece's roll."""
        return round(float(self._notes[name]["offset_s"].max()) * 10)

    def notes(self, names: list[str]) -> dict[str, np.ndarray]:
        """Return notes by piece."""
        return {name: self._notes[name] for name in names}

    def chunks(self, names: list[str], *, silent: bool = True) -> Chunks:
        """Return the chunks of pieces, in all of which something sounds."""
        del silent
        rolls, piece, start_s, padded = [], [], [], []
        for index, name in enumerate(names):
            roll = np.zeros((self.frames_of(name), 128), dtype=np.uint8)
            for note in self._notes[name]:
                span = slice(round(note["onset_s"] * 10), round(note["offset_s"] * 10))
                roll[span, note["pitch"]] = note["velocity"]
            for start in range(0, len(roll), self.chunk_frames):
                part = roll[start : start + self.chunk_frames]
                short = self.chunk_frames - len(part)
                rolls.append(np.pad(part, ((0, short), (0, 0))))
                piece.append(index)
                start_s.append(start / 10)
                padded.append(short)
        return Chunks(
            np.stack(rolls), np.array(piece), np.array(start_s), np.array(padded, dtype=np.int32)
        )

    def examples(self) -> Examples:
        """Return every piece as a task would, classes by turns."""
        features = np.stack([musical_features(notes) for notes in self._notes.values()])
        chunks = self.chunks(self.names)
        n = len(self.names)
        return Examples(
            y=np.arange(n) % len(CLASSES),
            classes=CLASSES,
            groups=np.arange(n),
            ids=self.names,
            views={
                "chunks": View(chunks.rolls, chunks.piece_index),
                "features": View.one_row_each(features),
            },
        )

    def pieces(self) -> pd.DataFrame:
        """Return facts about every piece."""
        return pd.DataFrame(
            {
                "piece_id": self.names,
                "path": [f"someone/{name}.mid" for name in self.names],
                "n_chunks": [-(-self.frames_of(n) // self.chunk_frames) for n in self.names],
                "length_s": [self.frames_of(n) / 10 for n in self.names],
                "n_notes": [len(self._notes[n]) for n in self.names],
                "n_instruments": 1,
                "ticks_per_quarter": 480,
                "n_tracks": [1 + i % 2 for i in range(len(self.names))],
                "features": [musical_features(self._notes[n]) for n in self.names],
            }
        )

    def fingerprints(self) -> dict[str, np.ndarray]:
        """Return the fingerprint of every piece by its id."""
        return {name: fingerprint(notes) for name, notes in self._notes.items()}
