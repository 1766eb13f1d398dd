"""The tracks of a piece on the page: colours, muting, full screen, and where a reason lies."""

import re
from collections.abc import Iterator

import numpy as np
import pretty_midi
import pytest
from playwright.sync_api import Page, expect

from tests.serving.bands import BAND, band, band_file, file_of
from tests.serving.browser import NEEDS_CHROMIUM, Tab, open_tab, wait_for
from tests.serving.conftest import served, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.midi.features.chords import CHORD_SPREAD_S
from tunesmith.serving.service import Service
from tunesmith.serving.settings import shipped

pytestmark = NEEDS_CHROMIUM
LISTEN = """
async () => {
  const { Band } = await import('/page/sound.js');
  const sound = Band.prototype.sound;
  window.heard = [];
  Band.prototype.sound = function (note, ...rest) {
    window.heard.push([note.track, note.program, note.drum]);
    return sound.call(this, note, ...rest);
  };
}
"""
"""Note the track, program and drum of every note that is sounded."""
ROWS_OF = """
(names) => {
  const canvas = document.querySelector('#roll');
  const { data, width } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  const probe = document.createElement('span');
  document.body.append(probe);
  const found = names.map((name) => {
    probe.style.color = `var(${name})`;
    const wanted = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
    const rows = [];
    for (let i = 0; i < data.length; i += 4) {
      if (wanted.every((value, place) => data[i + place] === value)) rows.push(i / 4 / width | 0);
    }
    return [rows.length, Math.min(...rows), Math.max(...rows)];
  });
  probe.remove();
  return found;
}
"""
"""Number of the pixels in each colour on the roll, and their first and last row."""
TRACK_COLOURS = ["--t1", "--t2", "--t3", "--t4"]


@pytest.fixture
def tab(url: str) -> Iterator[Tab]:
    """Open the page; afterwards nothing may have failed."""
    with open_tab() as opened:
        opened.page.goto(f"{url}/")
        expect(opened.page.locator("#pieces button")).not_to_have_count(0)
        yield opened
        assert opened.errors == []


@pytest.fixture
def page(tab: Tab) -> Page:
    """Return the page of `tab`."""
    return tab.page


def show_band(page: Page) -> None:
    """Show a piece for piano, strings, bass and drums with its answer."""
    file = {"name": "band.mid", "mimeType": "audio/midi", "buffer": band_file()}
    page.locator("#file").set_input_files(files=[file])
    expect(page.locator("#segments > *")).not_to_have_count(0)


def test_tracks_are_named_coloured_and_the_drums_lie_below(page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 900})
    show_band(page)
    expect(page.locator("#track-list button")).to_have_text(list(BAND))
    assert BAND[1] in (page.get_attribute("#roll", "aria-label") or "")
    found = page.evaluate(ROWS_OF, TRACK_COLOURS)
    assert all(pixels > 100 for pixels, _, _ in found), found
    lowest_pitched = max(last for _, _, last in found[:3])
    assert found[3][1] > lowest_pitched


def test_a_muted_track_is_faint_and_not_heard(page: Page) -> None:
    show_band(page)
    page.evaluate(LISTEN)
    strings = page.get_by_role("button", name="Mute String ensemble 1")
    strings.click()
    expect(strings).to_have_attribute("aria-pressed", "true")
    before, faint, *others = (pixels for pixels, _, _ in page.evaluate(ROWS_OF, TRACK_COLOURS))
    assert faint == 0
    assert min(before, *others) > 100
    page.click("#play")
    wait_for(page, "window.heard.length > 12")
    heard = page.evaluate("window.heard")
    assert {track for track, _, _ in heard} == {0, 2, 3}
    assert {program for track, program, _ in heard if track == 2} == {33}
    assert {drum for track, _, drum in heard if track == 3} == {True}
    strings.click()
    expect(strings).to_have_attribute("aria-pressed", "false")
    assert page.evaluate(ROWS_OF, TRACK_COLOURS)[1][0] > 100
    wait_for(page, "window.heard.some(([track]) => track === 1)")
    page.locator("#pieces button").first.click()
    expect(page.locator("#piece-name")).to_contain_text("Prelude")
    assert page.locator("#tracks").is_hidden()


def test_the_tracks_of_one_program_are_told_apart(page: Page) -> None:
    midi = pretty_midi.PrettyMIDI()
    for name in ("Right", "Left", "Left"):
        part = pretty_midi.Instrument(40, name=name)
        part.notes.append(pretty_midi.Note(90, 60, 0, 5))
        midi.instruments.append(part)
    for program in range(20):
        part = pretty_midi.Instrument(program + 41)
        part.notes.append(pretty_midi.Note(90, 60, 1, 5))
        midi.instruments.append(part)
    tracks = page.evaluate(
        "async (bytes) => { const { readMidi } = await import('/page/midi.js'); "
        "const { tracksOf } = await import('/page/tracks.js'); "
        "const { notes, tracks } = readMidi(new Uint8Array(bytes)); "
        "return [tracksOf(notes, tracks), Math.max(...notes.map((note) => note.track))]; }",
        list(file_of(midi)),
    )
    names, last = tracks
    assert names[:3] == ["Violin: Right", "Violin 1", "Violin 2"]
    assert names[-1] == "8 other tracks"
    assert len(names) == 16
    assert last == 15


def test_a_score_brings_its_instruments(page: Page) -> None:
    score = (
        "X:1\nT:Two\nM:4/4\nL:1/4\nK:C\nV:1\n%%MIDI program 73\nC D E F | G A B c |\n"
        "V:2\nC,4 | C,4 |\n"
    )
    file = {"name": "two.abc", "mimeType": "text/plain", "buffer": score.encode()}
    page.locator("#file").set_input_files(files=[file])
    expect(page.locator("#segments > *")).not_to_have_count(0)
    expect(page.locator("#track-list button")).to_have_count(2)


def test_the_stage_fills_the_screen_and_leaves_it(page: Page) -> None:
    show_band(page)
    height = page.locator("#roll").bounding_box()
    assert height is not None
    page.click("#full-screen")
    expect(page.locator("#viewer:fullscreen")).to_have_count(1)
    expect(page.locator("#full-screen")).to_have_text("Leave full screen")
    box = page.locator("#viewer").bounding_box()
    assert box is not None
    assert box["width"] == page.evaluate("innerWidth")
    for place in ("#roll", "#play", "#track-list"):
        assert page.locator(place).is_visible()
    page.locator("#play").press("f")
    expect(page.locator("#viewer:fullscreen")).to_have_count(0)
    expect(page.locator("#full-screen")).to_have_text("Full screen")


CLASS_COLOURS = """
() => Object.fromEntries([...document.querySelectorAll('#bars li')].map((row) => [
  row.querySelector('.name').textContent,
  getComputedStyle(row.querySelector('.fill')).backgroundColor,
]))
"""
LEGEND_COLOURS = """
() => Object.fromEntries([...document.querySelectorAll('#legend li:has(.swatch)')].map((row) => [
  row.textContent, getComputedStyle(row.querySelector('.swatch')).backgroundColor,
]))
"""


def test_a_class_has_one_colour_in_every_answer(store: Store) -> None:
    write_bundle(store, favour=1)
    # The same four among others, in other places; the last is the most probable.
    labels = (
        "Albinoni",
        "Bach",
        "Barber",
        "Beethoven",
        "Byrd",
        "Chopin",
        "Faure",
        "Haydn",
        "Mozart",
    )
    write_bundle(store, task="composer_all", favour=8, labels=labels)
    with served(Service(shipped(store=store.uri))) as url, open_tab() as tab:
        page = tab.page
        page.goto(f"{url}/")
        page.locator("#pieces button").first.click()
        expect(page.locator("#why")).to_be_visible()
        first = page.evaluate(CLASS_COLOURS)
        assert len(set(first.values())) == 4
        legend = page.evaluate(LEGEND_COLOURS)
        assert legend == first
        reason = page.locator("#reasons .fill:not(.against)").first
        colour = reason.evaluate("fill => getComputedStyle(fill).backgroundColor")
        assert colour == first["Beethoven"]
        page.select_option("#node", "composer_all")
        expect(page.locator("#verdict")).to_have_text("Mozart")
        expect(page.locator("#why")).to_be_visible()
        second = page.evaluate(CLASS_COLOURS) | page.evaluate(LEGEND_COLOURS)
        shared = first.keys() & second.keys()
        assert "Mozart" in shared
        assert {name: second[name] for name in shared} == {name: first[name] for name in shared}
        page.click("#copy-link")
        expect(page.locator("#share-state")).not_to_be_empty()
        page.goto(page.url)
        page.reload()
        expect(page.locator("#shared")).to_be_visible()
        assert page.evaluate(CLASS_COLOURS).items() <= second.items()
        assert tab.errors == []


COLOURS_APART = """
() => {
  const probe = document.createElement('span');
  document.body.append(probe);
  const pen = new OffscreenCanvas(1, 1).getContext('2d');
  const rgb = (colour) => {
    probe.style.color = colour;
    pen.fillStyle = getComputedStyle(probe).color;
    pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  return import('/page/colours.js').then(({ colourOfClass, colourOfTrack, meetClasses }) => {
    const labels = Array.from({ length: 60 }, (_, i) => `class ${String(i).padStart(2, "0")}`);
    meetClasses(labels);
    return [labels.map((label) => rgb(colourOfClass(label))),
      Array.from({ length: 8 }, (_, i) => rgb(colourOfTrack(i))), rgb('var(--well)')];
  });
}
"""


def oklab(colours: list[list[int]]) -> np.ndarray:
    """Return colours in Oklab, in which distances are as they are seen."""
    linear = np.array(colours) / 255
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    cones = linear @ np.array([
        [0.4122214708, 0.2119034982, 0.0883024619],
        [0.5363325363, 0.6806995451, 0.2817188376],
        [0.0514459929, 0.1073969566, 0.6299787005],
    ])  # fmt: skip
    return np.cbrt(cones) @ np.array([
        [0.2104542553, 1.9779984951, 0.0259040371],
        [0.7936177850, -2.4285922050, 0.7827717662],
        [-0.0040720468, 0.4505937099, -0.8086757660],
    ])  # fmt: skip


def contrast(one: list[int], other: list[int]) -> float:
    """Return the contrast of two colours by WCAG."""
    pair = np.array([one, other]) / 255
    pair = np.where(pair <= 0.04045, pair / 12.92, ((pair + 0.055) / 1.055) ** 2.4)
    low, high = sorted(pair @ np.array([0.2126, 0.7152, 0.0722]) + 0.05)
    return float(high / low)


@pytest.mark.parametrize("dark", [False, True])
def test_no_track_has_the_colour_of_a_class(url: str, dark: bool) -> None:
    with open_tab(dark=dark) as tab:
        tab.page.goto(f"{url}/")
        classes, tracks, ground = tab.page.evaluate(COLOURS_APART)
    assert len({tuple(colour) for colour in classes}) == len(classes)
    apart = np.linalg.norm(oklab(tracks)[:, None] - oklab(classes)[None], axis=-1)
    assert apart.min() > 0.1
    among = np.linalg.norm(oklab(tracks)[:, None] - oklab(tracks)[None], axis=-1)
    assert among[~np.eye(8, dtype=bool)].min() > 0.08
    assert min(contrast(colour, ground) for colour in tracks) >= 3
    assert min(contrast(colour, ground) for colour in classes[7:]) >= 3


def test_a_reason_says_before_and_after_and_lights_up_its_notes(page: Page) -> None:
    show_band(page)
    expect(page.locator("#why")).to_be_visible()
    assert re.search(
        r"strongest reason .* is “.*”: .*\d+ % → .*\d+ %", page.inner_text("#why-sentence")
    )
    button = page.locator("#reasons button").filter(has_text="Notes from C4 to B4")
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    lit = re.match(r"(\d+) notes", page.inner_text("#why-place"))
    assert lit is not None
    pitched = [part for part in band().instruments if not part.is_drum]
    inside = [note for part in pitched for note in part.notes if 60 <= note.pitch < 72]
    assert int(lit[1]) == len(inside)
    assert page.evaluate(ROWS_OF, TRACK_COLOURS)[3][0] == 0
    button.click()
    expect(button).to_have_attribute("aria-pressed", "false")
    assert page.evaluate(ROWS_OF, TRACK_COLOURS)[3][0] > 100


def test_melody_and_bass_are_those_that_the_models_read(page: Page) -> None:
    spread, top, bottom = page.evaluate(
        "async () => { const { CHORD_SPREAD_S, placeOf } = await import('/page/reasons.js'); "
        "const notes = [[0, 60], [0.01, 64], [0.03, 67], [0.2, 50], [0.2, 72], [0.21, 30]]"
        ".map(([onset, pitch], nth) => ({ onset, pitch, drum: nth === 5 })); "
        "const pitches = (part) => [...placeOf(part, notes).notes].map(({ pitch }) => pitch); "
        "return [CHORD_SPREAD_S, pitches('Steps and leaps of the melody'), "
        "pitches('Steps and leaps of the bass')]; }"
    )
    assert spread == CHORD_SPREAD_S
    assert top == [67, 72]
    assert bottom == [60, 50]
    assert page.evaluate("import('/page/reasons.js').then(m => m.placeOf('Speed', []))") is None
