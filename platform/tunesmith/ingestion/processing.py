"""One batch of files to rows: everything a worker does, without Ray.

A file is read once and decoded once; chunks and notes go straight into the batch's own Parquet
files, and only a small row a file is left for the rest of the pipeline. The row files are written
last: a batch that has them is done, whoever did it and whatever was killed since.
"""

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from tunesmith.artifacts.store import Store, cannot_write
from tunesmith.datasets.schema import result_schema
from tunesmith.errors import MidiError, StoreError
from tunesmith.ingestion.archives import ArchiveError
from tunesmith.ingestion.isolation import MAX_DEATHS, Watch
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.planning import Batch
from tunesmith.ingestion.shards import ChunkWriter, NoteWriter, Shard, list_column
from tunesmith.ingestion.sources import ContentReader, Reject
from tunesmith.midi import Score, chunk_roll, read_score, velocity_roll
from tunesmith.midi.errors import MidiLimitExceeded
from tunesmith.midi.features import musical_features
from tunesmith.midi.fingerprints import fingerprint, note_hash
from tunesmith.midi.statistics import piece_statistics

__all__ = ["batch_file", "process_batch", "process_rows"]

# What decoding a hostile file can raise besides a typed refusal. Not Exception: a bug elsewhere
# must stop the job.
_UNFORESEEN = (
    ArithmeticError, AttributeError, LookupError, MemoryError, RuntimeError, TypeError, ValueError,
)  # fmt: skip


def batch_file(folder: str, key: str) -> str:
    """Return the path of a batch's file below a staging folder."""
    return f"{folder}/{key}.parquet"


def process_batch(
    batch: Batch,
    parameters: IngestParameters,
    store: Store,
    staging: Sequence[str],
    reader: ContentReader | None = None,
) -> int:
    """Read, decode and write every file of a batch.

    Parameters
    ----------
    batch
        What to read.
    parameters
        What to make of it.
    store, staging
        Where the files go: ``chunks/KEY.parquet``, ``notes/KEY.parquet``, and last
        ``work/results/KEY.parquet`` (a row a distinct content) and ``work/files/KEY.parquet``
        (a row a file).
    reader
        What reads the files; it keeps the outermost archives open for the next batch.

    Returns
    -------
    int
        Number of files, all of which now have a row.
    """
    if reader is None:
        reader = ContentReader(parameters.archives, parameters.limits.max_bytes)
        on_end = reader.close
    else:
        on_end = partial(reader.close, keep_outermost=True)
    output = _BatchOutput(batch.key, parameters, store, tuple(staging))
    with Watch(store, (*staging, "work", "watch", batch.key)) as watch:
        try:
            for number, path in enumerate(batch.paths):
                if watch.begin(number):
                    output.add(path, reader, batch.locations[number])
                else:
                    output.add_deadly(path)
            output.finish()
        except BaseException:
            output.discard()
            raise
        finally:
            on_end()
    return len(batch.paths)


def process_rows(rows: Any, parameters: str, store: str, staging: Sequence[str], run: str) -> Any:
    """Process the batches in a block of Ray Data; here, so that a worker imports little else.

    Parameters
    ----------
    rows
        Column ``batch``, each a `Batch` as JSON.
    parameters
        `IngestParameters` as JSON.
    store, staging
        URI of the store, and the folder inside it that is being built.
    run
        Names this ingest: archives stay open from one of its batches to the next.

    Returns
    -------
    dict
        Column ``n_files``: the number of files of each batch; column ``error``: why a batch could
        not be written, empty where it was. As an exception it would reach the driver as a page of
        Ray's own.
    """
    made = IngestParameters.model_validate_json(parameters)
    batches = [Batch.from_json(str(text)) for text in rows["batch"]]
    reader = _reader_of(made, run)
    target = Store(store)
    done, errors = [], []
    for batch in batches:
        n_files, told = 0, ""
        try:
            n_files = process_batch(batch, made, target, staging, reader)
        except StoreError as error:
            told = str(error)
        except OSError as error:
            told = str(cannot_write(f"{batch.key} cannot be written to {target.shown}", error))
        done.append(n_files)
        errors.append(told)
    return {"n_files": np.array(done, dtype=np.int64), "error": np.array(errors, dtype=object)}


@lru_cache(maxsize=1)
def _reader_of(parameters: IngestParameters, run: str) -> ContentReader:
    """Return what reads all files of a run: listing a large archive takes as long as many files.

    The next run opens its archives anew, they may be others by then.
    """
    del run
    return ContentReader(parameters.archives, parameters.limits.max_bytes)


@dataclass(slots=True)
class _Results:
    """Columns of the rows of distinct contents."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    features: list[npt.NDArray[np.float32]] = field(default_factory=list)
    fingerprints: list[npt.NDArray[np.uint64]] = field(default_factory=list)

    def table(self) -> pa.Table:
        schema = result_schema()
        keys = pa.Table.from_pylist(
            self.rows, schema.remove(len(schema) - 1).remove(len(schema) - 2)
        )
        for name, arrays in (("features", self.features), ("fingerprint", self.fingerprints)):
            keys = keys.append_column(schema.field(name), list_column(arrays, schema, name))
        return keys


class _BatchOutput:
    """The files of a batch while they grow."""

    def __init__(
        self, key: str, parameters: IngestParameters, store: Store, staging: tuple[str, ...]
    ) -> None:
        self._key = key
        self._parameters = parameters
        self._limits = parameters.limits.as_limits()
        self._store = store
        self._staging = staging
        self._results = _Results()
        self._seen: dict[str, Reject | None] = {}
        self._files: list[dict[str, Any]] = []
        attempt = uuid.uuid4().hex
        frames = parameters.chunk_frames
        self._chunks = ChunkWriter(self._shard("chunks", attempt), frames)
        self._notes = NoteWriter(self._shard("notes", attempt))

    def add(self, path: str, reader: ContentReader, location: Sequence[str]) -> None:
        """Give a file its row, whatever it holds."""
        try:
            data = reader.read(location)
        except (ArchiveError, OSError) as error:
            self._files.append(asdict(Reject.of(path, error)))
            return
        sha256 = hashlib.sha256(data).hexdigest()
        if sha256 not in self._seen:
            self._seen[sha256] = self._process(path, data, sha256)
        reject = self._seen[sha256]
        row = {"path": path, "sha256": sha256}
        self._files.append(row if reject is None else asdict(reject) | row)

    def add_deadly(self, path: str) -> None:
        """Give a file its row that ended the process whenever it was decoded."""
        message = (
            f"Decoding it ended the process {MAX_DEATHS} times (a crash, or memory ran out). "
            "Leave it out."
        )
        self._files.append(asdict(Reject(path, "crash", "ReaderCrash", message)))

    def _process(self, path: str, data: bytes, sha256: str) -> Reject | None:
        try:
            score = read_score(data, limits=self._limits)
            self._write(score, sha256)
        except MidiError as error:
            return Reject.of(path, error, sha256)
        except _UNFORESEEN as error:
            message = f"{type(error).__name__}: {error}"
            return Reject(path, "process", type(error).__name__, message, sha256)
        return None

    def _write(self, score: Score, sha256: str) -> None:
        """Compute all of a piece first, so that a refusal leaves nothing of it behind."""
        p = self._parameters
        n_frames = score.end_time_s * p.frames_per_second
        if n_frames > p.limits.max_frames:
            what = "max_frames"
            raise MidiLimitExceeded(what, n_frames, p.limits.max_frames)
        roll = velocity_roll(score, p.frames_per_second)
        chunks, padded, starts = chunk_roll(roll, p.chunk_frames, p.hop)
        row = {
            "piece_id": sha256[:16],
            "sha256": sha256,
            "note_hash": note_hash(score),
            "reader": score.reader,
            "n_chunks": len(chunks),
            "warnings": list(score.warnings),
            **piece_statistics(score),
        }
        features, sketch = musical_features(score.notes), fingerprint(score.notes)
        self._results.rows.append(row)
        self._results.features.append(features)
        self._results.fingerprints.append(sketch)
        self._chunks.add(sha256[:16], chunks, padded, starts / p.frames_per_second)
        self._notes.add(sha256[:16], score.notes)

    def finish(self) -> None:
        """Put every file in place, the rows last."""
        self._chunks.close()
        self._notes.close()
        for shard in (self._chunks.shard, self._notes.shard):
            shard.publish()
        self._write_rows("work/results", self._results.table())
        self._write_rows("work/files", pa.Table.from_pylist(self._files, _FILE_ROWS))

    def discard(self) -> None:
        """Remove what an attempt that failed has written."""
        for shard in (self._chunks.shard, self._notes.shard):
            shard.discard()

    def _write_rows(self, folder: str, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(table, sink, compression="zstd")
        data = sink.getvalue().to_pybytes()
        self._store.write_bytes(data, *self._staging, batch_file(folder, self._key))

    def _shard(self, table: str, attempt: str) -> Shard:
        final = self._store.path(*self._staging, batch_file(table, self._key))
        return Shard(self._store, final, attempt)


_FILE_ROWS = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("sha256", pa.string()),
        pa.field("stage", pa.string()),
        pa.field("error", pa.string()),
        pa.field("message", pa.string()),
    ]
)
