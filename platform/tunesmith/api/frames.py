"""Datasets as pandas tables, and as input of TensorFlow, PyTorch and Ray Data."""

import importlib.util
import warnings
from abc import ABC, abstractmethod
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from tunesmith.api.html import table_html
from tunesmith.api.stores import AnyStore, open_store
from tunesmith.api.tasks import task_of
from tunesmith.datasets.reader import Dataset, open_dataset
from tunesmith.datasets.schema import N_PITCHES
from tunesmith.datasets.splits import split_pieces
from tunesmith.errors import UsageError, unknown
from tunesmith.tasks import Request, Task, TaskData

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ItemFrames", "PieceFrames", "load_dataset"]

SPLITS = ("train", "validation", "test")
_INSTALL = {
    "tensorflow": "pip install 'tunesmith[train]'",
    "torch": "pip install torch",
    "ray": "pip install 'tunesmith[train]'",
}


def _library(name: str) -> Any:
    """Return a library that not every installation has.

    Raises
    ------
    UsageError
        When it is not installed; the message says how to install it.
    """
    try:
        return import_module(name)
    except ImportError as error:
        raise _missing(name) from error


def _missing(name: str) -> UsageError:
    top = name.partition(".")[0]
    return UsageError(f"This needs {top}, which is not installed. Install it: {_INSTALL[top]}.")


class _Frames(ABC):
    """Labelled rows with a split, and their conversion for other libraries."""

    classes: tuple[str, ...]

    @abstractmethod
    def _rows(self, table: str) -> tuple[npt.NDArray[Any], "pd.DataFrame"]:
        """Return the inputs ``[rows, ...]`` and, for each, ``id``, ``label`` and ``split``."""

    def arrays(
        self, table: str = "features", split: str | None = None
    ) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
        """Return inputs and classes as NumPy arrays.

        Parameters
        ----------
        table
            Rows of which table: ``features``, or ``chunks`` for piano rolls.
        split
            ``train``, ``validation`` or ``test``; all labelled rows by default.

        Returns
        -------
        x
            ``float32 [rows, features]`` or ``uint8 [rows, frames, 128]``.
        y
            Class of each row, an index into `classes`, ``int64 [rows]``.

        Raises
        ------
        UsageError
            When there is no such table or split.
        """
        x, _, y = self._chosen(table, split)
        return x, y

    def _chosen(
        self, table: str, split: str | None
    ) -> tuple[npt.NDArray[Any], "pd.DataFrame", npt.NDArray[np.int64]]:
        """Return inputs, ``id``, ``label`` and ``split``, and classes of the rows of a split."""
        if split is not None and split not in SPLITS:
            kind = "split"
            raise unknown(kind, str(split), SPLITS)
        x, about = self._rows(table)
        parts = about["split"]
        chosen = (parts.notna() if split is None else parts == split).to_numpy(dtype=bool)
        about = about[chosen].reset_index(drop=True)
        place = {label: index for index, label in enumerate(self.classes)}
        y = np.array([place[label] for label in about["label"]], dtype=np.int64)
        return x[chosen], about, y

    def to_tf(self, table: str = "features", split: str | None = None) -> Any:
        """Return a ``tf.data.Dataset`` of pairs ``(x, y)``, one a row.

        Parameters
        ----------
        table, split
            As in `arrays`.

        Raises
        ------
        UsageError
            When TensorFlow is not installed, or there is no such table or split.

        Examples
        --------
        >>> batches = data.to_tf("chunks", split="train").shuffle(1000).batch(32)  # doctest: +SKIP
        """
        tensorflow = _library("tensorflow")
        return tensorflow.data.Dataset.from_tensor_slices(self.arrays(table, split))

    def to_torch(self, table: str = "features", split: str | None = None) -> Any:
        """Return a ``torch.utils.data.TensorDataset`` of pairs ``(x, y)``, one a row.

        Parameters
        ----------
        table, split
            As in `arrays`.

        Raises
        ------
        UsageError
            When PyTorch is not installed, or there is no such table or split.

        Examples
        --------
        >>> from torch.utils.data import DataLoader  # doctest: +SKIP
        >>> DataLoader(data.to_torch(split="train"), batch_size=32, shuffle=True)  # doctest: +SKIP
        """
        torch = _library("torch")
        x, y = self.arrays(table, split)
        pair = torch.from_numpy(np.ascontiguousarray(x)), torch.from_numpy(y)
        return torch.utils.data.TensorDataset(*pair)

    def to_ray(
        self, table: str = "features", split: str | None = None, *, address: str | None = None
    ) -> Any:
        """Return a ``ray.data.Dataset``, a row a row: ``id``, ``label``, ``split``, ``x``, ``y``.

        Parameters
        ----------
        table, split
            As in `arrays`.
        address
            Ray cluster to join; by default the one that ``RAY_ADDRESS`` names, else Ray starts on
            this machine and stays until ``ray.shutdown()``.

        Raises
        ------
        UsageError
            When Ray is not installed, or there is no such table or split.

        Examples
        --------
        >>> data.to_ray(split="train").iter_batches(batch_size=32)  # doctest: +SKIP
        """
        from tunesmith.cluster.connection import connect

        if importlib.util.find_spec("ray") is None:
            name = "ray"
            raise _missing(name)
        connect(address)
        x, about, y = self._chosen(table, split)
        with warnings.catch_warnings():
            # Ray's defaults set fields that Ray has deprecated.
            warnings.simplefilter("ignore", DeprecationWarning)
            return _library("ray.data").from_pandas(about.assign(x=list(x), y=y))


class PieceFrames(_Frames):
    """One dataset version as pandas tables.

    Attributes
    ----------
    dataset
        The version, for reading without pandas.
    name, version
        Which dataset version it is.
    classes
        Labels that have a split, sorted.
    """

    def __init__(self, dataset: Dataset, splits: dict[str, str]) -> None:
        self.dataset = dataset
        self.name, self.version = dataset.name, dataset.version
        self._splits = splits
        labels = self.pieces.loc[self.pieces["split"].notna(), "label"]
        self.classes = tuple(sorted(set(labels)))

    def write_card(self) -> str:
        """Write the data card, an HTML page beside the manifest, and return its path."""
        from tunesmith.reports.data_card import write_card

        return write_card(self.dataset)

    @cached_property
    def pieces(self) -> "pd.DataFrame":
        """A row a piece: ``piece_id``, ``path``, ``label``, ``split``, then statistics.

        ``split`` is missing for a piece that no search would use.
        """
        frame = self.dataset.pieces().drop(columns="features")
        frame.insert(3, "split", frame["piece_id"].map(self._splits))
        return frame

    @cached_property
    def features(self) -> "pd.DataFrame":
        """A row a piece, indexed by ``piece_id``: ``label``, ``split``, then a column a feature."""
        import pandas as pd

        names = self.dataset.manifest.feature_names
        values = pd.DataFrame(self.dataset.features(), columns=names)
        about = self.pieces[["piece_id", "label", "split"]]
        return pd.concat([about, values], axis=1).set_index("piece_id")

    @cached_property
    def chunks(self) -> "pd.DataFrame":
        """A row a chunk: ``piece_id``, ``start_s``, ``padded_frames``, label, split, ``roll``.

        The column ``roll`` holds velocities, ``uint8 [frames, 128]``.
        """
        rolls, piece, start_s, padded = self.dataset.chunks()
        about = self.pieces[["piece_id", "label", "split"]].iloc[piece].reset_index(drop=True)
        about.insert(1, "start_s", start_s)
        about.insert(2, "padded_frames", padded)
        return about.assign(roll=list(rolls))

    @cached_property
    def notes(self) -> "pd.DataFrame":
        """A row a note: ``piece_id``, ``label``, ``split``, onset, duration, pitch and more."""
        import pandas as pd

        arrays = self.dataset.notes()
        ids = np.repeat(list(arrays), [len(notes) for notes in arrays.values()])
        frame = pd.DataFrame(np.concatenate(list(arrays.values())))
        about = self.pieces.set_index("piece_id").loc[ids, ["label", "split"]].reset_index()
        return pd.concat([about, frame], axis=1)

    def roll(self, piece_id: str) -> npt.NDArray[np.uint8]:
        """Return the piano roll of one piece, velocities ``uint8 [frames, 128]``.

        Where chunks overlap, each frame is there once; silence added at the end is left out.

        Raises
        ------
        DatasetError
            When this version has no such piece.
        """
        rolls, _, start_s, padded = self.dataset.chunks([piece_id])
        if not len(rolls):
            return np.zeros((0, N_PITCHES), dtype=np.uint8)
        firsts = np.rint(start_s * self.dataset.manifest.frames_per_second).astype(int)
        length = rolls.shape[1]
        whole = np.zeros((firsts[-1] + length - padded[-1], N_PITCHES), dtype=np.uint8)
        for first, chunk in zip(firsts, rolls, strict=True):
            whole[first : first + length] = chunk[: len(whole) - first]
        return whole

    def _rows(self, table: str) -> tuple[npt.NDArray[Any], "pd.DataFrame"]:
        if table == "features":
            return self.dataset.features(), self._about(self.pieces)
        if table == "chunks":
            rolls, piece, _, _ = self.dataset.chunks()
            return rolls, self._about(self.pieces.iloc[piece].reset_index(drop=True))
        kind = "table of labelled rows"
        raise unknown(kind, str(table), ("features", "chunks"))

    def _about(self, pieces: "pd.DataFrame") -> "pd.DataFrame":
        return pieces[["piece_id", "label", "split"]].rename(columns={"piece_id": "id"})

    def __repr__(self) -> str:
        return (
            f"PieceFrames({self.name!r}, version={self.version!r}, pieces={len(self.pieces)}, "
            f"classes={len(self.classes)})"
        )

    def _repr_html_(self) -> str:
        counts = self.dataset.manifest.counts
        title = f"{self.name} {self.version}: {counts.kept} pieces, {counts.chunks} chunks"
        return table_html(title, _counts(self.pieces))


class ItemFrames(_Frames):
    """The items of one task as pandas tables, split as a search splits them.

    Attributes
    ----------
    task
        The task.
    name, version
        Name and content hash of its data.
    classes
        Names of the classes.
    """

    def __init__(self, task: Task, data: TaskData) -> None:
        self.task, self._data = task, data
        self.name, self.version = data.name, data.version
        self.classes = data.examples.classes

    @cached_property
    def items(self) -> "pd.DataFrame":
        """A row an item: ``id``, ``label``, ``split`` and ``group``.

        Items of one group are never parted by a split.
        """
        import pandas as pd

        examples = self._data.examples
        labels = np.array(examples.classes, dtype=object)[examples.y]
        return pd.DataFrame(
            {
                "id": list(examples.ids),
                "label": labels,
                "split": self._data.parts.astype(object),
                "group": examples.groups,
            }
        )

    @cached_property
    def features(self) -> "pd.DataFrame":
        """A row a row of the view ``features``, indexed by ``id``: ``label``, ``split``, columns.

        Raises
        ------
        UsageError
            When the task has no such view.
        """
        import pandas as pd

        x, about = self._rows("features")
        names = getattr(self._data.preparation, "features", ()) or [
            str(n) for n in range(x.shape[1])
        ]
        return pd.concat([about, pd.DataFrame(x, columns=list(names))], axis=1).set_index("id")

    def _rows(self, table: str) -> tuple[npt.NDArray[Any], "pd.DataFrame"]:
        view = self._data.examples.view(table)
        about = self.items.iloc[view.item].reset_index(drop=True)[["id", "label", "split"]]
        if not isinstance(view.x, np.ndarray):
            message = f"Rows of {table!r} differ in length; read them with tunesmith.tasks instead."
            raise UsageError(message)
        return view.x, about

    def __repr__(self) -> str:
        return (
            f"ItemFrames({self.task.name!r}, version={self.version!r}, items={len(self.items)}, "
            f"classes={len(self.classes)})"
        )

    def _repr_html_(self) -> str:
        title = f"{self.task.name} {self.version}: {len(self.items)} {self.task.unit}s"
        return table_html(title, _counts(self.items))


def _counts(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Return the number of rows by label and split, with their sum."""
    known = rows[rows["split"].notna()]
    counts = known.pivot_table(index="label", columns="split", aggfunc="size", fill_value=0)
    counts = counts.reindex(columns=list(SPLITS), fill_value=0)
    counts["all"] = counts.sum(axis=1)
    return counts.sort_values("all", ascending=False)


@overload
def load_dataset(
    name: str,
    *,
    task: str | Task | None = None,
    version: str | None = None,
    seed: int = 0,
    store: AnyStore | None = None,
) -> PieceFrames: ...


@overload
def load_dataset(
    name: None = None,
    *,
    task: str | Task,
    version: None = None,
    seed: int = 0,
    store: AnyStore | None = None,
) -> ItemFrames: ...


def load_dataset(
    name: str | None = None,
    *,
    task: str | Task | None = None,
    version: str | None = None,
    seed: int = 0,
    store: AnyStore | None = None,
) -> PieceFrames | ItemFrames:
    """Load a dataset version, or the data of a task, as pandas tables with a column ``split``.

    Parameters
    ----------
    name
        Dataset of the store, as `ingest` named it. Without it, the data of `task`.
    task
        With `name`: the task whose split is wanted, as `tune` would cut it. Without it every
        labelled piece is in a split, 70 % train, 15 % validation, 15 % test.
    version
        Version of the dataset; the latest by default.
    seed
        Seed of the split, as in `tune`.
    store
        A folder, URI or store; see `open_store`.

    Returns
    -------
    PieceFrames
        For a dataset: ``pieces``, ``features``, ``chunks`` and ``notes``.
    ItemFrames
        For a task alone: ``items`` and ``features``.

    Raises
    ------
    UsageError
        When there is no such dataset, version or task; the message names near ones.

    Notes
    -----
    Pieces that share bytes, notes or most of their intervals are never parted by the split.

    Examples
    --------
    >>> import tunesmith
    >>> digits = tunesmith.load_dataset(task="digits")
    >>> digits
    ItemFrames('digits', version='f6d9e39f37dc', items=1797, classes=10)
    >>> digits.items.loc[0, ["id", "label", "split"]].tolist()
    ['digit-0000', '0', 'train']
    """
    opened = open_store(store)
    chosen = None if task is None else task_of(task)
    if name is None:
        if chosen is None:
            message = "Name a dataset, as in load_dataset('mine'), or a task: task='NAME'."
            raise UsageError(message)
        return ItemFrames(chosen, chosen.read(opened, Request(seed=seed)))
    dataset = open_dataset(opened, name, version)
    if chosen is None:
        return PieceFrames(dataset, _plain_split(dataset, seed))
    data = chosen.read(opened, Request(name, dataset.version, seed, views=()))
    return PieceFrames(dataset, dict(zip(data.examples.ids, map(str, data.parts), strict=True)))


def _plain_split(dataset: Dataset, seed: int) -> dict[str, str]:
    """Return the split of every labelled piece, by the rule that tasks on pieces follow."""
    pieces = dataset.pieces()
    known = pieces[pieces["label"].isin(dataset.labels)]
    parts = split_pieces(known["label"].tolist(), known["cluster"].to_numpy(), seed=seed)
    return dict(zip(known["piece_id"], map(str, parts), strict=True))
