"""The texts of a plot, for tests of what it shows."""

import re

from tunesmith.reports.style import styled, svg


def texts(figure) -> list[str]:
    """Return every text of a figure in the order of drawing."""
    with styled():
        return re.findall(r"<text[^>]*>([^<]*)</text>", svg(figure, "f"))
