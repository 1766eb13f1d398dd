import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests import artefacts
from tunesmith.datasets.probabilities import temper
from tunesmith.errors import ModelError
from tunesmith.inference.calibration import with_temperature
from tunesmith.inference.classifier import Classifier


@pytest.fixture(scope="module")
def model():
    return artefacts.chunk_model(artefacts.register_weights())


@pytest.fixture(scope="module")
def classifier(model):
    return Classifier(model, classes=artefacts.CLASSES)


def rolls(rows: int) -> np.ndarray:
    shape = (rows, artefacts.FRAMES, 128)
    return np.random.default_rng(0).integers(0, 128, shape).astype(np.uint8)


def test_predicts_as_onnxruntime_does(model, classifier):
    x = rolls(9)
    np.testing.assert_array_equal(
        classifier.predict({"chunks": x}), artefacts.answer(model, {"chunks": x})
    )


def test_no_rows_in_no_rows_out(classifier):
    assert classifier.predict({"chunks": rolls(0)}).shape == (0, len(artefacts.CLASSES))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "wants the inputs chunks and got none"),
        ({"rolls": rolls(1)}, "wants the inputs chunks and got rolls"),
        ({"chunks": rolls(1).astype(np.float32)}, r"wants uint8 \[any, 20, 128\] and got float32"),
        ({"chunks": rolls(1)[:, :5]}, r"got uint8 \[1, 5, 128\]"),
        ({"chunks": rolls(1)[0]}, r"got uint8 \[20, 128\]"),
    ],
)
def test_inputs_that_would_be_misread_are_refused(classifier, inputs, message):
    with pytest.raises(ModelError, match=message):
        classifier.predict(inputs)


def test_bytes_that_are_no_model_are_refused():
    with pytest.raises(ModelError, match="onnxruntime refuses the model"):
        Classifier(b"not a model", classes=("a",))


def test_labels_must_fit_the_output(model):
    with pytest.raises(ModelError, match=r"2 labels need float32 \[rows, 2\]"):
        Classifier(model, classes=("a", "b"))


def test_an_output_of_another_name_is_refused():
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["rows", 2])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    with pytest.raises(ModelError, match="no output 'probabilities'; it has y"):
        Classifier(model.SerializeToString(), classes=("a", "b"))


@pytest.mark.parametrize("temperature", [0.4, 1.7, 6.0])
def test_temperature_inside_the_graph_equals_the_formula(model, temperature):
    x = rolls(50)
    scaled = with_temperature(model, temperature)
    onnx.checker.check_model(onnx.load_model_from_string(scaled), full_check=True)
    found = Classifier(scaled, classes=artefacts.CLASSES).predict({"chunks": x})
    expected = temper(artefacts.answer(model, {"chunks": x}), temperature)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_temperature_in_a_graph_that_knows_only_machine_learning_operators():
    weights = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    node = helper.make_node(
        "LinearClassifier",
        ["features"],
        ["label", "probabilities"],
        domain="ai.onnx.ml",
        coefficients=weights.ravel().tolist(),
        intercepts=[0.0] * 3,
        classlabels_ints=[0, 1, 2],
        post_transform="SOFTMAX",
    )
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", 4])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 3])],
    )
    imports = [helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=8).SerializeToString()
    x = np.random.default_rng(1).normal(size=(20, 4)).astype(np.float32)
    found = Classifier(with_temperature(model, 2.0), classes=("a", "b", "c"))
    before = Classifier(model, classes=("a", "b", "c")).predict({"features": x})
    np.testing.assert_allclose(found.predict({"features": x}), temper(before, 2.0), atol=1e-6)


def test_temperature_of_one_changes_nothing_and_bad_ones_are_refused(model):
    assert with_temperature(model, 1.0) is model
    with pytest.raises(ModelError, match="positive"):
        with_temperature(model, 0.0)
