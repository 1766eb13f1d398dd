import numpy as np
import pytest
from sklearn import metrics as reference

from tests.evaluation.test_metrics import make_predictions
from tunesmith.evaluation.classwise import class_scores, confusion, prior, reliability
from tunesmith.evaluation.metrics import score


def test_prior_is_the_share_of_each_class():
    np.testing.assert_allclose(prior([0, 0, 0, 2], 4), [0.75, 0, 0.25, 0])


def test_confusion_and_class_scores_equal_scikit_learn():
    y, p = make_predictions(120, 4)
    predicted = p.argmax(axis=1)
    np.testing.assert_array_equal(confusion(y, p), reference.confusion_matrix(y, predicted))
    precision, recall, f1, support = reference.precision_recall_fscore_support(y, predicted)
    for i, row in enumerate(class_scores(y, p, ("a", "b", "c", "d"))):
        assert row.label == "abcd"[i]
        assert row.precision == pytest.approx(precision[i])
        assert row.recall == pytest.approx(recall[i])
        assert row.f1 == pytest.approx(f1[i])
        assert row.support == support[i]
        shares = np.round(p[:, i], 1)
        tied = class_scores(y == i, np.column_stack([1 - shares, shares]), ("rest", "it"))
        assert tied[1].auc == pytest.approx(reference.roc_auc_score(y == i, shares))
        assert row.auc == pytest.approx(reference.roc_auc_score(y == i, p[:, i]))


def test_reliability_adds_up_to_the_calibration_error():
    y, p = make_predictions(500, 4)
    bins = reliability(y, p)
    gap = sum(
        n * abs(c - a) for n, c, a in zip(bins.count, bins.confidence, bins.accuracy, strict=True)
    )
    assert gap / 500 == pytest.approx(score(y, p, replicates=2)["ece"].value)
    assert sum(bins.count) == 500
