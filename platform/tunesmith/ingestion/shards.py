"""Parquet files of the large tables, written by row groups and published atomically."""

import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tunesmith.artifacts.durable import share_file, sync_file, sync_folder
from tunesmith.artifacts.store import Store
from tunesmith.datasets.schema import N_PITCHES, chunk_schema, note_schema
from tunesmith.ingestion.planning import Part
from tunesmith.midi.score import NOTE_DTYPE

__all__ = ["ChunkWriter", "NoteWriter", "Shard", "list_column", "place_file", "place_shard"]

_ROW_GROUP_CHUNKS = 1024
_ROW_GROUP_NOTES = 500_000


class Shard:
    """A Parquet file that gets its final name only when it is complete.

    Parameters
    ----------
    store
        Store that gets the file.
    final
        Path of the file in ``store.fs``.
    attempt
        Unique id, in case several processes write the same file.
    """

    def __init__(self, store: Store, final: str, attempt: str) -> None:
        self._fs = store.fs
        self._final = final
        # An object appears when it is closed, and renaming it would copy it.
        folder, name = final.rsplit("/", 1)
        self.path = f"{folder}/.{name}.{attempt}" if store.is_local else final
        self._fs.create_dir(folder, recursive=True)

    def open(self, schema: pa.Schema) -> pq.ParquetWriter:
        """Open the file for writing."""
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
        """Rename the finished file to its final name."""
        if self.path != self._final:
            sync_file(Path(self.path))
            self._fs.move(self.path, self._final)
            sync_folder(Path(self._final).parent)

    def discard(self) -> None:
        """Delete the unfinished file."""
        if self.path != self._final:
            try:
                self._fs.delete_file(self.path)
            except FileNotFoundError:
                return


class ChunkWriter:
    """Buffers chunks and writes a row group whenever the buffer is full.

    Parameters
    ----------
    shard
        File to write.
    chunk_frames
        Frames per chunk.
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
        """Append the chunks of a piece, uint8 ``[n, chunk_frames, 128]``, and columns ``[n]``."""
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
        """Write the rest of the buffer and close the file."""
        self._flush()
        self._writer.close()


class NoteWriter:
    """Buffers notes and writes a row group whenever the buffer is full.

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
        """Append the notes of a piece, `NOTE_DTYPE` ``[n]``."""
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
        """Write the rest of the buffer and close the file."""
        self._flush()
        self._writer.close()


def list_column(arrays: Sequence[npt.NDArray[Any]], schema: pa.Schema, name: str) -> pa.Array:
    """Return a list column with one row per array, of the type of the field `name`."""
    list_type = schema.field(name).type
    bounds = np.concatenate([[0], np.cumsum([len(array) for array in arrays])])
    values = np.concatenate(arrays) if arrays else np.empty(0)
    return pa.ListArray.from_arrays(
        pa.array(bounds, pa.int32()), pa.array(values, list_type.value_type), type=list_type
    )


def place_shard(store: Store, parts: Sequence[tuple[str, Part]], target: str) -> None:
    """Write a Parquet file with the wanted pieces of one or more shards.

    Parameters
    ----------
    store
        Store of all files.
    parts
        Path of each source file, and its shard.
    target
        Path of the new file; it may be one of the sources.
    """
    if len(parts) == 1 and parts[0][1].wanted == parts[0][1].pieces:
        source = parts[0][0]
        place_file(store, source, target)
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


def place_file(store: Store, source: str, target: str) -> None:
    """Make a file of one version part of another one, as it is.

    On a local disk both share it: an addition to a large version costs what is new.
    """
    if source == target:
        return
    if store.is_local:
        share_file(Path(source), Path(target))
    else:
        store.make_folder_above(target)
        store.fs.copy_file(source, target)
