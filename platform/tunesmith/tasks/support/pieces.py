"""Reading the pieces of a dataset version as examples."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tunesmith.artifacts.manifest import dataset_names
from tunesmith.artifacts.store import Store
from tunesmith.datasets.copies import copies_of_pieces
from tunesmith.datasets.examples import Examples
from tunesmith.datasets.others import other_pieces
from tunesmith.datasets.pieces import PIECE_VIEWS, preparation_of, views_of_pieces
from tunesmith.datasets.reader import open_dataset
from tunesmith.errors import DatasetError, UsageError
from tunesmith.tasks.contract import Request, TaskData
from tunesmith.tasks.support.splitting import groups_of, split

__all__ = ["LEAST_PIECES", "LICENCE", "PieceLabels", "own_labels", "read_pieces"]

LEAST_PIECES = 10
LICENCE = (
    "that of each MIDI file: the music may be in the public domain, a transcription of it has "
    "an author; the dataset's own source says more"
)
_COPIES = "played, transcribed, entered note by note or cut"
_GROUPING = "pieces that share bytes, notes or most intervals"


@dataclass(frozen=True)
class PieceLabels:
    """Classes of pieces.

    Attributes
    ----------
    label
        Class of each piece, a missing value where there is none; with the index of the pieces.
    groups
        Columns, with the same index, whose equal values are one group too; missing values are not.
    grouping
        Words for these groups, to stand before those for near-duplicates.
    """

    label: pd.Series
    groups: tuple[pd.Series, ...] = ()
    grouping: str = ""


def own_labels(pieces: pd.DataFrame) -> PieceLabels:
    """Return the labels that the pieces of a dataset got when it was made."""
    return PieceLabels(pieces["label"].where(pieces["label"] != "", None))


def read_pieces(
    store: Store,
    request: Request,
    labels: Callable[[pd.DataFrame], PieceLabels] = own_labels,
) -> TaskData:
    """Return the pieces of a dataset version whose class is known and has enough of them.

    Pieces that share bytes, notes or most of their intervals are one group.

    Parameters
    ----------
    store
        Where the dataset is.
    request
        May name the dataset and its version, and give ``least_pieces`` or ``least_share``, the
        least share of all chunks that a class has; `LEAST_PIECES` where it gives neither. It may
        name ``background`` datasets: music of no class.
    labels
        Returns the classes of the table ``pieces``, by default those of the dataset.

    Raises
    ------
    UsageError
        When the dataset is not named and the store holds none, or more than one.
    DatasetError
        When fewer than two classes are left.
    """
    name = request.dataset or _only_dataset(store)
    dataset = open_dataset(store, name, request.version)
    pieces = dataset.pieces()
    labelled = labels(pieces)
    pieces = pieces.assign(label=labelled.label)
    classes, rule = _classes(pieces[pieces["label"].notna()], request)
    if len(classes) < 2:
        message = (
            f"Dataset {name} has {len(classes)} labels with {rule}; 2 are needed. Ingest more, "
            "or ask for less with --least-pieces or --least-share."
        )
        raise DatasetError(message)
    is_kept = pieces["label"].isin(classes)
    kept = pieces[is_kept].reset_index(drop=True)
    keys = [kept["cluster"], *(column[is_kept] for column in labelled.groups)]
    index = {label: number for number, label in enumerate(classes)}
    ids = kept["piece_id"].tolist()
    wanted = PIECE_VIEWS if request.views is None else request.views
    examples = Examples(
        y=np.array([index[label] for label in kept["label"]]),
        classes=classes,
        groups=groups_of(*keys) if labelled.groups else kept["cluster"].to_numpy(),
        ids=ids,
        views=views_of_pieces(dataset, ids, wanted),
        copies=copies_of_pieces(dataset, ids, wanted, request.seed) if request.copies else (),
    )
    others = (
        other_pieces(
            dataset,
            ids,
            classes,
            labelled.label,
            request.options.get("background", ()),
            store=store,
            seed=request.seed,
        )
        if request.copies
        else None
    )
    notes = []
    if left_out := len(pieces) - len(kept):
        notes.append(f"{left_out} pieces are left out: no known label, or one without {rule}.")
    if "chunks" in examples.views:
        n_chunks = int(kept["n_chunks"].sum())
        if silent := n_chunks - len(examples.views["chunks"]):
            notes.append(f"{silent} of {n_chunks} chunks are silent: no model reads them.")
    return TaskData(
        examples,
        split(examples, request.seed),
        name=dataset.name,
        version=dataset.version,
        preparation=preparation_of(dataset),
        notes=tuple(notes),
        grouping=f"{labelled.grouping}{_GROUPING}",
        copies=_COPIES if examples.copies else "",
        others=others,
    )


def _classes(known: pd.DataFrame, request: Request) -> tuple[tuple[str, ...], str]:
    """Return the classes that are kept, sorted, and the rule in words."""
    share = request.options.get("least_share")
    if share is not None:
        chunks = known.groupby("label")["n_chunks"].sum()
        kept = chunks[chunks >= float(share) * chunks.sum()]
        return tuple(sorted(kept.index)), f"{float(share):.1%} of all chunks"
    least = int(request.options.get("least_pieces", LEAST_PIECES))
    count = known["label"].value_counts()
    return tuple(sorted(count[count >= least].index)), f"at least {least} pieces"


def _only_dataset(store: Store) -> str:
    names = dataset_names(store)
    if len(names) == 1:
        return names[0]
    if not names:
        message = "The store holds no dataset. Make one: tunesmith ingest FOLDER --name NAME."
        raise UsageError(message)
    message = (
        f"The store holds the datasets {', '.join(names)}. Choose with --dataset NAME; with "
        "several tasks each may have its own, --dataset TASK=NAME."
    )
    raise UsageError(message)
