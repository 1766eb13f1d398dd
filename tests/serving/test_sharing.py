"""Sharing an answer from the page: an address that shows it again, a picture, and the notes."""

import base64
import json
import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.serving.browser import NEEDS_CHROMIUM, Tab, open_tab

pytestmark = NEEDS_CHROMIUM


@contextmanager
def page_of(address: str) -> Iterator[Tab]:
    """Open an address of the page in a browser of its own; nothing may fail there."""
    with open_tab() as tab:
        tab.page.goto(address)
        expect(tab.page.locator("#pieces button")).not_to_have_count(0)
        yield tab
        assert tab.errors == []


def expect_answer(page: Page) -> None:
    """Wait until the segments of a piece are there."""
    expect(page.locator("#segments > *")).not_to_have_count(0)


def shown(page: Page) -> list[str]:
    """Return everything that the page says about a piece."""
    places = ("#piece-name", "#verdict", "#verdict-more", "#bars", "#segments", "#about-model")
    return [page.locator(place).text_content() or "" for place in places]


def test_a_link_shows_the_same_answer_without_asking_again(
    url: str, tmp_path: Path, midi_factory: Callable[..., bytes]
) -> None:
    file = tmp_path / "Für “Élise” <b>.mid"
    file.write_bytes(midi_factory(n_notes=400))
    with page_of(url) as tab:
        tab.page.locator("#file").set_input_files(file)
        expect_answer(tab.page)
        assert "#" not in tab.page.url
        tab.page.click("#copy-link")
        expect(tab.page.locator("#share-state")).not_to_be_empty()
        link, before = tab.page.url, shown(tab.page)
    assert re.fullmatch(r".*/#answer=[\w-]+", link)
    assert len(link) < 2000
    with page_of(link) as tab:
        expect_answer(tab.page)
        assert shown(tab.page) == before
        assert tab.page.locator("#shared").is_visible()
        assert tab.page.locator("#roll").is_hidden()
        assert tab.page.title() == f"{file.name}: Beethoven"
        assert not any("/v1/composer" in request for request in tab.requests)
        # A piece of one's own takes its place.
        tab.page.locator("#file").set_input_files(file)
        expect(tab.page.locator("#roll")).to_be_visible()
        expect(tab.page.locator("#shared")).to_be_hidden()
        assert "#" not in tab.page.url


def test_a_link_to_a_built_in_piece_plays_it_again(url: str) -> None:
    with page_of(url) as tab:
        tab.page.locator("#pieces button").nth(1).click()
        expect_answer(tab.page)
        link, before = tab.page.url, shown(tab.page)
    assert link.endswith("/#piece=2")
    with page_of(link) as tab:
        expect_answer(tab.page)
        assert shown(tab.page) == before
        assert tab.page.locator("#play").is_visible()


@pytest.mark.parametrize("rest", ["abc", "AAAA____", "q1YqLU4tCs9PKVayUvLJTy_WUVDSUVIC"])
def test_a_damaged_link_is_told(url: str, rest: str) -> None:
    with page_of(f"{url}/#answer={rest}") as tab:
        expect(tab.page.locator("#problem")).to_contain_text("does not hold an answer")
        assert tab.page.locator("#result").is_hidden()


def test_picture_and_notes_are_saved(
    url: str, tmp_path: Path, midi_factory: Callable[..., bytes]
) -> None:
    file = tmp_path / "my piece.mid"
    file.write_bytes(midi_factory(n_notes=200))
    with page_of(url) as tab:
        tab.page.locator("#file").set_input_files(file)
        expect_answer(tab.page)
        with tab.page.expect_download() as download:
            tab.page.click("#save-picture")
        assert download.value.suggested_filename == "my piece.png"
        picture = Path(download.value.path()).read_bytes()
        assert picture[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", picture[16:24]) == (1200, 630)
        assert len(picture) > 10_000
        with tab.page.expect_download() as download:
            tab.page.click("#save-midi")
        assert download.value.suggested_filename == "my piece.mid"
        assert Path(download.value.path()).read_bytes() == file.read_bytes()


MARKUP = '</script><img src="x" onerror="document.title = 1">'


def address_of(url: str, **changes: object) -> str:
    """Return an address that holds an answer as anybody can write it."""
    facts: dict[str, object] = {
        "version": 1, "name": "a piece", "key": "composer", "labels": ["Bach", "Chopin"],
        "shares": [0.8, 0.2], "flags": [False, False], "model": ["composer", 3, "big4@1"],
        "piece": [400, 61.5], "segments": [[0, 60, 0, 0.8, 0.8, 0.2]],
    }  # fmt: skip
    text = json.dumps([*(facts | changes).values()]).replace("Infinity", "1e999")
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(text.encode()) + packer.flush()
    return f"{url}/#answer={base64.urlsafe_b64encode(packed).decode().rstrip('=')}"


def test_markup_in_a_link_is_text(url: str) -> None:
    changes = {
        "name": MARKUP, "key": "__proto__", "labels": [MARKUP, "__proto__"],
        "model": [MARKUP, 3, MARKUP],
    }  # fmt: skip
    with page_of(address_of(url, **changes)) as tab:
        expect_answer(tab.page)
        assert tab.page.locator("#piece-name").text_content() == MARKUP
        assert tab.page.locator("#verdict").text_content() == MARKUP
        assert tab.page.locator("#segments td").nth(2).text_content() == MARKUP
        assert MARKUP in (tab.page.locator("#about-model").text_content() or "")
        assert tab.page.locator("#result img, #result script").count() == 0
        assert tab.page.title() == f"{MARKUP}: {MARKUP}"
        assert "has not checked" in (tab.page.locator("#shared").text_content() or "")


@pytest.mark.parametrize(
    "changes",
    [
        {"piece": [400, math.inf]},
        {"piece": [400, 1e12]},
        {"piece": [400, None]},
        {"labels": [], "shares": []},
        {"segments": []},
        {"segments": [[0, math.inf, 0, 0.8, 0.8, 0.2]]},
        {"segments": [[0, 60, 9, 0.8, 0.8, 0.2]]},
        {"shares": ["0.8", 0.2]},
        {"name": "a" * 10_000},
        {"name": "a" * 50_000_000},
        {"labels": [{}, "Chopin"]},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_a_link_that_holds_what_no_answer_does_is_told(url: str, changes: dict[str, Any]) -> None:
    with page_of(address_of(url, **changes)) as tab:
        expect(tab.page.locator("#problem")).to_contain_text("does not hold an answer")
        assert tab.page.locator("#result").is_hidden()


def test_a_link_keeps_nothing_of_the_answer_before_it(url: str) -> None:
    with page_of(url) as tab:
        tab.page.locator("#pieces button").first.click()
        expect_answer(tab.page)
        expect(tab.page.locator("#why")).to_be_visible()
        tab.page.evaluate("address => { location.href = address; }", address_of(url))
        expect(tab.page.locator("#shared")).to_be_visible()
        expect(tab.page.locator("#piece-name")).to_have_text("a piece")
        for place in ("#why", "#truth", "#same-music", "#play"):
            assert tab.page.locator(place).is_hidden(), place


def test_a_piece_of_a_century_is_drawn_and_told(url: str, tmp_path: Path) -> None:
    events = b"\x00\xff\x51\x03\xff\xff\xff" + b"\xff\xff\xff\x7f\x90\x40\x40" + b"\x01\x80\x40\x00"
    track = events + b"\x00\xff\x2f\x00"
    file = tmp_path / "long.mid"
    file.write_bytes(
        b"MThd" + struct.pack(">IHHH", 6, 0, 1, 1) + b"MTrk" + struct.pack(">I", len(track)) + track
    )
    with open_tab() as tab:
        tab.page.goto(url)
        tab.page.locator("#file").set_input_files(file)
        expect(tab.page.locator("#problem")).to_be_visible()
        expect(tab.page.locator("#problem")).not_to_contain_text("on this page")
