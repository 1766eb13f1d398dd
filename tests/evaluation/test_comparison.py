import numpy as np
import pytest

from tests import artefacts
from tunesmith.artifacts.runs import open_run
from tunesmith.evaluation.comparison import against_champion
from tunesmith.evaluation.metrics import compare
from tunesmith.evaluation.parts import parts_of
from tunesmith.evaluation.predictions import predict
from tunesmith.inference.runs import load_run
from tunesmith.registry import promote
from tunesmith.reports.publishing import make_report


@pytest.fixture
def examples():
    return artefacts.make_examples(360)


@pytest.fixture
def with_champion(store, examples, monkeypatch):
    """Return a store with a champion from run r1, and a function that adds a challenger."""
    artefacts.stand_in(monkeypatch, examples, drawn=False)
    artefacts.write_run(
        store, examples, artefacts.chunk_model(artefacts.register_weights()), run_id="r1"
    )
    make_report(store, "composer")
    promote(store, "composer", force="the champion of these tests need not be good")
    return store


def challenge(store, examples, run_id="r2", seed=0):
    model = artefacts.chunk_model(artefacts.register_weights(20.0))
    artefacts.write_run(store, examples, model, run_id=run_id, seed=seed)
    run = open_run(store, "composer", run_id)
    test = parts_of(run, examples).test
    return run, test, predict(load_run(run), test).by_item


def test_both_models_answer_the_same_items(with_champion, examples):
    run, test, answers = challenge(with_champion, examples)
    found = against_champion(run, test, answers, "accuracy")
    theirs = predict(load_run(open_run(with_champion, "composer", "r1")), test).by_item
    expected = compare(test.y, answers, theirs, test.groups, metric="accuracy")
    assert found is not None
    assert found.version == 1
    assert found.left_out == 0
    assert found.difference == expected.difference


def test_items_that_the_champion_learned_from_are_left_out(with_champion, examples):
    run, test, answers = challenge(with_champion, examples, seed=5)
    first = open_run(with_champion, "composer", "r1").table("split")
    groups = set(first.loc[first["part"] != "test", "group"])
    fresh = [name for name, group in zip(test.ids, test.groups, strict=True) if group not in groups]
    assert 0 < len(fresh) < len(test)
    found = against_champion(run, test, answers, "accuracy")
    assert found is not None
    assert found.left_out == len(test) - len(fresh)
    if len(fresh) >= 30:
        assert found.rows == len(fresh)
    else:
        assert "needed" in found.problem


def test_too_few_untouched_items_are_a_problem_and_no_figure(with_champion, examples):
    run, test, answers = challenge(with_champion, examples)
    few = test.take(range(20))
    found = against_champion(run, few, answers[:20], "accuracy")
    assert found is not None
    assert found.difference is None
    assert "leaves 20 of the 30 needed" in found.problem


def test_a_champion_of_other_classes_is_a_problem(with_champion, examples):
    run, test, answers = challenge(with_champion, examples)
    object.__setattr__(test, "classes", ("bach", "chopin", "liszt"))
    found = against_champion(run, test, answers, "accuracy")
    assert found is not None
    assert "other classes: bach, chopin, mozart" in found.problem


def test_the_champions_own_run_is_not_compared_with_itself(with_champion, examples):
    run = open_run(with_champion, "composer", "r1")
    test = parts_of(run, examples).test
    assert against_champion(run, test, np.zeros((len(test), 3)), "accuracy") is None


def test_a_champion_whose_run_was_removed_is_still_compared(with_champion, examples):
    run, test, answers = challenge(with_champion, examples)
    with_champion.remove("runs", "composer", "r1")
    found = against_champion(run, test, answers, "accuracy")
    assert found is not None
    assert found.left_out == 0
