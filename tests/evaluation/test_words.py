import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tunesmith.artifacts.preparation import TextPreparation
from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation.words import word_effects
from tunesmith.inference.classifier import Classifier

WORDS = [f"word{i}" for i in range(40)]
RULES = TextPreparation(words=WORDS, first=4, unknown=2, length=30)
CLASSES = ("bad", "good")


def counting_model(good: int, bad: int) -> bytes:
    """Return a model of 30 tokens that counts one token for and one against."""
    nodes = [
        *(helper.make_node("Equal", ["tokens", name], [f"is_{name}"]) for name in ("good", "bad")),
        *(
            helper.make_node("Cast", [f"is_{name}"], [f"one_{name}"], to=TensorProto.FLOAT)
            for name in ("good", "bad")
        ),
        helper.make_node("Sub", ["one_good", "one_bad"], ["votes"]),
        helper.make_node("ReduceSum", ["votes", "axis"], ["sum"], keepdims=1),
        helper.make_node("MatMul", ["sum", "weights"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants = {
        "good": np.array(good, dtype=np.int32),
        "bad": np.array(bad, dtype=np.int32),
        "axis": np.array([1], dtype=np.int64),
        "weights": np.array([[0.0, 2.0]], dtype=np.float32),
    }
    graph = helper.make_graph(
        nodes, "counting",
        [helper.make_tensor_value_info("tokens", TensorProto.INT32, ["rows", 30])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 2])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return model.SerializeToString()


@pytest.fixture
def texts() -> Examples:
    random = np.random.default_rng(0)
    x = random.integers(4, 44, (300, 30)).astype(np.int32)
    x[:, :5] = 0
    y = np.arange(300) % 2
    return Examples(
        y, CLASSES, np.arange(300), [str(i) for i in range(300)],
        {"tokens": View.one_row_each(x)},
    )  # fmt: skip


def test_the_words_that_decide_are_found_with_their_sign(texts):
    model = Classifier(counting_model(good=4 + 7, bad=4 + 21), classes=CLASSES)
    found = word_effects(model, texts, lambda p: p.by_item, RULES)
    assert found.label == "good"
    first, *between, last = found.words
    assert (first.word, last.word) == ("word7", "word21")
    assert first.effect > 0.1
    assert last.effect < -0.1
    assert all(abs(row.effect) < 1e-6 for row in between)
    assert first.texts == (texts.view("tokens").x == 11).any(axis=1).sum()


def test_without_words_in_enough_texts_there_is_nothing_to_say(texts):
    model = Classifier(counting_model(11, 25), classes=CLASSES)
    few = texts.take(range(5))
    assert word_effects(model, few, lambda p: p.by_item, RULES) is None
