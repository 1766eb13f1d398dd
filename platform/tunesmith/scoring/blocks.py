"""Blocks of items: what one call of a worker scores, and one Parquet file of the scores holds.

The division depends on the items alone, so that a scoring goes on elsewhere, and with another
number of machines, where it was interrupted.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from tunesmith.ingestion.sources import Entry, Reject

__all__ = [
    "ROWS_PER_BLOCK",
    "Block",
    "FaultBlock",
    "FileBlock",
    "Numbers",
    "RowBlock",
    "block_from_json",
    "block_to_json",
    "fault_blocks",
    "file_blocks",
]

ROWS_PER_BLOCK = 20_000
_LEAST_FILES, _MOST_FILES = 32, 1024
_IDEAL_BLOCKS = 64


@dataclass(frozen=True, slots=True)
class FileBlock:
    """Files, each of which is an item.

    Attributes
    ----------
    key
        Name of the Parquet file, without its suffix.
    paths
        Paths shown to people.
    locations
        Address of each file, as `tunesmith.ingestion.sources.Entry.location`.
    """

    key: str
    paths: Sequence[str]
    locations: Sequence[Sequence[str]]

    @property
    def n_items(self) -> int:
        """Number of files."""
        return len(self.paths)


@dataclass(frozen=True, slots=True)
class RowBlock:
    """Rows of a table, each of which is an item.

    Attributes
    ----------
    key
        Name of the Parquet file, without its suffix.
    path
        Path of the table, shown to people.
    first, count
        Number of the first row, and number of rows.
    parquet
        Path or URI of the table where it is a Parquet file; None where the rows were copied to the
        folder of the unfinished scores.
    constants
        Cells that all rows share: those in the names of folders, ``NAME=VALUE``.
    """

    key: str
    path: str
    first: int
    count: int
    parquet: str | None
    constants: Mapping[str, str | None]

    @property
    def n_items(self) -> int:
        """Number of rows."""
        return self.count


@dataclass(frozen=True, slots=True)
class FaultBlock:
    """Files that could not be listed or read as tables.

    Attributes
    ----------
    key
        Name of the Parquet file, without its suffix.
    paths, reasons, messages
        Of each file.
    """

    key: str
    paths: Sequence[str]
    reasons: Sequence[str]
    messages: Sequence[str]

    @property
    def n_items(self) -> int:
        """Number of files."""
        return len(self.paths)


Block = FileBlock | RowBlock | FaultBlock
_KINDS: Mapping[str, type[Block]] = {
    kind.__name__: kind for kind in (FileBlock, RowBlock, FaultBlock)
}


def block_to_json(block: Block) -> str:
    """Return a block as JSON; undecodable bytes in names are preserved."""
    return json.dumps({"block": type(block).__name__, **asdict(block)})


def block_from_json(text: str) -> Block:
    """Return the block from the text of `block_to_json`."""
    fields = json.loads(text)
    return _KINDS[fields.pop("block")](**fields)


class Numbers:
    """Names the parts of the scores, in order."""

    def __init__(self) -> None:
        self._next = 0

    def key(self) -> str:
        """Return the name of the next part."""
        self._next += 1
        return f"part-{self._next - 1:06d}"


def file_blocks(entries: Sequence[Entry], numbers: Numbers) -> list[FileBlock]:
    """Divide files into blocks, in order of path."""
    size = min(_MOST_FILES, max(_LEAST_FILES, -(-len(entries) // _IDEAL_BLOCKS)))
    parts = (entries[start : start + size] for start in range(0, len(entries), size))
    return [
        FileBlock(numbers.key(), [e.path for e in part], [e.location for e in part])
        for part in parts
    ]


def fault_blocks(rejects: Iterable[Reject], numbers: Numbers) -> list[FaultBlock]:
    """Return a block of all files that could not be listed or read; none where there is none."""
    faults = list(rejects)
    if not faults:
        return []
    reasons = ["unlisted" if fault.stage == "list" else fault.stage for fault in faults]
    messages = [fault.message for fault in faults]
    return [FaultBlock(numbers.key(), [fault.path for fault in faults], reasons, messages)]
