"""Entries to batches: few, of even weight, the same on every machine."""

import hashlib
import heapq
import json
from collections.abc import Sequence

from tunesmith.ingest.processing import Batch
from tunesmith.ingest.sources import Entry

__all__ = ["plan_batches", "plan_key"]

_BATCH_BYTES = 24_000_000
_MIN_BATCHES = 8
_MIN_BATCH_FILES = 50


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
