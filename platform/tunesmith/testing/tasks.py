"""The contract of tasks as tests."""

import json
from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np
import optuna
import pytest

from tunesmith.artifacts.store import Store
from tunesmith.datasets.splits import leaked
from tunesmith.models import get_family
from tunesmith.tasks import METRICS, PARTS, Request, Task, TaskData, get_task

__all__ = ["TaskContract"]


class TaskContract:
    """Tests that every task passes; subclass it in a test file.

    Attributes
    ----------
    tasks
        The tasks to test, or names of known ones.

    Notes
    -----
    The fixture `store` is an empty store. Override it for tasks on a dataset of the store.
    """

    tasks: ClassVar[Sequence[Task | str]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run every test for every task."""
        if "task" in metafunc.fixturenames:
            tasks = [get_task(task) if isinstance(task, str) else task for task in self.tasks]
            names = [task.name for task in tasks]
            metafunc.parametrize("task", tasks, ids=names, scope="class")

    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, tmp_path_factory: pytest.TempPathFactory) -> Store:
        """Return an empty store."""
        return Store(tmp_path_factory.mktemp("store"))

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls, task: Task, store: Store) -> TaskData:
        """Return the data of the task, read once."""
        return task.read(store, Request())

    def test_its_fields_are_complete(self, task: Task) -> None:
        """The name can be typed; title, unit, metric and families are given and exist."""
        assert task.name.replace("_", "").isalnum(), "a name has letters, digits and _ only"
        assert task.title, "title: one line for people"
        assert task.unit, "unit: the name of an item, such as 'song'"
        assert task.metric in METRICS
        assert task.families, "families: at least one to search over"
        assert len(set(task.families)) == len(task.families), "a family is named twice"
        for family in task.families:
            get_family(family)

    def test_the_published_setting_lies_in_the_space_of_its_family(self, task: Task) -> None:
        """A search can begin with the setting of the published study."""
        if task.reference is None or task.reference.family is None:
            pytest.skip("the task names no published setting")
        params = dict(task.reference.params)
        assert task.reference.family in task.families
        family = get_family(task.reference.family)
        assert family.space(cast("optuna.Trial", optuna.trial.FixedTrial(params))) == params

    def test_every_item_has_a_part_and_a_name_of_its_own(self, data: TaskData) -> None:
        """Each item has one part and an id that no other has."""
        assert len(data.parts) == len(data.examples)
        assert set(data.parts) == set(PARTS)
        assert len(set(data.examples.ids)) == len(data.examples)
        assert all(isinstance(name, str) for name in data.examples.ids)

    @pytest.mark.parametrize("held_out", ["test", "validation"])
    def test_no_group_is_on_two_sides_of_the_split(self, data: TaskData, held_out: str) -> None:
        """Items of one group are in one part: nothing that is held out was learned from."""
        assert leaked(data.parts, data.examples.groups, held_out) == 0

    def test_every_class_is_in_every_part(self, data: TaskData) -> None:
        """A class that a part lacks cannot be learned, chosen by, or measured."""
        for part in PARTS:
            present = np.unique(data.examples.y[data.parts == part])
            assert len(present) == len(data.examples.classes), f"classes are missing in {part}"

    def test_every_family_finds_its_view(self, task: Task, data: TaskData) -> None:
        """Each family's view has a row for every item; a family of texts may find none."""
        able = [n for n in task.families if set(get_family(n).views) <= set(data.examples.views)]
        assert able, f"no family of {task.families} reads any of {tuple(data.examples.views)}"
        for name in able:
            view = data.examples.view(get_family(name).view)
            assert len(np.unique(view.item)) == len(data.examples), name

    def test_the_preparation_names_every_feature(self, data: TaskData) -> None:
        """A server makes as many numbers of a new item as the model was trained on."""
        features = getattr(data.preparation, "features", ())
        if not features or "features" not in data.examples.views:
            pytest.skip("the preparation makes no named features")
        assert len(features) == data.examples.view("features").x.shape[1]

    def test_the_data_has_a_name_and_a_version(self, data: TaskData) -> None:
        """A run remembers both; the version changes when the data does."""
        assert data.name
        assert data.version

    def test_reading_again_gives_the_same(self, task: Task, data: TaskData, store: Store) -> None:
        """An evaluation, which has the request of ``run.json``, finds the items of the search."""
        again = task.read(store, Request.of(json.loads(json.dumps(Request().facts()))))
        assert again.version == data.version
        assert list(again.examples.ids) == list(data.examples.ids)
        np.testing.assert_array_equal(again.examples.y, data.examples.y)
        np.testing.assert_array_equal(again.parts, data.parts)
        for name, view in data.examples.views.items():
            if isinstance(view.x, np.ndarray):
                np.testing.assert_array_equal(view.x, again.examples.view(name).x)

    def test_the_protocol_can_be_told(self, task: Task, data: TaskData) -> None:
        """The sentence about the split stands in every report."""
        assert " are the test: " in task.protocol(data)
