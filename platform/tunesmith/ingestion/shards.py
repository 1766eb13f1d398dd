"""The large tables' Parquet files: written row group by row group, whole or not at all."""

import uuid
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tunesmith.artifacts.store import Store
from tunesmith.datasets.schema import N_PITCHES, chunk_schema, note_schema
from tunesmith.ingestion.planning import Part
from tunesmith.midi.score import NOTE_DTYPE

__all__ = ["ChunkWriter", "NoteWriter", "Shard", "list_column", "place_shard"]

_ROW_GROUP_CHUNKS = 1024
_ROW_GROUP_NOTES = 500_000


class Shard:
    """A Parquet file that appears under its name only when it is complete.

    Parameters
    ----------
    store
        Where it goes.
    final
        Its path, as ``store.fs`` wants it.
    attempt
        Tells apart processes that write the same file.
    """

    def __init__(self, store: Store, final: str, attempt: str) -> None:
        self._fs = store.fs
        self._final = final
        # On an object store a file appears when it is closed; a rename would be a copy.
        folder, name = final.rsplit("/", 1)
        self.path = f"{folder}/.{name}.{attempt}" if store.is_local else final
        self._fs.create_dir(folder, recursive=True)

    def open(self, schema: pa.Schema) -> pq.ParquetWriter:
        """Start writing."""
        return pq.ParquetWriter(
            self.path,
            schema,
            filesystem=self._fs,
            compression="zstd",
            compression_level=1,
            use_dictionary=["piece_id"],
            write_statistics=["piece_id"],
        )

    def publish(self) -> None:
        """Give the finished file its name."""
        if self.path != self._final:
            self._fs.move(self.path, self._final)

    def discard(self) -> None:
        """Remove an unfinished file."""
        if self.path != self._final:
            try:
                self._fs.delete_file(self.path)
            except FileNotFoundError:
                return


class ChunkWriter:
    """Collects chunks in one buffer and writes it as a row group whenever it is full.

    Parameters
    ----------
    shard
        File to write.
    chunk_frames
        Frames of a chunk.
    """

    def __init__(self, shard: Shard, chunk_frames: int) -> None:
        self.shard = shard
        self._schema = chunk_schema(chunk_frames)
        self._writer = shard.open(self._schema)
        self._rolls = np.empty((_ROW_GROUP_CHUNKS, chunk_frames, N_PITCHES), dtype=np.uint8)
        self._ids: list[str] = []
        self._columns: list[tuple[npt.NDArray[Any], ...]] = []
        self._filled = 0

    def add(
        self,
        piece_id: str,
        chunks: npt.NDArray[np.uint8],
        padded_frames: npt.NDArray[np.int32],
        start_s: npt.NDArray[np.float64],
    ) -> None:
        """Append a piece's chunks, uint8 ``[n, chunk_frames, 128]``, and their columns ``[n]``."""
        index = np.arange(len(chunks), dtype=np.int32)
        done = 0
        while done < len(chunks):
            part = slice(done, done + _ROW_GROUP_CHUNKS - self._filled)
            count = len(index[part])
            self._rolls[self._filled : self._filled + count] = chunks[part]
            self._ids += [piece_id] * count
            self._columns.append((index[part], start_s[part], padded_frames[part]))
            self._filled += count
            done += count
            if self._filled == _ROW_GROUP_CHUNKS:
                self._flush()

    def _flush(self) -> None:
        if not self._filled:
            return
        index, start_s, padded = (np.concatenate(c) for c in zip(*self._columns, strict=True))
        rolls = self._rolls[: self._filled]
        width = rolls[0].size
        columns = [
            pa.array(self._ids, pa.string()),
            pa.array(index, pa.int32()),
            pa.array(start_s.astype(np.float32)),
            pa.array(padded, pa.int32()),
            pa.Array.from_buffers(pa.binary(width), len(rolls), [None, pa.py_buffer(rolls)]),
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._ids, self._columns, self._filled = [], [], 0

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._writer.close()


class NoteWriter:
    """Collects notes and writes a row group whenever there are enough.

    Parameters
    ----------
    shard
        File to write.
    """

    def __init__(self, shard: Shard) -> None:
        self.shard = shard
        self._schema = note_schema()
        self._writer = shard.open(self._schema)
        self._ids: list[str] = []
        self._notes: list[npt.NDArray[np.void]] = []
        self._filled = 0

    def add(self, piece_id: str, notes: npt.NDArray[np.void]) -> None:
        """Append a piece's notes, `NOTE_DTYPE` ``[n]``."""
        self._ids.append(piece_id)
        self._notes.append(notes)
        self._filled += len(notes)
        if self._filled >= _ROW_GROUP_NOTES:
            self._flush()

    def _flush(self) -> None:
        if not self._ids:
            return
        columns = [pa.array(self._ids, pa.string())]
        columns += [
            list_column([notes[name] for notes in self._notes], self._schema, name)
            for name in NOTE_DTYPE.names or ()
        ]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._ids, self._notes, self._filled = [], [], 0

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._writer.close()


def list_column(arrays: Sequence[npt.NDArray[Any]], schema: pa.Schema, name: str) -> pa.Array:
    """Return a list column with one row an array, of the type `schema` gives to `name`."""
    of = schema.field(name).type
    bounds = np.concatenate([[0], np.cumsum([len(array) for array in arrays])])
    values = np.concatenate(arrays) if arrays else np.empty(0)
    return pa.ListArray.from_arrays(
        pa.array(bounds, pa.int32()), pa.array(values, of.value_type), type=of
    )


def place_shard(store: Store, parts: Sequence[tuple[str, Part]], target: str) -> None:
    """Make a Parquet file that holds the wanted pieces of some others.

    Parameters
    ----------
    store
        Where they are.
    parts
        Path of each file, and which of its pieces are wanted.
    target
        Path of the file to make; it may be one of them.
    """
    if len(parts) == 1 and parts[0][1].wanted == parts[0][1].pieces:
        source = parts[0][0]
        if source != target:
            store.fs.create_dir(target.rsplit("/", 1)[0], recursive=True)
            store.fs.copy_file(source, target)
        return
    shard = Shard(store, target, uuid.uuid4().hex)
    with store.fs.open_input_file(parts[0][0]) as handle:
        schema = pq.ParquetFile(handle).schema_arrow
    with shard.open(schema) as writer:
        for source, part in parts:
            wanted = pa.array(list(part.wanted), pa.string())
            with store.fs.open_input_file(source) as handle:
                file = pq.ParquetFile(handle)
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group)
                    table = table.filter(pc.is_in(table["piece_id"], value_set=wanted))
                    if table.num_rows:
                        writer.write_table(table)
    shard.publish()
