"""Files that are no music on the page: each gets a sentence for people and a way on."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import mido
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests.audio.sounds import encoded, speech, wav
from tests.audio.test_foreign import FOREIGN
from tests.serving.browser import NEEDS_CHROMIUM, open_tab

pytestmark = NEEDS_CHROMIUM


def without_notes() -> bytes:
    """Return a MIDI file of a tempo and a name."""
    file = mido.MidiFile()
    file.tracks.append(
        mido.MidiTrack([mido.MetaMessage("set_tempo"), mido.MetaMessage("track_name", name="x")])
    )
    return written(file)


def drums_alone() -> bytes:
    """Return a MIDI file of drums."""
    file = mido.MidiFile()
    beats = [mido.Message("note_on", channel=9, note=36, velocity=90, time=99) for _ in range(9)]
    file.tracks.append(mido.MidiTrack(beats))
    return written(file)


def written(file: mido.MidiFile) -> bytes:
    """Return the bytes of a MIDI file."""
    target = io.BytesIO()
    file.save(file=target)
    return target.getvalue()


def film_without_sound() -> bytes:
    """Return an MP4 file of one grey picture."""
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=5)
        stream.width = stream.height = 64
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 99, np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def protected() -> bytes:
    """Return an M4A file whose sound is encrypted, as shops once sold them."""
    data = bytearray(encoded("m4a").replace(b"mp4a", b"drms"))
    begin = data.index(b"mdat") + 4
    size = int.from_bytes(data[begin - 8 : begin - 4], "big") - 8
    data[begin : begin + size] = np.random.default_rng(0).bytes(size)
    return bytes(data)


# Content, and words of the sentence and of the way on.
WRONG = {
    **FOREIGN,
    "empty.mid": (b"", "The file is empty", "Download or export it again"),
    "no notes.mid": (without_notes(), "holds no notes", "Export it again with its notes"),
    "drums.mid": (drums_alone(), "nothing but drums", "with instruments that have a pitch"),
    "cut.mid": (b"MThd\0\0\0\6\0\1\0\1\1\xe0", "the file is cut off", "Download it again"),
    "cut.mp3": (encoded("mp3")[:300], "The recording is damaged", "Download or export it again"),
    "bought.m4p": (protected(), "protected against copies", "in another format"),
    "film.mp4": (film_without_sound(), "the film has no sound", "Send one with sound"),
    "noise.aac": (b"\xff\xf1" + bytes(range(256)) * 8, "cannot be decoded", "export it again"),
    "silent.wav": (wav(np.zeros(66_000, np.float32)), "No music was heard", "recording of music"),
    "speech.wav": (wav(speech(5)), "No music was heard", "Send a recording of music"),
    "noise.bin": (b"\x01\x02\x03\x04" * 50, "no kind of file that is known here", "as MIDI"),
    "huge.wav": (bytes(34 << 20), "34 MB; at most 32 MB are read", "or a part of it"),
}


@pytest.fixture(scope="module")
def page(url: str) -> Iterator[Page]:
    """Open the page once for all files: after each it goes on."""
    with open_tab(390, 800) as tab:
        tab.page.goto(url)
        expect(tab.page.locator("#pieces button")).not_to_have_count(0)
        yield tab.page
        tab.page.locator("#pieces button").first.click()
        expect(tab.page.locator("#segments > *")).not_to_have_count(0)
        assert tab.page.locator("#problem").is_hidden()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_file_gets_a_sentence_and_a_way_on(page: Page, tmp_path: Path, name: str) -> None:
    content, sentence, way = WRONG[name]
    file = tmp_path / name
    file.write_bytes(content)
    page.evaluate("document.querySelector('#problem').hidden = true")

    page.locator("#file").set_input_files(file)

    problem = page.locator("#problem")
    expect(problem).to_be_visible(timeout=60_000)
    text = problem.inner_text()
    assert sentence in text
    assert way in text
    assert not re.search(r"MThd|\\x|Error|Errno|_", text)
    assert problem.get_by_role("button", name="Choose another file").is_visible()
    result = page.locator("#result")
    assert result.is_hidden() or result.locator("#verdict").inner_text() == "No answer"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


DROP = """
([files, text]) => {
  const transfer = new DataTransfer();
  for (const name of files) transfer.items.add(new File(['x'], name));
  if (text) transfer.setData('text/uri-list', text);
  dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, cancelable: true }));
}
"""


@pytest.mark.parametrize(
    ("files", "text", "title"),
    [
        (["a.mid", "b.mid"], "", "These are several files"),
        ([], "https://example.org/a.mid", "This is no file"),
    ],
)
def test_what_is_dropped_and_is_not_one_file_is_told(
    page: Page, files: list[str], text: str, title: str
) -> None:
    page.evaluate(DROP, [files, text])
    expect(page.locator("#problem strong")).to_have_text(title)
