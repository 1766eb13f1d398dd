"""Scores in four formats: the same music gives the same notes, and no file does harm."""

import io
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tunesmith.midi import read_score
from tunesmith.midi.errors import (
    EmptyFile,
    MidiLimitExceeded,
    NoNotes,
    NotScore,
    ScoresNotInstalled,
    UnreadableMidi,
)
from tunesmith.midi.notation import is_notation
from tunesmith.midi.reading import Limits


def note(step, octave, quarters, *extra):
    """Return a note of MusicXML with four divisions a quarter."""
    return (
        f"<note>{extra[0] if extra else ''}<pitch><step>{step}</step><octave>{octave}</octave>"
        f"</pitch><duration>{int(quarters * 4)}</duration>{extra[1] if len(extra) > 1 else ''}"
        "</note>"
    )


def musicxml(*measures, attributes="", head=""):
    """Return a part of MusicXML in 4/4 at 60 quarter notes a minute."""
    first = (
        "<attributes><divisions>4</divisions><key><fifths>1</fifths></key><time><beats>4</beats>"
        f"<beat-type>4</beat-type></time>{attributes}</attributes>"
        '<sound tempo="60"/>'
    )
    body = "".join(
        f'<measure number="{n}">{first if n == 1 else ""}{measure}</measure>'
        for n, measure in enumerate(measures, start=1)
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<score-partwise version="3.1"><part-list>'
        '<score-part id="P1"><part-name>Flute</part-name></score-part></part-list>'
        f'<part id="P1">{body}</part></score-partwise>'
    ).encode()


QUARTERS = [("C", 60), ("D", 62), ("E", 64), ("G", 67)]
SCALE = "".join(note(step, 4, 1) for step, _ in QUARTERS)
MUSICXML = musicxml(SCALE)
MEI = (
    '<mei xmlns="http://www.music-encoding.org/ns/mei"><music><body><mdiv><score>'
    '<scoreDef meter.count="4" meter.unit="4" key.sig="1s" midi.bpm="60"><staffGrp><staffDef n="1" '
    'lines="5" clef.shape="G" clef.line="2"/></staffGrp></scoreDef><section><measure n="1">'
    '<staff n="1"><layer n="1">'
    + "".join(f'<note pname="{step.lower()}" oct="4" dur="4"/>' for step, _ in QUARTERS)
    + "</layer></staff></measure></section></score></mdiv></body></music></mei>"
).encode()
KERN = b"**kern\n*M4/4\n*k[f#]\n*MM60\n=1\n4c\n4d\n4e\n4g\n==\n*-\n"
ABC = b"X:1\nT:Scale\nM:4/4\nL:1/4\nQ:1/4=60\nK:G\nC D E G |]\n"
FORMATS = {"musicxml": MUSICXML, "mei": MEI, "humdrum": KERN, "abc": ABC}


def rows(data):
    """Return pitch, onset and length in quarters of each note."""
    notes = read_score(data).notes
    return list(
        zip(
            notes["pitch"].tolist(),
            notes["onset_quarters"].tolist(),
            notes["duration_quarters"].tolist(),
            strict=True,
        )
    )


def archived(data, name="score.xml", container=True):
    """Return an archive of MusicXML."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        if container:
            archive.writestr(
                "META-INF/container.xml",
                f'<container><rootfiles><rootfile full-path="{name}"/></rootfiles></container>',
            )
        archive.writestr("other.xml", b"<other/>")
        archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize("format_name", FORMATS)
def test_every_format_gives_the_same_notes(format_name):
    score = read_score(FORMATS[format_name])
    assert rows(FORMATS[format_name]) == [(p, i, 1.0) for i, (_, p) in enumerate(QUARTERS)]
    assert score.reader == format_name
    assert score.ticks_per_quarter == 10_080
    assert score.time_signatures[1].tolist() == [4]
    assert score.key_signatures[1].tolist() == [7]
    np.testing.assert_allclose(score.notes["onset_s"], [0, 1, 2, 3])
    assert score.end_time_s == pytest.approx(4.0)


@pytest.mark.parametrize(
    "data",
    [
        archived(MUSICXML),
        archived(MUSICXML, "a/b.musicxml"),
        MUSICXML.decode().replace("UTF-8", "UTF-16").encode("utf-16"),
        b"\xef\xbb\xbf" + MUSICXML,
        MUSICXML.replace(
            b"?>",
            b'?><!DOCTYPE score-partwise PUBLIC "-//Recordare//DTD MusicXML 3.1 Partwise//EN" '
            b'"http://www.musicxml.org/dtds/partwise.dtd">',
            1,
        ),
    ],
    ids=["mxl", "mxl with folder", "UTF-16", "byte order mark", "document type"],
)
def test_musicxml_in_its_wrappings(data):
    assert rows(data) == rows(MUSICXML)


def test_a_score_by_measures_is_read_as_one_by_parts():
    timewise = (
        MUSICXML.decode()
        .replace("score-partwise", "score-timewise")
        .replace('<part id="P1"><measure number="1">', '<measure number="1"><part id="P1">')
        .replace("</measure></part>", "</part></measure>")
    )
    assert rows(timewise.encode()) == rows(MUSICXML)


def test_repeats_are_played():
    forward = '<barline location="left"><repeat direction="forward"/></barline>'
    backward = '<barline location="right"><repeat direction="backward"/></barline>'
    data = musicxml(forward + SCALE + backward, note("C", 5, 4))
    assert [pitch for pitch, _, _ in rows(data)] == [60, 62, 64, 67] * 2 + [72]


def test_repeats_without_end_are_refused():
    backward = '<barline location="right"><repeat direction="backward" times="1000000"/></barline>'
    with pytest.raises(UnreadableMidi, match="1,000,000 times"):
        read_score(musicxml(SCALE + backward))


def test_ties_are_joined():
    data = musicxml(
        note("C", 4, 4, "", '<tie type="start"/>'), note("C", 4, 2, "", '<tie type="stop"/>')
    )
    assert rows(data) == [(60, 0.0, 6.0)]


def test_a_transposing_instrument_sounds():
    transpose = "<transpose><diatonic>-1</diatonic><chromatic>-2</chromatic></transpose>"
    data = musicxml(SCALE, attributes=transpose)
    assert [pitch for pitch, _, _ in rows(data)] == [58, 60, 62, 65]


def test_grace_notes_are_32nds_before_the_beat():
    grace = "".join(
        f"<note><grace/><pitch><step>{step}</step><octave>4</octave></pitch></note>"
        for step in "AB"
    )
    data = musicxml(note("C", 4, 2) + grace + note("C", 5, 2))
    assert rows(data) == [(60, 0.0, 2.0), (69, 1.75, 0.125), (71, 1.875, 0.125), (72, 2.0, 2.0)]
    assert read_score(data).warnings == ("2 grace notes read as 32nds before the beat",)


def test_tempo_marks_are_followed():
    data = musicxml(SCALE, '<sound tempo="120"/>' + SCALE)
    score = read_score(data)
    assert score.end_time_s == pytest.approx(6.0)
    assert score.tempos[1].tolist() == pytest.approx([60.0, 120.0])


def test_unpitched_notes_are_drums():
    drum = (
        "<note><unpitched><display-step>E</display-step><display-octave>4</display-octave>"
        "</unpitched><duration>4</duration></note>"
    )
    score = read_score(musicxml(note("C", 4, 1) + drum))
    assert score.notes["is_drum"].tolist() == [False, True]


def test_of_several_pieces_the_first_is_read_and_the_others_told():
    score = read_score(ABC + b"\n" + ABC.replace(b"X:1", b"X:2"))
    assert len(score.notes) == 4
    assert score.warnings == ("holds 2 pieces, of which the first is read",)


TWO_VOICES = b"""X:1
M:4/4
L:1/4
K:C
V:top treble nm="Top"
V:low bass nm="Low"
V:top
 C D E G & z2 c2 | [V:low] C,4 |
V:top
 C4 |]
V:low
 G,,4 |]
"""


def test_voices_and_overlays_of_abc():
    top = [(60, 0, 1), (62, 1, 1), (64, 2, 1), (67, 3, 1), (72, 2, 2), (60, 4, 4)]
    assert sorted(rows(TWO_VOICES)) == sorted([*top, (48, 0, 4), (43, 4, 4)])


def test_reading_abc_leaves_the_recursion_limit_of_the_process() -> None:
    limit = sys.getrecursionlimit()
    read_score(ABC)
    assert sys.getrecursionlimit() == limit


@pytest.mark.parametrize("line", [b"%%abc-include /etc/passwd", b"I:abc-include /etc/passwd"])
def test_abc_includes_no_files(line):
    with pytest.raises(UnreadableMidi, match="includes another file"):
        read_score(ABC.replace(b"K:G", line + b"\nK:G"))


def test_repeats_of_kern_are_played():
    kern = b"**kern\n*M4/4\n=1-\n4c\n4d\n4e\n4g\n=:|!\n1cc\n==\n*-\n"
    assert [pitch for pitch, _, _ in rows(kern)] == [60, 62, 64, 67] * 2 + [72]


@pytest.mark.parametrize("version", [b"", b' meiversion="3.0.0"', b' meiversion="4.0.1"'])
def test_versions_of_mei(version):
    data = MEI.replace(b'/ns/mei"', b'/ns/mei"' + version)
    assert rows(data) == [(p, i, 1.0) for i, (_, p) in enumerate(QUARTERS)]


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">'
    b'<!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><score-partwise>&b;</score-partwise>'
)
OUTSIDE = (
    b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    b"<score-partwise>&x;</score-partwise>"
)
DEEP = b"<score-partwise>" + b"<a>" * 100_000


@pytest.mark.parametrize(
    ("data", "error", "words"),
    [
        (BOMB, UnreadableMidi, "defines entities"),
        (OUTSIDE, UnreadableMidi, "defines entities"),
        (BOMB.decode().encode("utf-16"), UnreadableMidi, "entities"),
        (archived(BOMB), UnreadableMidi, "defines entities"),
        (DEEP, UnreadableMidi, "nests more than 200"),
        (b"<html><body>404</body></html>", NotScore, "its root is <html>"),
        (archived(b"<html/>"), NotScore, "its root is <html>"),
        (archived(b"text", "a.txt", container=False), NotScore, "its root is <other>"),
        (MUSICXML[:400], UnreadableMidi, "XML is damaged"),
        (archived(MUSICXML)[:-40], UnreadableMidi, r"\.mxl\) is damaged"),
        (archived(b" " * 5_000_000), MidiLimitExceeded, "max_bytes"),
        (MUSICXML + b" " * 5_000_000, MidiLimitExceeded, "max_bytes"),
        (archived(b""), EmptyFile, "empty"),
        (b"<score-partwise/>", NoNotes, "no notes"),
        (musicxml("<note><rest/><duration>16</duration></note>"), NoNotes, "no notes"),
        (b"**kern\n4c\t4d\t\t\n*v\t*^\n", UnreadableMidi, "cannot be read as Humdrum kern"),
    ],
)
def test_no_file_does_harm(data, error, words):
    with pytest.raises(error, match=words):
        read_score(data)


def test_the_limits_hold():
    with pytest.raises(MidiLimitExceeded, match="max_notes"):
        read_score(MUSICXML, limits=Limits(max_notes=3))
    with pytest.raises(MidiLimitExceeded, match="max_duration_s"):
        read_score(MUSICXML, limits=Limits(max_duration_s=3.5))


def test_without_the_extra_a_sentence_says_how_to_have_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "music21", None)
    with pytest.raises(ScoresNotInstalled, match=r"\(MusicXML\).*tunesmith\[scores\]"):
        read_score(MUSICXML)


def test_music21_alone_reads_musicxml(monkeypatch):
    monkeypatch.setitem(sys.modules, "converter21", None)
    assert rows(MUSICXML)
    with pytest.raises(ScoresNotInstalled, match=r"\(ABC\).*tunesmith\[scores\]"):
        read_score(ABC)


@pytest.mark.parametrize("data", [b"Dear Sir,\n", b"\0" * 128 + b"MThd", b"a,b\n1,2\n", b""])
def test_what_is_no_score_is_left_to_the_reader_of_midi(data):
    assert not is_notation(data)


ROOT = Path(__file__).parents[2]
SHORT = ("bach/bwv66.6", "ryansMammoth/LanigansBallJig", "schoenberg/opus19/movement2")


@pytest.mark.slow
@pytest.mark.parametrize("only", [SHORT, pytest.param((), marks=pytest.mark.long, id="all")])
def test_four_formats_of_a_score_give_the_notes_of_its_midi(only):
    names = [word for name in only for word in ("--only", name)]
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "scores.py", *names],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines() if line.startswith("|")][2:]
    cells = [cell.strip() for row in rows for cell in row.split("|")[3:-1]]
    assert len(cells) == 4 * (len(only) or 20)
    assert cells.count("same") >= 0.5 * len(cells)
    assert all(cell.startswith(("same", "one key", "other music")) for cell in cells), done.stdout


@pytest.mark.parametrize(
    ("marks", "tempos"),
    [
        ('<tempo tstamp="1" mm="60" mm.unit="4">x</tempo>', [60]),
        ('<tempo tstamp="1" mm="40" mm.unit="4" mm.dots="1"/>', [60]),
        ('<tempo tstamp="1" mm="30" mm.unit="2">x</tempo>', [60]),
        ('<tempo tstamp="1" midi.mspb="1000000">x</tempo>', [60]),
        ('<tempo tstamp="1" midi.bpm="60" mm="90">x</tempo>', [60]),
        ('<tempo tstamp="1">Slow &#x2669; = 60</tempo>', [60]),
        ('<tempo tstamp="1"><rend>&#xE1D3;</rend> = 30</tempo>', [60]),
        ('<tempo tstamp="1">&#xE1D5;&#xE1E7; = 40</tempo>', [60]),
        ('<tempo tstamp="1" mm="60"/><tempo tstamp="3" mm="90">x</tempo>', [60, 90]),
        ('<tempo tstamp="1" mm="fast">x</tempo>', [120]),
        ("", [120]),
    ],
)
def test_tempo_marks_of_mei_are_followed(marks, tempos):
    own = marks.replace("<tempo", '<tempo staff="1"')
    plain = MEI.decode().replace(' midi.bpm="60"', "")
    data = plain.replace("</measure>", f"{own}</measure>")
    score = read_score(data.encode())
    assert np.round(score.tempos[1], 3).tolist() == tempos


@pytest.mark.parametrize("field", ['midi.bpm="60"', 'mm="60" mm.unit="4"'])
def test_the_tempo_of_a_whole_mei_score_is_followed(field):
    data = MEI.decode().replace('midi.bpm="60"', field)
    assert np.round(read_score(data.encode()).tempos[1], 3).tolist() == [60]
