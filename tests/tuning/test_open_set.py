"""Learning to tell items of no class, and the limits of sets of labels."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tunesmith.artifacts.open_set import DetectorPart, Exposure
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.others import Others
from tunesmith.errors import SearchError
from tunesmith.inference.open_set import OpenSet, label_set
from tunesmith.tuning import open_set, open_set_models
from tunesmith.tuning.label_sets import label_sets
from tunesmith.tuning.open_set import PROMISED, RANGE_PROMISED, learn_detector
from tunesmith.tuning.open_set_models import drawn_evenly
from tunesmith.tuning.trial_data import TrialData

CLASSES = ("a", "b", "c")
N_COLUMNS = 10


def centres() -> np.ndarray:
    """Return the middle of each class, and of six labels that are no class."""
    return np.random.default_rng(3).normal(size=(9, N_COLUMNS)) * 2.5


def items(labels: np.ndarray, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(len(labels), N_COLUMNS))
    return (centres()[labels] + noise).astype(np.float32)


def trial_data(n: int = 360, view: str = "features", copies: bool = False) -> TrialData:
    y = np.arange(n) % 3
    examples = Examples(
        y, CLASSES, np.arange(n), [str(i) for i in range(n)],
        {view: View.one_row_each(items(y, 1))},
        ({view: View.one_row_each(items(y, 2) * np.float32(1.1))},) if copies else (),
    )  # fmt: skip
    return TrialData(examples, ((2 * n // 3, n),), "accuracy")


def others(labels: tuple[int, ...] = (3, 4, 5, 6), n: int = 160) -> Others:
    label = np.array(labels)[np.arange(n) % len(labels)]
    return Others(
        items(label, 5), label.astype(str), np.zeros(n, dtype=bool),
        (Exposure(source="other@1", items=n, labels=len(labels)),),
    )  # fmt: skip


@pytest.fixture(scope="module")
def detection():
    return learn_detector(trial_data(copies=True), others(), seed=0)


def test_false_alarms_are_as_promised_in_every_class(detection):
    detector = OpenSet(detection.graph, detection.facts, CLASSES)
    for number in range(3):
        y = np.full(1000, number)
        flags = detector.judge(items(y, 11), np.eye(3)[y]).is_unknown
        # 5 % are promised; 120 calibration items of a class know a quantile to about 2 %.
        assert flags.mean() < 0.1


def test_a_frequent_label_is_drawn_no_more_often_than_a_rare_one():
    label = np.repeat(["often", "rare"], [950, 50])
    drawn = drawn_evenly(label, 1000, np.random.default_rng(0))
    assert 450 < (label[drawn] == "rare").sum() < 550


def of_many_labels(n_labels: int = 12) -> Others:
    """Return items of labels that share the six middles."""
    number = np.arange(240) % n_labels
    return Others(
        items(3 + number % 6, 5), number.astype(str), np.zeros(240, dtype=bool), others().exposures
    )


@pytest.fixture
def trained(monkeypatch) -> list[open_set_models.Learned]:
    """Return what detectors of a test have learned, in order: each fold, then from all."""
    learned: list[open_set_models.Learned] = []
    fit = open_set.fit_detector
    monkeypatch.setattr(open_set, "fit_detector", lambda *a: learned.append(fit(*a)) or learned[-1])
    return learned


def test_many_labels_of_others_are_told_apart(trained):
    few = replace(of_many_labels(), label=of_many_labels().label.copy())
    few.label[:5] = "rare"
    found = learn_detector(trial_data(), few, seed=0)
    *by_fold, every = trained
    # Beside the three classes each label has a column of its own, and one is for the rare. A fold
    # leaves out the labels whose turn it is.
    no_class = [[0, 0, 0, 1]] * 13
    assert every.of_labels.arrays["stands_for"].tolist() == [*np.eye(3, 4).tolist(), *no_class]
    sizes = [len(learned.of_labels.arrays["bias"]) for learned in by_fold]
    assert min(sizes) >= 3 + 9
    assert max(sizes) < 3 + 13
    detector = OpenSet(found.graph, found.facts, CLASSES)
    assert found.facts.columns == ("one of the classes", "none of these")
    label = np.arange(900) % 9
    rows = items(label, 21)
    columns = detector._classifier.predict({"features": rows})
    np.testing.assert_allclose(columns, every.answers(rows), atol=1e-5)
    assert every.nearest(rows)[label == 1].mean(axis=0)[1] > 0.9
    flags = detector.judge(rows, np.eye(3)[label % 3]).is_unknown
    assert flags[label < 3].mean() < 0.1
    assert flags[label >= 3].mean() > 0.8


def test_few_labels_of_others_are_not_told_apart(trained):
    learn_detector(trial_data(120), of_many_labels(6), seed=0)
    made_up = replace(of_many_labels(), label=np.full(240, ""))
    learn_detector(trial_data(120), made_up, seed=0)
    assert {learned.of_labels for learned in trained} == {None}


def test_classes_share_the_false_alarms_by_one_limit():
    """One class is told easily, one hardly, and one is like most."""
    rng = np.random.default_rng(0)
    usual = {"a": 0.95, "b": 0.7, "c": 0.4, "d": 0.75}
    part = DetectorPart(
        name="sign", column=1, share=1.0,
        calibrated_on={"a": 300, "b": 300, "c": 100, "d": 300},
        calibration={
            name: tuple(np.quantile(rng.normal(middle, 0.1, 2000), np.linspace(0, 1, 201)))
            for name, middle in usual.items()
        },
    )  # fmt: skip
    shares = open_set._thresholds(part)
    least, most = RANGE_PROMISED
    assert shares["c"] == pytest.approx(most)
    # Even for what is told easily something is too odd.
    assert shares["a"] == pytest.approx(least)
    assert least < shares["d"] < shares["b"] <= most
    overall = sum(part.calibrated_on[name] * share for name, share in shares.items()) / 1000
    assert PROMISED - 0.006 < overall <= PROMISED + 1e-9


def test_classes_that_are_told_alike_have_the_same_share():
    levels = tuple(np.linspace(0, 1, 201))
    part = DetectorPart(
        name="sign", column=1, share=1.0, calibration={"a": levels, "b": levels},
        calibrated_on={"a": 30, "b": 500},
    )  # fmt: skip
    assert open_set._thresholds(part) == {"a": PROMISED, "b": PROMISED}


def test_items_of_labels_that_were_not_met_are_recognised(detection):
    detector = OpenSet(detection.graph, detection.facts, CLASSES)
    other_labels = items(np.array([7, 8])[np.arange(300) % 2], 12)
    answered = np.eye(3)[np.arange(300) % 3]
    assert detector.judge(other_labels, answered).is_unknown.mean() > 0.8


def test_the_card_says_what_was_learned_and_how_well(detection):
    facts = detection.facts
    assert [of.source for of in facts.exposures] == ["other@1", "rows with mixed columns"]
    assert facts.recognised > 0.8
    assert facts.auroc > 0.95
    assert (facts.recognised_of, facts.recognised_labels) == (160, 4)
    (by_trees,) = facts.parts
    # The items and a copy of each.
    assert by_trees.calibrated_on == {"a": 240, "b": 240, "c": 240}
    assert by_trees.share == 1.0
    assert set(facts.thresholds) == set(CLASSES)
    least, most = RANGE_PROMISED
    assert all(least <= share <= most for share in facts.thresholds.values())


@pytest.mark.parametrize("with_others", [others(), None], ids=["others", "mixed columns"])
def test_the_graph_answers_as_what_was_trained(with_others, trained):
    found = learn_detector(trial_data(120), with_others, seed=1)
    rows = items(np.arange(90) % 9, 21)
    rows[0, 0] = np.nan
    detector = OpenSet(found.graph, found.facts, CLASSES)
    columns = detector._classifier.predict({"features": rows})
    np.testing.assert_allclose(columns, trained[-1].answers(rows), atol=1e-5)


def test_without_other_items_mixed_columns_and_distance_remain():
    found = learn_detector(trial_data(copies=True), None, seed=0)
    assert found.facts.recognised is None
    by_trees, by_distance = found.facts.parts
    assert by_trees.calibrated_on == {"a": 240, "b": 240, "c": 240}
    assert by_distance.calibrated_on == {"a": 240, "b": 240, "c": 240}
    assert by_trees.share + by_distance.share == pytest.approx(1.0)
    # Two signs: each class has the promised share.
    assert found.facts.thresholds == {}
    detector = OpenSet(found.graph, found.facts, CLASSES)
    other_labels = items(np.arange(300) % 6 + 3, 12)
    flags = detector.judge(other_labels, np.eye(3)[np.arange(300) % 3]).is_unknown
    assert flags.mean() > 0.5
    far = np.full((3, N_COLUMNS), 40.0, dtype=np.float32)
    assert detector.judge(far, np.eye(3)).is_unknown.all()


def test_many_classes_are_one_for_the_trees(monkeypatch):
    monkeypatch.setattr(open_set_models, "_MOST_SPLIT", 2)
    found = learn_detector(trial_data(120), others(), seed=0)
    assert len(found.facts.columns) == 2
    detector = OpenSet(found.graph, found.facts, CLASSES)
    y = np.arange(300) % 3
    assert detector.judge(items(y, 11), np.eye(3)[y]).is_unknown.mean() < 0.12


def test_a_class_with_few_items_is_judged_by_all():
    data = trial_data(120)
    y = data.ring.y.copy()
    y[y == 2] = 1
    y[:6] = 2
    found = learn_detector(replace(data, ring=replace(data.ring, y=y)), others(), seed=0)
    (by_trees,) = found.facts.parts
    assert by_trees.pooled == ("c",)
    assert by_trees.calibration["c"] != by_trees.calibration["a"]


def test_what_has_no_row_of_numbers_has_no_detector():
    with pytest.raises(SearchError, match="pictures, texts"):
        learn_detector(trial_data(view="image"), None, seed=0)
    with pytest.raises(SearchError, match="too few"):
        learn_detector(trial_data(9), None, seed=0)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10_000), st.floats(0.5, 3.0))
def test_sets_hold_the_truth_as_often_as_promised(seed, sharpness):
    rng = np.random.default_rng(seed)
    n, n_new = 600, 3000
    y = np.arange(n + n_new) % 3
    logits = rng.normal(size=(n + n_new, 3)) + sharpness * np.eye(3)[y]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    data = trial_data(n)
    data = replace(data, held_out=((0, n),))
    sets = label_sets(data, p[:n].astype(np.float32), 1.0)
    holds = np.array(
        [CLASSES[k] in label_set(row, CLASSES, sets) for row, k in zip(p[n:], y[n:], strict=True)]
    )
    for number in range(3):
        # 200 calibration items of a class: within five and a half deviations of 0.9.
        assert 0.77 < holds[y[n:] == number].mean() < 0.99


def test_copies_of_held_out_items_do_not_count_for_the_sets():
    data = trial_data(90, copies=True)
    assert data.held_out_is_copy.tolist() == [False] * 30 + [True] * 30
    answers = np.tile(np.float32([0.6, 0.3, 0.1]), (60, 1))
    answers[30:] = [0.0, 0.0, 1.0]
    sets = label_sets(data, answers, 1.0)
    assert sum(sets.calibrated_on.values()) == 30
    assert sets.pooled == CLASSES
