"""A bundle needs nobody: onnxruntime, NumPy and the card are enough to answer."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import artefacts
from tunesmith.datasets.examples import Examples, JoinedRows
from tunesmith.models import family_names, get_family, merge
from tunesmith.registry import Bundle, promote
from tunesmith.reports.publishing import make_report
from tunesmith.testing import small_examples

# Refuses every import but the standard library, onnxruntime, NumPy and what these two bring.
READER = """
import json, sys

ALLOWED = {"numpy", "onnxruntime", "flatbuffers", "google", "packaging", "coloredlogs", "sympy"}

class Guard:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in ALLOWED and top not in sys.stdlib_module_names:
            raise ImportError(f"{name} is not there")

sys.meta_path.insert(0, Guard())
import numpy as np
import onnxruntime

folder, inputs = sys.argv[1:]
card = json.load(open(f"{folder}/card.json", encoding="utf-8"))
session = onnxruntime.InferenceSession(f"{folder}/model.onnx", providers=["CPUExecutionProvider"])
with np.load(inputs) as arrays:
    feeds = {name: arrays[name] for name in card["inputs"]}
    for name, schema in card["inputs"].items():
        assert feeds[name].dtype == schema["dtype"], name
        assert all(w in (None, g) for w, g in zip(schema["shape"], feeds[name].shape)), name
    (answers,) = session.run([card["output"]], feeds)
    difference = float(np.abs(answers - arrays["probabilities"]).max())
tops = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(json.dumps({"labels": card["labels"], "difference": difference, "loaded": sorted(tops)}))
"""


def read_alone(store, bundle, inputs, expected) -> dict:
    """Answer from a promoted bundle in a process without this project."""
    path = store.local_path("inputs.npz")
    buffer = io.BytesIO()
    np.savez(buffer, probabilities=expected, **inputs)
    path.write_bytes(buffer.getvalue())
    run = subprocess.run(
        [sys.executable, "-I", "-c", READER, store.path(*bundle.parts), str(path)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)


def test_the_guard_of_this_test_refuses_what_it_should():
    program = READER.partition("import numpy")[0] + "import pandas"
    command = [sys.executable, "-I", "-c", program]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "pandas is not there" in run.stderr


def test_a_bundle_answers_in_a_process_of_onnxruntime_and_numpy(store, add_run, examples):
    add_run("r1")
    bundle = promote(store, "composer")
    x = examples.view("chunks").x[:200]
    expected = artefacts.answer(artefacts.chunk_model(artefacts.register_weights()), {"chunks": x})
    found = read_alone(store, bundle, {"chunks": x}, expected)
    assert found["labels"] == list(artefacts.CLASSES)
    assert found["difference"] < 1e-5
    assert not {"tunesmith", "onnx", "tensorflow", "pyarrow"} & set(found["loaded"])


def examples_for(*views: str) -> Examples:
    """Return items with the views that families read, as the tests of the families make them."""
    examples = small_examples(n_items=120)
    return replace(examples, views={name: examples.view(name) for name in views})


def trained(name: str, examples: Examples, path: Path) -> Any:
    """Return a briefly trained model of a family, exported to `path`."""
    family = get_family(name)
    *_, step = family.fit(family.default(), examples, seed=0, max_steps=2)
    step.model.export_onnx(path)
    return step.model


def promote_run(store, monkeypatch, examples, model, inputs, expected) -> Bundle:
    """Write the run of a model with what it answered when it was trained, and promote it."""
    artefacts.write_run(store, examples, model)
    buffer = io.BytesIO()
    np.savez(buffer, probabilities=expected, **inputs)
    store.write_bytes(buffer.getvalue(), "runs", "composer", "r1", "model", "reference.npz")
    artefacts.stand_in(monkeypatch, examples, drawn=False)
    make_report(store, "composer")
    return promote(store, "composer", force="two steps of training are not meant to be good")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("name", family_names())
def test_every_family_answers_alone_as_it_was_trained(store, tmp_path, monkeypatch, name):
    view = get_family(name).view
    examples = examples_for(*get_family(name).views)
    path = tmp_path / "model.onnx"
    model = trained(name, examples, path)
    rows = np.resize(np.arange(len(examples.view(view))), 240)
    x = examples.view(view).x[rows]
    expected = model.predict_proba(x)
    inputs = dict(x.arrays) if isinstance(x, JoinedRows) else {view: x}
    bundle = promote_run(store, monkeypatch, examples, path.read_bytes(), inputs, expected)
    found = read_alone(store, bundle, inputs, expected)
    assert found["difference"] < 1e-5


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_an_ensemble_of_trees_a_linear_model_and_a_network_answers_alone(
    store, tmp_path, monkeypatch
):
    weights = {"boosting": 0.5, "linear": 0.2, "cnn1d": 0.3}
    examples = examples_for("features", "chunks")
    chunks = examples.view("chunks")
    rows = np.resize(np.arange(len(chunks)), 240)
    inputs = {"chunks": chunks.x[rows], "features": examples.view("features").x[chunks.item[rows]]}
    members, expected = [], np.zeros((len(rows), len(examples.classes)))
    for name, weight in weights.items():
        path = tmp_path / f"{name}.onnx"
        answers = trained(name, examples, path).predict_proba(inputs[get_family(name).view])
        members.append((path.read_bytes(), weight))
        expected += weight * answers
    mixed = expected.astype(np.float32)
    bundle = promote_run(store, monkeypatch, examples, merge(members), inputs, mixed)
    assert bundle.card.inputs.keys() == {"chunks", "features"}
    assert read_alone(store, bundle, inputs, mixed)["difference"] < 1e-5
