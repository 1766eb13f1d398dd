"""Label files: a rule takes the raw label from the path, a table gives its canonical name."""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tunesmith.errors import UsageError, unknown
from tunesmith.ingestion.sources import Entry
from tunesmith.midi.composers import ComposerTable

__all__ = ["Labelled", "label_entries"]

_RULES = ("auto", "folder", "prefix", "none", "regex:PATTERN", "csv:PATH")
_Rule = Callable[[Entry], str]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A file and its label.

    Attributes
    ----------
    entry
        The file.
    raw
        The label as the rule gives it; empty where there is none.
    label
        The canonical label; None for an unknown or empty one.
    """

    entry: Entry
    raw: str
    label: str | None


def label_entries(entries: Sequence[Entry], rule: str, table: ComposerTable) -> list[Labelled]:
    """Label every entry.

    Parameters
    ----------
    entries
        Files to label.
    rule
        ``folder``: the top folder inside the source, or the name of an archive there.
        ``prefix``: the file name up to the first ``-``, or its first word.
        ``auto``: `folder` for files in folders, `prefix` for the others.
        ``regex:PATTERN``: the group ``label``, else the first group, of a match in the path.
        ``csv:PATH``: a table with the columns ``path`` and ``label``.
        ``none``: no labels.
    table
        Table of canonical names.

    Raises
    ------
    UsageError
        If the rule is not one of these, or its pattern or table cannot be used.
    """
    label_of = _rule(rule)
    resolved: dict[str, str | None] = {}
    labelled = []
    for entry in entries:
        raw = label_of(entry)
        if raw not in resolved:
            resolved[raw] = table.resolve(raw).name
        labelled.append(Labelled(entry, raw, resolved[raw]))
    return labelled


def _rule(text: str) -> _Rule:
    name, _, argument = text.partition(":")
    simple: dict[str, _Rule] = {
        "auto": lambda entry: _folder(entry) or _prefix(entry),
        "folder": _folder,
        "prefix": _prefix,
        "none": lambda _: "",
    }
    if text in simple:
        return simple[text]
    if name == "regex" and argument:
        return _pattern(argument)
    if name == "csv" and argument:
        return _lookup(Path(argument))
    kind = "label rule"
    raise unknown(kind, text, _RULES)


def _folder(entry: Entry) -> str:
    top, inside, _ = entry.relative.partition("/")
    if not inside:
        return ""
    # An archive at the top of a source counts as a folder of its name.
    return top.rsplit(".", 1)[0] if _archive_suffix(top) else top


def _archive_suffix(name: str) -> bool:
    return name.lower().endswith((".zip", ".tar", ".tgz", ".tar.gz", ".tbz2", ".txz"))


def _prefix(entry: Entry) -> str:
    stem = entry.relative.rsplit("/", 1)[-1].rsplit(".", 1)[0]
    head, dash, _ = stem.partition("-")
    if dash:
        return head.strip()
    words = stem.replace("_", " ").split()
    return words[0] if words else ""


def _pattern(pattern: str) -> _Rule:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        msg = f"The label pattern {pattern!r} is not a regular expression: {error}."
        raise UsageError(msg) from error
    if not compiled.groups:
        msg = f"The label pattern {pattern!r} has no group: put the label in parentheses."
        raise UsageError(msg)
    group: str | int = "label" if "label" in compiled.groupindex else 1

    def label_of(entry: Entry) -> str:
        match = compiled.search(entry.relative)
        return str(match[group] or "") if match else ""

    return label_of


def _lookup(path: Path) -> _Rule:
    try:
        with path.open(newline="", encoding="utf-8-sig") as handle:
            reader = csv.DictReader(handle)
            missing = {"path", "label"} - set(reader.fieldnames or ())
            rows = [] if missing else [(row["path"], row["label"] or "") for row in reader]
    except (OSError, UnicodeError, csv.Error) as error:
        msg = f"The label table {path} cannot be read: {error}. Check the path."
        raise UsageError(msg) from error
    if missing:
        names = " and ".join(sorted(missing))
        msg = f"The label table {path} lacks the column {names}. Add it to the header line."
        raise UsageError(msg)
    table: dict[str, str] = dict(rows)
    by_name = _unambiguous((path.rsplit("/", 1)[-1], label) for path, label in rows)

    def label_of(entry: Entry) -> str:
        for key in (entry.path, entry.path.partition("/")[2], entry.relative):
            if key in table:
                return table[key]
        return by_name.get(entry.relative.rsplit("/", 1)[-1], "")

    return label_of


def _unambiguous(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the keys that have exactly one value."""
    values: dict[str, set[str]] = {}
    for key, value in pairs:
        values.setdefault(key, set()).add(value)
    return {key: next(iter(labels)) for key, labels in values.items() if len(labels) == 1}
