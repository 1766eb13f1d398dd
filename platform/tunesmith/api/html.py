"""Small tables for notebooks."""

from collections.abc import Iterable
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["facts_html", "table_html"]


def table_html(title: str, frame: "pd.DataFrame", note: str = "") -> str:
    """Return a table with a title above it and a note below, all escaped."""
    table = frame.rename_axis(index=None, columns=None).to_html(
        border=0, float_format="{:.3f}".format
    )
    below = f"<p>{escape(note)}</p>" if note else ""
    return f"<div><strong>{escape(title)}</strong>{table}{below}</div>"


def facts_html(title: str, facts: Iterable[tuple[str, str]]) -> str:
    """Return named values, one a line, under a title, all escaped."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th>'
        f'<td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in facts
    )
    return f"<div><strong>{escape(title)}</strong><table>{rows}</table></div>"
