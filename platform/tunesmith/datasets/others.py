"""Items of no class: what a detector of such items learns from beside the items of the classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.open_set import Exposure
from tunesmith.artifacts.store import Store
from tunesmith.datasets.copies import copy_in_turn, views_of_notes
from tunesmith.datasets.pieces import preparation_of
from tunesmith.datasets.reader import Dataset, open_named
from tunesmith.midi.duplicates import duplicate_clusters
from tunesmith.midi.made_up import MADE_UP, shuffled

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Others", "other_pieces"]

MOST_PIECES, MOST_PER_LABEL = 2_000, 100
"""Most pieces of all datasets together, and of one label: enough to learn what others are like."""
_MADE_UP = {
    "random notes": 0.25, "scales": 0.08, "made-up tunes": 0.1, "made-up songs": 0.1,
    "shuffled pieces": 0.12,
}  # fmt: skip
"""Number of each kind, as a share of the pieces of the classes."""
_LEAST_MADE_UP, _MOST_MADE_UP = 20, 400
_COPIES = 2

Notes = npt.NDArray[np.void]


@dataclass(frozen=True)
class Others:
    """Items of no class.

    Attributes
    ----------
    x
        Rows of the view that the detector reads, ``float32 [rows, columns]``; several of an item
        where there are copies.
    label
        What each row is of, ``str [rows]``: a label of a dataset, "" where the row was made up.
    is_copy
        Whether the row is of a copy of an item, ``bool [rows]``.
    exposures
        Where they come from.
    """

    x: npt.NDArray[np.float32]
    label: npt.NDArray[np.str_]
    is_copy: npt.NDArray[np.bool_]
    exposures: tuple[Exposure, ...]


def other_pieces(
    dataset: Dataset,
    piece_ids: Sequence[str],
    classes: Sequence[str],
    labels: "pd.Series",
    background: Sequence[str] = (),
    *,
    store: Store,
    seed: int = 0,
) -> Others:
    """Return pieces of no class, notes that are no music, and copies of the pieces.

    Pieces come from the dataset itself, where it has labels that are no class, and from background
    datasets. Near-duplicates of pieces of the classes are left out.

    Parameters
    ----------
    dataset
        The dataset of the classes.
    piece_ids
        Its pieces of the classes.
    classes
        Names of the classes.
    labels
        Label of each piece of the dataset, in the order of ``pieces``; missing where there is none.
    background
        Names of other datasets of the store, with ``NAME@VERSION`` for another version than the
        latest.
    store
        Where they are.
    seed
        Seed of the choice and of the copies.

    Raises
    ------
    DatasetError, UsageError
        When there is no such dataset.
    """
    rng = np.random.default_rng([seed, 7])
    known = _fingerprints(dataset, piece_ids)
    sources = [_source(dataset, labels.tolist(), classes, known)]
    for chosen in background:
        other = open_named(store, chosen)
        if other.version != dataset.version:
            sources.append(_source(other, other.pieces()["label"].tolist(), classes, known))
    notes: list[Notes] = []
    label: list[str] = []
    is_copy: list[bool] = []
    exposures = []
    n_sources = max(1, sum(bool(source.ids) for source in sources))
    for source in sources:
        places = _chosen(source.labels, MOST_PIECES // n_sources, rng)
        pieces = source.dataset.notes([source.ids[place] for place in places])
        for number, place in enumerate(places):
            piece_id = source.ids[place]
            whole = pieces[piece_id]
            copies = (copy_in_turn(whole, piece_id, number, copy, seed) for copy in range(_COPIES))
            notes += [whole, *copies]
            label += [source.labels[place]] * (1 + _COPIES)
            is_copy += [False] + [True] * _COPIES
        if source is not sources[0] or places:
            n_labels = len({source.labels[place] for place in places})
            counts = {"items": len(places), "labels": n_labels}
            exposures.append(source.exposure.model_copy(update=counts))
    for kind, made_up in _made_up(dataset, piece_ids, rng).items():
        notes += made_up
        label += [""] * len(made_up)
        is_copy += [False] * len(made_up)
        exposures.append(Exposure(source=kind, items=len(made_up)))
    view = views_of_notes(notes, ["features"], preparation_of(dataset))["features"]
    return Others(
        np.asarray(view.x),
        np.array(label, dtype=np.str_),
        np.array(is_copy, dtype=np.bool_),
        tuple(exposures),
    )


@dataclass(frozen=True)
class _Source:
    """Pieces of a dataset that are of no class."""

    dataset: Dataset
    ids: list[str]
    labels: list[str]
    exposure: Exposure


def _source(
    dataset: Dataset,
    labels: Sequence[object],
    classes: Sequence[str],
    known: Sequence[npt.NDArray[np.uint64]],
) -> _Source:
    """Return the pieces of a dataset whose label is no class, less near-duplicates of known ones.

    A piece without a label may be of a class; only where no piece has one are they taken.
    """
    ids = dataset.pieces()["piece_id"].tolist()
    names = [label if isinstance(label, str) else "" for label in labels]
    if not any(names):
        names = [dataset.name] * len(ids)
    own = {name.casefold() for name in classes}
    others = [place for place, name in enumerate(names) if name and name.casefold() not in own]
    prints = _fingerprints(dataset, [ids[place] for place in others])
    cluster = np.asarray(duplicate_clusters([*known, *prints]))
    is_copy = np.isin(cluster[len(known) :], cluster[: len(known)])
    kept = [place for place, copied in zip(others, is_copy, strict=True) if not copied]
    exposure = Exposure(
        source=f"{dataset.name}@{dataset.version}",
        items=len(kept),
        near_duplicates=int(is_copy.sum()),
        of_classes=sum(bool(name) and name.casefold() in own for name in names),
        without_label=sum(not name for name in names),
    )
    return _Source(dataset, [ids[i] for i in kept], [names[i] for i in kept], exposure)


def _fingerprints(dataset: Dataset, piece_ids: Sequence[str]) -> list[npt.NDArray[np.uint64]]:
    """Return the fingerprints of pieces; one without is like no other."""
    prints, none = dataset.fingerprints(), np.empty(0, dtype=np.uint64)
    return [prints.get(piece_id, none) for piece_id in piece_ids]


def _chosen(labels: Sequence[str], most: int, rng: np.random.Generator) -> list[int]:
    """Return places of at most `most` pieces, as even over the labels as these allow."""
    order = rng.permutation(len(labels))
    per_label = max(MOST_PER_LABEL, most // max(len(set(labels)), 1))
    rank: dict[str, int] = {}
    kept = []
    for place in order.tolist():
        number = rank[labels[place]] = rank.get(labels[place], 0) + 1
        if number <= per_label:
            kept.append((number, place))
    return sorted(place for _, place in sorted(kept)[:most])


def _made_up(
    dataset: Dataset, piece_ids: Sequence[str], rng: np.random.Generator
) -> dict[str, list[Notes]]:
    """Return notes of no piece, by kind."""
    numbers = {
        name: int(np.clip(share * len(piece_ids), _LEAST_MADE_UP, _MOST_MADE_UP))
        for name, share in _MADE_UP.items()
    }
    n_shuffled = min(numbers["shuffled pieces"], len(piece_ids))
    chosen = rng.choice(len(piece_ids), n_shuffled, replace=False)
    pieces = dataset.notes([piece_ids[place] for place in chosen])
    made_up = {name: [make(rng) for _ in range(numbers[name])] for name, make in MADE_UP.items()}
    return made_up | {"shuffled pieces": [shuffled(notes, rng) for notes in pieces.values()]}
