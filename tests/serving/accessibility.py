"""Accessibility of pages by axe-core, whose script a package of its own brings."""

from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.serving.browser import open_tab

__all__ = ["violations_of_document", "violations_on_every_screen"]

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


def violations_of_document(content: str, folder: Path) -> dict[str, list[str]]:
    """Return what axe-core finds on a page that is a file of its own, all that folds opened."""
    place = folder / "page.html"
    place.write_text(content, encoding="utf-8")
    with open_tab() as tab:
        tab.page.goto(place.as_uri())
        tab.page.evaluate(
            "for (const each of document.querySelectorAll('details')) each.open = true"
        )
        return violations_on_every_screen(tab.page)


def _violations(page: Page) -> list[str]:
    """Return rule, element and what to do about it."""
    results = Axe().run(page).response
    return [
        f"{rule['id']}: {node['html'][:160]} {node['failureSummary'][:300]}"
        for rule in results["violations"]
        for node in rule["nodes"][:4]
    ]
