"""Accessibility of pages by axe-core, whose script a package of its own brings."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

__all__ = ["violations_on_every_screen"]

SCREENS = [(390, False), (390, True), (1440, False), (1440, True)]
"""Width in CSS pixels, and whether the dark scheme is preferred."""


def violations_on_every_screen(page: Page) -> dict[str, list[str]]:
    """Return what axe-core finds on a page as it is now, at both widths and in both schemes."""
    found = {}
    for width, is_dark in SCREENS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if is_dark else "light")
        if faults := _violations(page):
            found[f"{width} px, {'dark' if is_dark else 'light'}"] = faults
    return found


def _violations(page: Page) -> list[str]:
    """Return rule, element and what to do about it."""
    results = Axe().run(page).response
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for rule in results["violations"]
        for node in rule["nodes"][:4]
    ]
