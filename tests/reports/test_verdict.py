import pytest

from tunesmith.artifacts.reports import (
    AuditFinding,
    Calibration,
    Comparison,
    Elsewhere,
    Interval,
    Reliability,
    ReportRecord,
)
from tunesmith.artifacts.searches import DatasetReference
from tunesmith.reports.verdict import gain_of, verdict

NBSP = "\N{NO-BREAK SPACE}"


def interval(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=low, high=high)


def comparison(low: float, high: float) -> Comparison:
    middle = (low + high) / 2
    return Comparison(
        metric="macro_f1", difference=interval(middle, low, high), beyond_noise=low > 0
    )


def elsewhere(data: str, accuracy: float, *, own: bool = False, **fields) -> Elsewhere:
    value = interval(accuracy, accuracy - 0.1, min(1.0, accuracy + 0.1))
    names = ("accuracy", "balanced_accuracy", "macro_f1")
    return Elsewhere(
        data=data, is_own_test=own, items=20, groups=20, metrics=dict.fromkeys(names, value),
        recall={"a": interval(1, 1, 1), "b": value}, **fields,
    )  # fmt: skip


def record(
    against_linear: Comparison | None = None, accuracy: float = 0.8, groups: int = 100, **fields
) -> ReportRecord:
    baseline = {"majority": {"piece": {"accuracy": interval(0.25, 0.2, 0.3)}}}
    comparisons = {"majority": comparison(0.3, 0.5)}
    if against_linear:
        baseline["linear"] = {"piece": {"accuracy": interval(0.7, 0.6, 0.8)}}
        comparisons["linear"] = against_linear
    value = interval(accuracy, 0.7, 0.9)
    return ReportRecord(
        task="mood", run_id="r", created="2026-01-01T00:00:00+00:00", metric="macro_f1",
        dataset=DatasetReference(name="songs", version="v1"), sha256="0" * 64, unit="piece",
        classes=("a", "b"), n_test=120, n_test_groups=groups, baseline=baseline,
        metrics={"piece": {"accuracy": value, "balanced_accuracy": value,
                           "ece": interval(0.02, 0.01, 0.03)}},
        **({"comparisons": comparisons} | fields),
    )  # fmt: skip


def reasons(report: ReportRecord) -> str:
    return "\n".join(verdict(report).reasons).replace(NBSP, " ")


def test_the_headline_counts_and_judges():
    assert verdict(record(comparison(0.02, 0.1))).headline == (
        "Right about 96 of 120 pieces, and nothing was found against believing it"
    )


def test_the_first_reasons_say_how_good_the_model_is_and_beside_what():
    first, second = reasons(record(comparison(0.02, 0.1))).splitlines()[:2]
    assert first == (
        "One answer in 5 is wrong. It should be right about 70 % to 90 % of new pieces like those "
        "of songs (95 % interval); 120 pieces cannot show it more closely."
    )
    assert second == (
        "It beats the linear baseline: its macro F1 is 0.060 higher (95 % interval: +0.020 to "
        "+0.100). Accuracy of the majority baseline 25 % and of the linear baseline 70 %."
    )


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (-0.1, -0.02, "The linear baseline is better: its macro F1 is 0.060 higher"),
        (-0.1, 0.02, "It cannot be told from the linear baseline"),
    ],
)
def test_a_model_that_is_not_better_is_called_so(low, high, words):
    report = record(comparison(low, high))
    assert words in reasons(report)
    assert verdict(report).headline.endswith("no better than a much simpler model")


def test_a_model_that_wins_by_copies_alone_says_so():
    by_copies = comparison(0.001, 0.04).model_copy(update={"copies": 5})
    ahead = record(by_copies, accuracy=0.69)
    assert "It beats the linear baseline" in reasons(ahead)
    assert "On the pieces as they are the linear baseline is ahead: the model has 69 %." in (
        reasons(ahead)
    )
    assert verdict(ahead).headline.endswith("fewer than a much simpler model")
    assert "ahead" not in reasons(record(by_copies))


def test_without_a_linear_baseline_the_majority_is_compared_with():
    text = reasons(record())
    assert "linear" not in text
    assert "It beats the majority baseline" in text


def test_an_imperfect_model_is_not_rounded_to_perfection():
    report = record(elsewhere=(elsewhere("others@v1", 0.996),))
    assert "right about 99.6 % of 20 pieces" in reasons(report)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"audit": (AuditFinding(check="equal rows", result="leak", message="Copies."),)},
         "do not believe it"),
        ({"groups": 12}, "12 independent groups, too few to tell"),
        ({"elsewhere": (elsewhere("others@v1", 0.6),)}, "worse on music from elsewhere"),
        ({"elsewhere": (elsewhere("its own test", 0.8, own=True),
                        elsewhere("its own test, excerpts of 15 s", 0.6, own=True))},
         "worse on files made in another way"),
    ],
)  # fmt: skip
def test_doubts_stand_in_the_headline(fields, words):
    assert words in verdict(record(comparison(0.02, 0.1), **fields)).headline


def test_noise_should_be_classified_as_chance_does():
    by_chance = {"majority": comparison(-0.1, 0.1)}
    fine = verdict(record(is_noise_check=True, comparisons=by_chance)).headline
    assert fine.endswith("as often as chance: the evaluation invents nothing")
    assert "finds a pattern in noise" in verdict(record(is_noise_check=True)).headline


def test_the_weakest_class_is_named_with_what_it_is_taken_for():
    text = reasons(record(confusion=((60, 0), (12, 48))))
    assert "It is weakest on b: it recognises 48 of 60, and takes 12 for a." in text
    assert "weakest" not in reasons(record(confusion=((60, 0), (1, 59))))


def test_a_class_of_one_item_is_not_called_the_weakest():
    fields = {"classes": ("a", "b", "c", "d")}
    counts = ((60, 0, 0, 0), (12, 46, 0, 0), (1, 0, 0, 0), (1, 0, 0, 0))
    report = record(confusion=counts).model_copy(update=fields)
    assert "It is weakest on b: it recognises 46 of 58" in reasons(report)
    assert "2 of 4 classes are never recognised." in reasons(report)
    few = record(confusion=((0, 1), (0, 1)))
    assert "It is weakest on a: it recognises 0 of 1" in reasons(few)


def test_copies_and_other_music_are_told():
    rows = (
        elsewhere("its own test", 0.8, own=True),
        elsewhere("its own test, as played", 0.79, own=True),
        elsewhere("its own test, excerpts of 15 s", 0.6, own=True),
        elsewhere("others@v1", 0.7, left_out=5),
    )
    text = reasons(record(elsewhere=rows))
    assert (
        "It is as good on 1 of 2 kinds of copies of its test; worst are those cut to excerpts of "
        "15 s: right about 60 %."
    ) in text
    assert (
        "On others it is right about 70 % of 20 pieces (60 % to 80 %; 5 near-duplicates of what "
        "it learned from are left out). It is weakest on b: 70 %."
    ) in text


def test_confidence_is_judged_where_it_is_high_and_below():
    bins = Reliability(
        low=(0.6, 0.8), high=(0.8, 1.0), count=(20, 100), confidence=(0.7, 0.9), accuracy=(0.5, 0.9)
    )
    calibration = Calibration(reliability=bins, note="", before={"ece": interval(0.05, 0, 0.1)})
    assert (
        "Its confidence is off by 0.020 on average (0.050 before it was calibrated): of 100 "
        "answers with a confidence of 0.8 or more, 90 % are right, and of 20 answers with a "
        "confidence below that, 50 % are right."
    ) in reasons(record(calibration=calibration))


def test_a_model_without_a_detector_names_a_class_for_anything():
    assert "It names one of its 2 classes for any piece, also for one of none." in reasons(record())


def test_gains_are_called_by_their_interval():
    assert gain_of(comparison(0.01, 0.1)) == "better"
    assert gain_of(comparison(-0.1, -0.01)) == "worse"
    assert gain_of(comparison(-0.1, 0.1)) == "no clear difference"
