"""What every registered task promises, checked over all of them."""

from pathlib import Path

import numpy as np
import optuna
import pytest

import tunesmith.tasks
from tunesmith.artifacts.store import Store
from tunesmith.datasets.splits import leaked
from tunesmith.errors import UsageError
from tunesmith.models import get_family
from tunesmith.tasks import METRICS, Request, Task, TaskData, get_task, load_for_run, task_names
from tunesmith.tasks.contract import PARTS

every_task = pytest.mark.parametrize("name", task_names())


class Readings:
    """Each task's data, read once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._read: dict[str, TaskData] = {}

    def of(self, task: Task) -> TaskData:
        if task.kind == "midi":
            pytest.skip("needs a dataset version; see test_composer.py")
        if task.name not in self._read:
            self._read[task.name] = task.read(self.store, Request())
        return self._read[task.name]


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory) -> Readings:
    return Readings(Store(tmp_path_factory.mktemp("store")))


@every_task
def test_a_task_is_named_after_its_file_and_complete(name: str) -> None:
    task = get_task(name)
    assert task.name == name
    assert task.metric in METRICS
    assert task.title
    assert task.unit
    assert task.families
    assert len(set(task.families)) == len(task.families)
    for family in task.families:
        get_family(family)


@every_task
def test_the_setting_of_the_study_lies_in_the_space_of_its_family(name: str) -> None:
    task = get_task(name)
    if task.reference is None or task.reference.family is None:
        pytest.skip("no family can express the study's setting")
    params = dict(task.reference.params)
    assert task.reference.family in task.families
    family = get_family(task.reference.family)
    assert family.space(optuna.trial.FixedTrial(params)) == params


@every_task
def test_every_item_has_one_part_and_no_group_has_two_sides(name: str, readings: Readings) -> None:
    data = readings.of(get_task(name))
    assert len(data.parts) == len(data.examples)
    assert set(data.parts) == set(PARTS)
    assert leaked(data.parts, data.examples.groups) == 0
    assert leaked(data.parts, data.examples.groups, held_out="validation") == 0


@every_task
def test_every_class_is_in_every_part(name: str, readings: Readings) -> None:
    data = readings.of(get_task(name))
    for part in PARTS:
        present = np.unique(data.examples.y[data.parts == part])
        assert len(present) == len(data.examples.classes), part


@every_task
def test_families_find_the_view_they_read(name: str, readings: Readings) -> None:
    task = get_task(name)
    data = readings.of(task)
    for family in task.families:
        view = data.examples.view(get_family(family).view)
        assert len(np.unique(view.item)) == len(data.examples)
    if "features" in data.examples.views:
        assert len(data.preparation.features) == data.examples.view("features").x.shape[1]


@every_task
def test_reading_again_gives_the_same(name: str, readings: Readings) -> None:
    task = get_task(name)
    data = readings.of(task)
    again = load_for_run(readings.store, {"task": name, "request": Request().facts()})
    assert again.ids == data.examples.ids
    assert len(set(again.ids)) == len(again.ids)
    np.testing.assert_array_equal(again.y, data.examples.y)
    assert task.load(readings.store).classes == data.examples.classes


def test_an_unknown_task_is_answered_with_near_names() -> None:
    with pytest.raises(UsageError, match="Did you mean digits"):
        get_task("digit")


def test_every_file_of_the_room_is_a_task_or_a_helper() -> None:
    folder = Path(tunesmith.tasks.__file__).parent
    files = {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")}
    assert files == {*task_names(), "contract", "registry"}


def test_noise_is_noise(store: Store) -> None:
    one, other = (get_task("noise").read(store, Request(seed=seed)) for seed in (0, 1))
    assert one.version != other.version
    x, y = one.examples.view("features").x, one.examples.y
    centred = x - x.mean(axis=0)
    strongest = max(
        abs(np.corrcoef(centred[:, column], y == label)[0, 1])
        for column in range(x.shape[1])
        for label in range(10)
    )
    # 1,000 correlations over 4,000 rows: by chance alone the largest is about 3.3 / sqrt(4000).
    assert strongest < 0.08


def test_digits_keeps_most_of_a_writer_together(store: Store) -> None:
    data = get_task("digits").read(store, Request())
    assert len(data.examples) == 1797
    assert (np.diff(data.examples.groups) >= 0).all()
    assert (data.parts[-400:] == "test").all()
