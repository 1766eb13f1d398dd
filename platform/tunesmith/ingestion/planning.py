"""Plan batches of even size from the files alone, so that every machine plans the same."""

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
    """Files that one Ray task processes.

    Attributes
    ----------
    key
        Base name of the files that the batch writes.
    paths
        Paths shown to people.
    locations
        Address of each file, as `Entry.location`.
    """

    key: str
    paths: Sequence[str]
    locations: Sequence[Sequence[str]]

    def to_json(self) -> str:
        """Return the batch as JSON; undecodable bytes in names are preserved."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Batch":
        """Return the batch from the text of `to_json`."""
        return cls(**json.loads(text))


def plan_batches(entries: Sequence[Entry], first_number: int = 0) -> list[Batch]:
    """Divide files into batches.

    The number of batches depends on the files alone and not on the cluster, so that an ingest that
    was interrupted on one machine continues on another. Files of equal size share a batch:
    byte-identical files meet there and are decoded once, without comparing all pairs.

    Parameters
    ----------
    entries
        Files, sorted by path.
    first_number
        Number of the first batch, used in its key.

    Returns
    -------
    list of Batch
        Each sorted by path; none is empty.
    """
    total = sum(entry.size for entry in entries)
    n_batches = max(
        -(-total // _BATCH_BYTES), min(_MIN_BATCHES, -(-len(entries) // _MIN_BATCH_FILES))
    )
    by_size: dict[int, list[Entry]] = {}
    for entry in entries:
        by_size.setdefault(entry.size, []).append(entry)
    # Largest group first, each to the smallest batch (Graham's LPT rule).
    load = [(0, number) for number in range(n_batches)]
    contents: list[list[Entry]] = [[] for _ in range(n_batches)]
    for group in sorted(by_size.values(), key=lambda g: (-g[0].size * len(g), -g[0].size)):
        weight, number = heapq.heappop(load)
        contents[number] += group
        # An empty file has a cost too.
        heapq.heappush(load, (weight + (group[0].size + 1000) * len(group), number))
    batches: list[Batch] = []
    for files in contents:
        if files:
            files.sort(key=lambda entry: entry.path)
            key = f"part-{first_number + len(batches):05d}"
            paths = [entry.path for entry in files]
            batches.append(Batch(key, paths, [entry.location for entry in files]))
    return batches


def plan_key(entries: Sequence[Entry], *context: str) -> str:
    """Return a digest that identifies this work, so that a later run finds its partial results.

    Parameters
    ----------
    entries
        Files to read.
    *context
        Everything else that affects the results: settings, the prior version.
    """
    digest = hashlib.sha256(json.dumps(context).encode())
    for entry in entries:
        digest.update(json.dumps([entry.path, entry.size, entry.stamp]).encode())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Part:
    """One shard of `chunks` and the shard of `notes` with the same pieces.

    Attributes
    ----------
    folder
        Parent of the folders of the tables, as a path of the file system.
    name
        File name of the shard.
    pieces
        Ids of the pieces in the shard.
    wanted
        Ids of the pieces that the new version keeps.
    """

    folder: str
    name: str
    pieces: frozenset[str]
    wanted: frozenset[str] = frozenset()

    def path(self, table: str) -> str:
        """Return the path of this shard of a table."""
        return f"{self.folder}/{table}/{self.name}"


def group_parts(parts: Sequence[Part], ideal: int) -> list[tuple[str, list[Part]]]:
    """Group small shards into larger files, so that many small additions do not leave many files.

    Parameters
    ----------
    parts
        Existing shards, in order.
    ideal
        Number of files that one ingest of all these pieces would write.

    Returns
    -------
    list of (str, list of Part)
        Name and shards of each new file. Shards are merged only if there are more than twice the
        ideal number of them, and only up to the size of an ideal file.
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
