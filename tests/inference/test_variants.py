import numpy as np
import pytest
from onnx import TensorProto, helper

from tests import artefacts
from tunesmith.errors import StoreError, UsageError
from tunesmith.inference.calibration import with_temperature
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.variants import VARIANTS, eight_bit, half_precision, time_of_batch_s
from tunesmith.registry import promote


@pytest.fixture
def with_variant(store, add_run):
    """Return a store whose run was measured to be worth its 8-bit variant alone."""
    add_run("r1")
    parts = ("reports", "composer", "r1", "report.json")
    report = store.read_json(*parts)
    report["variants"]["int8"]["kept"] = True
    report["variants"]["float16"]["kept"] = False
    report["calibration"]["temperature"] = 2.0
    store.write_json(report, *parts)
    return store


def test_eight_bits_answer_nearly_the_same(examples):
    model = artefacts.chunk_model(artefacts.register_weights())
    x = examples.view("chunks").x
    small = Classifier(eight_bit(model), classes=artefacts.CLASSES).predict({"chunks": x})
    np.testing.assert_allclose(small, artefacts.answer(model, {"chunks": x}), atol=0.03)


def test_half_precision_answers_nearly_the_same(examples):
    model = artefacts.chunk_model(artefacts.register_weights())
    x = examples.view("chunks").x
    small = Classifier(half_precision(model), classes=artefacts.CLASSES)
    assert small.inputs["chunks"].dtype == "uint8"
    answers = small.predict({"chunks": x})
    np.testing.assert_allclose(answers, artefacts.answer(model, {"chunks": x}), atol=2e-3)
    assert len(half_precision(model)) < len(model)


@pytest.mark.parametrize("make", VARIANTS.values())
def test_a_variant_of_a_model_of_floats_can_be_calibrated(examples, make):
    small = with_temperature(make(artefacts.feature_model(artefacts.feature_weights())), 2.0)
    x = examples.view("features").x
    answers = Classifier(small, classes=artefacts.CLASSES).predict({"features": x})
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-3)


@pytest.mark.parametrize("make", VARIANTS.values())
def test_a_graph_of_trees_has_no_such_variant(make):
    graph = helper.make_graph(
        [helper.make_node("Softmax", ["x"], ["probabilities"], axis=1)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    assert make(model.SerializeToString()) is None


def test_evaluation_measures_it(store, add_run):
    add_run("r1")
    variants = store.read_json("reports", "composer", "r1", "report.json")["variants"]
    assert variants.keys() == {"int8", "float16"}
    for found in variants.values():
        assert found["agreement"] > 0.95
        assert found["speedup"] > 0
        assert found["kept"] in {True, False}


def test_a_variant_worth_keeping_is_part_of_the_bundle(with_variant, examples):
    bundle = promote(with_variant, "composer")
    assert bundle.card.variants["int8"].agreement > 0.95
    assert bundle.card.variants_left_out.keys() == {"float16"}
    x = examples.view("chunks").x[:50]
    small = bundle.load(variant="int8").predict({"chunks": x})
    whole = bundle.load().predict({"chunks": x})
    np.testing.assert_allclose(small, whole, atol=0.03)
    assert not np.array_equal(small, whole)


def test_a_variant_not_worth_keeping_is_left_out(store, add_run):
    add_run("r1")
    parts = ("reports", "composer", "r1", "report.json")
    report = store.read_json(*parts)
    for found in report["variants"].values():
        found["kept"] = False
    store.write_json(report, *parts)
    bundle = promote(store, "composer")
    assert set(store.list(*bundle.parts)) == {"model.onnx", "card.json", "card.md"}
    with pytest.raises(UsageError, match="no variant of composer 1 named 'int8'"):
        bundle.load(variant="int8")


def test_a_damaged_variant_is_never_loaded(with_variant):
    bundle = promote(with_variant, "composer")
    with_variant.write_bytes(b"damaged", *bundle.parts, "model.int8.onnx")
    bundle.load()
    with pytest.raises(StoreError, match=r"model\.int8\.onnx is damaged"):
        bundle.load(variant="int8")


def test_time_of_a_batch_is_a_time(examples):
    model = artefacts.chunk_model(artefacts.register_weights())
    classifier = Classifier(model, classes=artefacts.CLASSES)
    assert 0 < time_of_batch_s(classifier, {"chunks": examples.view("chunks").x[:12]}) < 1
