"""Studies on tiny data: what is measured, recorded, and said about it."""

import json
from functools import partial

import numpy as np
import pytest

from tests import records
from tunesmith.artifacts.store import Store
from tunesmith.errors import UsageError
from tunesmith.replications import (
    Effort,
    Ledger,
    Measurement,
    Replication,
    Row,
    Setting,
    get_replication,
    honest_figure,
    markdown,
    replication_names,
    table,
)
from tunesmith.replications.training import (
    Plan,
    cut_note,
    interval,
    mean_of,
    random_part,
    row_examples,
    train_and_judge,
)
from tunesmith.tasks import task_names

every_replication = pytest.mark.parametrize("name", replication_names())


def _measurement(key: str = "a", **about: int) -> Measurement:
    return Measurement(key, f"measures {key}", about, lambda _: {"accuracy": 0.5})


def _study(*measurements: Measurement) -> Replication:
    return Replication(
        name="small",
        title="A study",
        task="digits",
        missing=lambda _: None,
        version=lambda _: "v1",
        measurements=measurements,
        rows=lambda results: [
            Row("its protocol", 0.7, mean_of(results, "a"), (0.9, "a | better"), "a leak")
        ],
    )


@every_replication
def test_a_study_is_complete_and_can_be_recorded(name: str) -> None:
    study = get_replication(name)
    assert study.name == name
    assert study.task in task_names()
    keys = [measurement.key for measurement in study.measurements]
    assert len(set(keys)) == len(keys)
    for measurement in study.measurements:
        assert measurement.cost_s > 0
        json.dumps(dict(measurement.about))


@every_replication
def test_a_study_without_results_still_names_what_was_published(name: str) -> None:
    rows = get_replication(name).rows({})
    assert rows
    for row in rows:
        assert 0 < row.published < 1
        assert row.same is None
        assert row.better is None
        assert row.honest is None


def test_an_unknown_study_is_answered_with_near_names() -> None:
    with pytest.raises(UsageError, match="Did you mean genre"):
        get_replication("gender")


@pytest.mark.parametrize(
    ("done", "asked", "answers"),
    [
        (Effort(), Effort(100, 0.1), True),
        (Effort(100, 0.1), Effort(), False),
        (Effort(100, 0.1), Effort(50, 0.1), True),
        (Effort(100, 0.1), Effort(100, 0.5), False),
        (Effort(None, 0.5), Effort(100, 0.5), True),
    ],
)
def test_more_effort_answers_for_less(done: Effort, asked: Effort, answers: bool) -> None:
    assert done.covers(asked) is answers


def test_a_result_is_found_again_until_data_settings_or_effort_ask_for_another(
    store: Store,
) -> None:
    one = _measurement(epochs=3)
    quick = Effort(10, 0.1)
    ledger = Ledger(store, _study(one), "v1")
    assert ledger.find(one, quick) is None
    kept = ledger.keep(one, {"accuracy": 0.5}, quick, 1.23)
    assert kept == {"accuracy": 0.5, "seconds": 1.2, "is_full": False}
    assert ledger.results() == {"a": kept}
    assert ledger.find(one, Effort()) is None
    assert ledger.find(_measurement(epochs=4), quick) is None
    assert Ledger(store, _study(one), "v2").find(one, quick) is None
    whole = {"accuracy": 0.5, "epochs": 1, "epochs_planned": 1, "rows": 9, "rows_planned": 9}
    ledger.keep(one, whole, quick, 1.0)
    assert ledger.find(one, Effort()) is not None


def test_the_table_shows_each_figure_and_the_command_for_what_is_absent(store: Store) -> None:
    study = _study(_measurement())
    setting = Setting(store)
    lines = table([(study, {"a": {"accuracy": 0.7512}}, None)], setting)
    (line,) = lines
    assert (line["published"], line["ours"]) == (0.7, 0.7512)
    assert line["honest"] is None
    text = markdown(lines, 12.0)
    assert "CUT DOWN" not in text
    assert "CUT DOWN" in markdown([{**line, "ran": "CUT DOWN: 1 of 5 epochs"}], 12.0)
    last = text.splitlines()[-1]
    # A bar inside a cell would end it.
    assert last.replace("\\|", "").count("|") == 8
    for part in ("0.7512", "0.9000 (a \\| better)", "tunesmith evaluate digits", "a leak"):
        assert part in last


def test_absent_data_is_said_in_the_line(store: Store) -> None:
    study = get_replication("composer_lstm")
    setting = Setting(store)
    missing = study.missing(setting)
    assert missing == "tunesmith ingest midi-big4.zip --name big4"
    assert {line["ran"] for line in table([(study, {}, missing)], setting)} == {missing}


def test_the_newest_evaluation_on_real_data_is_the_honest_figure(store: Store) -> None:
    assert honest_figure(store, "digits") is None
    for run_id, created, value, is_sample in (
        ("r1", "2026-01-01", 0.8, False),
        ("r2", "2026-01-02", 0.9, False),
        ("r3", "2026-01-03", 1.0, True),
    ):
        accuracy = {"value": value, "low": value - 0.1, "high": value}
        winner = {"trial": 0, "family": "svm", "params": {}, "score": value, "steps": 1}
        report = records.make_report(
            run_id, "digits", created=created, unit="image", n_test=1200, model=winner,
            dataset={"name": "digits", "version": "1", "is_sample": is_sample},
            metrics={"image": {"accuracy": accuracy}},
        )  # fmt: skip
        records.write_report(store, report)
    found = honest_figure(store, "digits")
    assert found is not None
    assert (found["run_id"], found["value"], found["text"]) == ("r2", 0.9, "svm, 1,200 images")


def test_a_training_is_judged_on_the_rows_it_did_not_see(store: Store) -> None:
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    x = rng.normal(size=(90, 4)).astype(np.float32)
    x[np.arange(90), y] += 6
    examples = row_examples(x, y, ("a", "b", "c"), "features")
    train, test = random_part(90, 0.2)
    assert len(train) == 72
    assert not set(train) & set(test)
    plan = Plan.default("linear", 1)
    result = train_and_judge(
        Setting(store), plan, examples, train, test, pieces=np.arange(90) // 3, on_training_too=True
    )
    assert result["accuracy"] > 0.9
    assert result["training_accuracy"] > 0.9
    assert result["n"] == 18
    assert result["curve"] == [pytest.approx(result["accuracy"], abs=1e-4)]
    assert set(result["per_class"]) == {"a", "b", "c"}
    cut = train_and_judge(Setting(store, Effort(30, 0.1)), plan, examples, train, test)
    assert (cut["rows"], cut["rows_planned"]) == (30, 72)
    assert cut_note({"x": cut}, "x", planned=3) == "CUT DOWN: 1 of 3 folds, 30 of 72 rows"
    assert cut_note({"x": result}, "x") == ""


def test_an_interval_lies_around_the_share_and_inside_0_and_1() -> None:
    one = interval(0.1, 2000)
    assert one["low"] < 0.1 < one["high"]
    assert one["high"] - one["low"] == pytest.approx(0.0263, abs=2e-4)
    assert interval(1.0, 10)["high"] <= 1


def test_the_perceptron_of_the_tutorial_runs_cut_down(store: Store) -> None:
    by_key = {m.key: m for m in get_replication("digits").measurements}
    result = by_key["perceptron"].run(Setting(store, Effort(1000, 0.05)))
    assert result["iterations"] == 15
    assert result["accuracy"] > 0.9
    in_order = by_key["svm-in-order"].run(Setting(store))
    shuffled = by_key["svm-shuffled"].run(Setting(store))
    # Writers who are new are harder to read.
    assert in_order["accuracy"] < shuffled["accuracy"] - 0.005
    (row,) = get_replication("digits").rows({"svm-in-order": in_order, "svm-shuffled": shuffled})
    assert row.honest is not None
    assert "in file order" in row.difference


def test_a_search_on_noise_is_no_better_than_chance_on_fresh_rows(store: Store) -> None:
    by_key = {m.key: m for m in get_replication("noise").measurements}
    measure = partial(by_key["searched"].run)
    result = measure(Setting(store, Effort(None, 0.04)))
    assert result["trials"] == 2
    assert result["validation"] >= 0.1
    # Four standard deviations of 2,000 rows.
    assert abs(result["accuracy"] - 0.1) < 0.027
