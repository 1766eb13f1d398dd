import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as reference

from tunesmith.errors import ModelError
from tunesmith.evaluation.metrics import compare, score, top_k_of


def make_predictions(n_rows: int, n_classes: int, seed: int = 0, skill: float = 1.5):
    random = np.random.default_rng(seed)
    y = random.integers(0, n_classes, n_rows)
    logits = random.normal(size=(n_rows, n_classes))
    logits[np.arange(n_rows), y] += skill
    p = np.exp(logits)
    return y, p / p.sum(axis=1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(
    n_rows=st.integers(2, 60),
    n_classes=st.integers(3, 8),
    seed=st.integers(0, 10_000),
    skill=st.floats(0, 4),
)
def test_values_equal_scikit_learn(n_rows, n_classes, seed, skill):
    y, p = make_predictions(n_rows, n_classes, seed, skill)
    values = {name: interval.value for name, interval in score(y, p, replicates=2).items()}
    predicted, labels = p.argmax(axis=1), list(range(n_classes))
    k = top_k_of(n_classes)
    expected = {
        "accuracy": reference.accuracy_score(y, predicted),
        "balanced_accuracy": np.mean(
            [np.mean(predicted[y == label] == label) for label in np.unique(y)]
        ),
        "macro_f1": reference.f1_score(y, predicted, average="macro", zero_division=0),
        "weighted_f1": reference.f1_score(y, predicted, average="weighted", zero_division=0),
        f"top_{k}_accuracy": reference.top_k_accuracy_score(y, p, k=k, labels=labels),
        "log_loss": reference.log_loss(y, p, labels=labels),
    }
    assert values.keys() == expected.keys() | {"ece"}
    for name, value in expected.items():
        assert values[name] == pytest.approx(value, abs=1e-12), name


def test_balanced_accuracy_equals_scikit_learn_where_every_class_occurs():
    y, p = make_predictions(200, 5)
    expected = reference.balanced_accuracy_score(y, p.argmax(axis=1))
    assert score(y, p, replicates=2)["balanced_accuracy"].value == pytest.approx(expected)


def test_ece_of_a_case_worked_by_hand():
    p = [[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]]
    # Bin of 0.9: confidence 0.9, accuracy 0.5; bin of 0.6: confidence 0.6, accuracy 1.0.
    assert score([0, 1, 0, 0], p, replicates=2)["ece"].value == pytest.approx(0.4)


def test_top_k_is_left_out_where_it_could_not_be_missed():
    y, p = make_predictions(20, 2)
    assert not any(name.startswith("top_") for name in score(y, p, replicates=2))


def test_accuracy_interval_agrees_with_the_binomial():
    y, p = make_predictions(400, 4, seed=3)
    accuracy = score(y, p, replicates=4000)["accuracy"]
    expected = 1.96 * math.sqrt(accuracy.value * (1 - accuracy.value) / 400)
    assert (accuracy.high - accuracy.low) / 2 == pytest.approx(expected, rel=0.08)
    assert accuracy.low < accuracy.value < accuracy.high


def test_every_value_lies_in_its_interval_and_seeds_repeat():
    y, p = make_predictions(300, 5)
    one, two = score(y, p, seed=4), score(y, p, seed=4)
    assert one == two
    assert one != score(y, p, seed=5)
    for name, interval in one.items():
        assert interval.low <= interval.high, name
        assert interval.low <= interval.value <= interval.high, name


def test_copies_in_one_group_do_not_narrow_the_interval():
    y, p = make_predictions(100, 3)
    alone = score(y, p)
    copied_y, copied_p = np.repeat(y, 9), np.repeat(p, 9, axis=0)
    together = score(copied_y, copied_p, np.repeat(np.arange(100), 9))
    fooled = score(copied_y, copied_p)
    assert together["accuracy"] == alone["accuracy"]
    width = [i["accuracy"].high - i["accuracy"].low for i in (together, fooled)]
    assert width[1] < 0.5 * width[0]


def test_coverage_of_the_interval_is_near_its_name():
    truth = 0.7
    random = np.random.default_rng(0)
    covered = 0
    for repeat in range(200):
        hit = random.random(150) < truth
        y = np.zeros(150, dtype=int)
        p = np.where(hit[:, None], [[0.8, 0.2]], [[0.2, 0.8]])
        accuracy = score(y, p, replicates=300, seed=repeat)["accuracy"]
        covered += accuracy.low <= truth <= accuracy.high
    assert 180 <= covered <= 199


@pytest.mark.parametrize(
    ("y", "p", "message"),
    [
        ([0, 1], [[0.5, 0.5]], "2 labels"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "2 classes"),
        ([0], [[float("nan"), 0.5]], "finite"),
        ([], np.zeros((0, 3)), "empty"),
    ],
)
def test_what_cannot_be_measured_is_refused(y, p, message):
    with pytest.raises(ModelError, match=message):
        score(y, p)


def test_compare_sees_a_better_model_and_its_mirror():
    y, good = make_predictions(400, 4, skill=3.0)
    _, poor = make_predictions(400, 4, skill=0.5)
    better, worse = compare(y, good, poor), compare(y, poor, good)
    assert better.beyond_noise
    assert not worse.beyond_noise
    assert better.difference.value == pytest.approx(-worse.difference.value)
    assert better.difference.low == pytest.approx(-worse.difference.high)
    assert (better.only_first, better.only_second) == (worse.only_second, worse.only_first)
    assert compare(y, good, poor, metric="log_loss").beyond_noise


def test_compare_a_model_with_itself_finds_nothing():
    y, p = make_predictions(50, 3)
    same = compare(y, p, p)
    assert not same.beyond_noise
    assert same.difference.value == same.difference.low == same.difference.high == 0
    assert same.p_value == 1.0


def test_mcnemar_equals_the_exact_binomial_test():
    y = np.zeros(100, dtype=int)
    right, wrong = [0.9, 0.1], [0.1, 0.9]
    first = np.array([right] * 60 + [wrong] * 40)
    second = np.array([wrong] * 25 + [right] * 45 + [wrong] * 30)
    comparison = compare(y, first, second, metric="accuracy")
    assert (comparison.only_first, comparison.only_second) == (25, 10)
    assert comparison.p_value == pytest.approx(stats.binomtest(10, 35).pvalue)


def test_compare_refuses_an_unknown_metric():
    y, p = make_predictions(10, 3)
    with pytest.raises(ModelError, match="no metric 'f2'"):
        compare(y, p, p, metric="f2")


def test_a_perfect_result_has_the_exact_interval_of_its_groups():
    y = np.arange(60) % 3
    p = np.eye(3)[y]
    groups = np.arange(60) // 2
    metrics = score(y, p, groups)
    # Clopper and Pearson's lower end for n of n right: (alpha / 2) to the power of 1 / n.
    assert metrics["accuracy"].low == pytest.approx(0.025 ** (1 / 30))
    assert metrics["accuracy"].high == 1
    assert metrics["accuracy"].method == "Clopper-Pearson"
    rarest = min(len(np.unique(groups[y == label])) for label in range(3))
    assert metrics["macro_f1"].low == pytest.approx(0.025 ** (1 / rarest))
    wrong = score(y, np.roll(p, 1, axis=1), groups)["accuracy"]
    assert (wrong.low, wrong.value) == (0, 0)
    assert wrong.high == pytest.approx(1 - 0.025 ** (1 / 30))
    imperfect = score(y, np.vstack([np.roll(p[:1], 1, axis=1), p[1:]]), groups)["accuracy"]
    assert imperfect.method is None
