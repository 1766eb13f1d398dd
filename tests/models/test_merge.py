"""Several models in one graph."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tunesmith.datasets.examples import Examples
from tunesmith.models import fit_discriminant, get_family, merge, pool_odds, pooled_odds

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


def test_a_pooled_graph_answers_the_mean_odds_of_the_last_class(
    small_examples: Examples, tmp_path: Path
) -> None:
    rows = small_examples.view("features").x
    graphs, answers = [], []
    for name in ("boosting", "linear"):
        family = get_family(name)
        *_, step = family.fit(family.default(), small_examples, seed=0, max_steps=1)
        step.model.export_onnx(tmp_path / f"{name}.onnx")
        graphs.append((tmp_path / f"{name}.onnx").read_bytes())
        answers.append(step.model.predict_proba(rows))
    # A member that is certain counts as nearly so; the last of three classes, or of two.
    certain = np.array([[1.0, 0.0], [0.0, 1.0]], dtype=np.float32)[np.arange(len(rows)) % 2]
    (pooled,) = onnxruntime.InferenceSession(pooled_odds(graphs)).run(None, {"features": rows})
    p = np.clip(np.stack([of_member[:, -1] for of_member in answers]), 1e-5, 1 - 1e-5)
    expected = 1 / (1 + np.exp(-np.log(p / (1 - p)).mean(axis=0)))
    np.testing.assert_allclose(pooled, np.column_stack([1 - expected, expected]), atol=1e-5)
    np.testing.assert_allclose(pool_odds(answers), pooled, atol=1e-5)
    with_certain = pool_odds([answers[0], certain])
    assert np.isfinite(with_certain).all()
    assert ((with_certain[:, 1] > p[0]) == (certain[:, 1] == 1)).all()


def test_labels_stand_for_classes(tmp_path: Path) -> None:
    """Two labels on both sides of a third: no line parts their class from the other."""
    rng = np.random.default_rng(0)
    label = np.arange(300) % 3
    x = (np.array([[-6.0, 0.0], [0.0, 0.0], [6.0, 0.0]])[label] + rng.normal(size=(300, 2))).astype(
        np.float32
    )
    x[0, 0] = np.nan
    classes = ("outside", "inside")
    names = {"view": "features", "classes": classes}
    model = fit_discriminant(x, label, [0, 1, 0], [0.5, 0.5], **names)
    answers = model.predict_proba(x)
    np.testing.assert_allclose(answers.sum(axis=1), 1.0, atol=1e-5)
    assert (answers.argmax(axis=1) == (label == 1)).mean() > 0.9
    model.export_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    np.testing.assert_allclose(session.run(None, {"features": x})[0], answers, atol=1e-5)
    model.save(tmp_path)
    np.testing.assert_array_equal(type(model).load(tmp_path).predict_proba(x), answers)
    # Where rows tell nothing, the prior does.
    alike = np.ones_like(x)
    same = fit_discriminant(alike, label, [0, 1, 0], [0.2, 0.8], **names).predict_proba(alike)
    np.testing.assert_allclose(same[0], [0.2, 0.8], atol=1e-5)
