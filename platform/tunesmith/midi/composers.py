"""Composer names: one spelling each, from a shipped table that anyone can extend.

A name the table does not hold is kept as it is written, in title case; a label that says
"unknown" and a label that says nothing are two different things and neither becomes a composer.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import yaml

from tunesmith.errors import UsageError, unknown

__all__ = ["ComposerLabel", "ComposerTable", "canonical_composer"]

Kind = Literal["listed", "unlisted", "unknown", "empty"]


@dataclass(frozen=True, slots=True)
class ComposerLabel:
    """What a raw label means.

    Attributes
    ----------
    raw
        The label as found.
    name
        The composer, or None for an unknown or empty label.
    kind
        ``"listed"`` in the table, ``"unlisted"`` but a name, ``"unknown"`` by its own words, or
        ``"empty"``.
    """

    raw: str
    name: str | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class ComposerTable:
    """Spellings of composers.

    Attributes
    ----------
    names
        Canonical name of each spelling, by its folded form.
    unknown_labels
        Folded labels that mean that nobody knows.
    """

    names: Mapping[str, str]
    unknown_labels: frozenset[str]

    @classmethod
    def load(cls, extra_path: str | Path | None = None) -> "ComposerTable":
        """Read the shipped table, and a file of the same form on top of it.

        Parameters
        ----------
        extra_path
            YAML with ``composers`` (name: list of spellings) and ``unknown`` (labels), both
            optional; its entries win.

        Raises
        ------
        UsageError
            If the file is missing, is not YAML or has another form.
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
        added = _parse(text, str(path))
        return cls({**shipped.names, **added.names}, shipped.unknown_labels | added.unknown_labels)

    def resolve(self, raw: str) -> ComposerLabel:
        """Say what a raw label means."""
        readings = _foldings(raw)
        if not any(readings):
            return ComposerLabel(raw, None, "empty")
        for folded in readings:
            if folded in self.names:
                return ComposerLabel(raw, self.names[folded], "listed")
        if any(folded in self.unknown_labels for folded in readings):
            return ComposerLabel(raw, None, "unknown")
        return ComposerLabel(raw, _as_written(raw), "unlisted")

    def require(self, wanted: Iterable[str], present: Iterable[str]) -> tuple[str, ...]:
        """Return the canonical names of wanted composers, all of which must be present.

        Raises
        ------
        UsageError
            For the first that is not, with the nearest names that are.
        """
        have = set(present)
        found = []
        for raw in wanted:
            name = self.resolve(raw).name
            if name is None or name not in have:
                missing = unknown("composer", name or raw, have)
                raise missing
            found.append(name)
        return tuple(found)


def canonical_composer(raw: str, table: ComposerTable | None = None) -> str | None:
    """Return the one name of a composer, or None for an unknown or empty label.

    Examples
    --------
    >>> canonical_composer("mendelsonn")
    'Mendelssohn'
    >>> canonical_composer("Albe'niz")
    'Albeniz'
    >>> canonical_composer("unknown_artist") is None
    True
    """
    return (table or _shipped_table()).resolve(raw).name


@cache
def _shipped_table() -> ComposerTable:
    resource = files("tunesmith.midi").joinpath("composers.yaml")
    return _parse(resource.read_text(encoding="utf-8"), "composers.yaml")


def _parse(text: str, where: str) -> ComposerTable:
    try:
        content: Any = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        msg = f"The composer table {where} is not YAML: {error}"
        raise UsageError(msg) from error
    form = "a mapping with 'composers' (name: [spellings]) and 'unknown' ([labels])"
    if not isinstance(content, dict):
        msg = f"The composer table {where} must be {form}."
        raise UsageError(msg)
    for key in content:
        if key not in {"composers", "unknown"}:
            wrong = unknown(f"section of {where}", str(key), ("composers", "unknown"))
            raise wrong
    composers, unknowns = content.get("composers") or {}, content.get("unknown") or []
    if not isinstance(composers, dict) or not isinstance(unknowns, list):
        msg = f"The composer table {where} must be {form}."
        raise UsageError(msg)
    names: dict[str, str] = {}
    for name, spellings in composers.items():
        if not isinstance(spellings, list):
            msg = f"In {where}, the spellings of {name!r} must be a list, such as [{name}]."
            raise UsageError(msg)
        for spelling in (name, *spellings):
            names[_fold(str(spelling))] = str(name)
    return ComposerTable(names, frozenset(_fold(str(label)) for label in unknowns))


def _foldings(raw: str) -> tuple[str, ...]:
    """Folded forms of a label: as it stands, and as UTF-8 that was read in another code page."""
    readings = [raw]
    for encoding in ("cp437", "latin-1", "cp1252"):
        try:
            readings.append(raw.encode(encoding).decode("utf-8"))
        except UnicodeError:
            continue
    return tuple(dict.fromkeys(_fold(reading) for reading in readings))


def _fold(label: str) -> str:
    """Lower case, no accents, no apostrophes, words of letters and digits with single spaces."""
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", label.casefold()) if not unicodedata.combining(c)
    )
    plain = plain.translate(_INSIDE_WORDS)
    return " ".join("".join(c if c.isalnum() else " " for c in plain).split())


_INSIDE_WORDS = {ord(c): None for c in "'`\u2019\u00b4"}


def _as_written(raw: str) -> str:
    words = " ".join(raw.replace("_", " ").split())
    return words.title() if words in {words.lower(), words.upper()} else words
