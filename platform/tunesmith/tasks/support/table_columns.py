"""Columns of a table: what each one is, read off its values, and how it becomes numbers."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from tunesmith.artifacts.preparation import (
    CategoryColumn,
    Column,
    NgramsColumn,
    NumberColumn,
    NumberFormat,
    WordsColumn,
)
from tunesmith.datasets.text_ngrams import slots_of
from tunesmith.inference.tables import Cell, cells_of, number_of, text_of, words_of
from tunesmith.tasks.support.number_formats import (
    NGRAMS,
    TEXT,
    WORDS,
    described,
    format_of,
    named_format,
    units_of,
)

__all__ = ["ColumnReader", "spelled_alike", "summary"]

_MOST_CATEGORIES = 40
_LEAST_NUMBERS, _LEAST_DECIMALS = 0.5, 0.9
# A column of texts is read by its words if they are sentences rather than names.
_LEAST_WORDS = 3
_LEAST_OWNERS_OF_WORD = 5


@dataclass(frozen=True)
class _Limits:
    """Limits of the words that are read: the most of them, and the least share of texts of one."""

    most: int
    least_share: float


_USUAL, _CHOSEN = _Limits(100, 0.01), _Limits(300, 0.0005)
# Of the texts this share is read whole, unless they are longer than the limit after it.
_READ_WHOLE, _MOST_NGRAMS, _NGRAMS_STEP = 0.999, 512, 16
_EXACT_32, _EXACT_64 = 2.0**24, 2.0**53
_LISTED = 6
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_DECIMAL = re.compile(r"[+-]?\d+(?:[.,]\d+)?")
_CODE = re.compile(r"0\d+")
_POINT_OR_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")


class ColumnReader:
    """Decides how columns become numbers, and keeps what a user should know about it.

    Parameters
    ----------
    missing
        Texts that stand for a missing value.
    stand_ins
        By column, a number that stands for a missing one.
    formats
        By column, what the user says its texts are; see `number_formats.FORMATS`.
    prefers_comma
        As in `format_of`.
    owners
        The group of each row, such as its artist: a word is read if it stands in the texts of
        several. By default each row is one.
    """

    def __init__(
        self,
        missing: frozenset[str],
        stand_ins: Mapping[str, float],
        formats: Mapping[str, str],
        *,
        prefers_comma: bool = False,
        owners: Sequence[object] | None = None,
    ) -> None:
        self._missing = missing
        self._stand_ins = stand_ins
        self._formats = formats
        self._prefers_comma = prefers_comma
        self._owners = owners
        self.notes: list[str] = []

    def column(self, name: str, values: "pd.Series[Any]") -> Column | None:
        """Return how a column becomes numbers, None where it is left out.

        Raises
        ------
        DatasetError
            When its texts can be read in two ways.
        """
        cells = cells_of(values)
        texts = [text for cell in cells if (text := text_of(cell, self._missing)) is not None]
        if not texts:
            self.notes.append(f"{name} is empty: it has no value in any row.")
            return NumberColumn(name=name, missing=self._stand_in(name))
        numbers = np.array([number_of(cell, self._missing) for cell in cells])
        plain = float(np.isfinite(numbers).sum() / len(texts))
        chosen = self._formats.get(name)
        if chosen in {TEXT, WORDS, NGRAMS}:
            return self._chosen(name, cells, chosen)
        own = [cell.strip() for cell in cells if isinstance(cell, str)]
        own = [text for text in own if text and text not in self._missing]
        if chosen is not None:
            return self._formatted(name, cells, named_format(chosen, own))
        if plain < 1 and own:
            form = format_of(name, own, prefers_comma=self._prefers_comma)
            if form is not None and (form != NumberFormat() or plain < _LEAST_NUMBERS):
                return self._formatted(name, cells, form)
        if plain < _LEAST_NUMBERS:
            return self._texts(name, cells)
        unread = [cell for cell, number in zip(cells, numbers, strict=True) if np.isnan(number)]
        odd = [t for cell in unread if (t := text_of(cell, self._missing)) is not None]
        if odd or (own and unread):
            example = f", such as {odd[0]!r}" if odd else ""
            self.notes.append(
                f"{name} is not a number in {len(unread)} rows{example}; they count as missing."
            )
        if own:
            self._tell_spellings(name, own)
            self._tell_plain(name, own)
        return self._number(name, numbers, None)

    def _tell_plain(self, name: str, texts: Sequence[str]) -> None:
        """Note texts that are read as plain numbers, and may be something else."""
        code = next((text for text in texts if _CODE.fullmatch(text)), None)
        if code is not None:
            self.notes.append(
                f"{name} has numbers that begin with 0, such as {code!r}. If they are codes: "
                f"--read-as {name}={TEXT}."
            )
        marked = [text for text in texts if "." in text]
        if marked and all(_POINT_OR_THOUSANDS.fullmatch(text) for text in marked):
            self.notes.append(
                f"{name} is read with decimal points, such as {marked[0]!r}. If they separate "
                f"thousands: --read-as {name}=comma."
            )

    def _chosen(self, name: str, cells: Sequence[Cell], chosen: str) -> Column | None:
        """Return how texts are read as the user says."""
        if chosen == TEXT:
            return self._texts(name, cells)
        return self._words(name, cells, _CHOSEN) if chosen == WORDS else self._ngrams(name, cells)

    def _stand_in(self, name: str) -> tuple[float, ...]:
        return (self._stand_ins[name],) if name in self._stand_ins else ()

    def _formatted(
        self, name: str, cells: Sequence[Cell], form: NumberFormat | None
    ) -> NumberColumn:
        numbers = np.array([number_of(cell, self._missing, (), form) for cell in cells])
        if form is not None:
            self.notes.append(f"{name} {described(form)}.")
        texts = [text_of(cell, self._missing) for cell in cells]
        odd = [t for t, number in zip(texts, numbers, strict=True) if t and np.isnan(number)]
        if odd:
            self.notes.append(
                f"{name} is no such value in {len(odd)} rows, such as {odd[0]!r}; they count as "
                "missing."
            )
        return self._number(name, numbers, form)

    def _number(
        self, name: str, values: npt.NDArray[np.float64], form: NumberFormat | None
    ) -> NumberColumn:
        """Return a column of numbers with its range and its median, as examples of its values."""
        stand_ins = self._stand_in(name)
        if stand_ins:
            absent = np.isin(values, stand_ins)
            self.notes.append(f"{name} is missing in {int(absent.sum())} rows.")
            values = np.where(absent, np.nan, values)
        known = values[np.isfinite(values)]
        if not len(known):
            return NumberColumn(name=name, missing=stand_ins, format=form)
        low, usual, high = map(float, np.quantile(known, (0.01, 0.5, 0.99), method="nearest"))
        offset, has_rest = self._exactness(name, known)
        return NumberColumn(
            name=name, missing=stand_ins, low=low, usual=usual, high=high, format=form,
            offset=offset, has_rest=has_rest,
        )  # fmt: skip

    def _exactness(self, name: str, known: npt.NDArray[np.float64]) -> tuple[float, bool]:
        """Return what to subtract so that 32 bits keep whole numbers apart, and if that is enough.

        Models read 32-bit numbers, which round whole numbers above 2^24, and drop fractions there.
        """
        largest = float(np.abs(known).max())
        if largest <= _EXACT_32:
            return 0.0, False
        is_whole = bool((known == np.round(known)).all())
        # Above it texts of different numbers may read as the same one, which is 2^53 itself.
        if largest >= _EXACT_64:
            self.notes.append(
                f"{name} has whole numbers above 2^53, the end of which is lost. If it is "
                f"an id, leave it out."
            )
            return 0.0, False
        if _fits_32(known, is_whole=is_whole):
            return 0.0, False
        offset = float(np.floor(known.min()))
        has_rest = not _fits_32(known - offset, is_whole=is_whole)
        second = ", as two numbers" if has_rest else ""
        self.notes.append(
            f"{name} is read as its distance from {offset:.0f}{second}, to keep differences that "
            "32-bit numbers would round away."
        )
        return offset, has_rest

    def _texts(self, name: str, cells: Sequence[Cell]) -> Column | None:
        texts = [text for cell in cells if (text := text_of(cell, self._missing)) is not None]
        count = Counter(texts)
        self._tell_spellings(name, texts)
        if all(text.startswith(("[", "{")) for text in texts):
            self.notes.append(f"{name} holds lists, which are read as whole texts.")
        if units := units_of(texts):
            self.notes.append(
                f"{name} has numbers in several units ({', '.join(units[:_LISTED])}), which are "
                "read as texts. Write them in one unit to compare them."
            )
        decimals = sum(times for text, times in count.items() if _DECIMAL.fullmatch(text))
        if decimals >= _LEAST_DECIMALS * len(texts):
            self.notes.append(
                f"{name} has numbers with points and numbers with commas, which are read as texts. "
                f"Say what a comma is: --read-as {name}=comma or --read-as {name}=point."
            )
        if len(count) <= _MOST_CATEGORIES:
            usual = count.most_common(1)[0][0]
            return CategoryColumn(name=name, categories=tuple(sorted(count)), usual=usual)
        if np.mean([len(words_of(text)) for text in texts]) >= _LEAST_WORDS:
            return self._words(name, cells, _USUAL)
        self.notes.append(
            f"{name} has {len(count)} different texts and is left out. To learn from their words: "
            f"--read-as {name}={WORDS}, or {NGRAMS} for how they are written, too."
        )
        return None

    def _words(self, name: str, cells: Sequence[Cell], limits: _Limits) -> Column | None:
        """Return a column of the words that stand in the texts of the most owners.

        A word that one owner alone uses says nothing about the texts of others.
        """
        texts = [text_of(cell, self._missing) for cell in cells]
        words = [words_of(text or "") for text in texts]
        owners = range(len(cells)) if self._owners is None else self._owners
        pairs = zip(owners, words, strict=True)
        owned = Counter(word for _, word in {(owner, word) for owner, own in pairs for word in own})
        times = Counter(word for own in words for word in own)
        known = [text for text in texts if text is not None]
        least = limits.least_share * len(known)
        frequent = [
            word
            for word, n in sorted(owned.items(), key=lambda pair: (-pair[1], pair[0]))
            if n >= _LEAST_OWNERS_OF_WORD and least <= times[word] < len(known)
        ][: limits.most]
        n_texts = len(set(known))
        if not frequent:
            self.notes.append(
                f"{name} has {n_texts} different texts without a word in common and is left out."
            )
            return None
        self.notes.append(
            f"{name} has {n_texts} different texts; the model reads which of its "
            f"{len(frequent)} most frequent words a text holds."
        )
        return WordsColumn(name=name, words=tuple(sorted(frequent)), usual=known[0])

    def _ngrams(self, name: str, cells: Sequence[Cell]) -> NgramsColumn:
        """Return a column that is read by n-grams, with room for those of nearly every text."""
        texts = [text for cell in cells if (text := text_of(cell, self._missing)) is not None]
        size_of = {text: len(slots_of(text)) for text in set(texts)}
        sizes = [size_of[text] for text in texts]
        wanted = float(np.quantile(sizes, _READ_WHOLE))
        most = min(_NGRAMS_STEP * math.ceil(max(wanted, 1) / _NGRAMS_STEP), _MOST_NGRAMS)
        longer = sum(size > most for size in sizes)
        cut = f", of {longer:,} longer ones the first {most}" if longer else ""
        self.notes.append(
            f"{name} has {len(size_of):,} different texts; the model reads their words and "
            f"characters (n-grams){cut}."
        )
        return NgramsColumn(name=name, most=most, usual=texts[0])

    def _tell_spellings(self, name: str, texts: Iterable[str]) -> None:
        alike = spelled_alike(texts)
        if alike:
            self.notes.append(f"{name} has values that may be the same: {alike}.")


def _fits_32(values: npt.NDArray[np.float64], *, is_whole: bool) -> bool:
    """Return whether 32 bits keep whole numbers as they are, and other numbers apart."""
    narrow = values.astype(np.float32)
    if is_whole:
        return bool((narrow.astype(np.float64) == values).all())
    return len(np.unique(narrow)) == len(np.unique(values))


def spelled_alike(texts: Iterable[str]) -> str:
    """Return the texts that differ by case, spaces or leading zeros alone, "" where none do."""
    count = Counter(texts)
    spellings: dict[str, list[str]] = {}
    for text in sorted(count):
        plain = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text))
        key = " ".join(plain.casefold().split())
        if key.isdecimal():
            key = key.lstrip("0") or "0"
        spellings.setdefault(key, []).append(text)
    alike = [own for own in spellings.values() if len(own) > 1]
    listed = [" and ".join(f"{text!r} ({count[text]})" for text in own) for own in alike[:_LISTED]]
    more = f", and {len(alike) - _LISTED} more" if len(alike) > _LISTED else ""
    return "; ".join(listed) + more


def summary(columns: Sequence[Column]) -> str:
    """Return one sentence on how all columns are read."""
    parts = []
    numbers = [column.name for column in columns if isinstance(column, NumberColumn)]
    if numbers:
        parts.append(f"as numbers {', '.join(numbers)}")
    kinds = [column for column in columns if isinstance(column, CategoryColumn)]
    if kinds:
        listed = ", ".join(f"{column.name} ({len(column.categories)})" for column in kinds)
        parts.append(f"as categories, with how many there are, {listed}")
    words = [column.name for column in columns if isinstance(column, WordsColumn)]
    if words:
        parts.append(f"as words {', '.join(words)}")
    ngrams = [column.name for column in columns if isinstance(column, NgramsColumn)]
    if ngrams:
        parts.append(f"by n-grams {', '.join(ngrams)}")
    return f"Columns are read {'; '.join(parts)}."
