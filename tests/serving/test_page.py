"""The page in a headless Chromium: what a person does, with mouse, touch, keyboard and reader."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest
import uvicorn

from tests.serving.browser import Browser, find_chromium
from tests.serving.conftest import TASKS, write_bundle
from tests.serving.http.test_auth import make_key
from tests.serving.test_processes import free_port
from tunesmith.artifacts.store import Store
from tunesmith.datasets.summary import summarise
from tunesmith.serving.http.routes import make_app
from tunesmith.serving.service import Service
from tunesmith.serving.settings import AccessSettings, shipped

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium: install the package chromium"),
]
PIECES = "document.querySelectorAll('#pieces button')"
ANSWERED = "document.querySelector('#segments').children.length > 0"


@contextlib.contextmanager
def served(service: Service) -> Iterator[str]:
    """Serve in a thread of this process."""
    service.start()
    port = free_port()
    config = uvicorn.Config(make_app(service), "127.0.0.1", port, log_level="error", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=20)
    service.stop()


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve every task to this machine."""
    store = Store(tmp_path_factory.mktemp("store"))
    for task in ("composer", *TASKS):
        write_bundle(store, task=task, favour=1)
    card = store.read_json("models", "genre", "0001", "card.json")
    usual = np.random.default_rng(0).random((50, 3)).astype(np.float32) * 5000
    card["summary"] = {"features": summarise(usual)}
    store.write_json(card, "models", "genre", "0001", "card.json")
    with served(Service(shipped(store=store.uri))) as found:
        yield found


@pytest.fixture
def page(url: str) -> Iterator[Browser]:
    """Open the page; afterwards nothing may have failed, nor been fetched from elsewhere."""
    with Browser() as browser:
        browser.open(f"{url}/")
        browser.until(f"{PIECES}.length > 0 && !document.querySelector('#sentence').hidden")
        yield browser
        local = (url, "about:", "data:", "blob:")
        assert [request for request in browser.requests if not request.startswith(local)] == []
        assert browser.console == []


def test_a_file_is_drawn_answered_and_put_into_words(
    page: Browser, tmp_path: Path, midi_factory: Callable[..., bytes]
) -> None:
    file = tmp_path / "my piece.mid"
    file.write_bytes(midi_factory(n_notes=200))
    page.upload("#file", file)
    page.until(ANSWERED)
    assert page.text("#verdict") == "Beethoven"
    assert "my piece.mid" in page.text("#piece-name")
    assert "my piece.mid: Beethoven" in page.run("document.querySelector('#announce').textContent")
    colours = page.run(
        "(() => { const c = document.querySelector('#roll'); "
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; "
        "const seen = new Set(); for (let i = 0; i < d.length; i += 4) "
        "seen.add(d.slice(i, i + 3).join()); return seen.size; })()"
    )
    assert colours > 10
    assert page.run("document.querySelectorAll('#bars li').length") == 4


def test_the_page_says_why(page: Browser) -> None:
    page.click("#pieces button")
    page.until("!document.querySelector('#why').hidden")
    assert page.text("#why-title") == f"Why {page.text('#verdict')}?"
    told = page.run("[...document.querySelectorAll('#reasons li')].map(e => e.textContent)")
    assert 0 < len(told) <= 6
    assert all("without it " in words and words.endswith("%") for words in told), told
    assert any(words.startswith("Notes from C") for words in told)
    page.until("document.querySelectorAll('#song-answers .reasons li').length > 0")
    assert "What speaks for Rock" in page.text("#song-answers")


def test_a_built_in_piece_plays_with_a_moving_cursor(page: Browser) -> None:
    page.click("#pieces button")
    page.until(ANSWERED)
    page.click("#play")
    page.until("Number(document.querySelector('#seek').value) > 0.5")
    assert page.text("#play-text") == "Pause"
    assert "Here" in page.text("#here")
    page.click("#play")
    stopped = page.run("document.querySelector('#seek').value")
    assert page.text("#play-text") == "Play"
    page.run("new Promise(requestAnimationFrame)")
    assert page.run("document.querySelector('#seek').value") == stopped


def test_every_built_in_piece_is_read_alike_here_and_there(page: Browser) -> None:
    for index in range(page.run(f"{PIECES}.length")):
        page.run(f"{PIECES}[{index}].click()")
        page.until(f"{ANSWERED} && {PIECES}[{index}].hasAttribute('aria-current')")
        own = page.text("#clock").split("/")[1].strip()
        assert f"{own} long" in page.text("#about-model")


def test_a_wrong_file_gets_the_reason_and_the_page_goes_on(page: Browser, tmp_path: Path) -> None:
    wrong = tmp_path / "letter.txt"
    wrong.write_text("Dear Sir, this is no music.")
    page.upload("#file", wrong)
    page.until("!document.querySelector('#problem').hidden")
    assert "not a MIDI file" in page.text("#problem")
    assert page.run("document.querySelector('#result').hidden")
    page.console.clear()  # Chromium reports the 422 as an error of its own
    page.click("#pieces button")
    page.until(ANSWERED)
    assert page.run("document.querySelector('#problem').hidden")


def test_the_song_form_answers_live(page: Browser) -> None:
    page.until("document.querySelectorAll('#song-answers h3').length === 2")
    assert "Rock" in page.text("#song-answers")
    before = page.text("#song-answers")
    page.run(
        "(() => { const e = document.querySelector('#song-form input[name=tempo]'); "
        "e.value = 220; e.dispatchEvent(new Event('input', {bubbles: true})); })()"
    )
    assert page.text("output[for=song-tempo]") == "220"
    assert before


def test_a_digit_is_drawn_with_mouse_and_keyboard(page: Browser) -> None:
    page.run("document.querySelector('#pad').scrollIntoView({behavior: 'instant'})")
    x, y, side = page.run(
        "(() => { const r = document.querySelector('#pad').getBoundingClientRect(); "
        "return [r.x, r.y, r.width]; })()"
    )
    page.mouse("mousePressed", x + side / 2, y + side * 0.2)
    for step in range(12):
        page.mouse("mouseMoved", x + side / 2, y + side * (0.2 + 0.05 * step))
    page.mouse("mouseReleased", x + side / 2, y + side * 0.8)
    page.until("document.querySelectorAll('#digit-answers h3').length === 2")
    page.click("#pad-clear")
    assert page.text("#digit-answers") == ""
    page.run("document.querySelector('#pad').focus()")
    page.key(" ", "Space")
    for _ in range(8):
        page.key("ArrowDown")
    page.until("document.querySelectorAll('#digit-answers h3').length === 2")


def test_a_sentence_is_judged(page: Browser) -> None:
    page.click("#sentence-form button")
    page.until("document.querySelector('#sentence-answers h3') !== null")
    assert "positive" in page.text("#sentence-answers")


def test_what_is_played_on_the_keys_is_judged(page: Browser) -> None:
    page.click("#open-keys")
    assert page.run("document.querySelector('#open-keys').getAttribute('aria-expanded')") == "true"
    page.click("#record")
    for letter in "asdfg":
        page.key(letter, text=letter)
    page.click("#record")
    page.until(ANSWERED)
    assert "5 notes" in page.text("#about-model")


def test_the_keyboard_alone_reaches_and_does_everything(page: Browser) -> None:
    seen = []
    for _ in range(60):
        page.key("Tab")
        seen.append(
            page.run("document.activeElement.id || document.activeElement.textContent.trim()")
        )
        if seen[-1].startswith("Prelude"):
            page.key("Enter", text="\r")
            page.until(ANSWERED)
        if seen[-1] == "seek":
            page.key("ArrowRight")
        if seen[-1] == "text":
            break
    assert seen[0] == "Skip to the content"
    assert {"file", "open-keys", "seek", "play", "pad"} <= set(seen)
    assert page.text("#clock").startswith("0:01")
    words = page.run("document.querySelector('#seek').getAttribute('aria-valuetext')")
    assert "%" in words


def test_every_control_has_a_name_and_every_picture_words(page: Browser) -> None:
    page.click("#pieces button")
    page.until(ANSWERED)
    nameless = page.run(
        "[...document.querySelectorAll('button, input, select, textarea, canvas, a')]"
        ".filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || "
        "e.labels?.length)).map(e => e.outerHTML.slice(0, 80))"
    )
    assert nameless == []
    assert page.run("document.querySelectorAll('h1').length") == 1
    assert page.run("document.documentElement.lang") == "en"


def test_where_keys_are_needed_the_browser_asks_for_one_and_the_page_works(store: Store) -> None:
    write_bundle(store)
    key = make_key(store, "ann")
    with (
        served(Service(shipped(store=store.uri, access=AccessSettings(keys="always")))) as url,
        Browser() as browser,
    ):
        # The password that a person would type: the browser keeps it for this server.
        browser.open(url.replace("//", f"//ann:{key}@") + "/docs")
        browser.open(f"{url}/")
        browser.until(f"{PIECES}.length > 0")
        browser.click("#pieces button")
        browser.until(ANSWERED)
        assert browser.text("#verdict") == "Bach"
        assert httpx2.get(f"{url}/").status_code == 401


CONTRAST = """
(() => {
  const probe = document.createElement('span'); document.body.append(probe);
  const luminance = (name) => {
    probe.style.color = `var(${name})`;
    const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map(Number);
    const [r, g, b] = parts.map((c) => c / 255)
      .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [high, low] = [luminance(a), luminance(b)].sort((x, y) => y - x);
    return (high + 0.05) / (low + 0.05);
  };
  const text = ['--ink', '--soft', '--accent', '--alarm'];
  const grounds = ['--paper', '--card'];
  const found = text.flatMap((a) => grounds.map((b) => [a, b, ratio(a, b), 4.5]));
  found.push(['--on-accent', '--accent', ratio('--on-accent', '--accent'), 4.5]);
  for (const n of [1, 2, 3, 4, 5, 6, 7]) {
    found.push([`--c${n}`, '--card', ratio(`--c${n}`, '--card'), 2.5]);
  }
  return found.filter(([, , is, wanted]) => is < wanted);
})()
"""


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_both_schemes_are_legible_at_every_width(url: str, width: int, dark: bool) -> None:
    with Browser(width, 800, dark=dark, phone=width < 500) as browser:
        browser.open(f"{url}/")
        browser.until(f"{PIECES}.length > 0")
        browser.run(f"{PIECES}[0].click()")
        browser.until(ANSWERED)
        assert browser.run("document.documentElement.scrollWidth <= innerWidth")
        assert browser.run(CONTRAST) == []
        assert browser.console == []


def test_the_documents_draw_every_route_and_send_a_request(url: str) -> None:
    with Browser() as browser:
        browser.open(f"{url}/docs")
        browser.until("document.querySelectorAll('details.operation').length > 10")
        browser.run("document.querySelector('#sentiment').open = true")
        browser.run("document.querySelector('#sentiment form').requestSubmit()")
        sent = "document.querySelector('#sentiment form pre').innerText"
        browser.until(f"{sent}.startsWith('200')")
        assert browser.console == []
