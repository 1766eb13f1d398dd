"""Numbers as people write them: decimal commas, thousands, units, durations and dates."""

import math
import re
import unicodedata
from datetime import datetime

from tunesmith.artifacts.preparation import NumberFormat

__all__ = ["DATE_FORMATS", "read_formatted"]

DATE_FORMATS: dict[str, tuple[str, ...]] = {
    "iso": ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m", "%Y"),
    "day first": ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y", "%d-%m-%y"),
    "month first": ("%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y", "%m/%d/%y", "%m-%d-%y", "%m.%d.%y"),
    "named month": (
        "%d %B %Y", "%d %b %Y", "%B %d, %Y", "%b %d, %Y", "%B %d %Y", "%b %d %Y", "%d-%b-%Y",
        "%d. %B %Y", "%B %Y", "%b %Y",
    ),
}  # fmt: skip
"""Formats of a date by its name, as `datetime.strptime` takes them."""

# English, German, French, Spanish, Italian, Portuguese and Dutch, without accents.
_MONTHS = {
    word: number
    for number, words in enumerate(
        (
            "january januar janvier enero gennaio janeiro januari",
            "february februar fevrier febrero febbraio fevereiro februari",
            "march marz maerz mars marzo marco maart",
            "april avril abril aprile",
            "may mai mayo maggio maio mei",
            "june juni juin junio giugno junho",
            "july juli juillet julio luglio julho",
            "august aout agosto augustus",
            "september septembre septiembre settembre setembro",
            "october oktober octobre octubre ottobre outubro",
            "november novembre noviembre novembro",
            "december dezember decembre diciembre dicembre dezembro",
        ),
        1,
    )
    for word in words.split()
}
_ENGLISH = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_WEEKDAY = re.compile(r"^[^\W\d]{2,10}\.?,\s*(?=\d)|^[^\W\d]{2,10},\s*(?=[^\W\d])")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th|er|º|ª)\b")
_LINKS = re.compile(r"\s+(?:de|of|del)\s+")

_DURATION = re.compile(r"([+-])?(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:[.,]\d+)?)")
_UNITS = re.compile(
    r"(?:(\d+)\s*h(?:ours?|rs?)?)?\s*(?:(\d+)\s*m(?:in(?:utes?|s)?)?)?\s*"
    r"(?:(\d+(?:[.,]\d+)?)\s*s(?:ec(?:onds?|s)?)?)?",
    re.IGNORECASE,
)
_PRIMES = re.compile(
    r"(?:(\d+)\s*['\u2032\u2019]\s*)?(\d{1,2}(?:[.,]\d+)?)\s*(?:[\"\u2033\u201d]|'')"
)
_ISO_DURATION = re.compile(r"P(?:(\d+)D)?T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:[.,]\d+)?)S)?")
_DAYS = re.compile(r"(\d+) days?,? (?=\d)")
_TIME = re.compile(
    r"(?<=\d)(?:T|,?\s+)(\d{1,2}):(\d{2})(?::(\d{2}(?:\.\d+)?))?\s*([AaPp]\.?[Mm]\.?)?"
    r"\s*(Z|UTC|[+-]\d{2}:?\d{2})?$"
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
    factor = 1.0
    # As accountants write: (5.00) is -5, and a sign stands before the currency.
    if text.startswith("(") and text.endswith(")"):
        factor, text = -1.0, text[1:-1].strip()
    elif form.affixes and text[:1] in {"-", "+"}:
        factor, text = (-1.0 if text[0] == "-" else 1.0), text[1:].strip()
    for affix in form.affixes:
        text = text.removeprefix(affix).removesuffix(affix).strip()
    # Whole francs: 5.- is 5.
    text = text.removesuffix(f"{form.decimal}-")
    if form.powers and (power := re.search(r"[A-Za-z]+$", text)):
        factor *= _POWERS.get(power.group().casefold(), math.nan)
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
    """Return ``3:45``, ``1:02:03.5``, ``3 min 45 s``, ``3'45"`` or ``PT3M45S`` in seconds."""
    days: str | None = None
    if match := _DAYS.match(text):
        days, text = match[1], text[match.end() :]
    if match := _DURATION.fullmatch(text):
        sign, hours, minutes, seconds = match.groups()
        total = _seconds(days, hours, minutes, seconds)
        return -total if sign == "-" else total
    if match := _PRIMES.fullmatch(text):
        return _seconds(days, None, *match.groups())
    match = _ISO_DURATION.fullmatch(text)
    if match is not None and any(match.groups()):
        return _seconds(*match.groups())
    match = _UNITS.fullmatch(text)
    if not text or match is None or not any(match.groups()):
        return math.nan
    return _seconds(days, *match.groups())


def _seconds(
    days: str | None, hours: str | None, minutes: str | None, seconds: str | None
) -> float:
    whole = 86400 * int(days or 0) + 3600 * int(hours or 0) + 60 * int(minutes or 0)
    return whole + float((seconds or "0").replace(",", "."))


def _date(text: str, kind: str) -> float:
    """Return a date, with its time of day if any, as days since 1970."""
    day, fraction = text, 0.0
    if clock := _TIME.search(text):
        hours, minutes, seconds, half, zone = clock.groups()
        hour = int(hours)
        if half:
            hour = hour % 12 + (12 if half[0] in "Pp" else 0)
        fraction = (3600 * hour + 60 * int(minutes) + float(seconds or 0)) / 86400
        fraction -= _zone_s(zone) / 86400
        day = text[: clock.start()]
    if kind == "named month":
        day = _in_english(day)
    for form in DATE_FORMATS[kind]:
        try:
            moment = datetime.strptime(day, form)
        except ValueError:
            continue
        return (moment - _EPOCH).days + fraction
    return math.nan


def _in_english(day: str) -> str:
    """Return a date with its month in English, without its weekday and ordinal endings."""
    day = _LINKS.sub(" ", _ORDINAL.sub("", _WEEKDAY.sub("", day)))
    words = []
    for word in day.split():
        plain = unicodedata.normalize("NFKD", word.rstrip(".,")).encode("ascii", "ignore").decode()
        number = _MONTHS.get(plain.casefold())
        mark = "," if word.endswith(",") else ""
        words.append(_ENGLISH[number - 1] + mark if number else word)
    return " ".join(words)


def _zone_s(zone: str | None) -> float:
    if zone is None or zone in {"Z", "UTC"}:
        return 0.0
    delta = datetime.strptime(zone, "%z").utcoffset()
    return delta.total_seconds() if delta is not None else 0.0
