"""The contract of tasks over all of the package's own, and what some of them promise besides."""

from pathlib import Path

import numpy as np
import pytest

import tunesmith.tasks
from tunesmith.artifacts.store import Store
from tunesmith.errors import UsageError
from tunesmith.tasks import Request, get_task, task_names
from tunesmith.testing import TaskContract


class TestTasks(TaskContract):
    """Every task of the package."""

    tasks = task_names()

    @pytest.fixture(scope="class")
    @classmethod
    def store(cls, music_store: Store) -> Store:
        """Return a store with a dataset, for the tasks that read one."""
        return music_store


def test_a_task_is_named_after_its_file() -> None:
    assert all(get_task(name).name == name for name in task_names())


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
