"""The contract of families over all of the package's own, and what some of them promise besides."""

from pathlib import Path

import numpy as np
import pytest

import tunesmith.models
from tunesmith.datasets.examples import Examples
from tunesmith.errors import UsageError
from tunesmith.models import SingleStepFamily, class_weights, family_names, get_family
from tunesmith.testing import FamilyContract

# TensorFlow's variables predate NumPy 2's copy keyword.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


class TestFamilies(FamilyContract):
    """Every family of the package."""

    families = family_names()


def test_every_file_of_the_room_is_a_family_of_its_name_or_a_helper() -> None:
    folder = Path(tunesmith.models.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert files == {*family_names(), "contract", "registry"}
    assert all(get_family(name).name == name for name in family_names())


def test_an_unknown_family_is_answered_with_near_names() -> None:
    with pytest.raises(UsageError, match="Did you mean boosting"):
        get_family("bosting")


def test_a_single_step_is_yielded_once(small_examples: Examples) -> None:
    family = get_family("linear")
    assert isinstance(family, SingleStepFamily)
    (step,) = family.fit(family.default(), small_examples, seed=0, max_steps=5)
    assert step.step == family.max_steps == 1


def test_boosting_learns_what_can_be_learned(small_examples: Examples) -> None:
    family = get_family("boosting")
    train = small_examples.take(np.arange(40))
    test = small_examples.take(np.arange(40, 60))
    *_, step = family.fit(family.default(), train, seed=0, max_steps=2)
    probabilities = step.model.predict_proba(test.view("features").x)
    assert (probabilities.argmax(axis=1) == test.y).mean() >= 0.8


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
