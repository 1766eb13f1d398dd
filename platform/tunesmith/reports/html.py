"""A page that is one file: no scripts, no requests, light or dark as the reader prefers."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from tunesmith.reports.style import DARK, VARIABLES, svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["document", "drawing", "table", "tiles"]

_CSS = """
:root { color-scheme: light dark; %(light)s --panel: #f5f7f9; }
@media (prefers-color-scheme: dark) { :root { %(dark)s --panel: #1c2228; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 3rem 1.5rem 5rem; }
h1 { font-size: 2.1rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; margin: 3.4rem 0 .4rem; letter-spacing: -.005em; }
h3 { font-size: 1rem; margin: 1.6rem 0 .2rem; }
p { margin: .4rem 0 1rem; max-width: 46rem; }
code { font-size: .9em; }
.quiet, figcaption, caption { color: var(--muted); font-size: .875rem; }
.hero { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.6rem, 1fr)); gap: .8rem;
  margin: 2rem 0 1rem; }
.hero div { background: var(--panel); border-radius: .6rem; padding: .85rem .95rem; }
.hero b { display: block; font-size: 1.6rem; line-height: 1.2; font-weight: 650;
  font-variant-numeric: tabular-nums; }
.hero span { color: var(--muted); font-size: .8125rem; display: block; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 0 2rem; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums;
  margin: .6rem 0 1rem; }
th, td { text-align: left; padding: .34rem 1.4rem .34rem 0; border-bottom: 1px solid var(--grid);
  vertical-align: baseline; }
th { font-weight: 600; color: var(--muted); font-size: .8125rem; }
td.number, th.number { text-align: right; }
caption { text-align: left; padding-bottom: .4rem; }
figure { margin: 1rem 0 1.5rem; }
figure svg { display: block; width: 100%%; height: auto; font-family: inherit; }
figure.half { max-width: 30rem; }
figcaption { margin-top: .3rem; }
footer { margin-top: 4rem; border-top: 1px solid var(--grid); padding-top: 1rem; }
%(extra)s
"""


def document(title: str, body: str, css: str = "") -> str:
    """Return a whole page.

    Parameters
    ----------
    title
        Its title, as text.
    body
        HTML.
    css
        Rules of this page alone.
    """
    light = " ".join(f"{name}: {colour};" for colour, name in VARIABLES.items())
    dark = " ".join(f"{name}: {DARK[colour]};" for colour, name in VARIABLES.items())
    style = _CSS % {"light": light, "dark": dark, "extra": css}
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        f"{body}\n</main>\n</body>\n</html>\n"
    )


def tiles(facts: Iterable[tuple[str, str, str]]) -> str:
    """Return large figures side by side: what, how much, a note."""
    cells = "".join(
        f"<div><span>{escape(what)}</span><b>{escape(value)}</b><span>{escape(note)}</span></div>"
        for what, value, note in facts
    )
    return f'<div class="hero">{cells}</div>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], texts: int = 1) -> str:
    """Return a table; cells are text, all but the first `texts` columns are numbers."""
    kinds = ["" if i < texts else ' class="number"' for i in range(len(head))]
    top = "".join(f"<th{kind}>{escape(name)}</th>" for kind, name in zip(kinds, head, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{k}>{escape(cell)}</td>" for k, cell in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows
    )
    inner = f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="table"><table>{inner}</table></div>'


def drawing(figure: "Figure", name: str, caption: str, kind: str = "") -> str:
    """Return a figure with its caption.

    Parameters
    ----------
    figure
        Drawn inside `tunesmith.reports.style.styled`.
    name
        Unique on the page.
    caption
        What it shows, as text.
    kind
        CSS class.
    """
    of_class = f' class="{kind}"' if kind else ""
    return (
        f"<figure{of_class}>{svg(figure, name)}<figcaption>{escape(caption)}</figcaption></figure>"
    )
