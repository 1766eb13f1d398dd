import numpy as np
import pandas as pd

from tests.reports.texts import texts
from tests.reports.trials import search_tables
from tunesmith.artifacts.runs import Member, Winner
from tunesmith.reports import search_figures


def test_parallel_coordinates_show_the_settings_that_vary():
    shown = texts(search_figures.parallel(search_tables(12), "macro_f1"))
    assert "rate" in shown
    assert "kind" in shown
    assert "fixed" not in shown
    assert {"a", "b"} <= set(shown)


def test_parallel_coordinates_need_a_few_trials():
    assert search_figures.parallel(search_tables(3), "macro_f1") is None


def test_the_search_marks_its_best_trial():
    table = search_tables(8)
    best = int(table["score"].idxmax())
    shown = texts(search_figures.trials(table, "macro_f1", best))
    assert f"best {table['score'].max():.3f}" in shown
    assert search_figures.trials(table.assign(score=np.nan), "macro_f1", best) is None


def test_curves_without_training_loss_are_drawn():
    history = pd.DataFrame({"trial": [0, 0], "step": [1, 2], "macro_f1": [0.5, 0.6]})
    table = search_tables(1)
    assert search_figures.curves(history, table, "macro_f1", {0}) is not None
    assert search_figures.curves(history.iloc[:0], table, "macro_f1", {0}) is None


def test_curves_are_coloured_by_the_settings_that_matter():
    table = search_tables(9)
    history = pd.DataFrame(
        [
            {"trial": trial, "step": step, "log_loss": 1 / step + trial / 50}
            for trial in table["trial"]
            for step in range(1, 6)
        ]
    )
    shown = texts(search_figures.curves_by_setting(history, table))
    assert {"cnn: rate", "cnn: kind", "a", "b"} <= set(shown)
    assert [text for text in shown if text.startswith("up to 0.00")]
    assert "cnn: fixed" not in shown
    assert search_figures.curves_by_setting(history[history["trial"] < 3], table) is None
    assert search_figures.curves_by_setting(history.drop(columns="log_loss"), table) is None


def test_settings_are_drawn_from_ten_trials_on():
    table = search_tables(40)
    assert "cnn, 40 trials" in texts(search_figures.settings(table))
    assert search_figures.settings(table[:5]) is None


def test_members_of_an_ensemble_win_too():
    members = [Member(trial=trial, family="cnn", params={}, score=0.5, steps=1) for trial in (2, 5)]
    winner = Winner(
        trial=9, family="ensemble", params={}, score=0.6, steps=1, members=tuple(members)
    )
    assert search_figures.winners(winner) == {9, 2, 5}
    assert search_figures.winners(None) == set()
