"""Datasets as pandas tables, and as input of TensorFlow, PyTorch and Ray Data."""

from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
import numpy.typing as npt

from tunesmith.api.conversions import SPLITS, Frames
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


class PieceFrames(Frames):
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


class ItemFrames(Frames):
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
