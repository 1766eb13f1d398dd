import json
import re

import numpy as np
import pandas as pd
import pytest

from tests import artefacts
from tunesmith.datasets.examples import Examples, View
from tunesmith.reports import evaluation_figures
from tunesmith.reports.style import DARK, VARIABLES, png, styled, svg


@pytest.fixture(autouse=True)
def house_style():
    with styled():
        yield


def texts(figure) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg(figure, "f"))


def test_a_page_drawing_takes_its_colours_from_the_page():
    drawing = svg(evaluation_figures.confusion_figure(np.array([[5, 1], [0, 4]]), ("a", "b")), "f")
    assert "var(--ink)" in drawing
    assert "var(--series-0)" in drawing
    assert not set(re.findall(r"#[0-9a-f]{6}\b", drawing)) - {"#000000"}
    assert len(set(VARIABLES.values())) == len(VARIABLES) == len(DARK)


def test_a_drawing_is_the_same_every_time():
    def draw() -> str:
        return svg(evaluation_figures.confusion_figure(np.array([[5, 1], [0, 4]]), ("a", "b")), "f")

    assert draw() == draw()


def test_confusion_shows_counts_and_shares():
    found = texts(
        evaluation_figures.confusion_figure(np.array([[30, 10], [0, 4]]), ("bach", "chopin"))
    )
    assert {"30", "10", "75", "25", "100", "bach", "chopin"} <= set(found)


def test_many_classes_are_drawn_without_numbers():
    counts = np.diag(np.arange(1, 61))
    drawing = evaluation_figures.confusion_figure(counts, tuple(f"class {i}" for i in range(60)))
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
    found = texts(evaluation_figures._parallel(search_tables(12), "macro_f1"))
    assert "rate" in found
    assert "kind" in found
    assert "fixed" not in found
    assert {"a", "b"} <= set(found)


def test_parallel_coordinates_need_a_few_trials():
    assert evaluation_figures._parallel(search_tables(3), "macro_f1") is None


def test_scale_of_settings_is_logarithmic_where_they_span_powers():
    scale = evaluation_figures._Scale([1e-4, 1e-2, 1.0])
    assert [scale.place(v) for v in (1e-4, 1e-2, 1.0)] == pytest.approx([0, 0.5, 1])
    assert evaluation_figures._Scale([2, 3, 4]).place(3) == pytest.approx(0.5)
    assert evaluation_figures._Scale(["x", "y"]).place("y") == 1
    assert np.isnan(scale.place(None))


def test_the_search_marks_its_best_trial():
    tables = search_tables(8)
    best = int(tables["score"].idxmax())
    found = texts(evaluation_figures._search(tables, "macro_f1", best))
    assert f"best {tables['score'].max():.3f}" in found
    assert evaluation_figures._search(tables.assign(score=np.nan), "macro_f1", best) is None


def test_correlation_is_drawn_of_tables_that_fit():
    examples = artefacts.make_examples(60)
    names = ["a", "b", "c", "d", "e", "f"]
    assert set(names) <= set(texts(evaluation_figures._correlation(examples, names)))
    assert evaluation_figures._correlation(examples, ()) is None
    x = examples.view("features").x.copy()
    x[:, 1] = 7.0
    x[::5, 2] = np.nan
    holes = Examples(
        examples.y, examples.classes, examples.groups, examples.ids,
        {"features": View.one_row_each(x)},
    )  # fmt: skip
    found = texts(evaluation_figures._correlation(holes, names))
    assert "b" not in found
    assert "c" in found


def test_curves_without_training_loss_are_drawn():
    history = pd.DataFrame({"trial": [0, 0], "step": [1, 2], "macro_f1": [0.5, 0.6]})
    trials = search_tables(1)
    assert evaluation_figures._curves(history, trials, "macro_f1", {0}) is not None
    assert evaluation_figures._curves(history.iloc[:0], trials, "macro_f1", {0}) is None


def test_curves_are_coloured_by_the_settings_that_matter():
    trials = search_tables(9)
    history = pd.DataFrame(
        [
            {"trial": trial, "step": step, "log_loss": 1 / step + trial / 50}
            for trial in trials["trial"]
            for step in range(1, 6)
        ]
    )
    found = texts(evaluation_figures._curves_by_setting(history, trials))
    assert {"cnn: rate", "cnn: kind", "a", "b"} <= set(found)
    assert [text for text in found if text.startswith("up to 0.00")]
    assert "cnn: fixed" not in found
    assert evaluation_figures._curves_by_setting(history[history["trial"] < 3], trials) is None
    assert evaluation_figures._curves_by_setting(history.drop(columns="log_loss"), trials) is None


def test_the_setting_that_moves_the_score_explains_it():
    trials = search_tables(40)
    settings = [json.loads(text) for text in trials["params"]]
    shares = evaluation_figures._explained(settings, trials["score"].to_numpy())
    assert shares["rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)
    assert "cnn, 40 trials" in texts(evaluation_figures._settings(trials))
    assert evaluation_figures._settings(trials[:5]) is None


def test_downsampling_tells_what_it_loses():
    parts = {
        "train": {"a": 50, "b": 20},
        "validation": {"a": 5, "b": 0},
        "test": {"a": 5, "b": 0},
    }
    found = texts(evaluation_figures._downsampling(parts))
    assert {"As they are: 80", "Downsampled: 40, 50% lost", "60", "20"} <= set(found)
    assert evaluation_figures._downsampling({"train": {"a": 50, "b": 49}}) is None


def test_selection_marks_what_correlation_drops():
    found = {
        "columns": [
            {"name": "energy", "importance": 0.4, "dropped": False, "with": None},
            {"name": "loudness", "importance": 0.1, "dropped": True, "with": "energy"},
        ]
    }
    drawn = texts(evaluation_figures._selection(found))
    assert {"energy", "loudness", "goes with energy", "dropped by correlation"} <= set(drawn)
    assert evaluation_figures._selection(None) is None


def test_pictures_say_what_they_are_and_what_was_answered():
    row = {"kind": "sure and wrong", "id": "i", "label": "7", "answer": "1", "confidence": 0.9}
    found = {"height": 2, "width": 3, "rows": [row | {"pixels": [0, 50, 100, 150, 200, 250]}]}
    drawing = evaluation_figures._pictures(found)
    assert {"Sure and wrong", "7 as 1, 0.90"} <= set(texts(drawing))
    assert "data:image/png;base64" in svg(drawing, "f")
    assert evaluation_figures._pictures(None) is None


def test_importance_of_pictures_is_a_map():
    found = {"method": "one patch blanked", "parts": [1], "grid": [[0.0, 0.4], [-0.1, 0.2]]}
    assert "One patch blanked: at most 0.400" in texts(evaluation_figures._importance(found))


def test_bins_of_few_answers_are_drawn_as_one():
    bins = {
        "low": [0.0] * 4,
        "high": [1.0] * 4,
        "count": [2, 3, 20, 40],
        "confidence": [0.3, 0.5, 0.8, 0.95],
        "accuracy": [0.5, 1.0, 0.75, 0.95],
    }
    sure, share, low, high, count = evaluation_figures._merged(bins)
    assert count.tolist() == [25, 40]
    assert share[0] == pytest.approx((1 + 3 + 15) / 25)
    assert sure[0] == pytest.approx((0.6 + 1.5 + 16) / 25)
    assert (low < share).all()
    assert (share < high).all()
    few = {name: values[:2] for name, values in bins.items()}
    assert evaluation_figures._merged(few)[-1].tolist() == [5]


def test_members_of_an_ensemble_win_too():
    assert evaluation_figures._winners({"trial": 9, "members": [{"trial": 2}, {"trial": 5}]}) == {
        9,
        2,
        5,
    }
