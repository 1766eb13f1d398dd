"""Name files that are no music by their first bytes, and say what to do with each kind.

People try what they have: the PDF of a score, a project of a notation program, a film. The name of
the kind and a way to music help them more than the bytes that are wrong.
"""

import io
import re
import zipfile
from collections.abc import Callable

__all__ = ["PICTURE_BRANDS", "foreign_kind"]

_SNIFFED_BYTES = 4096
_MOST_NAMES = 2000
_JSON = re.compile(rb"\s*[\[{]\s*[\]}\"\[{\d-]")

_SCAN = (
    "Its notes have to be recognised first: open it in a program that scans sheet music, such as "
    "Audiveris, and export MusicXML or MIDI."
)
_ITSELF = "Take the music itself: a MIDI file, MusicXML, or a recording."
_PICTURE = f"a picture ({{}}). {_SCAN}"
_PDF = (
    "a PDF document, which shows music and does not hold its notes. Export MusicXML or MIDI from "
    "the program that made it; of a scan, export it from a program that recognises notes, such as "
    "Audiveris."
)
_PROJECT = (
    "a project of {}, which no other program reads. Open it there and export MusicXML or MIDI."
)
_ARCHIVE = "an archive ({}). Unpack it, and take one of the files inside."
_SOUND = "sound in a format that is not read ({}). Convert it to MP3 or WAV."
_FILM = "a film in a format that is not read ({}). Export its sound as MP3 or WAV."
_MODULE = "a tracker module ({}). Export it as WAV from a program that plays it."
_DOCUMENT = "a document ({}), which holds no notes. " + _ITSELF
_WEB_PAGE = (
    "a web page, which some sites send in place of a download. Open it in a browser and download "
    "the music from there."
)
_TEXT = f"a text{{}} without notes in MusicXML, MEI, Humdrum or ABC. {_ITSELF}"
_PROGRAM = f"a program ({{}}), which holds no notes. {_ITSELF}"
_SOUND_FONT = f"a sound font: sounds of instruments, without a piece. {_ITSELF}"
_LILYPOND = (
    "a source of LilyPond. Add \\midi { } to its \\score, and take the MIDI file that LilyPond "
    "writes then."
)

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", _PDF),
    (b"\x89PNG", _PICTURE.format("PNG")),
    (b"\xff\xd8\xff", _PICTURE.format("JPEG")),
    (b"GIF8", _PICTURE.format("GIF")),
    (b"BM", _PICTURE.format("BMP")),
    (b"II*\x00", _PICTURE.format("TIFF")),
    (b"MM\x00*", _PICTURE.format("TIFF")),
    (b"%!PS", _PICTURE.format("PostScript")),
    (b"\x0fSIBELIUS", _PROJECT.format("Sibelius")),
    (b"ENIGMA BINARY FILE", _PROJECT.format("Finale")),
    (b"\x18FICHIER GUITAR PRO", _PROJECT.format("Guitar Pro")),
    (b"BCFZ", _PROJECT.format("Guitar Pro")),
    (b"BCFS", _PROJECT.format("Guitar Pro")),
    (b"Rar!", _ARCHIVE.format("RAR")),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE.format("7z")),
    (b"\xfd7zXZ", _ARCHIVE.format("XZ")),
    (b"BZh", _ARCHIVE.format("bzip2")),
    (b"\x28\xb5\x2f\xfd", _ARCHIVE.format("Zstandard")),
    (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _SOUND.format("WMA")),
    (b"caff", _SOUND.format("CAF")),
    (b".snd", _SOUND.format("AU")),
    (b"#!AMR", _SOUND.format("AMR")),
    (b"MAC ", _SOUND.format("Monkey's Audio")),
    (b"wvpk", _SOUND.format("WavPack")),
    (b"DSD ", _SOUND.format("DSD")),
    (b"\x0bw", _SOUND.format("AC-3")),
    (b"\x00\x00\x01\xba", _FILM.format("MPEG")),
    (b"\x00\x00\x01\xb3", _FILM.format("MPEG")),
    (b"FLV\x01", _FILM.format("FLV")),
    (b"Extended Module:", _MODULE.format("XM")),
    (b"IMPM", _MODULE.format("IT")),
    (b"{\\rtf", _DOCUMENT.format("RTF")),
    (b"\xd0\xcf\x11\xe0", _DOCUMENT.format("Microsoft Office")),
    (b"\x7fELF", _PROGRAM.format("Linux")),
    (b"MZ", _PROGRAM.format("Windows")),
    (b"\xcf\xfa\xed\xfe", _PROGRAM.format("macOS")),
    (b"SQLite format 3", f"a database (SQLite), which holds no notes. {_ITSELF}"),
)
_OF_RIFF = {
    b"AVI ": _FILM.format("AVI"),
    b"WEBP": _PICTURE.format("WebP"),
    b"sfbk": _SOUND_FONT,
}
PICTURE_BRANDS = {
    b"heic": _PICTURE.format("HEIC"),
    b"heix": _PICTURE.format("HEIC"),
    b"mif1": _PICTURE.format("HEIC"),
    b"avif": _PICTURE.format("AVIF"),
}
"""Brands of pictures in the container that M4A and MP4 share."""
_OF_ZIP: tuple[tuple[str, str], ...] = (
    (r"\.mscx$", _PROJECT.format("MuseScore")),
    (r"^Content/score\.gpif$", _PROJECT.format("Guitar Pro")),
    (r"^NotationMetadata\.xml$", _PROJECT.format("Finale")),
    (r"^word/", _DOCUMENT.format("Word")),
    (r"^xl/", _DOCUMENT.format("Excel")),
    (r"^ppt/", _DOCUMENT.format("PowerPoint")),
    (r"\.opf$", _DOCUMENT.format("EPUB")),
    (r"^META-INF/manifest\.xml$", _DOCUMENT.format("OpenDocument")),
)
_OF_TEXT: tuple[tuple[bytes, str], ...] = (
    (rb"<museScore\b", _PROJECT.format("MuseScore")),
    (rb"(?i)<!doctype html|<html\b", _WEB_PAGE),
    (rb"<svg\b", _PICTURE.format("SVG")),
    (rb"\\(?:version|score|relative)\b", _LILYPOND),
)


def foreign_kind(data: bytes) -> str | None:
    """Return what a file is that is no music, with a way to music; None where that is not known.

    Parameters
    ----------
    data
        Bytes of the file; its first ones decide, and the names inside a zip archive.

    Returns
    -------
    str or None
        Continues a sentence that begins with "It is ".
    """
    kinds: tuple[Callable[[bytes], str | None], ...] = (_binary_kind, _zip_kind, _text_kind)
    return next((kind for of in kinds if (kind := of(data))), None)


def _binary_kind(data: bytes) -> str | None:
    if data[4:8] == b"ftyp":
        return PICTURE_BRANDS.get(data[8:12])
    if data.startswith(b"RIFF"):
        return _OF_RIFF.get(data[8:12])
    if data[257:262] == b"ustar":
        return _ARCHIVE.format("TAR")
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)


def _zip_kind(data: bytes) -> str | None:
    if not data.startswith(b"PK\x03\x04"):
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()[:_MOST_NAMES]
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return None
    for pattern, kind in _OF_ZIP:
        if any(re.search(pattern, name) for name in names):
            return kind
    return _ARCHIVE.format("zip")


def _text_kind(data: bytes) -> str | None:
    start = data[:_SNIFFED_BYTES]
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        start = start.decode("utf-16", "replace").encode()
    for pattern, kind in _OF_TEXT:
        if re.search(pattern, start):
            return kind
    if start.lstrip().startswith(b"<") or not _is_text(start):
        return None  # of other XML the reader of scores names the root
    return _TEXT.format(" in JSON" if _JSON.match(start) else "")


def _is_text(start: bytes) -> bool:
    """Return whether bytes are characters of UTF-8 or of Latin-1, and no control characters."""
    return bool(start.strip()) and not re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", start)
