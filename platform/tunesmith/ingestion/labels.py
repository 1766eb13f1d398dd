"""Label files: a rule takes the raw label from the path, a table gives its canonical name."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tunesmith.errors import UsageError, unknown
from tunesmith.ingestion.archives import archive_stem, is_archive
from tunesmith.ingestion.label_tables import LabelTable
from tunesmith.ingestion.sources import MUSIC_SUFFIXES, Entry
from tunesmith.midi.composers import ComposerTable
from tunesmith.midi.folding import fold, spaced_capitals, without_numbers
from tunesmith.midi.name_forms import same_persons

__all__ = ["Labelled", "Labels", "file_words", "label_entries", "label_files"]

_RULES = ("auto", "folder", "prefix", "none", "regex:PATTERN", "csv:PATH")
_Rule = Callable[[Entry], str]

LEAST_COMPOSERS = 0.2
"""Share of the labels that are composers, below which labels are no composers at all."""
MOSTLY_COMPOSERS = 0.5
"""Share at which even one composer tells that labels are composers."""
_TOOL_FOLDERS = frozenset(
    [
        "lost+found",
        "system volume information",
        "node_modules",
        "venv",
        "__macosx",
        "__pycache__",
        "thumbs",
    ]
)
_DASHES = re.compile(r"\s*[-\u2010-\u2015\u2212\ufe58\ufe63\uff0d]\s*")


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


@dataclass(frozen=True, slots=True)
class Labels:
    """All files with their labels, and what a user should know about them.

    Attributes
    ----------
    files
        The files, in the order given.
    notices
        Sentences about labels that look wrong, and about rows of a table that were not used.
    """

    files: list[Labelled]
    notices: list[str] = field(default_factory=list)


def label_entries(
    entries: Sequence[Entry], rule: str, table: ComposerTable | None
) -> list[Labelled]:
    """Label every entry, as `label_files` does."""
    return label_files(entries, rule, table).files


def label_files(entries: Sequence[Entry], rule: str, table: ComposerTable | None) -> Labels:
    """Label every entry.

    Labels of which fewer than a fifth, or only one of many, are composers of the table stay as
    they are written: they are moods, games or players.

    Parameters
    ----------
    entries
        Files to label.
    rule
        ``folder``: the top folder inside the source, or the name of an archive there.
        ``prefix``: the composer whose name begins the file name, else the name up to a dash.
        ``auto``: `folder` for files in folders, `prefix` for the others.
        ``regex:PATTERN``: the group ``label``, else the first group, of a match in the path.
        ``csv:PATH``: a table with columns of paths and labels.
        ``none``: no labels.
    table
        Table of canonical names; None leaves all labels as they are written.

    Raises
    ------
    UsageError
        If the rule is not one of these, or its pattern or table cannot be used.
    """
    name, _, argument = rule.partition(":")
    notices: list[str] = []
    if rule in {"auto", "folder", "prefix"}:
        raws = [_by_name(entry, rule, table) for entry in entries]
        if rule != "folder":
            raws = _without_titles(entries, raws, rule, table)
        if rule != "prefix" and table is not None:
            raws = _with_sources(entries, raws, table)
    elif rule == "none":
        raws = [""] * len(entries)
    elif name == "regex" and argument:
        label_of = _pattern(argument)
        raws = [label_of(entry) for entry in entries]
    elif name == "csv" and argument:
        label_table = LabelTable.read(Path(argument))
        raws = label_table.labels(entries)
        notices += label_table.notices()
    else:
        kind = "label rule"
        raise unknown(kind, rule, _RULES)
    labels = _canonical(set(raws), table)
    files = [Labelled(e, raw, labels[raw]) for e, raw in zip(entries, raws, strict=True)]
    return Labels(files, notices)


def _canonical(raws: set[str], table: ComposerTable | None) -> dict[str, str | None]:
    """Return the label of each raw label: composers by their table, other words as written."""
    if table is None:
        return {raw: raw or None for raw in raws}
    resolved = {raw: table.resolve(raw) for raw in raws}
    named = [label for label in resolved.values() if label.kind in ("listed", "unlisted")]
    listed = sum(label.kind == "listed" for label in named)
    least = LEAST_COMPOSERS if listed > 1 else MOSTLY_COMPOSERS
    if listed < least * len(named):
        return {raw: None if _says_unknown(raw) else raw for raw in raws}
    persons = same_persons(label.name for label in named if label.kind == "unlisted" and label.name)
    return {raw: persons.get(label.name or "", label.name) for raw, label in resolved.items()}


def _says_unknown(raw: str) -> bool:
    return fold(raw).partition(" ")[0] in {"", "unknown", "unlabelled", "unlabeled"}


def _by_name(entry: Entry, rule: str, table: ComposerTable | None) -> str:
    if rule != "prefix" and (folder := _folder(entry)):
        return folder
    return "" if rule == "folder" else _prefix(entry, table)


def _folder(entry: Entry) -> str:
    top, inside, _ = entry.relative.partition("/")
    if not inside:
        return ""
    if top.startswith((".", "$", "@")) or top.lower() in _TOOL_FOLDERS:
        return ""  # a folder of the system or of a tool
    # An archive at the top of a source counts as a folder of its name.
    return archive_stem(top) if is_archive(top) else top


def _stem(entry: Entry) -> str:
    name = entry.relative.rsplit("/", 1)[-1]
    for suffix in sorted(MUSIC_SUFFIXES, key=len, reverse=True):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name.rsplit(".", 1)[0]


def _prefix(entry: Entry, table: ComposerTable | None) -> str:
    """Return the part of a file name that names its composer."""
    stem = _stem(entry)
    parts = [part for part in _DASHES.split(stem) if part.strip(" _.0123456789")]
    if not parts:
        return ""
    head = parts[0].strip(" _") if not _DASHES.match(stem) else ""
    if table is None:
        return head if len(parts) > 1 else _first_word(head)
    if len(parts) > 1 and table.resolve(head).kind == "listed":
        # More of the name may tell relatives apart: bach-cpe-…
        name, size = table.beginning(_words(" ".join(parts)))
        return name if name and size > len(_words(head)) else head
    name, size = table.beginning(_words(" ".join(parts)))
    if name is not None and not _is_cut(_words(stem)[:size], table, whole=len(parts) > 1):
        return " ".join(_words(" ".join(parts))[:size])
    if len(parts) > 1 or not head:
        return head
    word = _first_word(head)
    return "" if table.resolve(word).kind == "listed" else word


def _is_cut(words: Sequence[str], table: ComposerTable, *, whole: bool) -> bool:
    """Return whether words are only the begin of a surname, such as Vaughan of Vaughan Williams."""
    name = table.person(words)
    return not whole and name is not None and fold(name).startswith(" ".join(words) + " ")


def file_words(entry: Entry) -> list[str]:
    """Return the words of a file's name, folded, without numbers."""
    return _words(" ".join(_DASHES.split(_stem(entry))))


def _words(text: str) -> list[str]:
    return without_numbers(fold(spaced_capitals(text)))


def _first_word(text: str) -> str:
    words = text.replace("_", " ").split()
    return words[0] if words else ""


def _without_titles(
    entries: Sequence[Entry], raws: list[str], rule: str, table: ComposerTable | None
) -> list[str]:
    """Leave out first words of names without a dash that name no composer: they begin a title.

    Where the first words repeat, they are labels, such as moods: ``calm_01``, ``calm_02``.
    """
    if table is None:
        return raws
    loose = [
        number
        for number, entry in enumerate(entries)
        if not _DASHES.search(_stem(entry))
        and (rule == "prefix" or not _folder(entry))
        and table.resolve(raws[number]).kind == "unlisted"
    ]
    counts = Counter(raws[number].casefold() for number in loose)
    if len(counts) > 1 and len(loose) == len(entries) and min(counts.values()) > 1:
        return raws
    for number in loose:
        raws[number] = ""
    return raws


def _with_sources(entries: Sequence[Entry], raws: Sequence[str], table: ComposerTable) -> list[str]:
    """Label files at the top of a source by its name, where that is a composer's.

    An archive may be named by its composer, and so may several folders; a single one may be named
    by anything.
    """
    names = {entry.path.partition("/")[0].partition("#")[0] for entry in entries}
    is_composer = {
        name: table.resolve(archive_stem(name)).kind == "listed"
        and (is_archive(name) or len(names) > 1)
        for name in names
    }
    labels = []
    for entry, raw in zip(entries, raws, strict=True):
        source, inside, _ = entry.path.partition("/")
        name = source.partition("#")[0]
        is_top = inside and "/" not in entry.relative
        labels.append(archive_stem(name) if not raw and is_top and is_composer[name] else raw)
    return labels


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
