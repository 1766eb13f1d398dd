"""Files of music as a dataset of Ray Data, without a store: a row per file, its notes in columns.

Files are listed when the dataset is made and read when it runs, in tasks that hand on one block of
notes after the other, so that Ray Data holds back readers whose blocks no step takes.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from tunesmith.datasets.schema import note_schema
from tunesmith.ingestion.archives import ArchiveError
from tunesmith.ingestion.inventory import take_inventory
from tunesmith.ingestion.labels import Labelled
from tunesmith.ingestion.locations import ContentReader
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.processing import score_or_reject
from tunesmith.ingestion.shards import list_column
from tunesmith.ingestion.sources import Reject
from tunesmith.midi.score import NOTE_DTYPE

__all__ = ["MidiDatasource", "row_schema"]

_TASK_BYTES = 24_000_000
"""Bytes of music that one task reads at most, a larger file aside."""
_BLOCK_NOTES = 500_000
"""Notes of a block, about 17 MB."""
_NOTES_PER_BYTE = 0.15
"""Typical for MIDI files; only an estimate that Ray Data plans with."""

_NO_NOTES = np.empty(0, dtype=NOTE_DTYPE)


def row_schema() -> pa.Schema:
    """Return the columns of a row: the file, what was wrong with it, and its notes."""
    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("label", pa.string()),
            pa.field("sha256", pa.string()),
            pa.field("stage", pa.string()),
            pa.field("error", pa.string()),
            pa.field("message", pa.string()),
            pa.field("reader", pa.string()),
            pa.field("length_s", pa.float64()),
            pa.field("warnings", pa.list_(pa.string())),
            *(field for field in note_schema() if field.name != "piece_id"),
        ]
    )


class MidiDatasource(Datasource):
    """Pieces of folders, archives, globs and URIs, for `ray.data.read_datasource`.

    Parameters
    ----------
    sources
        As `tunesmith.ingest` takes them.
    parameters
        Rule for labels, and limits of files and archives.

    Raises
    ------
    UsageError
        When a source does not exist, or the rule for labels cannot be used.
    """

    def __init__(self, sources: Sequence[str], parameters: IngestParameters | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._parameters = parameters or IngestParameters()
        inventory = take_inventory(sources, self._parameters)
        self._files = inventory.labelled
        self._unlisted = inventory.unlisted

    def get_name(self) -> str:
        """Return the name that Ray Data shows."""
        return "Midi"

    def estimate_inmemory_data_size(self) -> int:
        """Return the bytes of all notes, roughly."""
        n_bytes = sum(file.entry.size for file in self._files)
        return int(n_bytes * _NOTES_PER_BYTE * NOTE_DTYPE.itemsize)

    def get_read_tasks(
        self,
        parallelism: int,
        per_task_row_limit: int | None = None,
        data_context: Any = None,  # noqa: ARG002 - part of the interface
    ) -> list[ReadTask]:
        """Return tasks that read the files once together, of about even size."""
        tasks = [
            self._task(partial(_rows_of, files, self._parameters), files, per_task_row_limit)
            for files in _cut(self._files, parallelism)
        ]
        if self._unlisted:
            tasks.append(
                self._task(partial(_rejected, self._unlisted), self._unlisted, per_task_row_limit)
            )
        return tasks

    def _task(
        self, read: Any, files: Sequence[Labelled | Reject], row_limit: int | None
    ) -> ReadTask:
        sizes = [file.entry.size for file in files if isinstance(file, Labelled)]
        metadata = BlockMetadata(
            num_rows=len(files),
            size_bytes=int(sum(sizes) * _NOTES_PER_BYTE * NOTE_DTYPE.itemsize),
            input_files=None,
            exec_stats=None,
        )
        return ReadTask(read, metadata, schema=row_schema(), per_task_row_limit=row_limit)


def _cut(files: Sequence[Labelled], n_parts: int) -> list[list[Labelled]]:
    """Cut files into stretches of about even size; members of an archive stay neighbours."""
    if not files:
        return []
    total = sum(file.entry.size for file in files)
    n_parts = max(1, min(n_parts, len(files)), -(-total // _TASK_BYTES))
    parts: list[list[Labelled]] = [[]]
    # An empty file has a cost too.
    cost, done = total / n_parts + 1000 * len(files) / n_parts, 0.0
    for file in files:
        if parts[-1] and done >= cost * len(parts):
            parts.append([])
        parts[-1].append(file)
        done += file.entry.size + 1000
    return parts


@dataclass(frozen=True, slots=True)
class _Row:
    """A file that was read."""

    columns: dict[str, Any]
    notes: npt.NDArray[np.void]


def _rows_of(files: Sequence[Labelled], parameters: IngestParameters) -> Iterator[pa.Table]:
    """Read files, and yield blocks of their rows."""
    reader = ContentReader.of(parameters)
    rows: list[_Row] = []
    n_notes = 0
    try:
        for file in files:
            row = _row_of(file, reader, parameters)
            rows.append(row)
            n_notes += len(row.notes)
            if n_notes >= _BLOCK_NOTES:
                yield _block(rows)
                rows, n_notes = [], 0
        if rows:
            yield _block(rows)
    finally:
        reader.close()


def _row_of(file: Labelled, reader: ContentReader, parameters: IngestParameters) -> _Row:
    columns: dict[str, Any] = {"path": file.entry.path, "label": file.label}
    try:
        data = reader.read(file.entry.location)
    except (ArchiveError, OSError) as error:
        return _Row(columns | asdict(Reject.of(file.entry.path, error)), _NO_NOTES)
    sha256 = hashlib.sha256(data).hexdigest()
    score = score_or_reject(file.entry.path, data, sha256, parameters.limits.as_limits())
    if isinstance(score, Reject):
        return _Row(columns | asdict(score), _NO_NOTES)
    columns |= {
        "sha256": sha256,
        "reader": score.reader,
        "length_s": score.end_time_s,
        "warnings": list(score.warnings),
    }
    return _Row(columns, score.notes)


def _rejected(rejects: Sequence[Reject]) -> Iterable[pa.Table]:
    """Return a block of the files that could not be listed."""
    return [_block([_Row(asdict(reject), _NO_NOTES) for reject in rejects])]


def _block(rows: Sequence[_Row]) -> pa.Table:
    schema = row_schema()
    named = [field for field in schema if field.name not in (NOTE_DTYPE.names or ())]
    table = pa.Table.from_pylist([row.columns for row in rows], pa.schema(named))
    for name in NOTE_DTYPE.names or ():
        column = list_column([row.notes[name] for row in rows], schema, name)
        table = table.append_column(schema.field(name), column)
    return table
