import numpy as np
import pytest

from tests.reports.texts import texts
from tunesmith.artifacts.importances import (
    ColumnImportance,
    ColumnSelection,
    Importance,
    ImportancePart,
)
from tunesmith.artifacts.reports import Reliability
from tunesmith.reports import result_figures
from tunesmith.reports.style import png


def test_confusion_shows_counts_and_shares():
    figure = result_figures.confusion(np.array([[30, 10], [0, 4]]), ("bach", "chopin"))
    assert {"30", "10", "75", "25", "100", "bach", "chopin"} <= set(texts(figure))


def test_many_classes_have_one_matrix_with_every_name_and_no_zeros():
    counts = np.diag(np.arange(1, 47))
    figure = result_figures.confusion(counts, tuple(f"class {i}" for i in range(46)))
    shown = texts(figure)
    assert len(figure.axes) == 1
    assert {f"class {i}" for i in range(46)} <= set(shown)
    assert sorted(int(text) for text in shown if text.isdigit()) == list(range(1, 47))
    assert png(figure).startswith(b"\x89PNG")


def test_still_more_classes_are_drawn_without_numbers():
    counts = np.diag(np.arange(1, 151))
    shown = texts(result_figures.confusion(counts, tuple(f"class {i}" for i in range(150))))
    assert not [text for text in shown if text.isdigit()]
    assert 2 * 40 < len(shown) < 2 * 60 + 10


def test_selection_marks_the_columns_that_correlation_drops():
    scores = ColumnSelection(
        model="toy",
        threshold=0.7,
        columns=(
            ColumnImportance(name="energy", importance=0.4, dropped=False),
            ColumnImportance(
                name="loudness", importance=0.1, dropped=True, correlates_with="energy"
            ),
        ),
        choices=(),
    )
    shown = set(texts(result_figures.selection(scores)))
    assert {"energy", "loudness", "correlates with energy", "dropped for its correlation"} <= shown
    assert result_figures.selection(None) is None


def test_importance_of_pictures_is_a_map():
    part = ImportancePart(name="patch_0_0", rise=0.0, columns=1)
    scores = Importance(
        method="one patch blanked", log_loss=1.0, parts=(part,), grid=((0.0, 0.4), (-0.1, 0.2))
    )
    assert "One patch blanked: at most 0.400" in texts(result_figures.importance(scores))


def test_bins_of_few_predictions_are_merged():
    bins = {
        "low": (0.0,) * 4,
        "high": (1.0,) * 4,
        "count": (2, 3, 20, 40),
        "confidence": (0.3, 0.5, 0.8, 0.95),
        "accuracy": (0.5, 1.0, 0.75, 0.95),
    }
    confidence, share, low, high, count = result_figures.merged_bins(Reliability(**bins))
    assert count.tolist() == [25, 40]
    assert share[0] == pytest.approx((1 + 3 + 15) / 25)
    assert confidence[0] == pytest.approx((0.6 + 1.5 + 16) / 25)
    assert (low < share).all()
    assert (share < high).all()
    few = Reliability(**{name: values[:2] for name, values in bins.items()})
    assert result_figures.merged_bins(few)[-1].tolist() == [5]
