"""The pages for everyone: axe-core in both schemes and at two widths, weight and first paint."""

import pytest
from playwright.sync_api import Page, expect

from tests.serving.accessibility import violations_on_every_screen
from tests.serving.bands import band_file
from tests.serving.browser import NEEDS_CHROMIUM, open_tab, wait_for

pytestmark = NEEDS_CHROMIUM


def with_an_answer(page: Page) -> None:
    """Show a built-in piece with its answer and reasons, and open all that is folded."""
    page.locator("#pieces button").first.click()
    expect(page.locator("#why")).to_be_visible()
    page.click("#open-keys")
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")


def with_tracks(page: Page) -> None:
    """Show a piece of several instruments, one of them muted, and a reason lit up on the roll."""
    file = {"name": "band.mid", "mimeType": "audio/midi", "buffer": band_file()}
    page.locator("#file").set_input_files(files=[file])
    expect(page.locator("#why")).to_be_visible()
    page.locator("#track-list button").first.click()
    page.locator("#reasons button").first.click()


def on_the_full_screen(page: Page) -> None:
    """Show a piece of several instruments on the full screen."""
    with_tracks(page)
    page.click("#full-screen")
    expect(page.locator("#viewer:fullscreen")).to_have_count(1)


def with_a_problem(page: Page) -> None:
    """Show what is wrong with a file."""
    file = {"name": "a.txt", "mimeType": "text/plain", "buffer": b"Dear Sir"}
    page.locator("#file").set_input_files(files=[file])
    expect(page.locator("#problem")).to_be_visible()


def with_operations(page: Page) -> None:
    """Open the routes of the API."""
    expect(page.locator("details.operation").nth(10)).to_be_attached()
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")


def in_the_game(page: Page) -> None:
    """Begin the game."""
    page.click("#open-game")
    expect(page.locator("#guesses button")).not_to_have_count(0)


PAGES = {
    "page": ("/", lambda page: expect(page.locator("#pieces button")).not_to_have_count(0)),
    "answer": ("/", with_an_answer),
    "tracks": ("/", with_tracks),
    "full screen": ("/", on_the_full_screen),
    "game": ("/", in_the_game),
    "problem on the page": ("/", with_a_problem),
    "routes": ("/docs", with_operations),
    "models": ("/v1/models", lambda page: expect(page.locator("h2")).not_to_have_count(0)),
    "kind of problem": (
        "/problems/not-midi",
        lambda page: expect(page.locator("#advice")).not_to_be_empty(),
    ),
}


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_violation(everything: str, name: str) -> None:
    path, show = PAGES[name]
    with open_tab() as tab:
        tab.page.goto(f"{everything}{path}")
        show(tab.page)
        assert violations_on_every_screen(tab.page) == {}


def test_the_page_is_light_and_paints_soon(everything: str) -> None:
    with open_tab() as tab:
        sizes: dict[str, int] = {}
        tab.page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}))
        tab.page.goto(f"{everything}/")
        expect(tab.page.locator("#pieces button")).not_to_have_count(0)
        expect(tab.page.locator("#sentence")).to_be_visible()
        paints = []
        for _ in range(3):  # the soonest: other work may share the machine
            tab.page.reload()
            wait_for(tab.page, "performance.getEntriesByType('paint').length > 1")
            paints.append(tab.page.evaluate(FIRST_PAINT))
        weight = sum(sizes.values())
        print(f"\n{weight:,} bytes in {len(sizes)} files, painted after {min(paints):.0f} ms")
        assert 50_000 < weight < 400_000
        assert min(paints) < 1000


FIRST_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
