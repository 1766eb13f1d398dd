"""The page by keyboard alone: no step of these tests touches a mouse."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import FileChooser, Page, expect

from tests.serving.bands import BAND, band_file
from tests.serving.browser import NEEDS_CHROMIUM, open_tab

pytestmark = NEEDS_CHROMIUM
_MOST_STEPS = 80


@pytest.fixture
def page(url: str) -> Iterator[Page]:
    """Open the page; afterwards nothing may have failed."""
    with open_tab() as tab:
        # Takes choosers from the browser from now on: a key may be quicker than a request for one.
        tab.page.on("filechooser", lambda _: None)
        tab.page.goto(f"{url}/")
        expect(tab.page.locator("#pieces button")).not_to_have_count(0)
        yield tab.page
        assert tab.errors == []


def focused(page: Page) -> tuple[str, str]:
    """Return id and name of the element that has the focus."""
    id_, name = page.evaluate(
        "(() => { const at = document.activeElement; "
        "return [at.id, at.getAttribute('aria-label') ?? at.textContent.trim()]; })()"
    )
    return id_, name


def tab_to(page: Page, wanted: Callable[[str, str], bool], key: str = "Tab") -> None:
    """Press Tab until the focus is where it is wanted, and check that it can be seen there."""
    passed = []
    for _ in range(_MOST_STEPS):
        page.keyboard.press(key)
        passed.append(focused(page))
        if wanted(*passed[-1]):
            assert page.evaluate("document.activeElement.matches(':focus-visible')")
            return
    raise AssertionError(passed)


def test_a_round_of_the_game_is_played_by_keyboard(page: Page) -> None:
    tab_to(page, lambda id_, _: id_ == "open-game")
    page.keyboard.press("Enter")
    expect(page.locator("#game-state")).to_have_text("Who wrote this?")
    assert focused(page)[1] == "Johann Sebastian Bach"
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "true")
    tab_to(page, lambda _, name: name == "Ludwig van Beethoven")
    page.keyboard.press("Enter")
    expect(page.locator("#game-state")).to_contain_text("You: ")
    expect(page.locator("#game-state")).to_contain_text(" of 1, the model: ")
    # The answer is announced, and the next step has the focus.
    expect(page.locator("#announce")).to_contain_text("Beethoven.")
    assert focused(page)[1] == "Next piece"
    page.keyboard.press("Enter")
    expect(page.locator("#game-state")).to_have_text("Who wrote this?")
    assert focused(page)[1] == "Johann Sebastian Bach"
    tab_to(page, lambda id_, _: id_ == "open-game", "Shift+Tab")
    page.keyboard.press("Space")
    expect(page.locator("#game")).to_be_hidden()


def test_a_piece_is_chosen_heard_muted_and_understood_by_keyboard(page: Page) -> None:
    tab_to(page, lambda id_, _: id_ == "file")
    with page.expect_file_chooser() as asked:
        page.keyboard.press("Enter")
    chooser: FileChooser = asked.value
    file = {"name": "band.mid", "mimeType": "audio/midi", "buffer": band_file()}
    chooser.set_files(files=[file])
    expect(page.locator("#why")).to_be_visible()
    assert page.inner_text("#verdict") in (page.text_content("#announce") or "")

    tab_to(page, lambda id_, _: id_ == "seek")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#clock")).to_contain_text("0:01 /")
    heard_here = page.get_attribute("#seek", "aria-valuetext") or ""
    assert re.search(r"0:01, Beethoven \d+ %", heard_here)
    page.keyboard.press("Space")
    expect(page.locator("#play")).to_have_attribute("aria-pressed", "true")

    tab_to(page, lambda id_, _: id_ == "full-screen")
    page.keyboard.press("Enter")
    expect(page.locator("#viewer:fullscreen")).to_have_count(1)
    drums = page.get_by_role("button", name=f"Mute {BAND[-1]}")
    tab_to(page, lambda _, name: name == f"Mute {BAND[-1]}")
    page.keyboard.press("Space")
    expect(drums).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("f")
    expect(page.locator("#viewer:fullscreen")).to_have_count(0)
    expect(drums).to_be_focused()
    page.keyboard.press("Space")
    expect(drums).to_have_attribute("aria-pressed", "false")

    tab_to(page, lambda _, name: name.startswith("Notes from C"))
    page.keyboard.press("Enter")
    expect(page.locator("#why-place")).to_contain_text("notes are lit up")
    tab_to(page, lambda _, name: name == "Segment table")
    page.keyboard.press("Enter")
    expect(page.locator("#segments td").first).to_be_visible()
    assert page.inner_text("#segments td:nth-child(3) >> nth=0") == "Beethoven"
