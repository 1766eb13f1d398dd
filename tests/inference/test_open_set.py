"""Recognising items of no class, and sets of labels that hold the truth."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.artefacts import feature_model
from tunesmith.artifacts.open_set import Detector, DetectorPart, LabelSets
from tunesmith.artifacts.preparation import NumberColumn, TablePreparation
from tunesmith.errors import ModelError
from tunesmith.inference.classifier import Classifier
from tunesmith.inference.model import Model
from tunesmith.inference.open_set import OpenSet, label_set
from tunesmith.inference.predictions import Prediction, mean

CLASSES = ("a", "b")


def detector_of(calibration: dict[str, tuple[float, ...]], **changes: Any) -> Detector:
    """Return facts about a detector whose graph gives one sign in two columns."""
    counts = {name: len(values) for name, values in calibration.items()}
    part = DetectorPart(
        name="sign", column=1, share=1.0, calibration=calibration, calibrated_on=counts
    )
    facts = {
        "input": "features", "columns": ("known", "none"), "promised": 0.05, "threshold": 0.05,
        "parts": (part,),
    }  # fmt: skip
    return Detector.model_validate(facts | changes)


def graph() -> bytes:
    """Return a detector of one number: the larger, the less it is of a class."""
    return feature_model(np.array([[-1.0, 1.0]]))


def test_the_score_is_the_share_of_known_items_that_are_as_unusual():
    levels = tuple(np.linspace(0.5, 1.0, 101))
    found = OpenSet(graph(), detector_of({"a": levels, "b": levels}), CLASSES)
    rows = np.array([[-1.0], [0.0], [0.01], [-0.1]], dtype=np.float32)
    judgement = found.judge(rows, np.tile([0.9, 0.1], (4, 1)))
    known = 1 / (1 + np.exp(2 * rows[:, 0]))
    expected = np.floor((known - 0.5) / 0.5 * 100 + 1e-6) / 100
    np.testing.assert_allclose(judgement.known, np.maximum(expected, 0.0), atol=1e-9)
    assert judgement.is_unknown.tolist() == [False, True, True, False]


def test_each_class_has_its_own_usual_values():
    easy, hard = tuple(np.linspace(0.9, 1.0, 21)), tuple(np.linspace(0.1, 1.0, 21))
    found = OpenSet(graph(), detector_of({"a": easy, "b": hard}), CLASSES)
    rows = np.zeros((2, 1), dtype=np.float32)
    flags = found.judge(rows, [[0.8, 0.2], [0.2, 0.8]]).is_unknown
    assert flags.tolist() == [True, False]


def test_a_class_may_have_a_threshold_of_its_own():
    levels = tuple(np.linspace(0.0, 1.0, 101))
    facts = detector_of({"a": levels, "b": levels}, thresholds={"b": 0.02})
    found = OpenSet(graph(), facts, CLASSES)
    # A class without one has that of the detector, as all have in older bundles.
    rows = np.full((2, 1), 1.7, dtype=np.float32)
    judgement = found.judge(rows, np.eye(2))
    np.testing.assert_allclose(judgement.known, [0.03, 0.03])
    assert judgement.is_unknown.tolist() == [True, False]


@pytest.mark.parametrize(
    ("thresholds", "words"),
    [
        ({}, "5% in each class"),
        ({"b": 0.075, "a": 0.03}, "5% of all: 3.0% for a, 7.5% for b"),
        (
            {f"c{number}": number / 100 for number in range(8)},
            "5% of all: between 0.0% for c0 and 7.0% for c7",
        ),
    ],
)
def test_what_is_promised_stands_in_words(thresholds, words):
    facts = detector_of({"a": (0.5, 1.0)}, thresholds=thresholds)
    assert facts.promise == words
    # Cards without these fields were written by earlier versions.
    assert Detector.model_validate(facts.model_dump(exclude={"thresholds"})).promise.endswith(
        "in each class"
    )


def test_a_graph_that_does_not_fit_the_card_is_refused():
    levels = (0.5, 1.0)
    with pytest.raises(ModelError, match="not calibrated for b"):
        OpenSet(graph(), detector_of({"a": levels}), CLASSES)
    with pytest.raises(ModelError, match="reads features; the card says image"):
        OpenSet(graph(), detector_of({"a": levels, "b": levels}, input="image"), CLASSES)


@given(st.lists(st.floats(0.01, 1.0), min_size=2, max_size=6), st.floats(0.0, 1.0))
def test_a_set_holds_the_labels_above_their_limit_the_most_probable_first(weights, limit):
    p = np.array(weights) / sum(weights)
    names = [f"c{number}" for number in range(len(p))]
    sets = LabelSets(coverage=0.9, least=dict.fromkeys(names, limit), calibrated_on={})
    chosen = label_set(p, names, sets)
    assert set(chosen) == {name for name, share in zip(names, p, strict=True) if share >= limit}
    shares = [p[names.index(name)] for name in chosen]
    assert shares == sorted(shares, reverse=True)


def model(open_set: bool) -> Model:
    """Return a model of one column, with a detector and sets or without."""
    preparation = TablePreparation(columns=[NumberColumn(name="x", low=-9, usual=0, high=9)])
    levels = tuple(np.linspace(0.3, 1.0, 101))
    facts = detector_of({"a": levels, "b": levels})
    return Model(
        Classifier(feature_model(np.array([[1.0, -1.0]])), classes=CLASSES),
        preparation,
        open_set=OpenSet(graph(), facts, CLASSES) if open_set else None,
        label_sets=LabelSets(coverage=0.9, least={"a": 0.6, "b": 0.6}, calibrated_on={})
        if open_set
        else None,
    )


def test_a_model_answers_none_of_these_and_names_the_nearest():
    usual, odd = model(open_set=True).predict([{"x": -2.0}, {"x": 5.0}])
    assert (usual.label, usual.none_of_these, usual.labels_90) == ("b", False, ("b",))
    assert (odd.label, odd.none_of_these) == ("a", True)
    assert 0 <= odd.known < 0.05 < usual.known <= 1
    assert odd.confidence == pytest.approx(odd.probability * odd.of_a_class)
    assert odd.of_a_class == pytest.approx(1 / (1 + np.exp(10.0)), rel=1e-3)
    assert usual.of_a_class > 0.9
    assert "none of these" in repr(odd)
    assert "none of these" not in repr(usual)


def test_a_model_without_a_detector_says_that_it_cannot_tell():
    (answer,) = model(open_set=False).predict([{"x": 5.0}])
    assert (answer.known, answer.none_of_these, answer.labels_90) == (None, None, None)
    assert answer.confidence == answer.probability


def test_a_faulty_item_does_not_shift_the_scores_of_the_others():
    loaded = model(open_set=True)
    alone = loaded.predict({"x": 5.0})
    prepared = loaded.prepare([{"x": -2.0}, {"y": 1.0}, {"x": 5.0}])
    answers = loaded.answers(prepared, loaded.run(prepared.inputs))
    good = [answer for answer in answers if isinstance(answer, Prediction)]
    assert good[-1].known == alone.known
    assert good[-1].none_of_these


def test_several_models_are_of_one_mind_by_their_weight():
    p = np.array([0.7, 0.3], dtype=np.float32)
    of_none = Prediction(
        CLASSES, p, known=0.01, none_of_these=True, of_a_class=0.2, labels_90=("a",)
    )
    of_a_class = Prediction(CLASSES, p, known=0.5, none_of_these=False, labels_90=("a", "b"))
    cannot = Prediction(CLASSES, p)
    both = mean([of_none, of_a_class, cannot], [1.0, 3.0, 9.0])
    assert both.none_of_these is False
    assert both.known == pytest.approx((0.01 + 3 * 0.5) / 4)
    assert both.labels_90 == ("a", "b")
    assert both.of_a_class == 0.2
    assert mean([of_none, of_a_class], [3.0, 1.0]).none_of_these is True
    assert mean([cannot, cannot], [1.0, 1.0]).none_of_these is None
