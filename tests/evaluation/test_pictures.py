import numpy as np
import pytest

from tunesmith.artifacts.preparation import TextPreparation
from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation.pictures import choose_pictures, choose_texts, pictures_of, words_of
from tunesmith.evaluation.predictions import Predictions

KINDS = ("confident and right", "confident and wrong", "uncertain")
RULES = TextPreparation(words=("good", "bad", "film"), first=4, unknown=2, length=80)


def asked(view: str, x, right, sure) -> Predictions:
    """Return answers to two classes: right or not, and how surely."""
    n = len(right)
    y = np.arange(n) % 2
    answer = np.where(right, y, 1 - y)
    p = np.stack([1 - np.asarray(sure), np.asarray(sure)], axis=1)
    p[answer == 0] = p[answer == 0][:, ::-1]
    examples = Examples(
        y, ("no", "yes"), np.arange(n), [f"i{i}" for i in range(n)], {view: View.one_row_each(x)}
    )
    return Predictions(examples, np.arange(n), p, p)


@pytest.fixture
def predictions():
    random = np.random.default_rng(0)
    right = np.arange(40) >= 6
    sure = random.uniform(0.55, 0.99, 40)
    x = random.integers(0, 256, (40, 5, 5)).astype(np.uint8)
    return asked("image", x, right, sure)


def test_pictures_are_chosen_by_what_was_answered_and_how_surely(predictions):
    pictures = pictures_of(predictions.examples, ())
    found = choose_pictures(predictions, pictures)
    assert (found.height, found.width) == (5, 5)
    kinds = [row.kind for row in found.rows]
    assert [
        kinds.count(k) for k in ("confident and right", "confident and wrong", "uncertain")
    ] == [8, 6, 8]
    assert len({row.id for row in found.rows}) == len(kinds)
    for row in found.rows:
        assert (row.label == row.answer) == (int(row.id[1:]) >= 6)
        assert np.array_equal(row.pixels, pictures[int(row.id[1:])].ravel())
    first = found.rows[0]
    of_class = [row.confidence for row in found.rows if row.label == first.label]
    assert first.confidence == max(of_class)


def test_columns_of_pixels_are_pictures_and_other_columns_are_not():
    names = [f"pixel_{i}_{j}" for i in range(2) for j in range(3)]
    x = np.arange(12, dtype=np.float32).reshape(2, 6)
    examples = Examples(
        np.array([0, 1]), ("a", "b"), np.arange(2), ["i0", "i1"],
        {"features": View.one_row_each(x)},
    )  # fmt: skip
    found = pictures_of(examples, names)
    assert found.shape == (2, 2, 3)
    assert found[1, 1, 2] == 255
    assert found[0, 0, 1] < found[0, 0, 2] < found[0, 1, 0]
    assert pictures_of(examples, ["tempo", *names[1:]]) is None
    assert pictures_of(examples, ()) is None


def test_words_come_back_from_their_numbers():
    assert words_of(np.array([0, 0, 1, 4, 2, 6, 9]), RULES) == ["good", "…", "film"]


def test_texts_show_their_last_words():
    x = np.zeros((12, 80), dtype=np.int32)
    x[:, 1:] = 6
    x[:, -1] = 4
    found = choose_texts(asked("tokens", x, np.arange(12) > 3, np.full(12, 0.9)), RULES)
    assert {row.kind for row in found} == {
        "confident and right",
        "confident and wrong",
        "uncertain",
    }
    assert found[0].text.split()[-2:] == ["film", "good"]
    assert len(found[0].text.split()) == 60
