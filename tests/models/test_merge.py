"""Several models in one graph."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tunesmith.datasets.examples import Examples
from tunesmith.models import fit_many_labels, get_family, merge, pooled

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_a_merged_graph_answers_the_weighted_sum(small_examples: Examples, tmp_path: Path) -> None:
    weights = {"boosting": 0.5, "linear": 0.3, "cnn1d": 0.2}
    models, graphs = {}, []
    for name, weight in weights.items():
        family = get_family(name)
        *_, step = family.fit(family.default(), small_examples, seed=0, max_steps=1)
        step.model.export_onnx(tmp_path / f"{name}.onnx")
        models[name] = step.model
        graphs.append(((tmp_path / f"{name}.onnx").read_bytes(), weight))
    session = onnxruntime.InferenceSession(merge(graphs))
    assert {put.name for put in session.get_inputs()} == {"chunks", "features"}
    assert [out.name for out in session.get_outputs()] == ["probabilities"]

    chunks = small_examples.view("chunks")
    features = small_examples.view("features").x
    inputs = {"chunks": chunks.x, "features": features[chunks.item]}
    expected = sum(
        weight * models[name].predict_proba(inputs[get_family(name).view])
        for name, weight in weights.items()
    )
    (answers,) = session.run(None, inputs)
    np.testing.assert_allclose(answers, expected, atol=1e-5)
    # One piece: its features stand beside every chunk.
    one = {"chunks": chunks.x[:2], "features": features[:1]}
    (answers,) = session.run(None, one)
    np.testing.assert_allclose(answers, expected[:2], atol=1e-5)


def test_a_pooled_graph_answers_the_geometric_mean(
    small_examples: Examples, tmp_path: Path
) -> None:
    weights = {"boosting": 0.7, "linear": 0.3}
    rows = small_examples.view("features").x
    graphs, logs = [], np.zeros((len(rows), len(small_examples.classes)))
    for name, weight in weights.items():
        family = get_family(name)
        *_, step = family.fit(family.default(), small_examples, seed=0, max_steps=1)
        step.model.export_onnx(tmp_path / f"{name}.onnx")
        graphs.append(((tmp_path / f"{name}.onnx").read_bytes(), weight))
        logs += weight * np.log(np.maximum(step.model.predict_proba(rows), 1e-5))
    (answers,) = onnxruntime.InferenceSession(pooled(graphs)).run(None, {"features": rows})
    expected = np.exp(logs)
    np.testing.assert_allclose(answers, expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_labels_stand_for_classes(tmp_path: Path) -> None:
    """Two labels on both sides of a third: no line parts their class from the other."""
    rng = np.random.default_rng(0)
    label = np.arange(300) % 3
    x = (np.array([[-4.0, 0.0], [0.0, 0.0], [4.0, 0.0]])[label] + rng.normal(size=(300, 2))).astype(
        np.float32
    )
    x[0, 0] = np.nan
    model = fit_many_labels(x, label, [0, 1, 0], "features", ("outside", "inside"))
    answers = model.predict_proba(x)
    np.testing.assert_allclose(answers.sum(axis=1), 1.0, atol=1e-5)
    assert (answers.argmax(axis=1) == (label == 1)).mean() > 0.9
    model.export_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    np.testing.assert_allclose(session.run(None, {"features": x})[0], answers, atol=1e-5)
    model.save(tmp_path)
    np.testing.assert_array_equal(type(model).load(tmp_path).predict_proba(x), answers)
