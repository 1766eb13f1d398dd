import json

import numpy as np
import pytest

from tests.reports.trials import search_tables
from tunesmith.reports.settings import Scale, explained


def test_the_scale_of_a_setting_is_logarithmic_where_it_spans_powers():
    scale = Scale([1e-4, 1e-2, 1.0])
    assert [scale.place(v) for v in (1e-4, 1e-2, 1.0)] == pytest.approx([0, 0.5, 1])
    assert Scale([2, 3, 4]).place(3) == pytest.approx(0.5)
    assert Scale(["x", "y"]).place("y") == 1
    assert np.isnan(scale.place(None))


def test_the_setting_that_moves_the_score_explains_it():
    table = search_tables(40)
    shares = explained([json.loads(text) for text in table["params"]], table["score"].to_numpy())
    assert shares["rate"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)
