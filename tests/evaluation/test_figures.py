import json
import re

import numpy as np
import pandas as pd
import pytest

from tests import artefacts
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.style import DARK, VARIABLES, png, styled, svg
from tunesmith.evaluation import figures


@pytest.fixture(autouse=True)
def house_style():
    with styled():
        yield


def texts(figure) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg(figure, "f"))


def test_a_page_drawing_takes_its_colours_from_the_page():
    drawing = svg(figures.confusion_figure(np.array([[5, 1], [0, 4]]), ("a", "b")), "f")
    assert "var(--ink)" in drawing
    assert "var(--series-0)" in drawing
    assert not set(re.findall(r"#[0-9a-f]{6}\b", drawing)) - {"#000000"}
    assert len(set(VARIABLES.values())) == len(VARIABLES) == len(DARK)


def test_a_drawing_is_the_same_every_time():
    def draw() -> str:
        return svg(figures.confusion_figure(np.array([[5, 1], [0, 4]]), ("a", "b")), "f")

    assert draw() == draw()


def test_confusion_shows_counts_and_shares():
    found = texts(figures.confusion_figure(np.array([[30, 10], [0, 4]]), ("bach", "chopin")))
    assert {"30", "10", "75", "25", "100", "bach", "chopin"} <= set(found)


def test_many_classes_are_drawn_without_numbers():
    counts = np.diag(np.arange(1, 61))
    drawing = figures.confusion_figure(counts, tuple(f"class {i}" for i in range(60)))
    found = texts(drawing)
    assert not [text for text in found if text.isdigit()]
    assert len(found) < 4 * 24
    assert png(drawing).startswith(b"\x89PNG")


def search_tables(n: int, family: str = "cnn"):
    random = np.random.default_rng(0)
    rate = 10 ** random.uniform(-4, -1, n)
    score = 0.9 - 0.05 * np.abs(np.log10(rate) + 2.5)
    return pd.DataFrame(
        {
            "trial": range(n),
            "family": family,
            "params": [
                json.dumps({"rate": r, "kind": ["a", "b"][i % 2], "fixed": 3})
                for i, r in enumerate(rate)
            ],
            "state": ["COMPLETE" if i % 3 else "PRUNED" for i in range(n)],
            "score": score,
        }
    )


def test_parallel_coordinates_show_what_was_varied():
    found = texts(figures._parallel(search_tables(12), "macro_f1"))
    assert "rate" in found
    assert "kind" in found
    assert "fixed" not in found
    assert {"a", "b"} <= set(found)


def test_parallel_coordinates_need_a_few_trials():
    assert figures._parallel(search_tables(3), "macro_f1") is None


def test_scale_of_settings_is_logarithmic_where_they_span_powers():
    scale = figures._Scale([1e-4, 1e-2, 1.0])
    assert [scale.place(v) for v in (1e-4, 1e-2, 1.0)] == pytest.approx([0, 0.5, 1])
    assert figures._Scale([2, 3, 4]).place(3) == pytest.approx(0.5)
    assert figures._Scale(["x", "y"]).place("y") == 1
    assert np.isnan(scale.place(None))


def test_the_search_marks_its_best_trial():
    tables = search_tables(8)
    best = int(tables["score"].idxmax())
    found = texts(figures._search(tables, "macro_f1", best))
    assert f"best {tables['score'].max():.3f}" in found
    assert figures._search(tables.assign(score=np.nan), "macro_f1", best) is None


def test_correlation_is_drawn_of_tables_that_fit():
    examples = artefacts.make_examples(60)
    names = ["a", "b", "c", "d", "e", "f"]
    assert set(names) <= set(texts(figures._correlation(examples, names)))
    assert figures._correlation(examples, ()) is None
    x = examples.view("features").x.copy()
    x[:, 1] = 7.0
    x[::5, 2] = np.nan
    holes = Examples(
        examples.y, examples.classes, examples.groups, examples.ids,
        {"features": View.one_row_each(x)},
    )  # fmt: skip
    found = texts(figures._correlation(holes, names))
    assert "b" not in found
    assert "c" in found


def test_curves_without_training_loss_are_drawn():
    history = pd.DataFrame({"trial": [0, 0], "step": [1, 2], "macro_f1": [0.5, 0.6]})
    trials = search_tables(1)
    assert figures._curves(history, trials, "macro_f1", 0) is not None
    assert figures._curves(history.iloc[:0], trials, "macro_f1", 0) is None
