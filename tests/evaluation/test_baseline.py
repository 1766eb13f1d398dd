import numpy as np

from tests import artefacts
from tunesmith.datasets.examples import Examples, View
from tunesmith.evaluation.baseline import baseline_predictions, linear_predictions


def test_linear_baseline_reads_the_plain_numbers():
    examples = artefacts.make_examples(240)
    learned, test = examples.take(range(180)), examples.take(range(180, 240))
    probabilities = linear_predictions(learned, test)
    assert probabilities.shape == (60, 3)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert np.mean(probabilities.argmax(axis=1) == test.y) > 0.5


def test_missing_numbers_and_missing_classes_are_borne():
    examples = artefacts.make_examples(120)
    x = examples.view("features").x.copy()
    x[::7, 2] = np.nan
    x[:, 5] = np.nan
    examples = Examples(
        examples.y, examples.classes, examples.groups, examples.ids,
        {"features": View.one_row_each(x)},
    )  # fmt: skip
    learned = examples.take(np.flatnonzero(examples.y < 2))
    probabilities = linear_predictions(learned, examples)
    assert np.isfinite(probabilities).all()
    assert (probabilities[:, 2] == 0).all()


def test_images_are_read_pixel_by_pixel_and_sequences_are_not():
    random = np.random.default_rng(0)
    images = random.integers(0, 255, (30, 4, 4)).astype(np.uint8)
    images[:15, 0, 0], images[15:, 0, 0] = 0, 255
    y = np.repeat([0, 1], 15)
    ids = [str(i) for i in range(30)]
    examples = Examples(y, ("a", "b"), np.arange(30), ids, {"image": View.one_row_each(images)})
    assert linear_predictions(examples, examples).argmax(axis=1).tolist() == y.tolist()
    tokens = View.one_row_each(random.integers(0, 9, (30, 12)))
    examples = Examples(y, ("a", "b"), np.arange(30), ids, {"tokens": tokens})
    assert linear_predictions(examples, examples).shape == (0, 2)


def test_copies_are_predicted_by_the_fit_that_predicts_the_test():
    rng = np.random.default_rng(0)

    def examples(n, shift=0.0):
        y = np.arange(n) % 2
        x = rng.normal(size=(n, 3)) + 2 * y[:, None] + shift
        return Examples(
            y, ("a", "b"), np.arange(n), [f"i{i}" for i in range(n)],
            {"features": View.one_row_each(x.astype("f4"))},
        )  # fmt: skip

    learned, test, copy = examples(200), examples(40), examples(40, shift=5.0)
    alone, none = baseline_predictions(learned, test, {})
    together, on_copies = baseline_predictions(learned, test, {"played": copy})
    assert none == {}
    assert set(alone) == set(together) == {"majority", "linear"}
    np.testing.assert_allclose(alone["linear"], together["linear"])
    np.testing.assert_allclose(on_copies["played"], linear_predictions(learned, copy))
    # The copies are moved, so that the baseline takes all of them for the second class.
    assert (on_copies["played"].argmax(axis=1) == 1).all()
