import html
import re

import numpy as np
import pytest

from tunesmith.reports.result_figures import confusion
from tunesmith.reports.style import DARK, VARIABLES, png, svg

COUNTS = np.array([[5, 1], [0, 4]])


def test_a_page_drawing_takes_its_colours_from_the_page():
    drawing = svg(confusion(COUNTS, ("a", "b")), "f")
    assert "var(--ink)" in drawing
    assert "var(--series-0)" in drawing
    assert not set(re.findall(r"#[0-9a-f]{6}\b", drawing)) - {"#000000"}
    assert len(set(VARIABLES.values())) == len(VARIABLES) == len(DARK)


@pytest.mark.parametrize(
    "name", ["$a_b$", "100 $ $", "\\frac{1}", "$", "音楽 한국어 中文", "Дом <b>&amp;", "a\nb"]
)
def test_names_are_drawn_as_they_are(name):
    figure = confusion(COUNTS, (name, "b"))
    assert name.split("\n")[0] in html.unescape(svg(figure, "f"))
    assert png(confusion(COUNTS, (name, "b"))).startswith(b"\x89PNG")


def test_a_drawing_is_the_same_every_time():
    assert svg(confusion(COUNTS, ("a", "b")), "f") == svg(confusion(COUNTS, ("a", "b")), "f")
