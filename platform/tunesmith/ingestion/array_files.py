"""Arrays and tables in files of the store, which the tasks of one step leave to the next."""

import io
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tunesmith.artifacts.store import Store
from tunesmith.ingestion.shards import Shard

__all__ = ["ArrayFiles", "Arrays"]

_SCHEMA = pa.schema([pa.field("value", pa.uint64(), nullable=False)])


class Arrays:
    """The arrays or tables of a file, read one by one.

    Attributes
    ----------
    count
        Number of arrays or tables.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self.count: int = file.num_record_batches

    def __call__(self, number: int) -> NDArray[np.uint64]:
        """Read an array."""
        array: NDArray[np.uint64] = self._file.get_batch(number).column(0).to_numpy()
        return array

    def table(self, number: int) -> pa.Table:
        """Read a table."""
        return pa.Table.from_batches([self._file.get_batch(number)])


@dataclass(frozen=True)
class ArrayFiles:
    """Files in a folder of the store.

    Attributes
    ----------
    store
        The store.
    folder
        The folder.
    """

    store: Store
    folder: tuple[str, ...]

    def save(self, array: NDArray[Any], name: str) -> None:
        """Write one array of any type."""
        sink = io.BytesIO()
        np.save(sink, array, allow_pickle=False)
        self.store.write_bytes(sink.getvalue(), *self.folder, f"{name}.npy")

    def load(self, name: str) -> NDArray[Any]:
        """Read an array that `save` wrote."""
        data = self.store.read_bytes(*self.folder, f"{name}.npy")
        loaded: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
        return loaded

    @contextmanager
    def writing(self, name: str) -> Iterator[Callable[[NDArray[np.uint64]], None]]:
        """Yield a function that appends an array of numbers to a file."""
        with self._writing(name, _SCHEMA) as writer:
            yield lambda array: writer.write_batch(pa.record_batch([pa.array(array)], _SCHEMA))

    @contextmanager
    def writing_tables(self, name: str, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
        """Yield a function that appends a table to a file."""
        with self._writing(name, schema) as writer:
            yield lambda table: writer.write_batch(_as_batch(table))

    @contextmanager
    def _writing(self, name: str, schema: pa.Schema) -> Iterator[Any]:
        path = self.store.path(*self.folder, f"{name}.arrow")
        shard = Shard(self.store, path, uuid.uuid4().hex)
        with (
            self.store.fs.open_output_stream(shard.path) as sink,
            pa.ipc.new_file(sink, schema) as writer,
        ):
            yield writer
        shard.publish()

    @contextmanager
    def reading(self, name: str) -> Iterator[Arrays]:
        """Yield the arrays or tables of a file."""
        path = self.store.path(*self.folder, f"{name}.arrow")
        with self.store.fs.open_input_file(path) as handle:
            yield Arrays(pa.ipc.open_file(handle))


def _as_batch(table: pa.Table) -> pa.RecordBatch:
    """Return a table as one batch, also where it has no rows."""
    (batch,) = table.combine_chunks().to_batches() or [pa.RecordBatch.from_pylist([], table.schema)]
    return batch
