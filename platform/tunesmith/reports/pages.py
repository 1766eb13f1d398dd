"""Pages from templates: one file each, without requests, light or dark as preferred.

A page has a script only where something is to be heard or chosen; its policy names it by hash.
"""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import Markup

from tunesmith.reports.style import DARK, VARIABLES, styled, svg

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

__all__ = ["counted", "percent", "render", "script"]

_WIDEST_REM, _REM_PER_INCH = 59, 6.4
# A plot up to this width is shown whole on a phone; wider ones are scrolled.
_FITS_A_PHONE_REM = 32


def render(template: str, **content: object) -> str:
    """Return a page.

    Parameters
    ----------
    template
        Name of a file in ``reports/templates/``.
    **content
        Values for the template. Text is escaped.
    """
    return _environment().get_template(template).render(**content)


def script(name: str) -> tuple[Markup, str]:
    """Return a script from ``reports/templates/``, and the hash by which a policy allows it.

    Parameters
    ----------
    name
        Name of the file.

    Returns
    -------
    Markup
        The script, to stand alone in a ``script`` element.
    str
        Its source expression for a Content-Security-Policy, such as ``'sha256-…'``.
    """
    text = (files("tunesmith.reports") / "templates" / name).read_text(encoding="utf-8")
    digest = hashlib.sha256(text.encode()).digest()
    return Markup(text), f"'sha256-{base64.b64encode(digest).decode()}'"  # noqa: S704 - ours


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tunesmith.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "counted": counted,
        "percent": percent,
        "svg": _svg,
        "plot_style": _plot_style,
    }
    environment.globals |= {"light": _variables(dark=False), "dark": _variables(dark=True)}
    return environment


def _variables(*, dark: bool) -> Markup:
    """Return the colours of a scheme as CSS variables."""
    return Markup(" ").join(
        Markup("{}: {};").format(name, DARK[colour] if dark else colour)
        for colour, name in VARIABLES.items()
    )


def _svg(figure: "Figure", name: str) -> Markup:
    with styled():
        return Markup(svg(figure, name))  # noqa: S704 - matplotlib escapes the texts in it


def _plot_style(figure: "Figure") -> str:
    """Return the largest width of a plot, and the width below which it is scrolled."""
    width_rem = min(figure.get_figwidth() * _REM_PER_INCH, _WIDEST_REM)
    least_rem = 0.8 * width_rem if width_rem > _FITS_A_PHONE_REM else 0.0
    return f"max-width: {width_rem:.0f}rem; --natural: {least_rem:.0f}rem"


def percent(share: float, digits: int = 0) -> str:
    """Return a share as per cent, such as ``83 %``."""
    return f"{100 * share:.{digits}f}\N{NO-BREAK SPACE}%"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, such as ``1 file`` or ``1,200 files``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
