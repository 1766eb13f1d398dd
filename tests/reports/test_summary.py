import pytest

from tunesmith.artifacts.reports import AuditFinding, Comparison, Interval, ReportRecord
from tunesmith.artifacts.searches import DatasetReference
from tunesmith.reports.summary import gain_of, summary

NBSP = "\N{NO-BREAK SPACE}"


def interval(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=low, high=high)


def comparison(low: float, high: float) -> Comparison:
    middle = (low + high) / 2
    return Comparison(
        metric="macro_f1", difference=interval(middle, low, high), beyond_noise=low > 0
    )


def record(
    against_linear: Comparison | None = None, accuracy: float = 0.8, **fields
) -> ReportRecord:
    baseline = {"majority": {"piece": {"accuracy": interval(0.25, 0.2, 0.3)}}}
    comparisons = {"majority": comparison(0.3, 0.5)}
    if against_linear:
        baseline["linear"] = {"piece": {"accuracy": interval(0.7, 0.6, 0.8)}}
        comparisons["linear"] = against_linear
    return ReportRecord(
        task="mood", run_id="r", created="2026-01-01T00:00:00+00:00", metric="macro_f1",
        dataset=DatasetReference(name="songs", version="v1"), sha256="0" * 64, unit="piece",
        classes=("a", "b"), n_test=120, n_test_groups=100, baseline=baseline,
        metrics={"piece": {"accuracy": interval(accuracy, 0.7, 0.9)}},
        comparisons=comparisons, **fields,
    )  # fmt: skip


def test_the_first_sentences_say_how_good_the_model_is_and_beside_what():
    first, second = summary(record(comparison(0.02, 0.1)))
    assert first.replace(NBSP, " ") == (
        "The model classifies 80 % of 120 unseen pieces of songs correctly "
        "(95 % interval: 70 % to 90 %). The majority baseline reaches 25 % and the linear "
        "baseline 70 %."
    )
    assert second.replace(NBSP, " ") == (
        "Its macro F1 is 0.060 above that of the linear baseline (95 % interval: +0.020 to +0.100)."
    )


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.1, -0.02, "0.060 below that of the linear baseline"),
        (-0.1, 0.02, "not distinguishable from that of the linear baseline"),
    ],
)
def test_a_model_that_is_not_better_is_called_so(low, high, words):
    assert words in summary(record(comparison(low, high)))[1]


def test_without_a_linear_baseline_the_majority_is_compared_with():
    first, second = summary(record())
    assert "linear" not in first + second
    assert "above that of the majority baseline" in second


def test_an_imperfect_model_is_not_rounded_to_perfection():
    assert f"99.6{NBSP}%" in summary(record(accuracy=0.996))[0]


def test_leaks_are_said_in_the_summary():
    leak = AuditFinding(check="equal rows", result="leak", message="Copies.")
    assert "too good" in summary(record(audit=(leak,)))[-1]


def test_gains_are_called_by_their_interval():
    assert gain_of(comparison(0.01, 0.1)) == "better"
    assert gain_of(comparison(-0.1, -0.01)) == "worse"
    assert gain_of(comparison(-0.1, 0.1)) == "no clear difference"
