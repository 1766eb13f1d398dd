# ruff: noqa: RUF001 - Cyrillic letters are meant
"""Composer names: one canonical spelling each, from a shipped table that users can extend.

A person is found by surname, given names and initials in any order. A name that is not in the
table is kept as written, in title case. A label such as "unknown" and an empty label are
distinguished, and neither becomes a composer.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from tunesmith.errors import UsageError, unknown
from tunesmith.midi.folding import (
    fold,
    foldings,
    spaced_capitals,
    transliterated,
    without_numbers,
)

__all__ = ["ComposerLabel", "ComposerTable", "Person", "canonical_composer"]

Kind = Literal["listed", "unlisted", "unknown", "empty"]

LONGEST_NAME_WORDS = 4
SHORTEST_TRANSLITERATED = 6
"""Letters of a surname below which transliterations are not compared: short ones are alike."""
MOST_INITIALS = 4
SECTIONS = ("composers", "given_names", "unknown")

_BRACKETS = re.compile(r"[(\[{].*?[)\]}]")
# Words of a label that do not tell persons apart.
_PARTICLES = frozenset([
    "van", "von", "v", "de", "da", "di", "del", "della", "der", "den", "du", "la", "le", "the",
    "y", "i", "ii", "iii", "jr", "sr", "jun", "sen", "junior", "senior", "younger", "elder",
    "sohn", "vater", "fils", "pere", "figlio", "padre", "\u0432\u0430\u043d", "\u0444\u043e\u043d",
])  # fmt: skip
_CYRILLIC = {
    "а": "a", "б": "b", "в": "vw", "г": "gh", "д": "d", "е": "ey", "ж": "jgz", "з": "zs",
    "и": "ijy", "к": "kcq", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r", "с": "sc",
    "т": "t", "у": "uw", "ф": "fpt", "х": "hkcj", "ц": "czt", "ч": "ct", "ш": "s", "э": "ea",
    "ю": "yju", "я": "yj",
}  # fmt: skip
"""First Latin letters of the names that a Cyrillic letter begins."""
_KEYS = frozenset("abcdefgh")
"""Names of notes: such a letter behind a surname may begin the name of a key."""
_ABOUT = frozenset(
    ["midi", "mid", "midis", "files", "works", "complete", "collection", "music", "composer", "all"]
)


@dataclass(frozen=True, slots=True)
class ComposerLabel:
    """A raw label and the composer it names.

    Attributes
    ----------
    raw
        The label as it was given.
    name
        The composer, or None for an unknown or empty label.
    kind
        ``"listed"`` (in the table), ``"unlisted"`` (a name that is not in the table),
        ``"unknown"`` (a label such as "unknown artist") or ``"empty"``.
    """

    raw: str
    name: str | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class Person:
    """A composer with a surname that relatives may share.

    Attributes
    ----------
    name
        Canonical name.
    given
        Given names, folded, each as the first of its variants in other languages.
    written
        The same names in the person's own language, whose initials are used.
    """

    name: str
    given: tuple[str, ...]
    written: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ComposerTable:
    """Spellings of composers.

    Attributes
    ----------
    names
        Canonical name by folded spelling.
    unknown_labels
        Folded labels that stand for an unknown composer.
    people
        Persons by folded surname; the first one is meant by the surname alone.
    variants
        The first variant of each given name.
    """

    names: Mapping[str, str]
    unknown_labels: frozenset[str]
    people: Mapping[str, tuple[Person, ...]] = field(default_factory=dict)
    variants: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, extra_path: str | Path | None = None) -> "ComposerTable":
        """Read the shipped table, optionally extended by a file of the same form.

        Parameters
        ----------
        extra_path
            YAML with ``composers`` (name: list of spellings), ``given_names`` (lists of variants)
            and ``unknown`` (labels), all optional; its entries take precedence.

        Raises
        ------
        UsageError
            If the file is missing, is not YAML or does not have this form.
        """
        shipped = _shipped_table()
        if extra_path is None:
            return shipped
        path = Path(extra_path)
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            msg = f"The composer table {path} cannot be read ({error.strerror}). Check the path."
            raise UsageError(msg) from error
        return _parse(text, str(path), shipped)

    def resolve(self, raw: str) -> ComposerLabel:
        """Return the composer that a raw label names."""
        readings = foldings(raw)
        if not any(readings):
            return ComposerLabel(raw, None, "empty")
        for folded in readings:
            if folded in self.names:
                return ComposerLabel(raw, self.names[folded], "listed")
        numberless = (" ".join(without_numbers(folded)) for folded in readings)
        if any(folded in self.unknown_labels for folded in (*readings, *numberless)):
            return ComposerLabel(raw, None, "unknown")
        for folded in foldings(spaced_capitals(_BRACKETS.sub(" ", raw))):
            words = without_numbers(folded)
            name = self.person(words) or self.person([w for w in words if w not in _ABOUT])
            if name is not None:
                return ComposerLabel(raw, name, "listed")
        return ComposerLabel(raw, _as_written(raw), "unlisted")

    def person(self, words: Sequence[str]) -> str | None:
        """Return the composer that folded words name, all of them; None for no listed one."""
        joined = " ".join(words)
        if joined in self.names:
            return self.names[joined]
        words = [word for word in words if word not in _PARTICLES]
        for size in range(min(len(words), 3), 0, -1):
            for surname, rest in ((words[-size:], words[:-size]), (words[:size], words[size:])):
                for person in self._named(" ".join(surname)):
                    if not rest or self._fits(rest, person):
                        return person.name
        return self.names.get(joined.replace(" ", ""))

    def beginning(self, words: Sequence[str]) -> tuple[str | None, int]:
        """Return the composer that the first of some words name, and the number of these words.

        An initial of one letter that names a note does not count: it may be a key, as in
        ``bach_c_major``.
        """
        for size in range(min(len(words), LONGEST_NAME_WORDS), 0, -1):
            part = words[:size]
            if size == 2 and part[1] in _KEYS:
                continue
            name = self.person(part)
            if name is not None and part[-1] not in _PARTICLES:
                return name, size
        return None, 0

    def _named(self, surname: str) -> tuple[Person, ...]:
        people = self.people.get(surname, ())
        if people or len(surname) < SHORTEST_TRANSLITERATED:
            return people
        return self.people.get(f"~{transliterated(surname)}", ())

    def _fits(self, words: Sequence[str], person: Person) -> bool:
        """Return whether words are given names or initials of a person, in their order."""
        if len(words) == 1 and 1 < len(words[0]) <= MOST_INITIALS:
            for names in (person.given, person.written):
                if "".join(name[0] for name in names).startswith(words[0]):
                    return True
        places = list(zip(person.given, person.written, strict=True))
        place = 0
        for number, word in enumerate(words):
            whole = self.variants.get(word, word)
            while place < len(places) and not any(
                whole == given or given.startswith(word) or _begins(word, given)
                for given in places[place]
            ):
                # An initial stands for the first name that is left out, a name for any.
                if len(word) == 1 and number == 0:
                    return False
                place += 1
            if place == len(places):
                return False
            place += 1
        return True

    def require(self, wanted: Iterable[str], present: Iterable[str]) -> tuple[str, ...]:
        """Return the canonical names of composers, each of which must be present.

        Parameters
        ----------
        wanted
            Names in any spelling.
        present
            Canonical names that exist.

        Raises
        ------
        UsageError
            If a name is not present; the message lists similar names.
        """
        available = set(present)
        names = []
        for raw in wanted:
            name = raw if raw in available else self.resolve(raw).name
            if name is None or name not in available:
                missing = unknown("composer", name or raw, available)
                raise missing
            names.append(name)
        return tuple(names)


def _begins(initial: str, given: str) -> bool:
    """Return whether a Cyrillic initial stands for a given name in Latin letters."""
    return len(initial) == 1 and given[:1] in _CYRILLIC.get(initial, ())


def canonical_composer(raw: str, table: ComposerTable | None = None) -> str | None:
    """Return the canonical name of a composer, or None for an unknown or empty label.

    Examples
    --------
    >>> canonical_composer("mendelsonn")
    'Mendelssohn'
    >>> canonical_composer("Haydn, Joseph (1732-1809)")
    'Haydn'
    >>> canonical_composer("unknown_artist") is None
    True
    """
    return (table or _shipped_table()).resolve(raw).name


@cache
def _shipped_table() -> ComposerTable:
    resource = files("tunesmith.midi").joinpath("composers.yaml")
    empty = ComposerTable({}, frozenset())
    return _parse(resource.read_text(encoding="utf-8"), "composers.yaml", empty)


def _parse(text: str, name_of_file: str, base: ComposerTable) -> ComposerTable:
    """Return the table `base` with the entries of a file before its own."""
    composers, given_names, unknowns = _sections(text, name_of_file)
    variants = dict(base.variants)
    for group in given_names:
        for variant in group:
            variants.setdefault(fold(str(variant)), fold(str(group[0])))
    names, people = dict(base.names), dict(base.people)
    added: dict[str, list[Person]] = {}
    for name, spellings in composers.items():
        names[fold(str(name))] = str(name)
        own: list[Person] = []
        for spelling in _ordered(spellings):
            surname, comma, given = spelling.partition(",")
            if comma:
                written = tuple(fold(given).split())
                first_names = tuple(variants.get(word, word) for word in written)
                own.append(Person(str(name), first_names, written))
                names.setdefault(fold(f"{given} {surname}"), str(name))
            else:  # also a surname, where the given names are known
                names[fold(spelling)] = str(name)
            for key in (fold(surname), f"~{transliterated(fold(surname))}"):
                added.setdefault(key, []).extend(own[-1:] if comma else own)
    _share_scripts(composers, added)
    # A surname alone, and one of several words written as one.
    for surname, persons in added.items():
        people[surname] = (*persons, *people.get(surname, ()))
        if persons and not surname.startswith("~"):
            names.setdefault(surname, persons[0].name)
            names.setdefault(surname.replace(" ", ""), persons[0].name)
    unknown_labels = base.unknown_labels | {fold(str(label)) for label in unknowns}
    return ComposerTable(names, unknown_labels, people, variants)


def _ordered(spellings: Iterable[object]) -> list[str]:
    """Return spellings, those of a surname and given names first."""
    return sorted(map(str, spellings), key=lambda text: "," not in text)


def _share_scripts(composers: Mapping[str, Any], added: Mapping[str, list[Person]]) -> None:
    """Give relatives the surname in other scripts that one of them has."""
    for spellings in composers.values():
        first, *others = _ordered(spellings) or [""]
        surname, comma, _ = first.partition(",")
        for key in (fold(other) for other in others if comma and not fold(other).isascii()):
            relatives = added.get(fold(surname), ())
            added[key] += [person for person in relatives if person not in added[key]]


def _sections(text: str, name_of_file: str) -> tuple[dict[str, Any], list[Any], list[Any]]:
    try:
        content: Any = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        msg = f"The composer table {name_of_file} is not YAML: {error}"
        raise UsageError(msg) from error
    form = "a mapping with 'composers' (name: [spellings]) and 'unknown' ([labels])"
    if not isinstance(content, dict):
        msg = f"The composer table {name_of_file} must be {form}."
        raise UsageError(msg)
    for key in content:
        if key not in SECTIONS:
            wrong = unknown(f"section of {name_of_file}", str(key), SECTIONS)
            raise wrong
    composers, unknowns = content.get("composers") or {}, content.get("unknown") or []
    given_names = content.get("given_names") or []
    if not isinstance(composers, dict) or not isinstance(unknowns, list):
        msg = f"The composer table {name_of_file} must be {form}."
        raise UsageError(msg)
    if not isinstance(given_names, list) or not all(isinstance(g, list) for g in given_names):
        msg = f"In {name_of_file}, given_names must be a list of lists, such as [[johann, jean]]."
        raise UsageError(msg)
    for name, spellings in composers.items():
        if not isinstance(spellings, list):
            msg = f"In {name_of_file}, the spellings of {name!r} must be a list, such as [{name}]."
            raise UsageError(msg)
    return composers, given_names, unknowns


def _as_written(raw: str) -> str:
    words = " ".join(raw.replace("_", " ").split())
    return words.title() if words in {words.lower(), words.upper()} else words
