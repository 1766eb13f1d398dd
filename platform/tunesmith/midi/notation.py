"""Recognise files of notation, MusicXML, MEI, Humdrum and ABC, and open them safely.

XML is read by expat with entities refused: a document cannot grow, nor name other files. Archives
of MusicXML (``.mxl``) are unpacked in memory up to the limit of a file.
"""

import codecs
import io
import re
import xml.etree.ElementTree as ET
import zipfile
import zlib
from dataclasses import dataclass
from typing import Literal
from xml.parsers import expat

from tunesmith.midi.container import Limits
from tunesmith.midi.errors import EmptyFile, NotScore, UnreadableMidi

__all__ = ["NOTATION_SUFFIXES", "Notation", "is_notation", "open_notation"]

NOTATION_SUFFIXES = (".xml", ".musicxml", ".mxl", ".krn", ".abc", ".mei")

ZIP = b"PK\x03\x04"
SNIFFED_BYTES = 100_000
MOST_DEPTH = 200
"""Elements inside each other; MusicXML needs a dozen."""
MOST_MEMBERS = 1000
CONTAINER = "META-INF/container.xml"

_KERN = re.compile(rb"^(?:[^\n]*\t)?\*\*kern\b", re.MULTILINE)
_ABC = re.compile(rb"^X:[ \t]*\d", re.MULTILINE)
_ABC_KEY = re.compile(rb"^K:", re.MULTILINE)
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

ROOTS = frozenset({"score-partwise", "score-timewise", "mei"})

Format = Literal["musicxml", "mei", "humdrum", "abc"]
NAMES: dict[Format, str] = {
    "musicxml": "MusicXML",
    "mei": "MEI",
    "humdrum": "Humdrum kern",
    "abc": "ABC",
}


@dataclass(frozen=True, slots=True)
class Notation:
    """Text of a score.

    Attributes
    ----------
    format
        Format of the text.
    text
        The text; XML without a document type.
    warnings
        Changes made while opening.
    """

    format: Format
    text: str
    warnings: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Name of the format for people."""
        return NAMES[self.format]


def is_notation(data: bytes) -> bool:
    """Return whether the bytes look like a score: XML, a zip archive, Humdrum or ABC."""
    if data.startswith((b"MThd", b"RIFF", b"\x1f\x8b")):
        return False
    start = data[:SNIFFED_BYTES]
    if start.startswith(ZIP):
        return True
    if start.startswith(_UTF16):
        start = start.decode("utf-16", "replace").encode()
    start = start.removeprefix(codecs.BOM_UTF8).lstrip()
    is_abc = start.startswith(b"%abc") or (_ABC.search(start) and _ABC_KEY.search(start))
    return start.startswith(b"<") or bool(_KERN.search(start)) or bool(is_abc)


def open_notation(data: bytes, limits: Limits) -> Notation:
    """Return the text of a score.

    Raises
    ------
    NotScore
        If the file is XML or a zip archive, but not of music.
    MidiLimitExceeded
        If it is too large.
    UnreadableMidi
        If it is damaged, or holds entities.
    """
    if data.startswith(ZIP):
        data = _unpacked(data, limits)
    limits.check("max_bytes", len(data))
    if not data.strip():
        raise EmptyFile
    text = _decoded(data)
    if text.lstrip().startswith("<"):
        return _open_xml(data)
    if _KERN.search(text.encode()):
        return Notation("humdrum", text)
    return Notation("abc", text)


def _decoded(data: bytes) -> str:
    if data.startswith(_UTF16):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


# --- zip


def _unpacked(data: bytes, limits: Limits) -> bytes:
    """Return the score of an archive of MusicXML."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            if len(names) > MOST_MEMBERS:
                message = f"The archive has {len(names):,} members; a score has a few."
                raise NotScore(message)
            name = _root_file(archive, names, limits)
            return _member(archive, name, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError) as error:
        message = f"The archive of the score (.mxl) is damaged ({error}). Export it again."
        raise UnreadableMidi(message) from error
    except RuntimeError as error:
        message = f"The archive of the score (.mxl) cannot be opened: {error}."
        raise UnreadableMidi(message) from error


def _root_file(archive: zipfile.ZipFile, names: list[str], limits: Limits) -> str:
    """Return the member that the container names, else the first one that may be a score."""
    if CONTAINER in names:
        root = _parsed(_member(archive, CONTAINER, limits))
        for element in root.iter():
            path = element.get("full-path")
            if path in names and path is not None:
                return path
    for name in names:
        if name.lower().endswith((".xml", ".musicxml")) and not name.startswith("META-INF/"):
            return name
    message = (
        "The file is a zip archive without a score: no member is MusicXML. Ingest archives of "
        "files under their own suffix, .zip."
    )
    raise NotScore(message)


def _member(archive: zipfile.ZipFile, name: str, limits: Limits) -> bytes:
    """Return a member; the size that the archive declares is not trusted."""
    with archive.open(name) as member:
        data = member.read(limits.max_bytes + 1)
    limits.check("max_bytes", len(data))
    return data


# --- XML


def _open_xml(data: bytes) -> Notation:
    root = _parsed(data, is_score=True)
    name = root.tag.rsplit("}", 1)[-1]
    if name == "score-timewise":
        root = _by_part(root)
    text = ET.tostring(root, encoding="unicode")
    return Notation("mei" if name == "mei" else "musicxml", text)


def _parsed(data: bytes, *, is_score: bool = False) -> ET.Element:
    """Return the root of a document that defines no entities and names no other file.

    Of a score, the name of the root is checked first: a web page is no damaged score.
    """
    parser = expat.ParserCreate()
    depth = 0

    def refuse_entity(*_: object) -> None:
        message = (
            "The XML defines entities, which can make a small file grow without bounds or read "
            "other files; no score needs them. Export it again."
        )
        raise UnreadableMidi(message)

    def enter(tag: str, _: object) -> None:
        nonlocal depth
        depth += 1
        name = tag.rsplit(":", 1)[-1]
        if depth == 1 and is_score and name not in ROOTS:
            message = (
                f"The file is XML or HTML, but no music: its root is <{name[:40]}>, not "
                "<score-partwise> (MusicXML) or <mei>. Leave it out, or export the score as "
                "MusicXML."
            )
            raise NotScore(message)
        if depth > MOST_DEPTH:
            message = f"The XML nests more than {MOST_DEPTH} elements; it is no score."
            raise UnreadableMidi(message)

    def leave(*_: object) -> None:
        nonlocal depth
        depth -= 1

    parser.EntityDeclHandler = refuse_entity
    parser.StartElementHandler = enter
    parser.EndElementHandler = leave
    try:
        parser.Parse(data, True)
        return ET.fromstring(data)  # noqa: S314 - expat has refused entities
    except (expat.ExpatError, ET.ParseError, LookupError, ValueError) as error:
        message = f"The XML is damaged ({error}). Export the score again."
        raise UnreadableMidi(message) from error


def _by_part(root: ET.Element) -> ET.Element:
    """Return a score ordered by measures as one ordered by parts."""
    partwise = ET.Element("score-partwise", root.attrib)
    parts: dict[str, ET.Element] = {}
    for child in root:
        if child.tag != "measure":
            partwise.append(child)
            continue
        for part in child.findall("part"):
            name = part.get("id", "")
            if name not in parts:
                parts[name] = ET.Element("part", {"id": name})
            measure = ET.SubElement(parts[name], "measure", child.attrib)
            measure.extend(part)
    partwise.extend(parts.values())
    return partwise
