"""Composer names: one canonical spelling each, from a shipped table that users can extend.

A name that is not in the table is kept as written, in title case. A label such as "unknown" and an
empty label are distinguished, and neither becomes a composer.
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
class ComposerTable:
    """Spellings of composers.

    Attributes
    ----------
    names
        Canonical name by folded spelling.
    unknown_labels
        Folded labels that stand for an unknown composer.
    """

    names: Mapping[str, str]
    unknown_labels: frozenset[str]

    @classmethod
    def load(cls, extra_path: str | Path | None = None) -> "ComposerTable":
        """Read the shipped table, optionally extended by a file of the same form.

        Parameters
        ----------
        extra_path
            YAML with ``composers`` (name: list of spellings) and ``unknown`` (labels), both
            optional; its entries take precedence.

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
        added = _parse(text, str(path))
        return cls({**shipped.names, **added.names}, shipped.unknown_labels | added.unknown_labels)

    def resolve(self, raw: str) -> ComposerLabel:
        """Return the composer that a raw label names."""
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
            name = self.resolve(raw).name
            if name is None or name not in available:
                missing = unknown("composer", name or raw, available)
                raise missing
            names.append(name)
        return tuple(names)


def canonical_composer(raw: str, table: ComposerTable | None = None) -> str | None:
    """Return the canonical name of a composer, or None for an unknown or empty label.

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


def _parse(text: str, name_of_file: str) -> ComposerTable:
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
        if key not in {"composers", "unknown"}:
            wrong = unknown(f"section of {name_of_file}", str(key), ("composers", "unknown"))
            raise wrong
    composers, unknowns = content.get("composers") or {}, content.get("unknown") or []
    if not isinstance(composers, dict) or not isinstance(unknowns, list):
        msg = f"The composer table {name_of_file} must be {form}."
        raise UsageError(msg)
    names: dict[str, str] = {}
    for name, spellings in composers.items():
        if not isinstance(spellings, list):
            msg = f"In {name_of_file}, the spellings of {name!r} must be a list, such as [{name}]."
            raise UsageError(msg)
        for spelling in (name, *spellings):
            names[_fold(str(spelling))] = str(name)
    return ComposerTable(names, frozenset(_fold(str(label)) for label in unknowns))


def _foldings(raw: str) -> tuple[str, ...]:
    """Return the folded forms of a label: as given, and as wrongly decoded UTF-8."""
    readings = [raw]
    for encoding in ("cp437", "latin-1", "cp1252"):
        try:
            readings.append(raw.encode(encoding).decode("utf-8"))
        except UnicodeError:
            continue
    return tuple(dict.fromkeys(_fold(reading) for reading in readings))


def _fold(label: str) -> str:
    """Fold a label: lower case, no accents or apostrophes, words separated by single spaces."""
    plain = "".join(
        c for c in unicodedata.normalize("NFKD", label.casefold()) if not unicodedata.combining(c)
    )
    plain = plain.translate(_INSIDE_WORDS)
    return " ".join("".join(c if c.isalnum() else " " for c in plain).split())


_INSIDE_WORDS = {ord(c): None for c in "'`\u2019\u00b4"}


def _as_written(raw: str) -> str:
    words = " ".join(raw.replace("_", " ").split())
    return words.title() if words in {words.lower(), words.upper()} else words
