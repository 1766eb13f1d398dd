"""Tempo marks of MEI in the one form that its reader plays: beats a minute in ``midi.bpm``.

Programs also write the metronome mark in ``mm``, the length of a quarter note in ``midi.mspb``, a
note and a number in the text, or a tempo for the whole score.
"""

import re

__all__ = ["with_midi_tempos"]

_TEMPO = re.compile(r"<((?:\w+:)?)tempo\b([^>]*?)(?:/>|>(.*?)</\1tempo>)", re.DOTALL)
_SCORE = re.compile(r"<((?:\w+:)?)scoreDef\b([^>]*)>")
_FIELD = re.compile(r"""([\w.]+)\s*=\s*["']([^"']*)["']""")
_NUMBER = re.compile(r"=\s*(?:<[^>]*>\s*)*(\d+(?:\.\d+)?)")
# Notes of text fonts, and of music fonts: those of metronome marks and those of single notes.
_QUARTERS = {
    "\u2669": 1.0, "\u266a": 0.5, "\U0001d15d": 4.0, "\U0001d15e": 2.0, "\U0001d15f": 1.0,
    "\U0001d160": 0.5, "\ueca2": 4.0, "\ueca3": 2.0, "\ueca5": 1.0, "\ueca7": 0.5, "\ue1d2": 4.0,
    "\ue1d3": 2.0, "\ue1d5": 1.0, "\ue1d7": 0.5,
}  # fmt: skip
_DOTS = "\ue1e7\uecb7."
_LONG = {"breve": 8.0, "long": 16.0}
_MILLION = 60_000_000


def with_midi_tempos(text: str) -> str:
    """Return an MEI document whose tempo marks say ``midi.bpm``, quarter notes a minute."""
    text = _TEMPO.sub(_with_bpm, text)
    score = _SCORE.search(text)
    if score is None:
        return text
    beats = _beats(dict(_FIELD.findall(score[2])), "")
    prefix = score[1]
    end = text.find(f"</{prefix}measure>", score.end())
    if beats is None or end < 0 or f"<{prefix}tempo" in text[score.end() : end]:
        return text
    mark = f'<{prefix}tempo staff="1" tstamp="1" midi.bpm="{beats:g}"/>'
    return text[:end] + mark + text[end:]


def _with_bpm(mark: re.Match[str]) -> str:
    fields = dict(_FIELD.findall(mark[2]))
    beats = _beats(fields, mark[3] or "")
    if "midi.bpm" in fields or beats is None:
        return mark[0]
    start = mark.start(2) - mark.start()
    return f'{mark[0][:start]} midi.bpm="{beats:g}"{mark[0][start:]}'


def _beats(fields: dict[str, str], text: str) -> float | None:
    """Return the quarter notes a minute that the fields or the text of a mark give."""
    try:
        if "midi.bpm" in fields:
            return float(fields["midi.bpm"])
        if "mm" in fields:
            unit = fields.get("mm.unit", "4")
            quarters = _LONG[unit] if unit in _LONG else 4 / float(unit)
            dots = int(fields.get("mm.dots", "0"))
            return float(fields["mm"]) * quarters * (2 - 1 / (1 << dots))
        if "midi.mspb" in fields:
            return _MILLION / float(fields["midi.mspb"])
    except (ValueError, ZeroDivisionError):
        return None
    plain = re.sub(r"<[^>]*>", "", text)
    note = next((place for place, letter in enumerate(plain) if letter in _QUARTERS), None)
    number = _NUMBER.search(plain)
    if note is None or number is None or note > number.start():
        return None
    has_dot = any(dot in plain[note : number.start()] for dot in _DOTS)
    return float(number[1]) * _QUARTERS[plain[note]] * (1.5 if has_dot else 1.0)
