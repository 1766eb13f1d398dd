"""Entries to batches: few, of even weight, the same on every machine."""

import hashlib
import heapq
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from tunesmith.ingestion.sources import Entry

__all__ = ["Batch", "Part", "group_parts", "plan_batches", "plan_key"]

_BATCH_BYTES = 24_000_000
_MIN_BATCHES = 8
_MIN_BATCH_FILES = 50


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that one task processes.

    Attributes
    ----------
    key
        Name of the batch's files.
    paths
        Paths of the files, for people.
    locations
        How to read each, as `Entry.location`.
    """

    key: str
    paths: Sequence[str]
    locations: Sequence[Sequence[str]]

    def to_json(self) -> str:
        """Return the batch as text; undecodable bytes in names survive."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Batch":
        """Return the batch that `to_json` wrote."""
        return cls(**json.loads(text))


def plan_batches(entries: Sequence[Entry], first_number: int = 0) -> list[Batch]:
    """Deal files into batches.

    The number of batches depends on the files alone, never on the cluster, so that a run that is
    interrupted on one machine continues on another. Files of one size go into one batch: there
    byte-identical ones meet, and are decoded once without anyone comparing all with all.

    Parameters
    ----------
    entries
        Files, sorted by path.
    first_number
        Number of the first batch; it names the batch's files.

    Returns
    -------
    list of Batch
        Each in order of path; none is empty.
    """
    total = sum(entry.size for entry in entries)
    n_batches = max(
        -(-total // _BATCH_BYTES), min(_MIN_BATCHES, -(-len(entries) // _MIN_BATCH_FILES))
    )
    by_size: dict[int, list[Entry]] = {}
    for entry in entries:
        by_size.setdefault(entry.size, []).append(entry)
    # Heaviest first, each to the lightest batch (Graham's LPT rule).
    load = [(0, number) for number in range(n_batches)]
    dealt: list[list[Entry]] = [[] for _ in range(n_batches)]
    for group in sorted(by_size.values(), key=lambda g: (-g[0].size * len(g), -g[0].size)):
        weight, number = heapq.heappop(load)
        dealt[number] += group
        # An empty file is not free.
        heapq.heappush(load, (weight + (group[0].size + 1000) * len(group), number))
    batches: list[Batch] = []
    for files in dealt:
        if files:
            files.sort(key=lambda entry: entry.path)
            key = f"part-{first_number + len(batches):05d}"
            paths = [entry.path for entry in files]
            batches.append(Batch(key, paths, [entry.location for entry in files]))
    return batches


def plan_key(entries: Sequence[Entry], *context: str) -> str:
    """Return a name for this very piece of work, so that its unfinished results are found again.

    Parameters
    ----------
    entries
        Files that are to be read.
    *context
        What else decides the results: parameters, the version built upon.
    """
    digest = hashlib.sha256(json.dumps(context).encode())
    for entry in entries:
        digest.update(json.dumps([entry.path, entry.size, entry.stamp]).encode())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Part:
    """The pieces that one shard of `chunks` and its like of `notes` hold.

    Attributes
    ----------
    folder
        Where the tables' folders are, as the file system wants it.
    name
        Name of the files in them.
    pieces
        Pieces inside.
    wanted
        Those that are still wanted.
    """

    folder: str
    name: str
    pieces: frozenset[str]
    wanted: frozenset[str] = frozenset()

    def path(self, table: str) -> str:
        """Return the path of this shard of a table."""
        return f"{self.folder}/{table}/{self.name}"


def group_parts(parts: Sequence[Part], ideal: int) -> list[tuple[str, list[Part]]]:
    """Decide which parts become one file, so that many small additions do not stay many files.

    Parameters
    ----------
    parts
        What there is, in order.
    ideal
        Number of files that the same pieces would have been written to at once.

    Returns
    -------
    list of (str, list of Part)
        Name of each file and what goes into it. Nothing is joined up to twice the ideal number;
        beyond it, parts smaller than the ideal file are.
    """
    alone = [(part.name, [part]) for part in parts]
    if len(parts) <= 2 * ideal:
        return alone
    target = sum(len(part.wanted) for part in parts) / ideal
    groups: list[list[Part]] = []
    filled = 0
    for part in parts:
        if filled and filled + len(part.wanted) <= target:
            groups[-1].append(part)
            filled += len(part.wanted)
        else:
            groups.append([part])
            filled = len(part.wanted)
    number = 1 + max(int(part.name.removesuffix(".parquet").rsplit("-", 1)[1]) for part in parts)
    named = []
    for group in groups:
        if len(group) == 1:
            named.append((group[0].name, group))
        else:
            named.append((f"part-{number:05d}.parquet", group))
            number += 1
    return named
