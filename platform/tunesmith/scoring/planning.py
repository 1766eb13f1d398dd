"""The items of the sources, and their division into blocks."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tunesmith.artifacts.store import Staging, Store
from tunesmith.datasets.table_files import TABLE_SUFFIXES
from tunesmith.ingestion.locations import ContentReader
from tunesmith.ingestion.parameters import ArchiveLimits
from tunesmith.ingestion.sources import MUSIC_SUFFIXES, Entry, Listing, Reject, list_sources
from tunesmith.scoring.blocks import (
    Block,
    Numbers,
    block_from_json,
    block_to_json,
    fault_blocks,
    file_blocks,
)
from tunesmith.scoring.documents import Model
from tunesmith.scoring.tables import row_blocks

__all__ = ["SUFFIXES", "Items", "list_items", "make_blocks", "plan_key"]

SUFFIXES: Mapping[str, tuple[str, ...]] = {
    "midi": MUSIC_SUFFIXES,
    "image": (".png", ".jpg", ".jpeg", ".webp"),
    "text": (".txt", *TABLE_SUFFIXES),
    "table": TABLE_SUFFIXES,
}
"""Endings of the files that a model reads, by the kind of its items."""

_BLOCKS = "work/blocks.json"
# Raise it when the same items give another file: former scores are then not continued.
_FORMAT = 3


@dataclass(frozen=True)
class Items:
    """Files that hold the items, and the others."""

    listing: Listing
    kind: str


def list_items(sources: Sequence[str], kind: str, apart: Sequence[str]) -> Items:
    """List the files of the sources that a model of such items reads.

    Parameters
    ----------
    sources
        Folders, files, archives, globs and URIs.
    kind
        Kind of the model's items.
    apart
        Paths and URIs of the scores themselves, which may be inside a source.

    Raises
    ------
    UsageError
        When a source does not exist.
    """
    listing = list_sources(sources, ArchiveLimits(), SUFFIXES[kind])
    folders = tuple(f"{folder}/" for folder in apart)
    entries = [e for e in listing.entries if not e.location[0].split("?")[0].startswith(folders)]
    return Items(replace(listing, entries=entries), kind)


def plan_key(
    items: Items,
    model: Model,
    id_column: str | None,
    compared_with: str | None,
    *,
    with_reasons: bool = False,
) -> str:
    """Return a digest of all that the scores depend on."""
    context = [_FORMAT, model.json_object(), id_column, compared_with]
    if with_reasons:
        context.append("reasons")
    digest = hashlib.sha256(json.dumps(context).encode())
    for entry in items.listing.entries:
        digest.update(json.dumps([entry.path, entry.size, entry.stamp]).encode())
    for reject in items.listing.rejects:
        digest.update(json.dumps([reject.path, reject.message]).encode())
    return digest.hexdigest()[:16]


def make_blocks(items: Items, staging: Staging) -> list[Block]:
    """Return the blocks of the items, those of an earlier call where it finished.

    Tables that cannot be read in parts where they are get copied to `staging`.
    """
    parts = (*staging.parts, *_BLOCKS.split("/"))
    store: Store = staging.store
    if store.exists(*parts):
        return [block_from_json(json.dumps(fields)) for fields in store.read_json(*parts)]
    blocks = _blocks(items, staging)
    store.write_json([json.loads(block_to_json(block)) for block in blocks], *parts)
    return blocks


def _blocks(items: Items, staging: Staging) -> list[Block]:
    numbers = Numbers()
    if items.kind not in {"table", "text"}:
        files = file_blocks(items.listing.entries, numbers)
        return [*files, *fault_blocks(items.listing.rejects, numbers)]
    tables: list[Entry] = []
    loose: list[Entry] = []
    for entry in items.listing.entries:
        is_table = items.kind == "table" or entry.path.lower().endswith(TABLE_SUFFIXES)
        (tables if is_table else loose).append(entry)
    blocks: list[Block] = [*file_blocks(loose, numbers)]
    rejects = list(items.listing.rejects)
    limits = ArchiveLimits()
    reader = ContentReader(limits, limits.max_nested_bytes)
    try:
        for entry in tables:
            for block in row_blocks(entry, numbers, staging, reader):
                if isinstance(block, Reject):
                    rejects.append(block)
                else:
                    blocks.append(block)
    finally:
        reader.close()
    return [*blocks, *fault_blocks(rejects, numbers)]
