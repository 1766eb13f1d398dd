"""A model on copies of its test pieces, and on other datasets."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests import artefacts
from tests.artefacts import FakeDataset
from tunesmith.errors import DatasetError
from tunesmith.evaluation import elsewhere
from tunesmith.evaluation.elsewhere import answers_of, copies_of_test, on_copies, other_datasets
from tunesmith.evaluation.music import Pieces
from tunesmith.evaluation.predictions import predict
from tunesmith.inference.classifier import Classifier
from tunesmith.midi.features import FEATURE_NAMES


def subject_of(dataset, model):
    """Return the subject of an evaluation whose test part is the whole of a dataset."""
    examples = dataset.examples()
    classifier = Classifier(model, classes=artefacts.CLASSES)
    return SimpleNamespace(
        run=SimpleNamespace(classes=artefacts.CLASSES, store=None),
        parts=SimpleNamespace(test=examples, learned=examples.take([0, 1])),
        pieces=Pieces(dataset, examples.ids),
        inputs=set(classifier.inputs),
        classifier=classifier,
        predictions=predict(classifier, examples),
        calibrate=lambda predictions: predictions.by_item,
        say=lambda line: None,
    )


def loudness_model():
    """Return a model that takes loud pieces for the first class and quiet ones for the second."""
    weights = np.zeros((len(FEATURE_NAMES), 3))
    weights[FEATURE_NAMES.index("velocity_summary_0"), :2] = (1.0, -1.0)
    return artefacts.feature_model(weights)


def test_the_copies_stand_beside_the_test_part():
    subject = subject_of(FakeDataset(n=12), loudness_model())
    copies = copies_of_test(subject)
    rows = on_copies(subject, {name: answers_of(subject, copy) for name, copy in copies.items()})
    names = [row.data for row in rows]
    assert names[0] == "its own test"
    assert {row.items for row in rows} == {12}
    for word in ("played", "note by note", "transcribed", "45 s", "15 s"):
        assert any(word in name for name in names), word
    for row in rows:
        assert set(row.metrics) == {"accuracy", "balanced_accuracy", "macro_f1"}
        assert set(row.recall) == set(artefacts.CLASSES)
        mean_recall = np.mean([recall.value for recall in row.recall.values()])
        assert row.metrics["balanced_accuracy"].value == pytest.approx(mean_recall)


def test_a_task_without_pieces_has_no_copies():
    assert copies_of_test(SimpleNamespace(pieces=None)) == {}
    assert on_copies(SimpleNamespace(pieces=None), {}) == ()
    with pytest.raises(DatasetError, match="MIDI"):
        other_datasets(SimpleNamespace(pieces=None), ["other"])


@pytest.fixture
def other(monkeypatch):
    """Return another dataset whose first pieces are those of the model's own training."""
    dataset = FakeDataset(n=12)
    dataset.version = "v2"
    monkeypatch.setattr(elsewhere, "open_dataset", lambda store, name, version: dataset)
    monkeypatch.setattr(elsewhere, "preparation_of", lambda dataset: dataset.chunk_frames)
    monkeypatch.setattr(
        elsewhere, "views_of_pieces", lambda dataset, ids, names: {
            "features": dataset.examples().take([int(i[1:]) for i in ids]).view("features")
        },
    )  # fmt: skip
    return dataset


def test_near_duplicates_and_other_labels_are_left_out_and_counted(other, monkeypatch):
    subject = subject_of(FakeDataset(n=12), loudness_model())
    labels = [artefacts.CLASSES[i % 3] for i in range(12)]
    labels[11] = "somebody else"
    table = other.pieces().assign(label=labels)
    monkeypatch.setattr(other, "pieces", lambda: table)
    (row,) = other_datasets(subject, ["other"])
    assert row.data == "other@v2"
    # The model learned from pieces 0 and 1, which are in this dataset too.
    assert (row.left_out, row.unknown, row.items) == (2, 1, 9)
