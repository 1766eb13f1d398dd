"""The sound of the page: families of instruments and kinds of drums, rendered and measured."""

import re
from collections.abc import Iterator

import numpy as np
import pretty_midi
import pytest
from playwright.sync_api import Page

from tests.serving.browser import NEEDS_CHROMIUM, open_tab

pytestmark = NEEDS_CHROMIUM
_RATE = 22_050
_ONE_OF_EACH = {
    "piano": 0, "bells": 9, "organ": 19, "plucked": 24, "bass": 33, "bowed": 48, "voices": 52,
    "brass": 56, "reeds": 71, "flutes": 73, "lead": 81, "pad": 89,
}  # fmt: skip
_SUSTAINED = {"organ", "bowed", "voices", "brass", "reeds", "flutes", "lead", "pad"}
RENDER = """
async ([note, samples, rate]) => {
  const { Band } = await import('/page/sound.js');
  const context = new OfflineAudioContext(1, samples, rate);
  new Band(context, context.destination).sound(note, 0.1, note.length);
  return [...(await context.startRendering()).getChannelData(0)];
}
"""


@pytest.fixture
def page(url: str) -> Iterator[Page]:
    """Open the page; afterwards nothing may have failed."""
    with open_tab() as tab:
        tab.page.goto(f"{url}/")
        yield tab.page
        assert tab.errors == []


def rendered(page: Page, length_s: float = 2, **note: object) -> np.ndarray:
    """Return the sound of one note that begins after 0.1 s."""
    whole = {"pitch": 69, "velocity": 100, "length": 1.2, **note}
    return np.array(page.evaluate(RENDER, [whole, length_s * _RATE, _RATE]))


def level(sound: np.ndarray, start_s: float, end_s: float) -> float:
    """Return the root of the mean square between two times."""
    return float(np.sqrt(np.mean(sound[int(start_s * _RATE) : int(end_s * _RATE)] ** 2)))


def centroid_hz(sound: np.ndarray) -> float:
    """Return the mean frequency of a sound, weighted by power."""
    power = np.abs(np.fft.rfft(sound)) ** 2
    return float(power @ np.fft.rfftfreq(sound.size, 1 / _RATE) / power.sum())


def test_every_program_is_named_as_in_general_midi(page: Page) -> None:
    names = page.evaluate(
        "import('/page/instruments.js').then(({ programName }) => "
        "Array.from({ length: 128 }, (_, program) => programName(program)))"
    )
    plain = [re.sub(r"[()]", "", name).casefold() for name in names]
    expected = [re.sub(r"[()]", "", name).casefold() for name in pretty_midi.INSTRUMENT_MAP]
    assert plain == expected


READ = """
async (bytes) => {
  const { readMidi } = await import('/page/midi.js');
  const { notes, tracks } = readMidi(new Uint8Array(bytes));
  return [notes.map(({ pitch, program, drum, track, volume }) =>
    [pitch, program, drum, track, Math.round(100 * volume)]), tracks.map(({ name }) => name)];
}
"""


def test_notes_have_program_track_and_loudness_of_their_channel(page: Page) -> None:
    def track(*events: bytes) -> bytes:
        body = b"".join(b"\x00" + event for event in (*events, b"\xff\x2f\x00"))
        return b"MTrk" + len(body).to_bytes(4, "big") + body

    def note(channel: int, pitch: int) -> bytes:
        return bytes((0x90 + channel, pitch, 90, 0x60, 0x80 + channel, pitch, 0))

    file = b"MThd" + bytes((0, 0, 0, 6, 0, 1, 0, 3, 0, 96))
    file += track(b"\xc1\x28")  # a violin on channel 1
    file += track(b"\xff\x03\x02Vl", note(1, 60), b"\xc1\x49", note(1, 62))
    file += track(b"\xff\x03\x02\xe9t", b"\xb0\x07\x32", note(0, 48), note(9, 36))
    notes, names = page.evaluate(READ, list(file))
    assert sorted(notes) == [
        [36, 0, True, 3, 100], [48, 0, False, 2, 50], [60, 40, False, 0, 100],
        [62, 73, False, 1, 100],
    ]  # fmt: skip
    assert names == ["Vl", "Vl", "ét", "ét"]


def test_each_family_sounds_its_pitch_in_its_own_way(page: Page) -> None:
    sounds = {}
    for family, program in _ONE_OF_EACH.items():
        sound = sounds[family] = rendered(page, program=program)
        peak = np.abs(sound).max()
        assert 0.08 < peak < 0.6, (family, peak)
        assert level(sound, 0, 0.09) == 0
        spectrum = np.abs(np.fft.rfft(sound[: int(1.3 * _RATE)]))
        strongest_hz = spectrum.argmax() / 1.3
        nearest = max(1, round(strongest_hz / 440))
        assert strongest_hz == pytest.approx(440 * nearest, rel=0.012), family
        kept = level(sound, 1.1, 1.2) / level(sound, 0.25, 0.35)
        print(f"{family:8} peak {peak:.2f}, {kept:.2f} of it kept")
        assert kept > 0.7 if family in _SUSTAINED else kept < 0.6, (family, kept)
    spectra = {family: np.abs(np.fft.rfft(sound)) for family, sound in sounds.items()}
    for family, spectrum in spectra.items():
        for other in spectra.keys() - {family}:
            alike = spectrum @ spectra[other]
            alike /= np.linalg.norm(spectrum) * np.linalg.norm(spectra[other])
            assert alike < 0.995, (family, other)


def test_drums_sound_as_drums_by_kind(page: Page) -> None:
    pitches = {"kick": 36, "snare": 38, "hat": 42, "cymbal": 49, "low tom": 41, "high tom": 50}
    sounds = {kind: rendered(page, pitch=pitch, drum=True) for kind, pitch in pitches.items()}
    heights = {kind: centroid_hz(sound) for kind, sound in sounds.items()}
    assert heights["kick"] < 150
    assert heights["kick"] < heights["low tom"] < heights["high tom"] < 400
    assert 400 < heights["snare"] < heights["cymbal"] < heights["hat"]
    assert heights["hat"] > 5000
    late = {kind: level(sound, 0.5, 0.8) for kind, sound in sounds.items()}
    assert late["cymbal"] > 20 * late["hat"]
    for pitch in range(27, 88):  # the kits of General MIDI 2
        assert np.abs(rendered(page, 0.3, pitch=pitch, drum=True)).max() > 0.02, pitch
