"""Process one batch of files: all of a worker's work, without Ray.

Each file is read and decoded once. Its chunks and notes go straight into the Parquet files of the
batch; the rest of the pipeline gets one small row per file. The row files are written last, so a
batch that has them is complete.
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
from tunesmith.audio import read_music
from tunesmith.datasets.index import FOLDER, IndexPart, index_file
from tunesmith.datasets.schema import result_schema
from tunesmith.errors import MidiError, StoreError
from tunesmith.ingestion.archives import ArchiveError
from tunesmith.ingestion.isolation import MAX_CRASHES, CrashLog
from tunesmith.ingestion.locations import ContentReader
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.planning import Batch
from tunesmith.ingestion.shards import ChunkWriter, NoteWriter, Shard, list_column
from tunesmith.ingestion.sources import Reject
from tunesmith.midi import Limits, Score, chunk_roll, velocity_roll
from tunesmith.midi.errors import MidiLimitExceeded
from tunesmith.midi.features import musical_features
from tunesmith.midi.fingerprints import fingerprint_of, ngram_entries, note_hash
from tunesmith.midi.rolls import sounding
from tunesmith.midi.statistics import piece_statistics

__all__ = [
    "DECODING_FAILURES",
    "batch_file",
    "process_batch",
    "process_rows",
    "score_or_reject",
    "shared_reader",
]

# Exceptions that decoding a malformed file can raise besides a MidiError. Not Exception: a bug
# elsewhere must stop the job.
DECODING_FAILURES = (
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
        Files to read.
    parameters
        Settings of the ingest.
    store, staging
        Folder for the results: ``chunks/KEY.parquet``, ``notes/KEY.parquet``,
        ``index/KEY.arrow``, and last
        ``work/results/KEY.parquet`` (one row per distinct content) and ``work/files/KEY.parquet``
        (one row per file).
    reader
        Reader of the files; it keeps the outermost archives open for the next batch.

    Returns
    -------
    int
        Number of files; each has a row now.
    """
    if reader is None:
        reader = ContentReader.of(parameters)
        on_end = reader.close
    else:
        on_end = partial(reader.close, keep_outermost=True)
    output = _BatchOutput(batch.key, parameters, store, tuple(staging))
    with CrashLog(store, (*staging, "work", "crashes", batch.key)) as crash_log:
        try:
            for number, path in enumerate(batch.paths):
                if crash_log.begin(number):
                    output.add(path, reader, batch.locations[number])
                else:
                    output.add_crashing(path)
            output.finish()
        except BaseException:
            output.discard()
            raise
        finally:
            on_end()
    return len(batch.paths)


def process_rows(rows: Any, parameters: str, store: str, staging: Sequence[str], run: str) -> Any:
    """Process the batches of one block of Ray Data.

    The function is in this module so that workers import little else.

    Parameters
    ----------
    rows
        Column ``batch``, each a `Batch` as JSON.
    parameters
        `IngestParameters` as JSON.
    store, staging
        URI of the store, and the folder inside it that is being built.
    run
        Id of this ingest: its archives stay open from one batch to the next.

    Returns
    -------
    dict
        Column ``n_files``: number of files of each batch. Column ``error``: the message of a batch
        that could not be written, else empty. An exception would reach the driver wrapped in a
        page of Ray's traceback.
    """
    settings = IngestParameters.model_validate_json(parameters)
    batches = [Batch.from_json(str(text)) for text in rows["batch"]]
    reader = shared_reader(settings, run)
    target = Store(store)
    counts, errors = [], []
    for batch in batches:
        n_files, message = 0, ""
        try:
            n_files = process_batch(batch, settings, target, staging, reader)
        except StoreError as error:
            message = str(error)
        except OSError as error:
            message = str(cannot_write(f"{batch.key} cannot be written to {target.shown}", error))
        counts.append(n_files)
        errors.append(message)
    return {"n_files": np.array(counts, dtype=np.int64), "error": np.array(errors, dtype=object)}


def score_or_reject(path: str, data: bytes, sha256: str, limits: Limits) -> Score | Reject:
    """Return the notes of a file, or the reject of one that cannot be read.

    Parameters
    ----------
    path, sha256
        Path shown to people, and digest of the content.
    data
        Content of the file.
    limits
        Limits of one file.
    """
    try:
        return read_music(data, limits=limits)
    except (MidiError, *DECODING_FAILURES) as error:
        return _reject_of(path, error, sha256)


def _reject_of(path: str, error: Exception, sha256: str) -> Reject:
    if isinstance(error, MidiError):
        return Reject.of(path, error, sha256)
    name = type(error).__name__
    return Reject(path, "process", name, f"{name}: {error}", sha256)


@lru_cache(maxsize=1)
def shared_reader(parameters: IngestParameters, run: str) -> ContentReader:
    """Return the reader that all batches of a run share: listing a large archive takes long.

    Parameters
    ----------
    parameters
        Settings of the ingest.
    run
        Id of the run; another one opens the archives again, because they may have changed.
    """
    del run
    return ContentReader.of(parameters)


@dataclass(slots=True)
class _Results:
    """Rows of the distinct contents, with their array columns kept apart."""

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
    """Writer of the files of one batch."""

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
        self._index = self._shard(FOLDER, attempt)
        self._entries: dict[str, npt.NDArray[np.uint64]] = {}

    def add(self, path: str, reader: ContentReader, location: Sequence[str]) -> None:
        """Read and process a file, and add its row; a file that fails gets a reject row."""
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

    def add_crashing(self, path: str) -> None:
        """Add the reject row of a file that crashes the process."""
        message = (
            f"Decoding this file ended the process {MAX_CRASHES} times (crash or out of memory). "
            "Remove the file from the sources."
        )
        self._files.append(asdict(Reject(path, "crash", "ReaderCrash", message)))

    def _process(self, path: str, data: bytes, sha256: str) -> Reject | None:
        score = score_or_reject(path, data, sha256, self._limits)
        if isinstance(score, Reject):
            return score
        try:
            self._write(score, sha256)
        except (MidiError, *DECODING_FAILURES) as error:
            return _reject_of(path, error, sha256)
        return None

    def _write(self, score: Score, sha256: str) -> None:
        """Compute all results of a piece before appending any, so that an error leaves no rows."""
        p = self._parameters
        n_frames = score.end_time_s * p.frames_per_second
        if n_frames > p.limits.max_frames:
            limit = "max_frames"
            raise MidiLimitExceeded(limit, n_frames, p.limits.max_frames)
        roll = velocity_roll(score, p.frames_per_second)
        chunks, padded, starts = chunk_roll(roll, p.chunk_frames, p.hop)
        heard = sounding(chunks)
        if not heard.any():  # drums alone: there is nothing to learn from in a chunk
            chunks, padded, starts, heard = chunks[:0], padded[:0], starts[:0], heard[:0]
        row = {
            "piece_id": sha256[:16],
            "sha256": sha256,
            "note_hash": note_hash(score),
            "reader": score.reader,
            "n_chunks": len(chunks),
            "n_silent_chunks": int(np.count_nonzero(~heard)),
            "warnings": list(score.warnings),
            "damage": asdict(score.damage) if score.damage else None,
            **piece_statistics(score),
        }
        features, entries = musical_features(score.notes), ngram_entries(score.notes)
        self._results.rows.append(row)
        self._results.features.append(features)
        self._results.fingerprints.append(fingerprint_of(entries))
        self._entries[sha256[:16]] = entries
        self._chunks.add(sha256[:16], chunks, padded, starts / p.frames_per_second)
        self._notes.add(sha256[:16], score.notes)

    def finish(self) -> None:
        """Close and publish all files, the rows last."""
        self._chunks.close()
        self._notes.close()
        # The index is sorted in memory; what the writers held must not add to it.
        pa.default_memory_pool().release_unused()
        ids = list(self._entries)
        part = IndexPart.of(ids, [self._entries.pop(name) for name in ids])
        part.write(self._store.fs, self._index.path)
        for shard in (self._chunks.shard, self._notes.shard, self._index):
            shard.publish()
        self._write_rows("work/results", self._results.table())
        self._write_rows("work/files", pa.Table.from_pylist(self._files, _FILE_ROWS))

    def discard(self) -> None:
        """Delete the unfinished files of a failed attempt."""
        for shard in (self._chunks.shard, self._notes.shard, self._index):
            shard.discard()

    def _write_rows(self, folder: str, table: pa.Table) -> None:
        sink = pa.BufferOutputStream()
        pq.write_table(
            table, sink, compression="zstd", use_dictionary=False, write_statistics=False
        )
        data = sink.getvalue().to_pybytes()
        self._store.write_bytes(data, *self._staging, batch_file(folder, self._key))

    def _shard(self, table: str, attempt: str) -> Shard:
        file = batch_file(table, self._key)
        final = self._store.path(*self._staging, index_file(file) if table == FOLDER else file)
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
