import re

import numpy as np

from tunesmith.reports.result_figures import confusion
from tunesmith.reports.style import DARK, VARIABLES, svg

COUNTS = np.array([[5, 1], [0, 4]])


def test_a_page_drawing_takes_its_colours_from_the_page():
    drawing = svg(confusion(COUNTS, ("a", "b")), "f")
    assert "var(--ink)" in drawing
    assert "var(--series-0)" in drawing
    assert not set(re.findall(r"#[0-9a-f]{6}\b", drawing)) - {"#000000"}
    assert len(set(VARIABLES.values())) == len(VARIABLES) == len(DARK)


def test_a_drawing_is_the_same_every_time():
    assert svg(confusion(COUNTS, ("a", "b")), "f") == svg(confusion(COUNTS, ("a", "b")), "f")
