"""Networks on pictures: their random changes, and the shapes that they can take."""

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tunesmith.models.image_cnn import FAMILY, Jitter
from tunesmith.tasks import get_task

_EVERY = Jitter(
    shift_pixels=2.0, turn_degrees=10.0, stretch=0.1, slant_degrees=8.0, bend_pixels=0.6
)


def _cross(rows: int = 200, size: int = 28) -> npt.NDArray[np.uint8]:
    """Return pictures of one cross each, far from the border."""
    images = np.zeros((rows, size, size), dtype=np.uint8)
    images[:, 8:20, 13:15] = images[:, 13:15, 8:20] = 200
    return images


def _changed(jitter: Jitter, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return jitter(images, np.random.default_rng(0))


def _extents(images: npt.NDArray[np.uint8], axis: int) -> npt.NDArray[np.int64]:
    """Return over how many rows (`axis` 2) or columns (1) each picture reaches."""
    return np.asarray((images.max(axis=axis) > 100).sum(axis=1))


def test_no_change_is_no_change() -> None:
    images = _cross(2)
    np.testing.assert_array_equal(_changed(Jitter(), images), images)


@pytest.mark.parametrize("change", list(asdict(_EVERY)))
def test_each_change_by_itself_differs_from_picture_to_picture(change: str) -> None:
    images = _cross()
    changed = _changed(replace(Jitter(), **{change: asdict(_EVERY)[change]}), images)
    assert changed.dtype == images.dtype
    assert changed.shape == images.shape
    assert len(np.unique(changed.reshape(len(images), -1), axis=0)) > 0.6 * len(images)
    # What is far from the border stays in the picture, neither thicker nor thinner on average.
    ink = changed.sum(axis=(1, 2)) / images.sum(axis=(1, 2))
    assert ink.min() > 0.5
    assert ink.mean() == pytest.approx(1.0, abs=0.05)


def test_stretching_changes_height_and_width_by_themselves() -> None:
    stretched = _changed(Jitter(stretch=0.25), _cross())
    heights, widths = _extents(stretched, 2), _extents(stretched, 1)
    # 12 pixels, from a fifth less to a quarter more.
    assert {heights.min(), widths.min()} == {10}
    assert {heights.max(), widths.max()} <= {14, 15}
    assert abs(np.corrcoef(heights, widths)[0, 1]) < 0.3


def test_slanting_keeps_every_row_where_it_is() -> None:
    images = _cross()
    slanted = _changed(Jitter(slant_degrees=20.0), images)
    np.testing.assert_array_equal(_extents(slanted, 2), _extents(images, 2))
    assert _extents(slanted, 1).max() >= _extents(images, 1).max()
    of_upper = slanted[:, 8].argmax(axis=1) - slanted[:, 19].argmax(axis=1)
    assert of_upper.min() <= -3
    assert of_upper.max() >= 3


def test_bending_moves_pixels_as_far_as_it_says_and_neighbours_together() -> None:
    # A ramp shows by its brightness where each pixel came from.
    ramp = np.broadcast_to(np.arange(28, dtype=np.uint8) * 8, (400, 28, 28))
    came_from = _changed(Jitter(bend_pixels=1.0), ramp)[:, 8:20, 8:20] / 8
    moves = came_from - np.arange(8, 20)
    assert moves.std() == pytest.approx(1.0, rel=0.1)
    assert np.corrcoef(moves[:, 0, 5], moves[:, 1, 5])[0, 1] > 0.9
    assert abs(np.corrcoef(moves[:, 0, 0], moves[:, 11, 11])[0, 1]) < 0.3


def test_all_changes_at_once_are_the_same_for_the_same_seed() -> None:
    images = _cross(5)
    np.testing.assert_array_equal(_changed(_EVERY, images), _changed(_EVERY, images))
    assert not np.array_equal(_EVERY(images, np.random.default_rng(1)), _changed(_EVERY, images))


def _network(params: Any, size: int) -> Any:
    from tunesmith.models.support.networks import keras_in

    return FAMILY.build(keras_in(1), params, np.zeros((1, size, size), dtype=np.uint8), 10)[0]


def test_the_setting_of_the_tutorial_is_its_network() -> None:
    reference = get_task("mnist").reference
    assert reference is not None
    network = _network(reference.params, 28)
    kinds = [type(layer).__name__ for layer in network.layers]
    layers = ["Conv2D", "ReLU", "MaxPooling2D", "Dropout", "Flatten", "Dense", "Dropout", "Dense"]
    assert sorted(kinds[-len(layers) :]) == sorted(layers)
    # 32 filters of 3 x 3, 128 units on 14 x 14 x 32 of them, 10 classes.
    assert network.count_params() == 320 + (14 * 14 * 32 + 1) * 128 + 129 * 10


@pytest.mark.parametrize("size", [1, 3, 8])
def test_pictures_too_small_for_convolutions_without_padding_are_padded(size: int) -> None:
    network = _network(FAMILY.default(), size)
    answers = network.predict_on_batch(np.ones((2, size, size), dtype=np.uint8))
    assert np.asarray(answers).sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
