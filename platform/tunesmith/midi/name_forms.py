"""Forms of one person's name: "Nielsen, Carl (1865-1931)", "Carl Nielsen" and "C. Nielsen"."""

import re
from collections.abc import Iterable, Mapping

from tunesmith.midi.folding import fold

__all__ = ["same_persons"]

_ABOUT_DATES = re.compile(r"[(\[{].*?[)\]}]|\d[\d\s\u2013\u2014-]*")


def same_persons(names: Iterable[str]) -> Mapping[str, str]:
    """Return the fullest form of each name, in the order in which it is spoken.

    Names are one person's where they have the same words, inverted or not, or where initials
    stand for the given names of one person alone. A surname by itself may be anybody's. A name
    that no other form belongs to is returned as it is.

    Parameters
    ----------
    names
        Names of persons as they are written.
    """
    spoken = {name: _spoken(name) for name in names}
    forms: dict[tuple[str, ...], list[str]] = {}
    for name, form in spoken.items():
        forms.setdefault(tuple(fold(form).split()), []).append(name)
    whole = {words: _whole(words, forms) for words in forms}
    persons: dict[tuple[str, ...], list[str]] = {}
    for words, written in forms.items():
        persons.setdefault(whole[words], []).extend(written)
    return {
        name: spoken[forms[words][0]] if len(written) > 1 else name
        for words, written in persons.items()
        for name in written
    }


def _spoken(name: str) -> str:
    """Return a name without dates, the given names in front."""
    surname, _, given = _ABOUT_DATES.sub(" ", name).partition(",")
    return " ".join(f"{given} {surname}".split()) or name


def _whole(words: tuple[str, ...], forms: Mapping[tuple[str, ...], list[str]]) -> tuple[str, ...]:
    """Return the words of the one name that initials stand for, or the words themselves."""
    *given, surname = words
    if not given or any(len(word) > 1 for word in given):
        return words
    fuller = [
        other
        for other in forms
        if other[-1] == surname
        and any(len(word) > 1 for word in other[:-1])
        and [word[0] for word in other[:-1]][: len(given)] == given
    ]
    return fuller[0] if len(fuller) == 1 else words
