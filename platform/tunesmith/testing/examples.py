"""Small data in which classes can be told apart, for every view of the platform."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.text_ngrams import SLOTS, VIEW

__all__ = ["CLASSES", "small_examples"]

CLASSES = ("high", "low", "middle")
_Labels = npt.NDArray[np.int64]


def _chunks(rng: np.random.Generator, y: _Labels) -> View:
    """Return two short piano rolls an item; the class is the range of the notes."""
    item = np.repeat(np.arange(len(y)), 2)
    rolls = np.zeros((len(item), 150, 128), dtype=np.uint8)
    for row, label in enumerate(y[item]):
        pitches = 30 + 30 * label + rng.integers(0, 12, 40)
        rolls[row, rng.integers(0, 150, 40), pitches] = rng.integers(40, 100, 40)
    return View(rolls, item)


def _features(rng: np.random.Generator, y: _Labels) -> View:
    """Return twelve numbers an item, some of them missing; the class moves the first three."""
    x = rng.normal(size=(len(y), 12)).astype(np.float32)
    x[np.arange(len(y)), y] += 4
    x[rng.random(x.shape) < 0.05] = np.nan
    return View.one_row_each(x)


def _image(rng: np.random.Generator, y: _Labels) -> View:
    """Return grey images of 28 x 28; the class is the place of the square."""
    x = rng.integers(0, 30, (len(y), 28, 28)).astype(np.uint8)
    for row, label in enumerate(y):
        x[row, 4 + 7 * label : 10 + 7 * label, 10:18] = 200
    return View.one_row_each(x)


def _tokens(rng: np.random.Generator, y: _Labels) -> View:
    """Return texts of up to 30 words, zeros in front; each class has words of its own."""
    x = np.zeros((len(y), 30), dtype=np.int32)
    for row, label in enumerate(y):
        length = rng.integers(5, 31)
        x[row, -length:] = rng.integers(1, 20, length)
        x[row, -3:] = 20 + 5 * label + rng.integers(0, 5, 3)
    return View.one_row_each(x)


def _notes(rng: np.random.Generator, y: _Labels) -> View:
    """Return two rows of up to 192 notes an item; the class is the range of the pitches."""
    item = np.repeat(np.arange(len(y)), 2)
    rows = np.zeros((len(item), 192, 4), dtype=np.uint8)
    for row, label in enumerate(y[item]):
        n_notes = rng.integers(20, 193)
        rows[row, -n_notes:, 0] = 30 + 30 * label + rng.integers(0, 12, n_notes)
        rows[row, -n_notes:, 1:] = rng.integers(1, 120, (n_notes, 3))
    return View(rows, item)


def _ngrams(rng: np.random.Generator, y: _Labels) -> View:
    """Return counts in 16,384 slots, most of them 0; each class has slots of its own."""
    x = np.zeros((len(y), 16_384), dtype=np.uint8)
    for row, label in enumerate(y):
        x[row, rng.integers(0, x.shape[1], 300)] = rng.integers(1, 9, 300)
        x[row, 100 * label + rng.integers(0, 20, 30)] = rng.integers(1, 256, 30)
    return View.one_row_each(x)


def _text_ngrams(rng: np.random.Generator, y: _Labels) -> View:
    """Return up to 40 slots of n-grams of two texts; each class has slots of its own."""
    x = np.zeros((len(y), 40), dtype=np.int32)
    for row, label in enumerate(y):
        length = rng.integers(5, 21)
        x[row, :length] = rng.choice(np.arange(1, SLOTS), length, replace=False)
        x[row, 20:25] = SLOTS + 1 + 50 * label + rng.choice(50, 5, replace=False)
    return View.one_row_each(x)


def _windows(rng: np.random.Generator, y: _Labels) -> View:
    """Return windows of six steps of two numbers; the class is their level."""
    return View.one_row_each((rng.normal(size=(len(y), 6, 2)) + 3 * y[:, None, None]).astype("f4"))


_VIEWS: Mapping[str, Callable[[np.random.Generator, _Labels], View]] = {
    "chunks": _chunks,
    "features": _features,
    "image": _image,
    "ngrams": _ngrams,
    "notes": _notes,
    VIEW: _text_ngrams,
    "tokens": _tokens,
    "windows": _windows,
}


def small_examples(n_items: int = 60, seed: int = 7) -> Examples:
    """Return a few items of three classes that can be told apart in every view.

    Its views are ``chunks``, ``features``, ``image``, ``ngrams``, ``notes``, ``text_ngrams``,
    ``tokens`` and ``windows``.

    Parameters
    ----------
    n_items
        Number of items.
    seed
        Seed of the data.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n_items) % len(CLASSES))
    return Examples(
        y=y,
        classes=CLASSES,
        groups=np.arange(n_items),
        ids=[f"item-{index}" for index in range(n_items)],
        views={name: make(rng, y) for name, make in _VIEWS.items()},
    )
