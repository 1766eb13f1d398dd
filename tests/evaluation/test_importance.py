import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests import artefacts
from tunesmith.artifacts.preparation import NgramsColumn
from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation.importance import importance
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.explain import THEMES
from tunesmith.midi.features import FEATURE_NAMES


def ask(model, examples, columns=()):
    classifier = Classifier(model, classes=artefacts.CLASSES)
    return importance(classifier, examples, lambda p: p.by_item, columns)


def test_columns_that_the_model_reads_come_first():
    found = ask(
        artefacts.feature_model(artefacts.feature_weights()),
        artefacts.make_examples(200),
        ["a", "b", "c", "d", "e", "f"],
    )
    names = [part.name for part in found.parts]
    assert set(names[:3]) == {"a", "b", "c"}
    assert found.parts[2].rise > 0.02
    assert all(part.rise == 0 for part in found.parts[3:])


def test_counts_of_a_text_are_one_part():
    title = NgramsColumn(name="title", most=16).features
    x = np.zeros((150, 13), dtype=np.float32)
    x[:, :3] = np.random.default_rng(0).normal(size=(150, 3))
    examples = Examples(
        x[:, :3].argmax(axis=1), artefacts.CLASSES, np.arange(150), [str(i) for i in range(150)],
        {"features": View.one_row_each(x)},
    )  # fmt: skip
    weights = 3.0 * np.eye(13, 3)
    found = ask(artefacts.feature_model(weights), examples, [*title, "tempo", "key (A)", "rate"])
    assert [(part.name, part.columns) for part in found.parts] == [
        ("title, how it is written", 10),
        ("tempo", 1),
        ("rate", 1),
        ("key (A)", 1),
    ]


def test_many_columns_are_taken_together_by_name():
    random = np.random.default_rng(0)
    x = random.normal(size=(150, 60)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    examples = Examples(
        y, artefacts.CLASSES, np.arange(150), [str(i) for i in range(150)],
        {"features": View.one_row_each(x)},
    )  # fmt: skip
    columns = [*(f"telling_{i}" for i in range(3)), *(f"noise_{i}" for i in range(57))]
    found = ask(artefacts.feature_model(3.0 * np.eye(60, 3)), examples, columns)
    assert [(part.name, part.columns) for part in found.parts] == [
        ("telling", 3),
        ("noise", 57),
    ]


def test_musical_features_are_named_as_a_listener_would() -> None:
    width = len(FEATURE_NAMES)
    x = np.random.default_rng(0).normal(size=(60, width)).astype(np.float32)
    decisive = [j for j, name in enumerate(FEATURE_NAMES) if name.startswith("velocity_summary")]
    weights = np.zeros((width, 3))
    weights[decisive[:3]] = 3 * np.eye(3)
    examples = Examples(
        x[:, decisive[:3]].argmax(axis=1), artefacts.CLASSES, np.arange(60),
        [str(i) for i in range(60)], {"features": View.one_row_each(x)},
    )  # fmt: skip
    found = ask(artefacts.feature_model(weights), examples, FEATURE_NAMES)
    assert {part.name for part in found.parts} == set(THEMES)
    assert found.parts[0].name == "Loud and soft"
    assert sum(part.columns for part in found.parts) == width


def test_silencing_the_register_that_decides_hurts_most():
    found = ask(
        artefacts.chunk_model(artefacts.register_weights()), artefacts.make_examples(90, overlap=0)
    )
    rises = {part.name: part.rise for part in found.parts}
    assert sum(part.columns for part in found.parts) == 128
    assert max(rises, key=rises.get) in {"C3 to B3", "C4 to B4", "C5 to B5"}
    assert rises["C-1 to B-1"] == 0
    assert "C9 to G9" in rises


def test_a_model_of_two_views_is_asked_about_both():
    model = artefacts.mixed_model(artefacts.register_weights(), artefacts.feature_weights())
    found = ask(model, artefacts.make_examples(90), ["a", "b", "c", "d", "e", "f"])
    names = {part.name for part in found.parts}
    assert {"a", "f", "C4 to B4"} <= names
    assert found.method == "columns shuffled between items or one octave silenced"


def picture_model(height: int, width: int, at: tuple[int, int]) -> bytes:
    """Return a model whose answer is one pixel of a picture, by its brightness."""
    shape = helper.make_tensor_value_info("image", TensorProto.UINT8, ["rows", height, width])
    weights = np.zeros((height * width, 3), dtype=np.float32)
    weights[at[0] * width + at[1]] = [0.0, 0.02, 0.04]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["float"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Add", ["logits", "bias"], ["sum"]),
        helper.make_node("Softmax", ["sum"], ["probabilities"], axis=1),
    ]
    constants = {"weights": weights, "bias": np.array([0, -1, -4], dtype=np.float32)}
    graph = helper.make_graph(
        nodes, "picture", [shape],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return model.SerializeToString()


def test_the_patch_of_a_picture_that_decides_stands_where_it_is():
    random = np.random.default_rng(0)
    y = np.arange(150) % 3
    x = random.integers(0, 30, (150, 14, 14)).astype(np.uint8)
    x[:, 5, 9] = 100 * y
    examples = Examples(
        y, artefacts.CLASSES, np.arange(150), [str(i) for i in range(150)],
        {"image": View.one_row_each(x)},
    )  # fmt: skip
    found = ask(picture_model(14, 14, (5, 9)), examples)
    grid = np.array(found.grid)
    assert grid.shape == (7, 7)
    assert np.unravel_index(grid.argmax(), grid.shape) == (2, 4)
    assert found.method == "one patch blanked"
    assert sum(part.columns for part in found.parts) == 14 * 14


def test_pixels_in_columns_stand_where_they_are():
    random = np.random.default_rng(0)
    x = random.normal(size=(150, 6)).astype(np.float32)
    y = x[:, 3:6].argmax(axis=1)
    examples = Examples(
        y, artefacts.CLASSES, np.arange(150), [str(i) for i in range(150)],
        {"features": View.one_row_each(x)},
    )  # fmt: skip
    columns = [f"pixel_{i}_{j}" for i in range(2) for j in range(3)]
    found = ask(artefacts.feature_model(np.eye(6, 3, k=-3) * 3.0), examples, columns)
    grid = np.array(found.grid)
    assert (grid[1] > 0.1).all()
    assert (grid[0] == 0).all()
