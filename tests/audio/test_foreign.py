"""Files that are no music, named by their kind with a way to music."""

import io
import zipfile

import pytest

from tests.audio.sounds import encoded
from tunesmith.audio import read_music
from tunesmith.audio.foreign import foreign_kind
from tunesmith.midi.errors import MidiError, NotMidi

__all__ = ["FOREIGN", "zip_of"]


def zip_of(*names: str) -> bytes:
    """Return a zip archive with members of these names."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return file.getvalue()


HTML = b"<!DOCTYPE html>\n<html><head><title>404</title></head><body><p>Not here</body></html>"
FOREIGN = {
    "score.pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "a PDF document", "MusicXML or MIDI"),
    "scan.png": (b"\x89PNG\r\n\x1a\n" + bytes(40), "a picture (PNG)", "scans sheet music"),
    "photo.jpg": (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(40), "a picture (JPEG)", "scans"),
    "photo.heic": (b"\0\0\0\x18ftypheic" + bytes(40), "a picture (HEIC)", "scans sheet music"),
    "picture.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a picture (SVG)", "scans"),
    "songs.zip": (zip_of("a.mid", "b.mid"), "an archive (zip)", "Unpack it"),
    "songs.rar": (b"Rar!\x1a\x07\x01\x00" + bytes(40), "an archive (RAR)", "Unpack it"),
    "songs.tar": (bytes(257) + b"ustar\x0000" + bytes(260), "an archive (TAR)", "Unpack it"),
    "letter.docx": (zip_of("[Content_Types].xml", "word/document.xml"), "(Word)", "music itself"),
    "letter.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(40), "a document", "music itself"),
    "score.mscz": (zip_of("META-INF/container.xml", "s.mscx"), "project of MuseScore", "export"),
    "score.mscx": (b'<?xml version="1.0"?>\n<museScore version="4.0"/>', "MuseScore", "export"),
    "song.gp5": (b"\x18FICHIER GUITAR PRO v5.00" + bytes(40), "of Guitar Pro", "export MusicXML"),
    "song.gp": (zip_of("VERSION", "Content/score.gpif"), "a project of Guitar Pro", "export"),
    "score.sib": (b"\x0fSIBELIUS\0\0" + bytes(40), "a project of Sibelius", "export MusicXML"),
    "score.ly": (
        b'\\version "2.24.0"\n\\relative c\' { c d e f }',
        "source of LilyPond",
        "take the MIDI file",
    ),
    "page.html": (HTML, "a web page", "download"),
    "data.json": (b'{"notes": [60, 62]}', "a text in JSON", "the music itself"),
    "list.csv": (b"title,composer\nFugue,Bach\n", "a text without notes", "the music itself"),
    "letter.txt": ("Für Elise, grüß Gott".encode("latin-1"), "a text without notes", "itself"),
    "note.txt": ("Dear Sir".encode("utf-16"), "a text without notes", "the music itself"),
    "song.wma": (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(40), "(WMA)", "Convert it to MP3"),
    "film.avi": (b"RIFF\x40\0\0\0AVI LIST" + bytes(40), "a film", "Export its sound"),
    "piano.sf2": (b"RIFF\x40\0\0\0sfbkLIST" + bytes(40), "a sound font", "the music itself"),
    "data.bin": (b"\x01\x02\x03\x04" * 20, "no kind of file that is known", "Export the music"),
    "setup.exe": (b"MZ\x90\0\x03\0\0\0" + bytes(40), "a program (Windows)", "the music itself"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_that_is_no_music_is_named_with_a_way_on(name: str) -> None:
    content, kind, way = FOREIGN[name]
    with pytest.raises(NotMidi) as refusal:
        read_music(content)
    sentence = str(refusal.value)
    assert sentence.startswith("This is ")
    assert kind in sentence
    assert way in sentence
    assert "\\x" not in sentence


@pytest.mark.parametrize(
    "content",
    [b"<rss version='2.0'/>", b"<score-partwise>", zip_of("a.mid")[:40]],
)
def test_of_other_files_the_reader_of_scores_says_what_is_wrong(content: bytes) -> None:
    assert foreign_kind(content) is None
    with pytest.raises(MidiError) as refusal:
        read_music(content)
    assert not str(refusal.value).startswith("This is ")


def test_music_is_read_and_not_named(midi_factory) -> None:
    assert read_music(midi_factory(seed=1)).notes.size
    # A wrapper that begins like another file does not hide the MIDI data inside.
    assert read_music(b"%PDF-1.4\n" + midi_factory(seed=1)).notes.size
    assert read_music(encoded("m4a")).reader == "m4a"
