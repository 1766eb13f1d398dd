"""Numbers as people write them: decimal commas, thousands, units, durations and dates."""

import math
import re
import unicodedata
from datetime import datetime
from functools import lru_cache

from tunesmith.artifacts.preparation import NumberFormat

__all__ = ["DATE_FORMATS", "read_formatted"]

DATE_FORMATS: dict[str, tuple[str, ...]] = {
    "iso": ("%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y-%m", "%m/%Y", "%Y"),
    "day first": ("%d.%m.%Y", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%y", "%d/%m/%y", "%d-%m-%y"),
    "month first": ("%m/%d/%Y", "%m-%d-%Y", "%m.%d.%Y", "%m/%d/%y", "%m-%d-%y", "%m.%d.%y"),
    "named month": (
        "%d %B %Y", "%d. %B %Y", "%d-%B-%Y", "%B %d, %Y", "%B %d %Y", "%Y %B %d", "%Y-%B-%d",
        "%B %Y", "%d %B %y", "%d-%B-%y",
    ),
}  # fmt: skip
"""Formats of a date by its name, as `datetime.strptime` takes them."""

_ACCENTS = re.compile("[\u0300-\u036f]")
# English, German, French, Spanish, Italian, Portuguese, Dutch, Danish, Swedish, Polish, Czech,
# Turkish, Russian and Ukrainian, without accents. The beginning of a name, such as `janv.`, counts
# where it fits one month alone.
_MONTHS = {
    _ACCENTS.sub("", unicodedata.normalize("NFKD", word)): number
    for number, words in enumerate(
        (
            (
                "january januar janvier enero gennaio janeiro januari"
                " stycznia styczen ledna leden ocak января январь січня"
            ),
            (
                "february februar fevrier febrero febbraio fevereiro februari"
                " lutego luty unora unor subat февраля февраль лютого"
            ),
            (
                "march marz maerz mars marzo marco maart"
                " marca marzec brezna brezen mart марта март березня"
            ),
            "april avril abril aprile kwietnia kwiecien dubna duben nisan апреля апрель квітня",
            "may mai mayo maggio maio mei maj maja kvetna kveten mayis мая май травня",
            (
                "june juni juin junio giugno junho"
                " czerwca czerwiec cervna cerven haziran июня июнь червня"
            ),
            (
                "july juli juillet julio luglio julho"
                " lipca lipiec cervence cervenec temmuz июля июль липня"
            ),
            (
                "august aout agosto augustus"
                " augusti sierpnia sierpien srpna srpen agustos августа август серпня"
            ),
            (
                "september septembre septiembre settembre setembro"
                " wrzesnia wrzesien zari eylul сентября сентябрь вересня"
            ),
            (
                "october oktober octobre octubre ottobre outubro"
                " pazdziernika pazdziernik rijna rijen ekim октября октябрь жовтня"
            ),
            (
                "november novembre noviembre novembro"
                " listopada listopad listopadu kasim ноября ноябрь листопада"
            ),
            (
                "december dezember decembre diciembre dicembre dezembro"
                " desember grudnia grudzien prosince prosinec aralik декабря декабрь грудня"
            ),
        ),
        1,
    )
    for word in words.split()
}
_SHORTEST_MONTH = 3
_ENGLISH = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September",
    "October", "November", "December",
)  # fmt: skip
_WEEKDAY = re.compile(r"^[^\W\d]{2,10}\.?,\s*(?=\d)|^[^\W\d]{2,10},\s*(?=[^\W\d])")
# Year, month and day in Chinese, Japanese and Korean.
_EAST_ASIAN = re.compile(
    r"(\d{4})\s*[\u5e74\ub144]\s*(\d{1,2})\s*[\u6708\uc6d4]\s*(\d{1,2})\s*[\u65e5\uc77c]"
)
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th|er|º|ª)\b")
_LINKS = re.compile(r"\s+(?:de|of|del)\s+")

# Seconds have two digits, and are no more than 59: 16:9 is a ratio.
_DURATION = re.compile(
    r"([+-])?(?:(\d+):(?=[0-5]\d:))?(\d{1,3}):([0-5]\d(?:[.,]\d+)?)(?:\s*min\.?)?"
)
_CLOCK = re.compile(r"(\d{1,2}):([0-5]\d)(?::([0-5]\d(?:\.\d+)?))?\s*([AaPp])\.?[Mm]\.?")
_AND = r"[\s,]*(?:(?<=\s)(?:and|und|et|y|e)\s+)?"
# A fraction of an m may be one of a metre.
_UNITS = re.compile(
    r"(?:(?P<hours>\d+(?:[.,]\d+)?)\s*(?:h(?:ours?|rs?|eures?|oras?)?|std|stunden?)\.?)?"
    rf"{_AND}(?:(?P<minutes>\d+(?=\s*m)|\d+[.,]\d+(?=\s*mi))"
    r"\s*m(?:in(?:ut(?:en?|es|os?|i)?|s)?)?\.?)?"
    rf"{_AND}(?:(?P<seconds>\d+(?:[.,]\d+)?)"
    r"\s*s(?:ec(?:onds?|s)?|ek(?:unden?)?|egundos?|econdes?)?\.?)?",
    re.IGNORECASE,
)
# 1h30 and 1:30 h are an hour and a half.
_HOURS_AND_MINUTES = re.compile(
    r"(?P<hours>\d+)(?:\s*h\s*(?=\d\d(?:\s*m(?:in)?)?$)|:(?=\d\d\s*h$))(?P<minutes>[0-5]\d)"
    r"\s*(?:h|m(?:in)?)?",
    re.IGNORECASE,
)
_PRIMES = re.compile(
    r"(?:(?P<minutes>\d+)\s*['\u2032\u2019]\s*)?(?P<seconds>\d{1,2}(?:[.,]\d+)?)"
    r"\s*(?:[\"\u2033\u201d]|'')"
)
_ISO_DURATION = re.compile(
    r"P(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:[.,]\d+)?)S)?)?"
)
_DAYS = re.compile(r"(\d+) days?,? (?=\d)")
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)?")
_TIME = re.compile(
    r"(?<=\d)(?:T|,?\s+)(\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))?"
    r"\s*([AaPp]\.?[Mm]\.?)?\s*(?:Uhr)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?$"
)
_EPOCH = datetime(1970, 1, 1)
_SPACE = re.compile("[ \u00a0\u202f\u2009]")
_APOSTROPHES = str.maketrans("\u2019\u02bc\u00b4`", "''''")
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
    if form.thousands:
        text = _joined(text, form)
    if form.decimal != ".":
        # A point beside decimal commas is no number of this format.
        text = text.replace(".", "_").replace(form.decimal, ".")
    if "_" in text:
        return math.nan
    try:
        return float(text) * factor
    except ValueError:
        return math.nan


def _joined(text: str, form: NumberFormat) -> str:
    """Return a number without the marks between its thousands; as it is if they stand elsewhere.

    Where commas separate thousands, 1,5 is not 15; and 192.168.0.1 is not a number.
    """
    mark = form.thousands
    if mark == " ":
        text = _SPACE.sub(" ", text)
    elif mark == "'":
        text = text.translate(_APOSTROPHES)
    whole, point, rest = text.partition(form.decimal)
    exponent = re.search(r"[eE][+-]?\d+$", whole)
    digits = whole[: exponent.start()] if exponent else whole
    first, *groups = digits.split(mark)
    # In India the first groups have two digits.
    fits = len(first.strip("+- ")) <= 3 and all(2 <= len(group) <= 3 for group in groups)
    if groups and not (fits and len(groups[-1]) == 3 and first.strip("+- ")):
        return text
    return whole.replace(mark, "") + point + rest


def _duration(text: str) -> float:
    """Return ``3:45``, ``1:02:03.5``, ``3 min 45 s``, ``3'45"`` or ``PT3M45S`` in seconds."""
    days: str | None = None
    if match := _DAYS.match(text):
        days, text = match[1], text[match.end() :]
    if match := _DURATION.fullmatch(text):
        sign, *parts = match.groups()
        return _seconds(days, *parts) * (-1 if sign == "-" else 1)
    if match := _CLOCK.fullmatch(text):
        hours, minutes, seconds, half = match.groups()
        return _seconds(days, str(int(hours) % 12 + 12 * (half in "Pp")), minutes, seconds)
    for pattern in (_PRIMES, _ISO_DURATION, _HOURS_AND_MINUTES, _UNITS):
        match = pattern.fullmatch(text)
        if match is not None and any(match.groups()):
            named = {"days": days, **match.groupdict()}
            return _seconds(*(named.get(unit) for unit in ("days", "hours", "minutes", "seconds")))
    return math.nan


def _seconds(
    days: str | None, hours: str | None, minutes: str | None, seconds: str | None
) -> float:
    parts = ((86400, days), (3600, hours), (60, minutes), (1, seconds))
    return sum(size * float((part or "0").replace(",", ".")) for size, part in parts)


def _date(text: str, kind: str) -> float:
    """Return a date, with its time of day if any, as days since 1970."""
    if compact := _COMPACT.match(text):
        year, month, number, *clock_parts = (part or "00" for part in compact.groups())
        text = f"{year}-{month}-{number}T{':'.join(clock_parts)}{text[compact.end() :]}"
    day, fraction = text, 0.0
    if clock := _TIME.search(text):
        hours, minutes, seconds, half, zone = clock.groups()
        hour = int(hours)
        if half:
            hour = hour % 12 + (12 if half[0] in "Pp" else 0)
        fraction = (
            3600 * hour + 60 * int(minutes) + float((seconds or "0").replace(",", "."))
        ) / 86400
        fraction -= _zone_s(zone) / 86400
        day = text[: clock.start()]
    if kind == "named month":
        day = _in_english(day)
    if match := _EAST_ASIAN.fullmatch(day):
        day = "-".join(match.groups())
    # A spreadsheet has real dates beside those it took for texts.
    others = () if kind == "iso" else DATE_FORMATS["iso"][:3]
    for form in (*DATE_FORMATS[kind], *others):
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
        parts: list[str] = []
        for part in re.split("(-)", word):
            number = _month(part.rstrip(".,"))
            mark = "," if part.endswith(",") else ""
            parts.append(_ENGLISH[number - 1] + mark if number else part)
        words.append("".join(parts))
    return " ".join(words)


@lru_cache(1024)
def _month(word: str) -> int | None:
    """Return the number of the month that a word names, also by its beginning."""
    plain = _ACCENTS.sub("", unicodedata.normalize("NFKD", word)).casefold()
    if plain in _MONTHS or len(plain) < _SHORTEST_MONTH:
        return _MONTHS.get(plain)
    fitting = {number for name, number in _MONTHS.items() if name.startswith(plain)}
    return fitting.pop() if len(fitting) == 1 else None


def _zone_s(zone: str | None) -> float:
    if zone is None or zone in {"Z", "UTC", "GMT"}:
        return 0.0
    # As PostgreSQL writes it, a zone may have no minutes.
    delta = datetime.strptime(zone if len(zone) > 3 else f"{zone}00", "%z").utcoffset()
    return delta.total_seconds() if delta is not None else 0.0
