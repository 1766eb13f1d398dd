"""The contract of model families as tests."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
import onnxruntime
import optuna
import pytest

from tunesmith.datasets.examples import Examples, JoinedRows
from tunesmith.models import Family, Fitted, NetworkFamily, get_family, merge
from tunesmith.testing.examples import small_examples

__all__ = ["FamilyContract"]


# TensorFlow's variables predate NumPy 2's copy keyword.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
class FamilyContract:
    """Tests that every family passes; subclass it in a test file.

    Attributes
    ----------
    families
        The families to test, or names of known ones.

    Notes
    -----
    The fixture `examples` is `tunesmith.testing.small_examples`. Override it for a family that
    reads another view; it needs three classes, and some items that can be told apart.
    """

    families: ClassVar[Sequence[Family | str]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every test for every family."""
        if "family" in metafunc.fixturenames:
            families = [get_family(f) if isinstance(f, str) else f for f in self.families]
            names = [family.name for family in families]
            metafunc.parametrize("family", families, ids=names, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def examples(cls) -> Examples:
        """Return the items to learn from."""
        return small_examples()

    @pytest.fixture(scope="class")
    @classmethod
    def steps(cls, family: Family, examples: Examples) -> list[tuple[int, Fitted]]:
        """Return the numbers and models of a training of two steps, done once."""
        # Only the views that it names.
        given = replace(examples, views={name: examples.view(name) for name in family.views})
        fit = family.fit(family.default(), given, seed=3, max_steps=2)
        return [(step.step, step.model) for step in fit]

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls, steps: list[tuple[int, Fitted]]) -> Fitted:
        """Return the trained model."""
        return steps[-1][1]

    @pytest.fixture(scope="class")
    @classmethod
    def rows(cls, family: Family, examples: Examples) -> Any:
        """Return the rows of the family's view."""
        return _rows(examples, family)

    def test_its_limits_make_sense(self, family: Family) -> None:
        """Steps, patience and resources are positive."""
        assert family.name.replace("_", "").isalnum(), "a name has letters, digits and _ only"
        assert family.max_steps >= 1
        assert family.patience >= 1
        assert family.resources.cpus >= 1
        assert family.resources.memory_bytes > 0
        assert 0 <= family.resources.gpu_fraction <= 1

    def test_the_default_lies_in_the_space(self, family: Family) -> None:
        """A search begins with the default."""
        params = dict(family.default())
        assert family.space(cast("optuna.Trial", optuna.trial.FixedTrial(params))) == params

    def test_settings_are_json_and_named_as_suggested(self, family: Family) -> None:
        """Settings are kept in JSON and found again by the names of Optuna's suggestions."""
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
        for _ in range(20):
            trial = study.ask()
            params = family.space(trial)
            assert json.loads(json.dumps(params)) == params
            assert params == trial.params

    def test_training_counts_its_steps_and_ends(
        self, family: Family, steps: list[tuple[int, Fitted]]
    ) -> None:
        """Steps are 1, 2, … up to the limit."""
        assert [number for number, _ in steps] == list(range(1, min(2, family.max_steps) + 1))

    def test_every_corner_of_the_space_trains(
        self, family: Family, examples: Examples, rows: Any
    ) -> None:
        """Random settings give finite probabilities."""
        few = examples.take(np.arange(24))
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=2))
        for _ in range(2):
            params = family.space(study.ask())
            step = next(iter(family.fit(params, few, seed=0, max_steps=2)))
            assert np.isfinite(step.model.predict_proba(rows[:5])).all()

    def test_probabilities_are_probabilities(
        self, model: Fitted, rows: Any, examples: Examples
    ) -> None:
        """They are float32, lie in 0 to 1 and sum to 1, also of no rows at all."""
        probabilities = model.predict_proba(rows)
        assert probabilities.dtype == np.float32
        assert probabilities.shape == (len(rows), len(examples.classes))
        assert probabilities.min() >= 0
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
        assert model.predict_proba(rows[:0]).shape == (0, len(examples.classes))

    def test_one_seed_gives_one_model(
        self, family: Family, model: Fitted, examples: Examples, rows: Any
    ) -> None:
        """Training again with the same seed gives the same probabilities."""
        *_, step = family.fit(family.default(), examples, seed=3, max_steps=2)
        np.testing.assert_allclose(
            step.model.predict_proba(rows[:20]), model.predict_proba(rows[:20]), atol=1e-6
        )

    def test_a_saved_model_answers_the_same(
        self, family: Family, model: Fitted, examples: Examples, rows: Any, tmp_path: Path
    ) -> None:
        """`Family.load` reads the files of `Fitted.save`; none of them is a pickle."""
        model.save(tmp_path)
        loaded = family.load(tmp_path)
        expected = model.predict_proba(rows[:20])
        np.testing.assert_allclose(loaded.predict_proba(rows[:20]), expected, atol=1e-6)
        assert loaded.classes == examples.classes
        assert not [p for p in tmp_path.rglob("*") if p.suffix in {".pkl", ".pickle", ".joblib"}]

    @pytest.mark.parametrize("members", [1, 2], ids=["alone", "as an ensemble of its kind"])
    def test_the_exported_graph_answers_the_same(
        self, family: Family, members: int, model: Fitted, rows: Any, tmp_path: Path
    ) -> None:
        """The ONNX graph takes the raw rows of the view and gives the same probabilities."""
        model.export_onnx(tmp_path / "model.onnx")
        graph = (tmp_path / "model.onnx").read_bytes()
        session = onnxruntime.InferenceSession(
            graph if members == 1 else merge([(graph, 1 / members)] * members)
        )
        (out,) = session.get_outputs()
        assert {put.name for put in session.get_inputs()} == set(family.views)
        assert (out.name, out.type) == ("probabilities", "tensor(float)")
        for some in (rows, rows[:1]):
            (probabilities,) = session.run(None, _feeds(family, some))
            np.testing.assert_allclose(probabilities, model.predict_proba(some), atol=1e-5)

    def test_of_two_classes_the_exported_graph_answers_the_same(
        self, family: Family, examples: Examples, tmp_path: Path
    ) -> None:
        """Two classes have two columns, too: many libraries give only one."""
        if isinstance(family, NetworkFamily):
            pytest.skip("a network has an output a class, however many there are")
        two = examples.take(np.flatnonzero(examples.y < 2))
        two = replace(two, classes=two.classes[:2])
        step = next(iter(family.fit(family.default(), two, seed=0, max_steps=1)))
        step.model.export_onnx(tmp_path / "model.onnx")
        rows = _rows(two, family)
        session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
        (probabilities,) = session.run(None, _feeds(family, rows))
        assert probabilities.shape == (len(rows), 2)
        np.testing.assert_allclose(probabilities, step.model.predict_proba(rows), atol=1e-5)


def _rows(examples: Examples, family: Family) -> Any:
    """Return the rows that a family reads."""
    x = examples.view(family.view).x
    return x if isinstance(x, JoinedRows) else np.asarray(x)


def _feeds(family: Family, rows: Any) -> dict[str, Any]:
    """Return the inputs of a family's graph."""
    return dict(rows.arrays) if isinstance(rows, JoinedRows) else {family.view: rows}
