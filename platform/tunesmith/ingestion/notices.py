"""Sentences about labels that look wrong: for people to judge, never acted upon."""

import difflib
import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

import pyarrow as pa

from tunesmith.artifacts.manifest import MOST_FILES, LabelDoubt
from tunesmith.audio.errors import AudioNotInstalled, NoMusicHeard
from tunesmith.ingestion.archives import UNREAD_ARCHIVES
from tunesmith.ingestion.labels import Labelled, file_words
from tunesmith.ingestion.sources import Reject
from tunesmith.midi.composers import ComposerTable
from tunesmith.midi.errors import MidiError, NotScore, ScoresNotInstalled
from tunesmith.midi.folding import fold

__all__ = ["archive_notices", "beside_notices", "label_doubts", "mixture_notices", "unread_notices"]

SHOWN_FILES = 3
SHORTEST_ALIKE = 5
"""Letters of a label below which likeness says little."""
LEAST_LIKENESS = 0.85


def label_doubts(files: Sequence[Labelled], table: ComposerTable | None) -> list[LabelDoubt]:
    """Return sentences about likely faults of the labels, with the files.

    Parameters
    ----------
    files
        All files with their labels.
    table
        Table of composers; None where labels are no composers.
    """
    counts = Counter(file.label for file in files if file.label is not None)
    doubts = list(_one_folder_too_high(files, counts))
    doubts += _doubles(files, counts, table)
    if table is not None:
        doubts += _other_names(files, table)
    return doubts


def mixture_notices(pieces: pa.Table) -> list[str]:
    """Return a sentence about clusters of the same music that hold more than one label.

    Parameters
    ----------
    pieces
        Columns ``cluster``, ``label`` and ``path``.
    """
    members: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    columns = (pieces[name].to_pylist() for name in ("cluster", "label", "path"))
    for cluster, label, path in zip(*columns, strict=True):
        if label is not None:
            members[cluster].append((label, path))
    mixed = [
        " = ".join(f"{label} ({path.rsplit('/', 1)[-1]})" for label, path in sorted(pairs)[:4])
        for pairs in members.values()
        if len({label for label, _ in pairs}) > 1
    ]
    if not mixed:
        return []
    verb = (
        "cluster of the same music holds" if len(mixed) == 1 else "clusters of the same music hold"
    )
    shown = "; ".join(mixed[:SHOWN_FILES])
    where = "The data card has the evidence."
    return [f"{len(mixed):,} {verb} more than one label: {shown}. {where}"]


def archive_notices(ignored: Mapping[str, int]) -> list[str]:
    """Return a sentence about archives that are not read, where there are any.

    Parameters
    ----------
    ignored
        Number of files that are not read, by suffix.
    """
    counts = {suffix: n for suffix, n in sorted(ignored.items()) if suffix in UNREAD_ARCHIVES}
    if not counts:
        return []
    number = sum(counts.values())
    files = "archive or compressed file is" if number == 1 else "archives or compressed files are"
    shown = ", ".join(f"{suffix}: {n:,}" for suffix, n in counts.items())
    return [f"{number:,} {files} not read ({shown}): unpack them, or pack them as zip or tar."]


def beside_notices(number: int) -> list[str]:
    """Return a sentence about recordings that lie beside their notes, where there are any."""
    if not number:
        return []
    recordings = "1 recording was" if number == 1 else f"{number:,} recordings were"
    sentence = (
        f"{recordings} left out, because a MIDI file or score of the same name lies beside: its "
        "notes are exact."
    )
    return [sentence]


def unread_notices(rejects: Sequence[Reject]) -> list[str]:
    """Return sentences about files that the loss budget does not count.

    Parameters
    ----------
    rejects
        All files that were not kept.
    """
    sentences = []
    kinds: tuple[tuple[type[MidiError], str], ...] = (
        (ScoresNotInstalled, "could not be read"),
        (AudioNotInstalled, "could not be read"),
        (NotScore, "left out"),
        (NoMusicHeard, "left out"),
    )
    for error, verb in kinds:
        files = [reject for reject in rejects if reject.error == error.__name__]
        if files:
            noun = "file" if len(files) == 1 else "files"
            sentences.append(
                f"{len(files):,} {noun} {verb}, such as {files[0].path}: {files[0].message}"
            )
    return sentences


def _one_folder_too_high(
    files: Sequence[Labelled], counts: Mapping[str, int]
) -> Iterator[LabelDoubt]:
    if len(counts) != 1:
        return
    inner = Counter(parts[1] for file in files if len(parts := file.entry.relative.split("/")) > 2)
    if len(inner) < 2:
        return
    label, number = next(iter(counts.items()))
    shown = ", ".join(name for name, _ in inner.most_common(SHOWN_FILES))
    text = (
        f"All {number:,} labelled files have the label {label!r}. The folders inside look like "
        f"labels ({shown}, …): name that folder as the source, or give "
        r"--label 'regex:^[^/]+/([^/]+)/'."
    )
    yield LabelDoubt(text=text, files={})


def _doubles(
    files: Sequence[Labelled], counts: Mapping[str, int], table: ComposerTable | None
) -> Iterator[LabelDoubt]:
    """Yield pairs of labels that may be one person; two names of the table never are."""
    listed = set(table.names.values()) if table else set()
    pairs = [*_alike_pairs(sorted(counts)), *_pairs_with_a_word(sorted(counts))]
    if table is not None:
        pairs += _given_names(counts, table)
    doubles = sorted({(min(pair), max(pair)) for pair in pairs if not set(pair) <= listed})
    paths = _first_paths(files, {label for pair in doubles for label in pair})
    for first, second in doubles:
        text = (
            f"{first} ({counts[first]:,}) and {second} ({counts[second]:,}) may be one label: "
            "add a spelling with --composer-table if they are."
        )
        yield LabelDoubt(text=text, files={label: paths[label] for label in (first, second)})


def _first_paths(files: Sequence[Labelled], labels: Collection[str]) -> dict[str, list[str]]:
    """Return the first paths of each label."""
    paths: dict[str, list[str]] = {label: [] for label in labels}
    for file in files:
        if file.label in paths and len(paths[file.label]) < MOST_FILES:
            paths[file.label].append(file.entry.path)
    return paths


def _alike_pairs(labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield labels of one first letter that are nearly spelled alike."""
    by_letter: defaultdict[str, list[str]] = defaultdict(list)
    for label in labels:
        by_letter[_spelled(label)[:1]].append(label)
    for group in by_letter.values():
        for first, second in itertools.combinations(group, 2):
            if _alike(_spelled(first), _spelled(second)):
                yield first, second


def _spelled(label: str) -> str:
    """Return a label folded; 01 and 1 are one number."""
    return fold(label).lstrip("0") or "0"


def _pairs_with_a_word(labels: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield labels of one word, and labels that hold this word."""
    by_word: defaultdict[str, list[str]] = defaultdict(list)
    for label in labels:
        for word in set(fold(label).split()):
            by_word[word].append(label)
    for label in labels:
        word = fold(label)
        if len(word) >= SHORTEST_ALIKE:
            yield from ((label, other) for other in by_word.get(word, ()) if other != label)


def _given_names(counts: Mapping[str, int], table: ComposerTable) -> Iterator[tuple[str, str]]:
    """Yield labels that are a given name of the composer of another label."""
    label_of = {fold(label): label for label in counts}
    for people in table.people.values():
        for person in people:
            for given in person.given:
                label = label_of.get(given)
                if label is not None and person.name in counts and person.name != label:
                    yield label, person.name


def _alike(first: str, second: str) -> bool:
    if first == second:
        return True  # they differ by case, accents or marks alone
    if min(len(first), len(second)) < SHORTEST_ALIKE or abs(len(first) - len(second)) > 2:
        return False
    return difflib.SequenceMatcher(None, first, second).ratio() >= LEAST_LIKENESS


def _other_names(files: Sequence[Labelled], table: ComposerTable) -> Iterator[LabelDoubt]:
    """Yield the labels whose files have names that begin with another composer."""
    others: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for file in files:
        if file.label is None or "/" not in file.entry.relative:
            continue  # without a folder, the label is from the name
        name, _ = table.beginning(file_words(file.entry))
        if name is not None and name != file.label and fold(name) not in fold(file.label):
            others[file.label, name].append(file.entry.path)
    for (label, name), paths in sorted(others.items()):
        shown = ", ".join(path.rsplit("/", 1)[-1] for path in paths[:SHOWN_FILES])
        verb = "file begins" if len(paths) == 1 else "files begin"
        text = f"{label}: {len(paths):,} {verb} with the name {name} ({shown})."
        yield LabelDoubt(text=text, files={name: paths[:MOST_FILES]})
