"""Forms of the numbers in a column of texts, recognised in all of them or chosen by the user."""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from tunesmith.artifacts.preparation import NumberFormat
from tunesmith.errors import DatasetError, UsageError
from tunesmith.inference.numbers import DATE_FORMATS, read_formatted

__all__ = [
    "FORMATS",
    "NGRAMS",
    "TEXT",
    "WORDS",
    "described",
    "format_of",
    "named_format",
    "units_of",
]

TEXT = "text"
"""Choice of a user for a column whose texts are kinds."""
WORDS = "words"
"""Choice of a user for a column that is read by the words of its texts, such as a title."""
NGRAMS = "ngrams"
"""Choice of a user for a column that is read by words and by how it is written, such as a name."""
FORMATS = ("comma", "point", "day-first", "month-first", TEXT, WORDS, NGRAMS)
"""Choices of a user for a column: 1.234,5 or 1,234.5, 31/12/2020 or 12/31/2020, kinds or words."""

Separator = Literal["", ".", ",", " ", "'"]
# Share of the texts that a format has to read.
_LEAST_READ = 0.9
_MOST_LOOKED_AT = 2000
_DIGITS = re.compile(
    r"[+\-\u2212\u2013]?[.,]?\d[\d.,'\u2019\u02bc\u00b4`\u00a0\u202f\u2009 ]*(?:[eE][+-]?\d+)?"
)
_CURRENCIES = {
    "usd", "eur", "gbp", "chf", "jpy", "cad", "aud", "inr", "cny", "rmb", "rub", "brl", "sek",
    "nok", "dkk", "pln", "czk", "huf", "ron", "try", "mxn", "zar", "krw", "sgd", "hkd", "nzd",
    "twd", "us$", "r$", "c$", "ca$", "a$", "au$", "nz$", "hk$", "s$", "nt$", "mx$", "kr", "kr.",
    "fr", "fr.", "sfr.", "zł", "kč", "ft", "lei", "tl", "rs", "rs.", "円", "元", "원", "euro",
    "euros", "dollar", "dollars", "руб", "руб.", "р.", "грн",  # noqa: RUF001 - Cyrillic
}  # fmt: skip
_UNITS = {
    "", "%", "kg", "g", "mg", "km", "m", "cm", "mm", "s", "ms", "sec", "min", "h", "hz", "khz",
    "mhz", "db", "dbfs", "lufs", "bpm", "bit", "bits", "kbps", "kbit/s", "kb/s", "kb", "mb", "gb",
    "x", "pt", "st", "cents", "qpm", "°c", "°f", *_CURRENCIES,
}  # fmt: skip
_ZERO_DATE = re.compile(r"0{1,4}[-/.]0{1,2}[-/.]0{1,4}(?!\d)")
_POWERS = {"k", "m", "mn", "mio", "b", "bn"}


def named_format(name: str, texts: Sequence[str]) -> NumberFormat | None:
    """Return the format that a user chose for the texts of a column, None for texts that are kinds.

    Raises
    ------
    UsageError
        When there is no such choice.
    """
    if name not in FORMATS:
        message = f"There is no format {name!r} of a column. Known: {', '.join(FORMATS)}."
        raise UsageError(message)
    if name == TEXT:
        return None
    if name in {"day-first", "month-first"}:
        is_day_first = name == "day-first"
        return NumberFormat(kind="date", dates="day first" if is_day_first else "month first")
    affixes, powers = _affixes(texts) or ((), False)
    if name == "comma":
        thousands = _separator(texts, ".", " ", "'")
        return NumberFormat(decimal=",", thousands=thousands, affixes=affixes, powers=powers)
    return NumberFormat(thousands=_separator(texts, ",", " ", "'"), affixes=affixes, powers=powers)


def format_of(
    name: str, texts: Sequence[str], *, prefers_comma: bool = False
) -> NumberFormat | None:
    """Return the format that reads nearly all texts of a column, None where none does.

    Parameters
    ----------
    name
        The column; for messages.
    texts
        Its texts, those that stand for missing left out.
    prefers_comma
        Whether numbers that could be read in two ways have decimal commas, as in a file whose
        columns are separated by semicolons.

    Raises
    ------
    DatasetError
        When the texts can be read in two ways; the message names the option that decides.
    """
    if not texts:
        return None
    different = list(dict.fromkeys(texts))[:_MOST_LOOKED_AT]
    # MySQL's date of zeros stands for none.
    few = _with_digits([text for text in different if not _ZERO_DATE.match(text)] or different)
    for form in (*_dates(name, few), NumberFormat(kind="duration")):
        if _reads(form, few):
            return form
    affixes = _affixes(few)
    if affixes is None:
        return None
    bare = [_bare(text, affixes[0]) for text in few]
    for form in _numbers(name, bare, prefers_comma=prefers_comma):
        whole = form.model_copy(update={"affixes": affixes[0], "powers": affixes[1]})
        if _reads(whole, few):
            return whole
    return None


def _with_digits(texts: Sequence[str]) -> Sequence[str]:
    """Return the texts with a digit where few others are among them, such as `n.a.` or `-`."""
    with_digits = [text for text in texts if re.search(r"\d", text)]
    few = max(2, len(texts) // 10)
    return with_digits if len(texts) - len(with_digits) <= few < len(with_digits) else texts


def _reads(form: NumberFormat, texts: Sequence[str]) -> bool:
    values = np.array([read_formatted(text, form) for text in texts])
    return bool(np.isfinite(values).mean() >= _LEAST_READ)


def _is_finite(text: str, form: NumberFormat) -> bool:
    return bool(np.isfinite(read_formatted(text, form)))


def _dates(name: str, texts: Sequence[str]) -> list[NumberFormat]:
    """Return the format of dates that reads the texts, if any."""
    if not any(re.search(r"\d", text) for text in texts[:20]):
        return []
    forms = {kind: NumberFormat(kind="date", dates=kind) for kind in DATE_FORMATS}  # type: ignore[arg-type]
    if all(text.isdecimal() for text in texts if _is_finite(text, forms["iso"])):
        del forms["iso"]  # years alone are plain numbers
    shares = {
        kind: float(np.isfinite([read_formatted(text, form) for text in texts]).mean())
        for kind, form in forms.items()
    }
    # The first of the kinds that read most: all read years first, beside their own forms.
    best = max(shares, key=lambda kind: shares[kind])
    if shares[best] < _LEAST_READ:
        return []
    if best == "day first" and shares["day first"] == shares["month first"]:
        if any("." in text for text in texts) and not any("/" in text for text in texts):
            return [forms["day first"]]
        own = [text for text in texts if not re.match(r"\d{4}", text)]
        message = (
            f"The dates of column {name!r}, such as {own[0]!r}, can begin with the day or "
            f"with the month. Say which: --read-as {name}=day-first or --read-as "
            f"{name}=month-first (`read_as:` in a YAML file)."
        )
        raise DatasetError(message)
    return [forms[best]]


def _affixes(texts: Sequence[str]) -> tuple[tuple[str, ...], bool] | None:
    """Return the unit or currency around the numbers, and whether k or M multiply them.

    None where the texts hold no numbers, or several units: 5 USD and 5 EUR are not comparable.
    """
    count: Counter[str] = Counter()
    parts = [around for text in texts if (around := _around(text)) is not None]
    # Beside other units m is one too, and where all end with it: metres, not millions.
    ends = {after for _, after in parts}
    has_powers = ends != {"m"} and not any(_is_unit(end) and end for end in ends if not _power(end))
    for before, after in parts:
        affixes = (before, "" if has_powers and _power(after) else after)
        # Only a currency stands in front: s1 and g2 are names.
        if not _is_currency(before) or not (_is_unit(affixes[1]) or _power(affixes[1])):
            return None
        count.update(affix for affix in affixes if affix)
    if len(parts) < _LEAST_READ * len(texts):
        return None
    frequent = [affix for affix, times in count.items() if times >= 0.01 * len(texts)]
    if len(frequent) > 1 and not all(count[affix] >= 0.9 * len(parts) for affix in frequent):
        return None
    uses_powers = has_powers and any(_power(after) for _, after in parts)
    return tuple(sorted(frequent, key=len, reverse=True)), uses_powers


def _around(text: str) -> tuple[str, str] | None:
    """Return what stands before and behind the number in a text, None for a text without one.

    Brackets and signs belong to the number, as in (5.00 €), -$5 and 5.-.
    """
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    digits = _DIGITS.search(text)
    if digits is None:
        return None
    before, after = text[: digits.start()].strip(), text[digits.end() :].strip()
    if re.search(r"\d", after):
        return None
    if len(before) > 1:
        before = before.lstrip("+-\u2212").strip()
    return before, "" if after in {"-", "\u2013"} else after


def _power(affix: str) -> bool:
    return affix.casefold() in _POWERS


def units_of(texts: Sequence[str]) -> list[str]:
    """Return the units of a column whose numbers have several, which cannot be compared as such."""
    few = list(dict.fromkeys(texts))[:_MOST_LOOKED_AT]
    parts = [around for text in few if (around := _around(text)) is not None]
    units = {unit for around in parts for unit in around if unit}
    if len(parts) < _LEAST_READ * len(few) or len(units) < 2:
        return []
    return sorted(units) if all(_is_known_unit(unit) for unit in units) else []


def _is_known_unit(affix: str) -> bool:
    is_currency = len(affix) == 1 and unicodedata.category(affix) == "Sc"
    return is_currency or affix.casefold() in _UNITS | _POWERS


def _is_currency(affix: str) -> bool:
    """Return whether a text before a number is a currency, or a mark without letters."""
    return affix.casefold() in _CURRENCIES or not re.search(r"[\w#]", affix)


def _is_unit(affix: str) -> bool:
    """Return whether a text beside a number is a unit; letters may be a name's, as in `Take 5`."""
    return affix.casefold() in _UNITS or not re.search(r"[\w#]", affix)


def _bare(text: str, affixes: Sequence[str]) -> str:
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1]
    if affixes:
        text = text.lstrip("+-")
    for affix in affixes:
        text = text.removeprefix(affix).removesuffix(affix).strip()
    return re.sub(r"\s*[A-Za-z]+$|[.,]-$", "", text)


def _numbers(name: str, texts: Sequence[str], *, prefers_comma: bool) -> list[NumberFormat]:
    """Return the formats of numbers to try, the right one first.

    A comma or a point before exactly three digits may separate thousands. What other texts of the
    column show decides.
    """
    marked = [text for text in texts if "," in text or "." in text]
    point = NumberFormat(thousands=_separator(texts, ",", " ", "'"))
    comma = NumberFormat(decimal=",", thousands=_separator(texts, ".", " ", "'"))
    is_comma = any(_must_be_decimal(text, ",") for text in marked)
    is_point = any(_must_be_decimal(text, ".") for text in marked)
    if is_comma or is_point:
        # Where both stand, the column is written in two ways, and neither can be trusted.
        return [] if is_comma and is_point else [comma if is_comma else point]
    if any(text.count(".") > 1 for text in marked):
        return [comma]
    doubtful = next((text for text in marked if "," in text), None)
    is_settled = any("." in text or text.count(",") > 1 for text in marked)
    if doubtful is None or is_settled or prefers_comma:
        return [comma if doubtful is not None and prefers_comma and not is_settled else point]
    message = (
        f"The numbers of column {name!r}, such as {doubtful!r}, can be "
        f"{doubtful.replace(',', '')} or {doubtful.replace(',', '.')}. Say which: --read-as "
        f"{name}=point (a comma separates thousands) or --read-as {name}=comma (it separates "
        "decimals; `read_as:` in a YAML file)."
    )
    raise DatasetError(message)


def _must_be_decimal(text: str, mark: str) -> bool:
    """Return whether a mark can only separate decimals in a text."""
    other = "." if mark == "," else ","
    if text.count(mark) != 1:
        return False
    whole, _, digits = text.partition(mark)
    if other in digits:
        return False
    whole = whole.strip("+-\u2212\u2013 ")
    return other in whole or len(digits) != 3 or not 1 <= len(whole) <= 3 or whole[0] == "0"


def _separator(texts: Sequence[str], *marks: Separator) -> Separator:
    """Return the mark that separates thousands in some text, "" where none does."""
    spaces = str.maketrans("\u00a0\u202f\u2009\u2019\u02bc\u00b4`", "   ''''")
    for mark in marks:
        pattern = re.compile(rf"\d{re.escape(mark)}\d{{3}}(?!\d)")
        if any(pattern.search(text.translate(spaces)) for text in texts):
            return mark
    return ""


def described(form: NumberFormat) -> str:
    """Return how a format reads a column, to follow its name."""
    if form.kind == "duration":
        return "is read as durations in seconds"
    if form.kind == "date":
        return f"is read as dates ({form.dates}), in days since 1970"
    parts = []
    if form.decimal == ",":
        parts.append("decimal commas")
    if form.thousands:
        mark = "a space" if form.thousands == " " else f"{form.thousands!r}"
        parts.append(f"thousands separated by {mark}")
    if form.affixes:
        parts.append(f"without {' and '.join(map(repr, form.affixes))}")
    if form.powers:
        parts.append("k and M as thousands and millions")
    return f"is read as numbers{': ' * bool(parts)}{', '.join(parts)}"
