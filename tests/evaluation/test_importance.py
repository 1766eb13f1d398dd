import numpy as np

from tests import artefacts
from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation.importance import importance
from tunesmith.registry.classifier import Classifier


def ask(model, examples, columns=()):
    classifier = Classifier(model, classes=artefacts.CLASSES)
    return importance(classifier, examples, lambda p: p.by_item, columns)


def test_columns_that_the_model_reads_come_first():
    found = ask(
        artefacts.feature_model(artefacts.feature_weights()),
        artefacts.make_examples(200),
        ["a", "b", "c", "d", "e", "f"],
    )
    names = [part["name"] for part in found["parts"]]
    assert set(names[:3]) == {"a", "b", "c"}
    assert found["parts"][2]["rise"] > 0.02
    assert all(part["rise"] == 0 for part in found["parts"][3:])


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
    assert [(part["name"], part["columns"]) for part in found["parts"]] == [
        ("telling", 3),
        ("noise", 57),
    ]


def test_silencing_the_register_that_decides_hurts_most():
    found = ask(
        artefacts.chunk_model(artefacts.register_weights()), artefacts.make_examples(90, overlap=0)
    )
    rises = {part["name"]: part["rise"] for part in found["parts"]}
    assert sum(part["columns"] for part in found["parts"]) == 128
    assert max(rises, key=rises.get) in {"C3 to B3", "C4 to B4", "C5 to B5"}
    assert rises["C-1 to B-1"] == 0
    assert "C9 to G9" in rises


def test_a_model_of_two_views_is_asked_about_both():
    model = artefacts.mixed_model(artefacts.register_weights(), artefacts.feature_weights())
    found = ask(model, artefacts.make_examples(90), ["a", "b", "c", "d", "e", "f"])
    names = {part["name"] for part in found["parts"]}
    assert {"a", "f", "C4 to B4"} <= names
    assert found["method"] == "columns shuffled between items or one octave silenced"
