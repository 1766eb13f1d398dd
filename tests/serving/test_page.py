"""The page in a headless Chromium: what a person does, with mouse, touch, keyboard and reader."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from playwright.sync_api import Page, expect

from tests.audio.sounds import encoded, speech, wav
from tests.midi.test_scores import MUSICXML
from tests.serving.browser import NEEDS_CHROMIUM, Tab, open_tab
from tests.serving.conftest import make_onnx, served, write_bundle, write_card
from tests.serving.http.test_auth import make_key
from tests.serving.test_open_set import add_detector
from tests.serving.test_similar import ingest_pieces
from tunesmith.artifacts.preparation import NgramsColumn, NumberColumn, TablePreparation
from tunesmith.artifacts.store import Store
from tunesmith.serving.service import Service
from tunesmith.serving.settings import AccessSettings, SimilarSettings, shipped

pytestmark = NEEDS_CHROMIUM
# What a page may fetch: itself, and what it holds in memory.
_WITHIN = ("about:", "data:", "blob:")


@pytest.fixture(scope="module")
def url(everything: str) -> str:
    """Return the address of a server of every task."""
    return everything


@pytest.fixture
def tab(url: str) -> Iterator[Tab]:
    """Open the page; afterwards nothing may have failed, nor been fetched from elsewhere."""
    with open_tab() as opened:
        opened.page.goto(f"{url}/")
        expect(opened.page.locator("#pieces button")).not_to_have_count(0)
        expect(opened.page.locator("#sentence")).to_be_visible()
        yield opened
        assert [other for other in opened.requests if not other.startswith((url, *_WITHIN))] == []
        assert opened.errors == []


@pytest.fixture
def page(tab: Tab) -> Page:
    """Return the page of `tab`."""
    return tab.page


def expect_answer(page: Page) -> None:
    """Wait until the segments of a piece are there."""
    expect(page.locator("#segments > *")).not_to_have_count(0)


@pytest.mark.parametrize(
    ("tells", "levels", "words"),
    [
        (0.9, 21, "Unlike anything it learned from; nearest: Beethoven."),
        (0.485, 41, "Nearest: Beethoven, but less like it than 98 % of the pieces of Beethoven"),
    ],
)
def test_a_piece_like_nothing_it_learned_from_is_none_of_these(
    tmp_path: Path,
    store: Store,
    midi_factory: Callable[..., bytes],
    tells: float,
    levels: int,
    words: str,
) -> None:
    write_bundle(store, favour=1)
    add_detector(store, tells, levels=levels)
    file = tmp_path / "odd.mid"
    file.write_bytes(midi_factory(n_notes=200))
    with served(Service(shipped(store=store.uri))) as url, open_tab() as tab:
        tab.page.goto(f"{url}/")
        tab.page.locator("#file").set_input_files(file)
        expect_answer(tab.page)
        assert tab.page.inner_text("#verdict") == "None of these"
        more = tab.page.inner_text("#verdict-more")
        assert more.replace("\N{NO-BREAK SPACE}", " ").startswith(words)
        assert "odd.mid: None of these" in (tab.page.text_content("#announce") or "")
        assert tab.errors == []


def test_a_piece_of_the_dataset_is_named(
    tmp_path: Path, store: Store, midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store, favour=1)
    contents = {f"{n}.mid": midi_factory(seed=n) for n in range(3)}
    ingest_pieces(store, tmp_path / "mine", contents)
    similar = SimilarSettings(dataset="mine")
    file = tmp_path / "excerpt.mid"
    with served(Service(shipped(store=store.uri, similar=similar))) as url, open_tab() as tab:
        tab.page.goto(f"{url}/")
        for seed, words in ((2, "This is 2 of mine."), (50, "No piece of mine is this music.")):
            file.write_bytes(midi_factory(seed=seed, bpm=90))
            tab.page.locator("#file").set_input_files(file)
            expect(tab.page.locator("#same-music")).to_contain_text(words)
        assert tab.errors == []


def test_a_file_is_drawn_answered_and_put_into_words(
    page: Page, tmp_path: Path, midi_factory: Callable[..., bytes]
) -> None:
    file = tmp_path / "my piece.mid"
    file.write_bytes(midi_factory(n_notes=200))
    page.locator("#file").set_input_files(file)
    expect_answer(page)
    assert page.inner_text("#verdict") == "Beethoven"
    assert "my piece.mid" in page.inner_text("#piece-name")
    assert "my piece.mid: Beethoven" in (page.text_content("#announce") or "")
    colours = page.locator("#roll").evaluate(
        "canvas => { const { data } = canvas.getContext('2d')"
        ".getImageData(0, 0, canvas.width, canvas.height); "
        "const seen = new Set(); for (let i = 0; i < data.length; i += 4) "
        "seen.add(data.slice(i, i + 3).join()); return seen.size; }"
    )
    assert colours > 10
    assert page.locator("#bars li").count() == 4


def test_the_page_says_whom_the_model_knows_before_it_is_asked(page: Page) -> None:
    expect(page.locator("#knows")).to_contain_text("It knows Bach, Beethoven, Chopin and Mozart.")
    assert "right about 90 % of pieces of its own collection" in page.inner_text("#knows")
    assert "It names one of them for anything." in page.inner_text("#knows")


def test_a_built_in_piece_is_told_right_or_wrong(page: Page) -> None:
    page.locator("#pieces button").nth(1).click()
    expect(page.locator("#truth")).to_have_text("Right: it is by Ludwig van Beethoven.")
    page.locator("#pieces button").nth(0).click()
    expect(page.locator("#truth")).to_have_text("Wrong: it is by Johann Sebastian Bach.")


def test_the_page_says_why(page: Page) -> None:
    page.locator("#pieces button").first.click()
    expect(page.locator("#why")).to_be_visible()
    assert page.inner_text("#why-title") == f"Why {page.inner_text('#verdict')}?"
    reasons = page.locator("#reasons li").all_text_contents()
    assert 0 < len(reasons) <= 6
    assert all("without it " in words and words.endswith("%") for words in reasons), reasons
    assert any(words.startswith("Notes from C") for words in reasons)
    expect(page.locator("#table .answers .reasons li")).not_to_have_count(0)
    assert "What speaks for Rock" in page.inner_text("#table .answers")


def test_a_built_in_piece_plays_with_a_moving_cursor(page: Page) -> None:
    page.locator("#pieces button").first.click()
    expect_answer(page)
    page.click("#play")
    seek = page.locator("#seek")
    expect(seek).to_have_value(re.compile(r"^(0\.[6-9]|[1-9])"))  # seconds
    assert page.inner_text("#play-text") == "Pause"
    assert "Here" in page.inner_text("#here")
    page.click("#play")
    stopped = seek.input_value()
    assert page.inner_text("#play-text") == "Play"
    page.evaluate("new Promise(requestAnimationFrame)")
    assert seek.input_value() == stopped


def test_every_built_in_piece_is_read_alike_here_and_there(page: Page) -> None:
    for piece in page.locator("#pieces button").all():
        piece.click()
        expect(piece).to_have_attribute("aria-current", "true")
        expect_answer(page)
        own = page.inner_text("#clock").split("/")[1].strip()
        assert f"{own} long" in page.inner_text("#about-model")


def test_a_score_that_the_server_alone_reads_is_answered(page: Page, tmp_path: Path) -> None:
    score = tmp_path / "piece.musicxml"
    score.write_bytes(MUSICXML)
    page.locator("#file").set_input_files(score)
    expect_answer(page)
    assert page.locator("#problem").is_hidden()
    assert "piece.musicxml" in page.inner_text("#piece-name")


def test_a_recording_is_heard_drawn_and_answered(page: Page, tmp_path: Path) -> None:
    recording = tmp_path / "piece.mp3"
    recording.write_bytes(encoded("mp3"))
    page.locator("#file").set_input_files(recording)
    expect(page.locator("#transcribed")).to_be_visible(timeout=60_000)
    expect_answer(page)
    assert page.locator("#problem").is_hidden()
    assert "transcribed from the first 0:1" in page.inner_text("#transcribed")
    assert " sure of a note" in page.inner_text("#transcribed")
    page.locator("#pieces button").first.click()
    expect_answer(page)
    assert page.locator("#transcribed").is_hidden()


def test_a_recording_without_music_gets_the_reason(tab: Tab, tmp_path: Path) -> None:
    recording = tmp_path / "speech.wav"
    recording.write_bytes(wav(speech(4)))
    tab.page.locator("#file").set_input_files(recording)
    expect(tab.page.locator("#problem")).to_be_visible(timeout=60_000)
    assert "No music was heard" in tab.page.inner_text("#problem")
    tab.errors.clear()


def test_a_wrong_file_gets_the_reason_and_the_page_goes_on(tab: Tab, tmp_path: Path) -> None:
    page = tab.page
    wrong = tmp_path / "letter.txt"
    wrong.write_text("Dear Sir, this is no music.")
    page.locator("#file").set_input_files(wrong)
    expect(page.locator("#problem")).to_be_visible()
    assert "neither MIDI, nor a score, nor a recording" in page.inner_text("#problem")
    assert page.locator("#result").is_hidden()
    tab.errors.clear()  # Chromium reports the 422 as an error of its own
    page.locator("#pieces button").first.click()
    expect_answer(page)
    assert page.locator("#problem").is_hidden()


def test_the_form_of_a_table_answers_live(page: Page) -> None:
    answers = page.locator("#table .answers")
    expect(answers.locator("h3")).to_have_count(2)
    assert "Rock" in answers.inner_text()
    with page.expect_response("**/v1/**"):
        page.locator("#table input[name=tempo]").fill("220")
    assert page.inner_text("output[for=table-0-tempo]") == "220"
    expect(answers.locator("h3")).to_have_count(2)


def test_a_column_of_texts_is_typed(store: Store) -> None:
    columns = (
        NumberColumn(name="tempo", low=40, usual=120, high=220),
        NgramsColumn(name="title", most=24, usual="Intro"),
    )
    inputs = {"features": ("float32", [11]), "text_ngrams": ("int32", [24])}
    model = make_onnx(inputs, 2)
    write_card(store, "genre", TablePreparation(columns=columns), inputs, model, ("Jazz", "Rock"))
    with served(Service(shipped(store=store.uri))) as url, open_tab() as tab:
        tab.page.goto(f"{url}/")
        title = tab.page.get_by_label("Title")
        expect(title).to_have_value("Intro")
        # The page asks about the values that it begins with by itself.
        expect(tab.page.locator("#table .answers")).to_contain_text("Rock")
        with tab.page.expect_request("**/v1/classify") as asked:
            title.fill("Ночь (Remix)")
        assert asked.value.post_data_json == {"table": {"tempo": 120, "title": "Ночь (Remix)"}}
        expect(tab.page.locator("#table .answers")).to_contain_text("Rock")
        with tab.page.expect_request("**/v1/classify") as asked:
            title.fill("")
        assert asked.value.post_data_json == {"table": {"tempo": 120, "title": None}}
        assert tab.errors == []


def test_a_digit_is_drawn_with_mouse_and_keyboard(page: Page) -> None:
    pad = page.locator("#pad")
    box = pad.bounding_box()
    assert box is not None
    side = box["width"]
    for step in range(13):
        # Found anew each time: parts of the page above may still come and move it.
        pad.hover(position={"x": side / 2, "y": side * (0.2 + 0.05 * step)})
        if step == 0:
            page.mouse.down()
    page.mouse.up()
    expect(page.locator("#drawing-answers h3")).to_have_count(2)
    page.click("#pad-clear")
    assert page.inner_text("#drawing-answers") == ""
    pad.focus()
    page.keyboard.press("Space")
    for _ in range(8):
        page.keyboard.press("ArrowDown")
    expect(page.locator("#drawing-answers h3")).to_have_count(2)


def test_a_sentence_is_judged(page: Page) -> None:
    page.locator("#sentence-form button").first.click()
    expect(page.locator("#sentence-answers h3")).not_to_have_count(0)
    assert "positive" in page.inner_text("#sentence-answers")


def test_what_is_played_on_the_keys_is_judged(page: Page) -> None:
    page.click("#open-keys")
    assert page.get_attribute("#open-keys", "aria-expanded") == "true"
    page.click("#record")
    for letter in "asdfg":
        page.keyboard.press(letter)
    page.click("#record")
    expect_answer(page)
    assert "5 notes" in page.inner_text("#about-model")


def test_the_keyboard_alone_reaches_and_does_everything(page: Page) -> None:
    names = []
    for _ in range(60):
        page.keyboard.press("Tab")
        names.append(
            page.evaluate("document.activeElement.id || document.activeElement.textContent.trim()")
        )
        if names[-1].startswith("Prelude"):
            page.keyboard.press("Enter")
            expect_answer(page)
        if names[-1] == "seek":
            page.keyboard.press("ArrowRight")
        if names[-1] == "text":
            break
    assert names[0] == "Skip to the content"
    assert {"file", "open-keys", "seek", "play", "pad"} <= set(names)
    assert page.inner_text("#clock").startswith("0:01")
    assert "%" in (page.get_attribute("#seek", "aria-valuetext") or "")


def test_every_control_has_a_name_and_every_picture_words(page: Page) -> None:
    page.locator("#pieces button").first.click()
    expect_answer(page)
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, select, textarea, canvas, a')]"
        ".filter(e => !(e.getAttribute('aria-label') || e.textContent.trim() || "
        "e.labels?.length)).map(e => e.outerHTML.slice(0, 80))"
    )
    assert nameless == []
    assert page.locator("h1").count() == 1
    assert page.get_attribute("html", "lang") == "en"


def test_where_keys_are_needed_the_browser_asks_for_one_and_the_page_works(store: Store) -> None:
    write_bundle(store)
    key = make_key(store, "ann")
    with (
        served(Service(shipped(store=store.uri, access=AccessSettings(keys="always")))) as url,
        open_tab() as tab,
    ):
        # The password that a person would type: the browser keeps it for this server.
        tab.page.goto(url.replace("//", f"//ann:{key}@") + "/docs")
        tab.page.goto(f"{url}/")
        tab.page.locator("#pieces button").first.click()
        expect_answer(tab.page)
        assert tab.page.inner_text("#verdict") == "Bach"
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
    with open_tab(width, 800, dark=dark, phone=width < 500) as tab:
        tab.page.goto(f"{url}/")
        tab.page.locator("#pieces button").first.click()
        expect_answer(tab.page)
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.page.evaluate(CONTRAST) == []
        assert tab.errors == []


def test_the_documents_draw_every_route_and_send_a_request(url: str) -> None:
    with open_tab() as tab:
        tab.page.goto(f"{url}/docs")
        operations = tab.page.locator("details.operation")
        expect(operations.nth(10)).to_be_attached()
        sentiment = tab.page.locator("#sentiment")
        sentiment.evaluate("details => { details.open = true; }")
        sentiment.locator("form").evaluate("form => form.requestSubmit()")
        expect(sentiment.locator("form pre")).to_have_text(re.compile("^200"))
        assert tab.errors == []


def test_a_composer_is_guessed_before_the_model_answers(page: Page) -> None:
    page.click("#open-game")
    guesses = page.locator("#guesses button")
    expect(guesses).to_have_count(5)
    assert page.locator("#result").is_hidden()
    assert page.inner_text("#game-state") == "Who wrote this?"
    for round_number in (1, 2):
        guesses.filter(has_text="Ludwig van Beethoven").click()
        expect(page.locator("#game-state")).to_contain_text(f"of {round_number}, the model: ")
        expect_answer(page)
        # The model of this server takes everything for Beethoven.
        is_beethoven = "Für Elise" in page.inner_text("#piece-name")
        state = page.inner_text("#game-state")
        assert state.startswith("Right" if is_beethoven else "Not Ludwig van Beethoven")
        assert ("names the composer" in state) == is_beethoven
        page.click("#guesses button")
        expect(page.locator("#result")).to_be_hidden()
