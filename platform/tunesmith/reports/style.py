"""The look of every plot, in print and on a page that may be light or dark.

Plots use the few colours below and transparency, nothing else. In an SVG for a page each colour
becomes a CSS variable, so that one drawing follows the reader's colour scheme.
"""

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "ACCENT",
    "GRID",
    "GROUND",
    "INK",
    "MUTED",
    "SERIES",
    "VARIABLES",
    "png",
    "styled",
    "svg",
]

INK = "#20262d"
MUTED = "#68727d"
GRID = "#dde2e8"
GROUND = "#fffffe"
ACCENT = "#2b6c99"
# After Okabe and Ito (2008): distinct for readers with any colour vision.
SERIES = ("#2b6c99", "#d1662e", "#2f8f6f", "#8f5fa8", "#b08a1e", "#4fa3c7", "#a8455a", "#68727c")

DARK = {
    INK: "#e4e8ec",
    MUTED: "#96a1ac",
    GRID: "#363e47",
    GROUND: "#15191e",
    SERIES[0]: "#6fb1de",
    SERIES[1]: "#ee9163",
    SERIES[2]: "#5fc4a0",
    SERIES[3]: "#bf94d6",
    SERIES[4]: "#d8b64f",
    SERIES[5]: "#8accea",
    SERIES[6]: "#dd8093",
    SERIES[7]: "#98a3ad",
}
"""The colour of the dark scheme for each light one."""

_NAMES = {INK: "ink", MUTED: "muted", GRID: "grid", GROUND: "ground"}
VARIABLES = {
    colour: f"--{_NAMES.get(colour) or f'series-{SERIES.index(colour)}'}" for colour in DARK
}
"""Name of the CSS variable for each colour."""

_FONT = "DejaVu Sans"
# Chinese, Japanese, Korean, and the rest; the first that is installed has its letters drawn.
_OTHER_LETTERS = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans CJK KR", "Noto Sans JP", "Noto Sans SC",
    "Noto Sans KR", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "IPAexGothic", "NanumGothic",
    "Droid Sans Fallback", "Noto Sans", "FreeSans", "Arial Unicode MS", "Hiragino Sans",
)  # fmt: skip

_RC: Any = {
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "figure.facecolor": GROUND,
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.6,
    "savefig.dpi": 160,
    "svg.fonttype": "none",
    "text.color": INK,
    # Names of classes and columns are no formulas: a dollar is a dollar.
    "text.parse_math": False,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "xtick.labelsize": 8,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
    "ytick.labelsize": 8,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the house style inside a ``with`` block."""
    from matplotlib import rc_context

    with rc_context(_RC | {"font.family": _fonts()}):
        yield


@lru_cache(maxsize=1)
def _fonts() -> list[str]:
    """Return the house font, and those of this machine that have the letters which it lacks."""
    from matplotlib import font_manager

    installed = {font.name for font in font_manager.fontManager.ttflist}
    return [_FONT, *(name for name in _OTHER_LETTERS if name in installed)]


@contextmanager
def _saving() -> Iterator[None]:
    """Save in the house style: matplotlib makes the texts of axes only now.

    In an SVG letters stay text, and the reader's machine has fonts for them.
    """
    with styled(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        yield


def png(figure: "Figure") -> bytes:
    """Return a figure as PNG on white, for cards, papers and slides."""
    buffer = io.BytesIO()
    with _saving():
        figure.savefig(buffer, format="png", bbox_inches="tight", pad_inches=0.12)
    return buffer.getvalue()


def svg(figure: "Figure", name: str) -> str:
    """Return a figure as an SVG element for a page.

    Parameters
    ----------
    figure
        A figure drawn inside `styled`.
    name
        A name unique on the page, which keeps the inner references of drawings apart.
    """
    from matplotlib import rc_context

    buffer = io.StringIO()
    with _saving(), rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(
            buffer,
            format="svg",
            bbox_inches="tight",
            pad_inches=0.05,
            transparent=True,
            metadata={"Date": None, "Creator": None},
        )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var({variable})")
    # Sizes come from the page; the font is the page's own.
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    text = re.sub(rf"'{_FONT}'(, '[^']*')*", "inherit", text)
    # Inner names must not meet those of another drawing on the page.
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
