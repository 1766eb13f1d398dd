"""Reading a dataset version into pandas and NumPy, without Ray."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tunesmith.artifacts import layout
from tunesmith.artifacts.manifest import Manifest, read_manifest
from tunesmith.artifacts.store import Store
from tunesmith.datasets.schema import LINKS, N_PITCHES
from tunesmith.errors import DatasetError
from tunesmith.midi.fingerprints import ENTRY_FORMAT, fingerprint
from tunesmith.midi.rolls import sounding
from tunesmith.midi.score import NOTE_DTYPE

if TYPE_CHECKING:  # Arrow imports pandas when a frame is asked for.
    import pandas as pd

__all__ = [
    "Chunks",
    "Dataset",
    "fixed_binary_to_array",
    "note_arrays",
    "open_dataset",
    "open_named",
]


_MOVED = 4096
"""Rolls that are moved at once; 80 MB."""


@dataclass(frozen=True)
class Chunks:
    """Chunks of some pieces, in the order of the ids given.

    Attributes
    ----------
    rolls
        Velocities, uint8 ``[chunks, chunk_frames, 128]``.
    piece_index
        Index of each chunk's piece among the ids given, int64 ``[chunks]``.
    start_s
        Start of each chunk in its piece, in seconds, float32 ``[chunks]``.
    padded_frames
        Silent frames added at the end, int32 ``[chunks]``.
    """

    rolls: npt.NDArray[np.uint8]
    piece_index: npt.NDArray[np.int64]
    start_s: npt.NDArray[np.float32]
    padded_frames: npt.NDArray[np.int32]

    def __iter__(self) -> Iterator[npt.NDArray[Any]]:
        return iter((self.rolls, self.piece_index, self.start_s, self.padded_frames))

    def __len__(self) -> int:
        return len(self.piece_index)


class Dataset:
    """One immutable dataset version.

    Attributes
    ----------
    store
        The store that holds it.
    manifest
        The manifest: counts, parameters and files.
    """

    def __init__(self, store: Store, manifest: Manifest) -> None:
        self.store = store
        self.manifest = manifest

    def __repr__(self) -> str:
        return f"Dataset({self.manifest.name!r}, version={self.manifest.version!r})"

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.manifest.name

    @property
    def version(self) -> str:
        """First twelve digits of the content hash."""
        return self.manifest.version

    @property
    def labels(self) -> list[str]:
        """Labels of the kept pieces, sorted; unknown and empty ones are not among them."""
        return sorted(self.manifest.labels)

    def path(self, *parts: str) -> str:
        """Return a path inside the version, for ``store.fs``."""
        return self.store.path(*layout.dataset_version(self.name, self.version, *parts))

    def table(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """Return a whole table.

        Parameters
        ----------
        name
            One of `tunesmith.datasets.schema.TABLES`.
        columns
            Names of the columns; all by default.

        Returns
        -------
        pyarrow.Table
            The rows, file by file.
        """
        return pa.concat_tables([file.read(columns) for file in self._files(name)])

    def pieces(self) -> "pd.DataFrame":
        """Return `pieces`, a row per kept file in order of path; `features` holds arrays."""
        frame: pd.DataFrame = self.table("pieces").to_pandas()
        return frame

    def rejects(self) -> "pd.DataFrame":
        """Return `rejects`, a row per file that could not be kept."""
        frame: pd.DataFrame = self.table("rejects").to_pandas()
        return frame

    def duplicates(self) -> "pd.DataFrame":
        """Return `duplicates`, a row per byte-identical copy of a kept file."""
        frame: pd.DataFrame = self.table("duplicates").to_pandas()
        return frame

    def links(self) -> "pd.DataFrame":
        """Return `links`, a row per pair of pieces that were found to be the same music.

        A version of before links were kept has no rows.
        """
        tables = [self.table("links")] if "links" in self.manifest.tables else []
        frame: pd.DataFrame = pa.concat_tables([LINKS.empty_table(), *tables]).to_pandas()
        return frame

    def fingerprints(self) -> dict[str, npt.NDArray[np.uint64]]:
        """Return the fingerprint of every piece by its id.

        Versions of before fingerprints had places are read too: theirs are made from the notes.
        """
        table = self.table("fingerprints", ["piece_id", "fingerprint"])
        if not _has_places(table.schema.field("fingerprint")):
            return {name: fingerprint(notes) for name, notes in self.notes().items()}
        names, values = (table[name].to_pylist() for name in ("piece_id", "fingerprint"))
        return {n: np.array(v, dtype=np.uint64) for n, v in zip(names, values, strict=True)}

    def features(self, piece_ids: Sequence[str] | None = None) -> npt.NDArray[np.float32]:
        """Return the musical features, float32 ``[pieces, len(manifest.feature_names)]``.

        Parameters
        ----------
        piece_ids
            Ids of the pieces, in the order wanted; all in the order of `pieces` by default.
        """
        table = self.table("pieces", ["piece_id", "features"])
        values: npt.NDArray[np.float32] = pc.list_flatten(table["features"]).to_numpy()
        matrix = values.reshape(table.num_rows, len(self.manifest.feature_names))
        if piece_ids is None:
            return matrix
        wanted = self._index(piece_ids)
        rows = np.full(len(wanted), -1)
        for row, piece_id in enumerate(table["piece_id"].to_pylist()):
            if piece_id in wanted:
                rows[wanted[piece_id]] = row
        chosen: npt.NDArray[np.float32] = matrix[rows]
        return chosen

    def chunks(self, piece_ids: Sequence[str] | None = None, *, silent: bool = True) -> Chunks:
        """Return the chunks of some pieces, piece by piece, each in order of time.

        Parameters
        ----------
        piece_ids
            Ids of the pieces, in the order wanted; all in the order of `pieces` by default.
        silent
            Whether chunks in which nothing sounds are among them; models do not read these.

        Raises
        ------
        DatasetError
            When a piece is not in this version.
        """
        wanted = self._index(piece_ids)
        rows = []
        for file in self._files("chunks"):
            table = file.read(["piece_id", "index", "start_s", "padded_frames"])
            table = table.append_column("order", _positions(table["piece_id"], wanted))
            rows.append(table.drop_columns(["piece_id"]))
        every = pa.concat_tables(rows)
        piece = every["order"].to_numpy()
        # The place of each stored row in the result; rows of other pieces stay at -1.
        order = np.lexsort((every["index"].to_numpy(), piece))
        order = order[np.count_nonzero(piece < 0) :]
        target = np.full(len(piece), -1, dtype=np.int64)
        target[order] = np.arange(len(order))

        frames = self.manifest.chunk_frames
        rolls = np.empty((len(order), frames, N_PITCHES), dtype=np.uint8)
        for first, column in self._roll_groups(target):
            to = target[first : first + len(column)]
            array = fixed_binary_to_array(column, (frames, N_PITCHES))
            rolls[to[to >= 0]] = array[to >= 0]
        if not silent:
            rolls, heard = _only_sounding(rolls)
            order = order[heard]
        return Chunks(
            rolls,
            piece[order],
            every["start_s"].to_numpy()[order],
            every["padded_frames"].to_numpy()[order],
        )

    def notes(self, piece_ids: Sequence[str] | None = None) -> dict[str, npt.NDArray[np.void]]:
        """Return the notes of some pieces, `tunesmith.midi.NOTE_DTYPE` arrays by piece id.

        Parameters
        ----------
        piece_ids
            Ids of the pieces, in the order wanted; all in the order of `pieces` by default.

        Raises
        ------
        DatasetError
            When a piece is not in this version.
        """
        wanted = self._index(piece_ids)
        notes: dict[str, npt.NDArray[np.void]] = {}
        for file in self._files("notes"):
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                mask = np.asarray(_positions(table["piece_id"], wanted)) >= 0
                table = table.filter(pa.array(mask))
                if table.num_rows:
                    notes |= note_arrays(table)
        return {piece_id: notes[piece_id] for piece_id in wanted}

    def _index(self, piece_ids: Sequence[str] | None) -> dict[str, int]:
        known = self.table("pieces", ["piece_id"])["piece_id"].to_pylist()
        if piece_ids is None:
            return {piece_id: index for index, piece_id in enumerate(known)}
        wanted = {piece_id: index for index, piece_id in enumerate(piece_ids)}
        if missing := wanted.keys() - set(known):
            some = ", ".join(sorted(missing)[:3])
            msg = f"{len(missing)} pieces are not in {self.name} {self.version}: {some}, …"
            raise DatasetError(msg)
        return wanted

    def _files(self, table: str) -> Iterator[pq.ParquetFile]:
        for entry in self.manifest.tables[table]:
            path = self.path(*entry.path.split("/"))
            try:
                with self.store.fs.open_input_file(path) as handle:
                    yield pq.ParquetFile(handle)
            except (FileNotFoundError, pa.ArrowInvalid) as error:
                msg = (
                    f"{entry.path} of dataset {self.name} {self.version} in {self.store.shown} is "
                    f"missing or damaged: {error}. Remove the version and ingest again."
                )
                raise DatasetError(msg) from error

    def _roll_groups(self, target: npt.NDArray[np.int64]) -> Iterator[tuple[int, Any]]:
        """Yield the first row and the rolls of every row group that holds a wanted row."""
        first = 0
        for file in self._files("chunks"):
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if (target[first : first + rows] >= 0).any():
                    yield first, file.read_row_group(group, ["roll"])["roll"].combine_chunks()
                first += rows


def open_dataset(store: Store, name: str, version: str | None = None) -> Dataset:
    """Open a dataset version for reading.

    Parameters
    ----------
    store
        The store that holds it.
    name
        Name of the dataset.
    version
        Version; the latest by default.

    Raises
    ------
    UsageError
        When there is no such dataset or version; the message lists those that exist.
    """
    return Dataset(store, read_manifest(store, name, version))


def open_named(store: Store, named: str) -> Dataset:
    """Open ``NAME@VERSION``, or the latest version of ``NAME``; see `open_dataset`."""
    name, _, version = named.partition("@")
    return open_dataset(store, name, version or None)


def fixed_binary_to_array(column: Any, shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Return a fixed-size binary Arrow array as uint8 ``[rows, *shape]``, without a copy."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    data = np.frombuffer(column.buffers()[1], dtype=np.uint8)
    width = int(np.prod(shape))
    first = column.offset * width
    return data[first : first + len(column) * width].reshape(len(column), *shape)


def _only_sounding(
    rolls: npt.NDArray[np.uint8],
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.bool_]]:
    """Move the rolls in which something sounds together, in place; return them and their mask.

    There may be no memory for a second copy of the rolls of a large dataset.
    """
    kept = 0
    masks = [np.zeros(0, dtype=np.bool_)]
    for first in range(0, len(rolls), _MOVED):
        part = rolls[first : first + _MOVED]
        masks.append(sounding(part))
        count = int(masks[-1].sum())
        if kept < first or count < len(part):
            rolls[kept : kept + count] = part[masks[-1]]
        kept += count
    return rolls[:kept], np.concatenate(masks)


def _has_places(field: pa.Field) -> bool:
    """Return whether a column of fingerprints has the format of `fingerprint`."""
    wanted = {key.encode(): value.encode() for key, value in ENTRY_FORMAT.items()}
    return wanted.items() <= (field.metadata or {}).items()


def _positions(column: Any, wanted: dict[str, int]) -> pa.Array:
    """Return each value's position in `wanted`, -1 where it is not there."""
    known = pa.array(list(wanted), pa.string())
    return pc.fill_null(pc.index_in(column, value_set=known), -1).combine_chunks()


def note_arrays(table: pa.Table) -> dict[str, npt.NDArray[np.void]]:
    """Return the notes of a table of `notes` by piece id."""
    table = table.combine_chunks()
    names = NOTE_DTYPE.names or ()
    first_column = table[names[0]].chunk(0)
    bounds = np.asarray(first_column.offsets)
    every = np.empty(bounds[-1] - bounds[0], dtype=NOTE_DTYPE)
    for name in names:
        values = table[name].chunk(0).flatten()
        every[name] = values.to_numpy(zero_copy_only=False)
    bounds = bounds - bounds[0]
    ids = table["piece_id"].to_pylist()
    return {
        piece_id: every[start:end]
        for piece_id, start, end in zip(ids, bounds[:-1], bounds[1:], strict=True)
    }
