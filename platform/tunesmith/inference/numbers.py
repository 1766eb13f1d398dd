"""Numbers as people write them: decimal commas, thousands, units, durations and dates."""

import math
import re
from datetime import datetime

from tunesmith.artifacts.preparation import NumberFormat

__all__ = ["DATE_FORMATS", "read_formatted"]

DATE_FORMATS: dict[str, tuple[str, ...]] = {
    "iso": ("%Y-%m-%d", "%Y/%m/%d", "%Y-%m"),
    "day first": ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y"),
    "month first": ("%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y"),
    "named month": (
        "%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%B %d %Y", "%b %d %Y", "%d-%b-%Y",
        "%d. %B %Y", "%B %Y", "%b %Y",
    ),
}  # fmt: skip
"""Formats of a date by its name, as `datetime.strptime` takes them."""

_DURATION = re.compile(r"([+-])?(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:[.,]\d+)?)")
_UNITS = re.compile(
    r"(?:(\d+)\s*h(?:ours?|rs?)?)?\s*(?:(\d+)\s*m(?:in(?:utes?|s)?)?)?\s*"
    r"(?:(\d+(?:[.,]\d+)?)\s*s(?:ec(?:onds?|s)?)?)?",
    re.IGNORECASE,
)
_TIME = re.compile(
    r"(?<=\d)(?:T|\s+)(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?\s*(Z|[+-]\d{2}:?\d{2})?$"
)
_EPOCH = datetime(1970, 1, 1)
_SPACES = str.maketrans("", "", " \u00a0\u202f\u2009")
_MINUS = str.maketrans("\u2212\u2013", "--")
_POWERS = {"k": 1e3, "m": 1e6, "mn": 1e6, "mio": 1e6, "b": 1e9, "bn": 1e9}


def read_formatted(text: str, form: NumberFormat) -> float:
    """Return the number that a text holds in a format, NaN where it holds none.

    Parameters
    ----------
    text
        The text, without spaces around it.
    form
        How the numbers of the column are written. A duration becomes seconds, a date the days
        since 1970.
    """
    if form.kind == "date":
        return _date(text, form.dates)
    if form.kind == "duration":
        return _duration(text)
    return _number(text.translate(_MINUS), form)


def _number(text: str, form: NumberFormat) -> float:
    for affix in form.affixes:
        text = text.removeprefix(affix).removesuffix(affix).strip()
    factor = 1.0
    if form.powers and (power := re.search(r"[A-Za-z]+$", text)):
        factor = _POWERS.get(power.group().casefold(), math.nan)
        text = text[: power.start()].strip()
    if form.thousands == " ":
        text = text.translate(_SPACES)
    elif form.thousands:
        text = text.replace(form.thousands, "")
    if form.decimal != ".":
        # A point beside decimal commas is no number of this format.
        text = text.replace(".", "_").replace(form.decimal, ".")
    if "_" in text:
        return math.nan
    try:
        return float(text) * factor
    except ValueError:
        return math.nan


def _duration(text: str) -> float:
    """Return ``3:45``, ``1:02:03.5`` or ``3 min 45 s`` in seconds."""
    if match := _DURATION.fullmatch(text):
        sign, hours, minutes, seconds = match.groups()
        total = 3600 * int(hours or 0) + 60 * int(minutes) + float(seconds.replace(",", "."))
        return -total if sign == "-" else total
    match = _UNITS.fullmatch(text)
    if not text or match is None or not any(match.groups()):
        return math.nan
    hours, minutes, seconds = match.groups()
    return (
        3600 * int(hours or 0) + 60 * int(minutes or 0) + float((seconds or "0").replace(",", "."))
    )


def _date(text: str, kind: str) -> float:
    """Return a date, with its time of day if any, as days since 1970."""
    day, fraction = text, 0.0
    if clock := _TIME.search(text):
        hours, minutes, seconds, zone = clock.groups()
        fraction = (3600 * int(hours) + 60 * int(minutes) + float(seconds or 0)) / 86400
        fraction -= _zone_s(zone) / 86400
        day = text[: clock.start()]
    for form in DATE_FORMATS[kind]:
        try:
            moment = datetime.strptime(day, form)
        except ValueError:
            continue
        return (moment - _EPOCH).days + fraction
    return math.nan


def _zone_s(zone: str | None) -> float:
    if zone is None or zone == "Z":
        return 0.0
    delta = datetime.strptime(zone, "%z").utcoffset()
    return delta.total_seconds() if delta is not None else 0.0
