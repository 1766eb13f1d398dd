"""Several models in one graph."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tunesmith.datasets.examples import Examples
from tunesmith.models import get_family, merge

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
