from tests import artefacts
from tests.reports.texts import texts
from tunesmith.datasets.examples import Examples, View
from tunesmith.reports import sample_figures


def test_correlation_is_drawn_of_tables_that_fit():
    examples = artefacts.make_examples(60)
    names = ["a", "b", "c", "d", "e", "f"]
    assert set(names) <= set(texts(sample_figures.correlation(examples, names)))
    assert sample_figures.correlation(examples, ()) is None
    x = examples.view("features").x.copy()
    x[:, 1] = 7.0
    x[::5, 2] = float("nan")
    holes = Examples(
        examples.y, examples.classes, examples.groups, examples.ids,
        {"features": View.one_row_each(x)},
    )  # fmt: skip
    shown = texts(sample_figures.correlation(holes, names))
    assert "b" not in shown
    assert "c" in shown


def test_downsampling_shows_the_loss():
    parts = {
        "train": {"a": 50, "b": 20},
        "validation": {"a": 5, "b": 0},
        "test": {"a": 5, "b": 0},
    }
    shown = set(texts(sample_figures.downsampling(parts)))
    assert {"All: 80", "Downsampled: 40, 50% lost", "60", "20"} <= shown
    assert sample_figures.downsampling({"train": {"a": 50, "b": 49}}) is None
