"""What a search may see, and that it is not copied."""

from dataclasses import replace

import numpy as np
import pytest

from tunesmith.artifacts.store import Store
from tunesmith.datasets.examples import Examples, View
from tunesmith.tasks import Request, get_task
from tunesmith.tuning.trial_data import TrialData, stretch


def _examples() -> Examples:
    item = np.array([0, 0, 1, 3, 3, 3, 4])
    return Examples(
        y=np.array([0, 1, 0, 1, 1]),
        classes=("a", "b"),
        groups=np.arange(5),
        ids=[f"i{index}" for index in range(5)],
        views={"chunks": View(np.arange(7 * 2).reshape(7, 2), item)},
    )


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("stop", range(6))
def test_a_stretch_is_the_items_taken_and_shares_their_memory(first: int, stop: int) -> None:
    examples = _examples()
    part = stretch(examples, first, stop)
    expected = examples.take(np.arange(first, stop))
    assert part.ids == expected.ids
    np.testing.assert_array_equal(part.y, expected.y)
    view, wanted = part.view("chunks"), expected.view("chunks")
    np.testing.assert_array_equal(view.x, wanted.x)
    np.testing.assert_array_equal(view.item, wanted.item)
    if len(view):
        assert np.shares_memory(view.x, examples.view("chunks").x)


@pytest.mark.parametrize("name", ["noise", "digits"])
def test_the_test_part_is_not_in_the_material(name: str, store: Store) -> None:
    task = get_task(name)
    data = task.read(store, Request())
    seen = TrialData.of(task, data, seed=0)
    held_out = {i for i, part in zip(data.examples.ids, data.parts, strict=True) if part == "test"}
    assert held_out
    assert not held_out & set(seen.development.ids)
    assert len(held_out) + len(seen.development) == len(data.examples)


def test_folds_cover_development_once_and_keep_groups_whole(store: Store) -> None:
    task = get_task("digits")
    seen = TrialData.of(task, task.read(store, Request()), seed=0)
    pairs = list(seen.splits())
    assert len(pairs) == task.folds
    every = [identity for _, validation in pairs for identity in validation.ids]
    assert sorted(every) == sorted(seen.development.ids)
    np.testing.assert_array_equal(
        np.concatenate([validation.y for _, validation in pairs]), seen.held_out_y
    )
    for train, validation in pairs:
        assert not set(train.groups) & set(validation.groups)
        assert sorted([*train.ids, *validation.ids]) == sorted(seen.development.ids)
    learned = np.mean([len(train) for train, _ in pairs])
    assert seen.growth == pytest.approx(len(seen.development) / learned)


def test_folds_share_one_copy_of_the_data(store: Store) -> None:
    task = get_task("digits")
    seen = TrialData.of(task, task.read(store, Request()), seed=0)
    for part in (seen.development, *(part for pair in seen.splits() for part in pair)):
        for name, view in seen.ring.views.items():
            assert np.shares_memory(part.view(name).x, view.x)


def test_hold_out_is_the_validation_part(store: Store) -> None:
    task = get_task("noise")
    data = task.read(store, Request())
    ((train, validation),) = TrialData.of(task, data, seed=0).splits()
    ids = np.array(data.examples.ids)
    assert train.ids == ids[data.parts == "train"].tolist()
    assert validation.ids == ids[data.parts == "validation"].tolist()


def test_copies_are_cut_with_their_items_and_answers_follow() -> None:
    data = get_task("digits").read(Store("unused"), Request())
    own = data.examples.view("features")
    copies = tuple({"features": View(own.x + number, own.item)} for number in (1, 2))
    seen = TrialData.of(
        get_task("digits"), replace(data, examples=replace(data.examples, copies=copies)), seed=0
    )
    answered = []
    for train, validation in seen.splits():
        copied = validation.as_copied()
        assert copied is not None
        np.testing.assert_array_equal(copied.view("features").x, validation.view("features").x + 1)
        assert len(train.with_copies("features").view("features")) == 3 * len(train)
        answered += [validation.y, copied.y]
    np.testing.assert_array_equal(np.concatenate(answered), seen.held_out_y)
