"""A model on copies of its test pieces, and on other datasets."""

from types import SimpleNamespace

import numpy as np
import pytest

from tests import artefacts
from tests.artefacts import FakeDataset
from tunesmith.artifacts.open_set import Detector, DetectorPart, Exposure, LabelSets
from tunesmith.errors import DatasetError
from tunesmith.evaluation import elsewhere
from tunesmith.evaluation.elsewhere import answers_of, copies_of_test, on_copies, other_datasets
from tunesmith.evaluation.music import Pieces
from tunesmith.evaluation.predictions import predict
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.open_set import OpenSet
from tunesmith.midi.features import FEATURE_NAMES


def subject_of(dataset, model, open_set=None, label_sets=None):
    """Return the subject of an evaluation whose test part is the whole of a dataset."""
    detector = None if open_set is None else open_set.facts
    examples = dataset.examples()
    classifier = Classifier(model, classes=artefacts.CLASSES)
    return SimpleNamespace(
        run=SimpleNamespace(
            classes=artefacts.CLASSES,
            store=None,
            record=SimpleNamespace(detector=detector, label_sets=label_sets),
        ),
        open_set=open_set,
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
    answers = {name: answers_of(subject, copy) for name, copy in copies.items()}
    rows = on_copies(subject, answers, copies)
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
    assert on_copies(SimpleNamespace(pieces=None), {}, {}) == ()
    with pytest.raises(DatasetError, match="MIDI"):
        other_datasets(SimpleNamespace(pieces=None), ["other"])


@pytest.fixture
def other(monkeypatch):
    """Return another dataset whose first pieces are those of the model's own training."""
    dataset = FakeDataset(n=12)
    dataset.name, dataset.version = "other", "v2"
    monkeypatch.setattr(elsewhere, "open_named", lambda store, named: dataset)
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
    (row,), other_labels = other_datasets(subject, ["other"])
    assert other_labels == ()
    assert (row.false_alarms, row.coverage) == (None, None)
    assert row.data == "other@v2"
    # The model learned from pieces 0 and 1, which are in this dataset too.
    assert (row.left_out, row.unknown, row.items) == (2, 1, 9)


def loudness_detector(exposures=()):
    """Return a detector that tells loud pieces as of no class."""
    weights = np.zeros((len(FEATURE_NAMES), 2))
    weights[FEATURE_NAMES.index("velocity_summary_0"), 1] = 0.01
    graph = artefacts.feature_model(weights)
    detected = Classifier(graph, classes=("known", "none"))
    examples = FakeDataset(n=12).examples()
    known = detected.predict({"features": np.asarray(examples.view("features").x)})[:, 0]
    middle = float(np.median(known[3:11].astype(np.float64)))
    part = DetectorPart(
        name="loudness",
        column=1,
        share=1.0,
        # Half of the pieces with another label are less known than the least known item.
        calibration=dict.fromkeys(artefacts.CLASSES, (middle, middle, 1.0)),
        calibrated_on=dict.fromkeys(artefacts.CLASSES, 12),
    )
    facts = Detector(
        input="features", columns=("known", "none"), promised=0.05, threshold=0.05,
        parts=(part,), exposures=exposures,
    )  # fmt: skip
    return OpenSet(graph, facts, artefacts.CLASSES)


@pytest.fixture
def with_other_labels(other, monkeypatch):
    """Let every piece of the other dataset but three be by somebody else."""
    labels = ["bach", "chopin", "mozart", *("somebody else" for _ in range(8)), ""]
    table = other.pieces().assign(label=labels)
    monkeypatch.setattr(other, "pieces", lambda: table)
    return other


def test_pieces_of_no_class_are_counted_apart_and_judged(with_other_labels):
    sets = LabelSets(coverage=0.9, least=dict.fromkeys(artefacts.CLASSES, 0.0), calibrated_on={})
    subject = subject_of(FakeDataset(n=12), loudness_model(), loudness_detector(), sets)
    (row,), (other_labels,) = other_datasets(subject, ["other"])
    # Pieces 0 and 1 were learned from; the last one has no label and may be of a class.
    assert (row.items, row.left_out, row.unknown) == (1, 2, 9)
    assert row.coverage.value == 1.0
    assert (other_labels.data, other_labels.items, other_labels.labels) == ("other@v2", 8, 1)
    examples = with_other_labels.examples()
    p = subject.predictions.by_item
    rows = np.asarray(examples.view("features").x)
    judgement = subject.open_set.judge(rows, p)
    flags = judgement.is_unknown
    assert 0 < flags[3:11].sum() < 8
    assert other_labels.recognised.value == pytest.approx(flags[3:11].mean())
    confidence = p.max(axis=1) * judgement.of_a_class
    assert other_labels.confidence == pytest.approx(confidence[3:11][~flags[3:11]].mean())
    assert row.false_alarms.value == flags[2]


def test_what_a_detector_learned_from_does_not_judge_it(with_other_labels):
    exposures = (Exposure(source="other@v2", items=8),)
    subject = subject_of(FakeDataset(n=12), loudness_model(), loudness_detector(exposures))
    rows, other_labels = other_datasets(subject, ["other"])
    assert (len(rows), other_labels) == (1, ())


def test_a_dataset_of_other_music_alone_can_judge_a_detector(other, monkeypatch):
    table = other.pieces().assign(label="somebody else")
    monkeypatch.setattr(other, "pieces", lambda: table)
    subject = subject_of(FakeDataset(n=12), loudness_model(), loudness_detector())
    rows, (other_labels,) = other_datasets(subject, ["other"])
    assert rows == ()
    assert other_labels.items == 10
    without = subject_of(FakeDataset(n=12), loudness_model())
    with pytest.raises(DatasetError, match="No piece of other can judge the model"):
        other_datasets(without, ["other"])
