"""Small data for every view a family may read."""

from collections.abc import Callable

import numpy as np
import pytest

from tunesmith.datasets.examples import Examples, View

CLASSES = ("high", "low", "middle")
_ITEMS = 60


def _chunks(rng: np.random.Generator, y: np.ndarray) -> View:
    """Two short chunks an item; the class is where the notes lie."""
    item = np.repeat(np.arange(len(y)), 2)
    rolls = np.zeros((len(item), 150, 128), dtype=np.uint8)
    for row, label in enumerate(y[item]):
        pitches = 30 + 30 * label + rng.integers(0, 12, 40)
        rolls[row, rng.integers(0, 150, 40), pitches] = rng.integers(40, 100, 40)
    return View(rolls, item)


def _features(rng: np.random.Generator, y: np.ndarray) -> View:
    """Twelve numbers an item, some of them missing; the class moves the first three."""
    x = rng.normal(size=(len(y), 12)).astype(np.float32)
    x[np.arange(len(y)), y] += 4
    x[rng.random(x.shape) < 0.05] = np.nan
    return View.one_row_each(x)


def _image(rng: np.random.Generator, y: np.ndarray) -> View:
    """Grey images of 28 x 28; the class is where the square lies."""
    x = rng.integers(0, 30, (len(y), 28, 28)).astype(np.uint8)
    for row, label in enumerate(y):
        x[row, 4 + 7 * label : 10 + 7 * label, 10:18] = 200
    return View.one_row_each(x)


def _tokens(rng: np.random.Generator, y: np.ndarray) -> View:
    """Texts of up to 30 words with zeros before them; each class has words of its own."""
    x = np.zeros((len(y), 30), dtype=np.int32)
    for row, label in enumerate(y):
        length = rng.integers(5, 31)
        x[row, -length:] = rng.integers(1, 20, length)
        x[row, -3:] = 20 + 5 * label + rng.integers(0, 5, 3)
    return View.one_row_each(x)


def _notes(rng: np.random.Generator, y: np.ndarray) -> View:
    """Two rows of up to 192 notes an item; the class is where the pitches lie."""
    item = np.repeat(np.arange(len(y)), 2)
    rows = np.zeros((len(item), 192, 4), dtype=np.uint8)
    for row, label in enumerate(y[item]):
        n_notes = rng.integers(20, 193)
        rows[row, -n_notes:, 0] = 30 + 30 * label + rng.integers(0, 12, n_notes)
        rows[row, -n_notes:, 1:] = rng.integers(1, 120, (n_notes, 3))
    return View(rows, item)


def _windows(rng: np.random.Generator, y: np.ndarray) -> View:
    """Windows of six steps of two numbers; the class is how high they lie."""
    return View.one_row_each((rng.normal(size=(len(y), 6, 2)) + 3 * y[:, None, None]).astype("f4"))


VIEWS: dict[str, Callable[[np.random.Generator, np.ndarray], View]] = {
    "chunks": _chunks,
    "features": _features,
    "segments": _features,
    "segments_transposed": _features,
    "image": _image,
    "notes": _notes,
    "tokens": _tokens,
    "windows": _windows,
}


@pytest.fixture(scope="session")
def small_examples() -> Examples:
    """Return 60 items of three classes that can be told apart in every view."""
    rng = np.random.default_rng(7)
    y = rng.permutation(np.arange(_ITEMS) % len(CLASSES))
    return Examples(
        y=y,
        classes=CLASSES,
        groups=np.arange(_ITEMS),
        ids=[f"item-{index}" for index in range(_ITEMS)],
        views={name: make(rng, y) for name, make in VIEWS.items()},
    )
