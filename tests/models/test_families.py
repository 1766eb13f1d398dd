"""What every registered family promises, checked over all of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import optuna
import pytest

from tunesmith.datasets.examples import Examples
from tunesmith.errors import UsageError
from tunesmith.models import Family, family_names, get_family, merge
from tunesmith.models.contract import class_weights
from tunesmith.models.support.networks import NetworkFamily

# TensorFlow's variables predate NumPy 2's copy keyword.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

FAMILIES = [get_family(name) for name in family_names()]
every_family = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


class Trained:
    """One short training a family, shared by the tests of this file."""

    def __init__(self, examples: Examples) -> None:
        self.examples = examples
        self._done: dict[str, Any] = {}

    def of(self, family: Family) -> Any:
        if family.name not in self._done:
            # No view but those that it says it reads.
            views = {n: self.examples.view(n) for n in (family.view, *family.learns_from)}
            given = replace(self.examples, views=views)
            fit = family.fit(family.default(), given, seed=3, max_steps=2)
            steps = [(step.step, dict(step.metrics), step.model) for step in fit]
            self._done[family.name] = steps
        return self._done[family.name]


@pytest.fixture(scope="module")
def trained(small_examples: Examples) -> Trained:
    return Trained(small_examples)


def _rows(family: Family, examples: Examples) -> Any:
    return examples.view(family.view).x


@every_family
def test_names_and_limits_are_sensible(family: Family) -> None:
    assert get_family(family.name) is family
    assert family.max_steps >= 1
    assert family.patience >= 1
    assert family.resources.cpus >= 1
    assert 0 <= family.resources.gpu_fraction <= 1


@every_family
def test_the_default_lies_in_the_space(family: Family) -> None:
    assert family.space(optuna.trial.FixedTrial(family.default())) == family.default()


@every_family
def test_settings_are_json_and_named_as_suggested(family: Family) -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    for _ in range(20):
        trial = study.ask()
        params = family.space(trial)
        assert json.loads(json.dumps(params)) == params
        assert params == trial.params


@every_family
def test_training_counts_its_steps_and_ends(family: Family, trained: Trained) -> None:
    steps = [number for number, _, _ in trained.of(family)]
    assert steps == list(range(1, min(2, family.max_steps) + 1))


@every_family
def test_every_corner_of_the_space_trains(family: Family, small_examples: Examples) -> None:
    few = small_examples.take(np.arange(24))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2))
    for _ in range(2):
        params = family.space(study.ask())
        step = next(iter(family.fit(params, few, seed=0, max_steps=2)))
        answers = step.model.predict_proba(_rows(family, few)[:5])
        assert np.isfinite(answers).all()


@every_family
def test_probabilities_are_probabilities(family: Family, trained: Trained) -> None:
    model = trained.of(family)[-1][2]
    rows = _rows(family, trained.examples)
    answers = model.predict_proba(rows)
    assert answers.dtype == np.float32
    assert answers.shape == (len(rows), len(trained.examples.classes))
    assert answers.min() >= 0
    np.testing.assert_allclose(answers.sum(axis=1), 1, atol=1e-5)
    assert model.predict_proba(rows[:0]).shape == (0, len(trained.examples.classes))


@every_family
def test_one_seed_gives_one_model(family: Family, trained: Trained) -> None:
    *_, step = family.fit(family.default(), trained.examples, seed=3, max_steps=2)
    rows = _rows(family, trained.examples)[:20]
    np.testing.assert_allclose(
        step.model.predict_proba(rows),
        trained.of(family)[-1][2].predict_proba(rows),
        atol=1e-6,
    )


@every_family
def test_a_saved_model_answers_the_same(family: Family, trained: Trained, tmp_path: Path) -> None:
    model = trained.of(family)[-1][2]
    model.save(tmp_path)
    loaded = family.load(tmp_path)
    rows = _rows(family, trained.examples)[:20]
    np.testing.assert_allclose(loaded.predict_proba(rows), model.predict_proba(rows), atol=1e-6)
    assert loaded.classes == trained.examples.classes
    assert not list(tmp_path.rglob("*.pkl"))


@every_family
@pytest.mark.parametrize("members", [1, 2], ids=["alone", "as an ensemble of its kind"])
def test_the_exported_graph_answers_the_same(
    family: Family, members: int, trained: Trained, tmp_path: Path
) -> None:
    model = trained.of(family)[-1][2]
    model.export_onnx(tmp_path / "model.onnx")
    graph = (tmp_path / "model.onnx").read_bytes()
    session = onnxruntime.InferenceSession(
        graph if members == 1 else merge([(graph, 1 / members)] * members)
    )
    (put,), (out,) = session.get_inputs(), session.get_outputs()
    assert put.name == family.view
    assert (out.name, out.type) == ("probabilities", "tensor(float)")
    rows = np.asarray(_rows(family, trained.examples))
    for some in (rows, rows[:1]):
        (answers,) = session.run(None, {family.view: some})
        np.testing.assert_allclose(answers, model.predict_proba(some), atol=1e-5)


def test_an_unknown_family_is_answered_with_near_names() -> None:
    with pytest.raises(UsageError, match="Did you mean boosting"):
        get_family("bosting")


def test_boosting_learns_what_can_be_learned(small_examples: Examples) -> None:
    family = get_family("boosting")
    train = small_examples.take(np.arange(40))
    test = small_examples.take(np.arange(40, 60))
    *_, step = family.fit(family.default(), train, seed=0, max_steps=2)
    answers = step.model.predict_proba(test.view("features").x)
    assert (answers.argmax(axis=1) == test.y).mean() >= 0.8


@pytest.mark.parametrize(
    "family", [f for f in FAMILIES if not isinstance(f, NetworkFamily)], ids=lambda f: f.name
)
def test_of_two_classes_the_exported_graph_answers_the_same(
    family: Family, small_examples: Examples, tmp_path: Path
) -> None:
    two = small_examples.take(np.flatnonzero(small_examples.y < 2))
    two = replace(two, classes=two.classes[:2])
    step = next(iter(family.fit(family.default(), two, seed=0, max_steps=1)))
    step.model.export_onnx(tmp_path / "model.onnx")
    rows = _rows(family, two)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    (answers,) = session.run(None, {step.model.views[0]: rows})
    assert answers.shape == (len(rows), 2)
    np.testing.assert_allclose(answers, step.model.predict_proba(rows), atol=1e-5)


def test_class_weights_even_classes_out() -> None:
    y = np.array([0] * 90 + [1] * 10)
    even = class_weights(y, 2, 1.0)
    assert even[:90].sum() == pytest.approx(even[90:].sum())
    assert class_weights(y, 2, 0.0).tolist() == [1.0] * 100
    assert even.mean() == pytest.approx(1.0)


def test_class_weights_even_out_long_pieces() -> None:
    item = np.array([0] * 8 + [1] * 2)
    weight = class_weights(np.zeros(10, dtype=int), 1, 0.0, item, 1.0)
    assert weight[:8].sum() == pytest.approx(weight[8:].sum())
    y = np.array([0] * 8 + [1] * 2)
    both = class_weights(y, 2, 1.0, item, 0.3)
    assert both[:8].sum() == pytest.approx(both[8:].sum())


def test_cnn2d_is_the_network_of_the_study() -> None:
    from tunesmith.models.support.networks import keras_in

    family = get_family("cnn2d")
    chunks = np.zeros((1, 150, 128), dtype=np.uint8)
    model, _ = family.build(keras_in(1), family.default(), chunks, 4)
    assert model.count_params() == 8_866_820
