"""Machines on pictures: upright, and learned from shifted and turned ones."""

import numpy as np
import numpy.typing as npt
import pytest

from tunesmith.datasets.examples import Examples, View
from tunesmith.models.image_cnn import moved
from tunesmith.models.image_svm import FAMILY, _upright

_PLAIN = {**FAMILY.default(), "upright": 0.0, "shift_pixels": 0.0, "turn_degrees": 0.0}


def _stroke(slant: float, size: int = 11) -> npt.NDArray[np.float32]:
    """Return a stroke through the middle that goes right by `slant` pixels a row down."""
    rows = np.arange(1, size - 1)
    image = np.zeros((size, size), dtype=np.float32)
    image[rows, np.rint(size // 2 + slant * (rows - size // 2)).astype(int)] = 100
    return image


def _examples(images: npt.NDArray[np.uint8], y: npt.NDArray[np.int64]) -> Examples:
    return Examples(
        y=y,
        classes=tuple(f"class {label}" for label in range(y.max() + 1)),
        groups=np.arange(len(y)),
        ids=[str(index) for index in range(len(y))],
        views={"image": View.one_row_each(images)},
    )


def test_a_slanted_stroke_stands_upright() -> None:
    slanted = np.stack([_stroke(1.0), _stroke(-1.0), _stroke(0.0)])
    upright = _upright(slanted, np.float32(1))
    columns = np.arange(11)
    spread = [np.sqrt(np.average((columns - 5) ** 2, weights=image.sum(axis=0)))
              for image in upright]  # fmt: skip
    assert max(spread) < 0.5
    np.testing.assert_allclose(upright[2], slanted[2], atol=1e-3)
    half = _upright(slanted[:1], np.float32(0.5))
    assert 0.5 < np.sqrt(np.average((columns - 5) ** 2, weights=half[0].sum(axis=0))) < 2


@pytest.mark.parametrize("pixels", [0, 7])
def test_a_picture_of_one_colour_stays_finite(pixels: int) -> None:
    flat = np.full((1, 5, 5), pixels, dtype=np.float32)
    assert np.isfinite(_upright(flat, np.float32(1))).all()


def test_a_line_that_lies_flat_is_left_alone() -> None:
    flat = np.zeros((1, 9, 9), dtype=np.float32)
    flat[0, 4] = 50
    np.testing.assert_allclose(_upright(flat, np.float32(1)), flat, atol=1e-3)


def test_moved_pictures_are_shifted_and_turned() -> None:
    image = np.zeros((1, 5, 5), dtype=np.uint8)
    image[0, 2, 3] = 100
    assert moved(image, 0.0, 1.0, 0.0)[0, 1, 3] == 100
    assert moved(image, 0.0, 0.0, 0.5)[0, 2].tolist() == [0, 0, 50, 50, 0]
    assert moved(image, np.pi / 2, 0.0, 0.0)[0, 1, 2] + moved(image, np.pi / 2, 0.0, 0.0)[
        0, 3, 2
    ] == pytest.approx(100)


def test_shifts_teach_pictures_that_stand_elsewhere() -> None:
    """A machine that also learns from shifted pictures knows them where they were never seen."""
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    images = rng.integers(0, 40, (120, 12, 12)).astype(np.uint8)
    for image, label in zip(images, y, strict=True):
        image[4:8, 5:7] += np.uint8(120 if label != 1 else 0)
        image[5:7, 4:8] += np.uint8(90 if label != 0 else 0)
    elsewhere = np.roll(images, (2, 2), axis=(1, 2))
    accuracy = {}
    for shift in (0.0, 2.0):
        (step,) = FAMILY.fit({**_PLAIN, "shift_pixels": shift}, _examples(images, y), seed=0)
        accuracy[shift] = (step.model.predict_proba(elsewhere).argmax(axis=1) == y).mean()
    assert accuracy[2.0] > accuracy[0.0] + 0.1


def test_a_class_of_one_picture_does_not_end_the_training() -> None:
    rng = np.random.default_rng(1)
    y = np.array([0] * 12 + [1] * 12 + [2])
    images = (rng.integers(0, 50, (25, 6, 6)) + 60 * y[:, None, None]).astype(np.uint8)
    (step,) = FAMILY.fit(FAMILY.default(), _examples(images, y), seed=0)
    assert np.isfinite(step.model.predict_proba(images)).all()
