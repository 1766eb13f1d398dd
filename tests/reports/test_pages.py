import pytest

from tunesmith.artifacts.reports import Interval
from tunesmith.reports.metric_text import interval, metric_inside, metric_name, metric_order
from tunesmith.reports.pages import counted, percent


def test_texts_of_an_interval_are_markup_with_a_minus_sign():
    markup = interval(Interval(value=-0.1, low=-0.25, high=0.05), "+")
    assert str(markup) == "\N{MINUS SIGN}0.100 <small>[\N{MINUS SIGN}0.250, +0.050]</small>"


@pytest.mark.parametrize(
    ("metric", "name"),
    [("top_3_accuracy", "Top-3 accuracy"), ("ece", "Calibration error"), ("other", "other")],
)
def test_metrics_have_names_for_people(metric, name):
    assert metric_name(metric) == name
    assert metric_inside("macro_f1") == "macro F1"


def test_the_top_k_accuracy_stands_before_the_log_loss():
    names = ["log_loss", "top_2_accuracy", "weighted_f1"]
    assert sorted(names, key=metric_order) == ["weighted_f1", "top_2_accuracy", "log_loss"]


def test_numbers_come_with_their_nouns():
    assert counted(1, "file") == "1 file"
    assert counted(1200, "copy", "copies") == "1,200 copies"
    assert percent(0.5) == "50\N{NO-BREAK SPACE}%"
