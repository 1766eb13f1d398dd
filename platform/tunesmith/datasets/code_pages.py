"""Code pages of texts that do not name theirs, told by the script of their words."""

import codecs
import re
from collections.abc import Iterable, Sequence

__all__ = ["MIXED", "WESTERN", "code_page", "is_mostly_utf8", "shown_page", "words_in"]

WESTERN = "cp1252"
"""Code page of Western Windows, the last resort."""
MIXED = "tunesmith-windows-1252"
"""Name of the error handler that reads bytes which are not UTF-8 as `WESTERN`."""

_KANA = r"\u3040-\u30ff"
_HANZI = r"\u3005\u4e00-\u9fff"
_HANGUL = r"\uac00-\ud7a3"
_CYRILLIC = r"\u0400-\u045f"
_WIDE = r"\u3000-\u303f\uff01-\uff5e\u00b7\u00d7"
_QUOTES = r"\u2116\u00ab\u00bb\u2013\u2014"
# Code pages, the letters of which a text must consist besides ASCII, and those that tell the page.
# Order matters: Chinese bytes also decode as Korean ones, and Western ones as Cyrillic.
_PAGES = (
    ("cp932", f"{_KANA}{_HANZI}{_WIDE}", _KANA),
    ("euc_jp", f"{_KANA}{_HANZI}{_WIDE}", _KANA),
    ("euc_kr", f"{_HANGUL}{_WIDE}", _HANGUL),
    ("gb2312", f"{_HANZI}{_WIDE}", _HANZI),
    ("cp932", f"{_HANZI}{_WIDE}", _HANZI),
    ("cp949", f"{_HANGUL}{_WIDE}", _HANGUL),  # rare syllables beside those of EUC-KR
    ("big5", f"{_HANZI}{_WIDE}", _HANZI),
    ("gb18030", f"{_HANZI}{_WIDE}", _HANZI),
    ("cp866", f"{_CYRILLIC}\u2116", r"\u0430-\u044f"),
    ("cp1251", f"{_CYRILLIC}{_QUOTES}", r"\u0430-\u044f"),
    ("koi8-r", _CYRILLIC, r"\u0430-\u044f"),
)
# In the other page for Cyrillic small letters are capitals, and capitals small.
_SWAPPED = r"[\u0430-\u044f][\u0410-\u042f]"
_NAMES = {
    "cp1252": "Windows-1252", "cp1251": "Windows-1251", "cp932": "Shift-JIS", "euc_jp": "EUC-JP",
    "euc_kr": "EUC-KR", "cp949": "CP949", "gb2312": "GB 2312", "gb18030": "GB 18030",
    "big5": "Big5", "cp866": "CP866", "koi8-r": "KOI8-R",
}  # fmt: skip
_MOST_BROKEN = 0.1
"""Share of the lines with letters beyond ASCII that may be broken in a text that is UTF-8."""


def _as_western(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode(WESTERN, "replace"), error.end


codecs.register_error(MIXED, _as_western)


def code_page(texts: Sequence[bytes], least: float = 1.0) -> str | None:
    """Return the code page in which most texts are of one script, None where no page fits.

    Parameters
    ----------
    texts
        Names, or lines of a file.
    least
        Share of the texts that have to fit.
    """
    best, most = None, 0.0
    for encoding, letters, evidence in _PAGES:
        try:
            decoded = [text.decode(encoding) for text in texts]
        except UnicodeDecodeError:
            continue
        unfit = re.compile(
            rf"[^\x00-\x7f{letters}]|[A-Za-z][{letters}]|[{letters}][A-Za-z]|{_SWAPPED}"
        )
        fitting = [text for text in decoded if not unfit.search(text)]
        share = len(fitting) / max(1, len(decoded))
        if share > most and share >= least and re.search(f"[{evidence}]", "\n".join(fitting)):
            best, most = encoding, share
    return best


def words_in(lines: Iterable[bytes]) -> list[bytes]:
    """Return the lines that hold bytes beyond ASCII, cut into cells at commas and the like."""
    # These bytes are no second bytes of the double-byte pages.
    cells = {cell for line in lines for cell in re.split(rb"[\t\n\r ,;\"0-9]+", line)}
    return sorted(cell for cell in cells if not cell.isascii())


def is_mostly_utf8(lines: Iterable[bytes]) -> tuple[int, int] | None:
    """Return how many lines are not UTF-8, and the first of them; None if those are many."""
    broken, whole, first = 0, 0, 0
    for number, line in enumerate(lines, 1):
        if line.isascii():
            continue
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            broken, first = broken + 1, first or number
        else:
            whole += 1
    return (broken, first) if broken <= _MOST_BROKEN * whole else None


def shown_page(encoding: str) -> str:
    """Return the name of a code page for people."""
    return _NAMES.get(encoding, encoding)
