"""Names in one form, whatever their case, accents, code page or transliteration."""

import re
import unicodedata
from functools import lru_cache

__all__ = ["fold", "foldings", "spaced_capitals", "transliterated", "without_numbers"]

_CAPITALS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NUMBERED = re.compile(r"\b([^\W\d_]{4,})\d+\b")
_WORD = re.compile(r"[^\W_]+")
_INSIDE_WORDS = {ord(c): None for c in "'`\u2019\u00b4"}
_LETTERS = str.maketrans({"\u0142": "l", "\u00f8": "o", "\u0111": "d", "\u00e6": "ae"})
# Czech and scientific letters for Slavic sounds, as English spells them.
_CARONS = str.maketrans({"\u010d": "ch", "\u0161": "sh", "\u017e": "zh"})
# The same sounds in English, German, French, Polish and scientific transliteration.
_SOUNDS = (
    ("tsch", "ch"), ("tch", "ch"), ("tsj", "ch"), ("tj", "ch"), ("cz", "ch"), ("sch", "sh"),
    ("sz", "sh"), ("kh", "h"), ("ph", "f"), ("ck", "k"), ("ou", "u"), ("w", "v"), ("ff", "v"),
    ("j", "i"), ("y", "i"), ("ks", "x"), ("z", "s"),
)  # fmt: skip


def fold(label: str) -> str:
    """Fold a label: lower case, no accents or apostrophes, words separated by single spaces."""
    plain = label.casefold()
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFKD", plain)
        plain = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(_WORD.findall(plain.translate(_INSIDE_WORDS)))


def foldings(raw: str) -> tuple[str, ...]:
    """Return the folded forms of a label.

    As given, as UTF-8 that was read in another code page, and with the sounds of letters with a
    caron spelled out.
    """
    readings = [raw]
    for encoding in ("cp437", "latin-1", "cp1252"):
        try:
            readings.append(raw.encode(encoding).decode("utf-8"))
        except UnicodeError:
            continue
    readings.append(unicodedata.normalize("NFC", raw).casefold().translate(_CARONS))
    return tuple(dict.fromkeys(fold(reading) for reading in readings))


def spaced_capitals(label: str) -> str:
    """Return a label with a space before a capital inside a word, such as ``ChopinEtude``."""
    return _CAPITALS.sub(" ", label)


def without_numbers(folded: str) -> list[str]:
    """Return the words of a folded label that hold no digit; of ``mozart40`` the name."""
    words = _NUMBERED.sub(r"\1", folded).split()
    return [word for word in words if not any(map(str.isdigit, word))]


@lru_cache(maxsize=10_000)
def transliterated(surname: str) -> str:
    """Return a form of a folded surname that its usual transliterations share."""
    text = surname.translate(_LETTERS).replace(" ", "")
    for spelling, sound in _SOUNDS:
        text = text.replace(spelling, sound)
    return re.sub(r"(.)\1+", r"\1", text)
