"""A model on music that is not its own test part: copies of it, and other datasets.

The test part comes from the files that the model learned from, and shares how they were made. The
same pieces as played, transcribed or entered note by note show how much of the result depends on
that; another collection shows it best.
"""

import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.reports import Elsewhere, OtherLabels
from tunesmith.datasets.copies import views_of_notes
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.pieces import PIECE_VIEWS, preparation_of, views_of_pieces
from tunesmith.datasets.reader import Dataset, open_named
from tunesmith.errors import DatasetError
from tunesmith.evaluation.bootstrap import mean
from tunesmith.evaluation.metrics import score
from tunesmith.evaluation.music import Notes, Pieces, clusters_of
from tunesmith.evaluation.open_set import covered, judgement_of, unknown_flags
from tunesmith.evaluation.predictions import predict
from tunesmith.evaluation.subject import Subject
from tunesmith.midi.augmentation import excerpt, mechanical, played, transcribed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SIMULATED", "answers_of", "copies_of_test", "on_copies", "other_datasets"]

_METRICS = ("accuracy", "balanced_accuracy", "macro_f1")


def _excerpt_of(seconds: float) -> Callable[[Notes, np.random.Generator], Notes]:
    return lambda notes, rng: excerpt(notes, rng, (seconds, seconds))


SIMULATED: Mapping[str, Callable[[Notes, np.random.Generator], Notes]] = {
    "as played": played,
    "as entered note by note": mechanical,
    "as transcribed from a recording": transcribed,
    "excerpts of 45 s": _excerpt_of(45.0),
    "excerpts of 15 s": _excerpt_of(15.0),
}
"""Kinds of copies that a model is judged by, by how they were made."""


def copies_of_test(subject: Subject) -> dict[str, Examples]:
    """Return the test pieces as simulated copies, by how they were made; none without pieces.

    Beside the model's inputs they have musical features, for the baselines.
    """
    pieces = subject.pieces
    if pieces is None or not subject.inputs <= set(PIECE_VIEWS):
        return {}
    test = subject.parts.test
    subject.say("Making copies of the test pieces: played, transcribed, entered and cut")
    copies = {}
    for name, make in SIMULATED.items():
        notes = [
            make(whole, np.random.default_rng([1, zlib.crc32(piece_id.encode())]))
            for whole, piece_id in zip(pieces.notes, test.ids, strict=True)
        ]
        views = views_of_notes(notes, sorted({*subject.inputs, "features"}), pieces.preparation)
        copies[name] = Examples(test.y, test.classes, test.groups, test.ids, views)
    return copies


def on_copies(
    subject: Subject,
    answers: Mapping[str, npt.NDArray[np.float64]],
    copies: Mapping[str, Examples],
) -> tuple[Elsewhere, ...]:
    """Return metrics of the test pieces as they are and of copies of them; () without copies.

    Parameters
    ----------
    subject
        The model and its test pieces.
    answers
        Calibrated probabilities for copies of all test pieces, by how these were made.
    copies
        The copies.
    """
    if not answers:
        return ()
    test = subject.parts.test
    own = _judged_row(subject, "its own test", test, subject.predictions.by_item)
    rows = [
        _judged_row(subject, f"its own test, {name}", copies[name], p)
        for name, p in answers.items()
    ]
    return tuple(row.model_copy(update={"is_own_test": True}) for row in (own, *rows))


def other_datasets(
    subject: Subject, names: Sequence[str]
) -> tuple[tuple[Elsewhere, ...], tuple[OtherLabels, ...]]:
    """Return metrics of other datasets of the store, and what is said of their other music.

    Pieces that are near-duplicates of one that the model learned from are left out and counted, as
    are those whose label is none of its classes: of these the share is measured that the model
    tells as of no class, unless its detector learned from the dataset. Pieces of one work are one
    group.

    Parameters
    ----------
    subject
        The model and its own pieces.
    names
        Names of datasets, with ``NAME@VERSION`` for another version than the latest.

    Raises
    ------
    UsageError
        When there is no such dataset.
    DatasetError
        When the run is not of pieces, or no piece of a dataset can be judged.
    """
    if not names:
        return (), ()
    if subject.pieces is None:
        message = "Another dataset can judge models of MIDI pieces only."
        raise DatasetError(message)
    rows = [_other(subject, subject.pieces, name) for name in names]
    return (
        tuple(row for row, _ in rows if row is not None),
        tuple(row for _, row in rows if row is not None),
    )


@dataclass(frozen=True)
class _Judged:
    """Pieces of another dataset that a model can be judged by.

    Attributes
    ----------
    index
        Their places among the pieces of the dataset, ``int [items]``.
    works
        Cluster of each piece of the dataset, ``int [pieces]``.
    left_out, unknown
        Pieces that are near-duplicates of one learned from, and those of other labels.
    other_labels
        Places of pieces with other labels that are no such near-duplicates, ``int [pieces]``.
    """

    index: npt.NDArray[np.int64]
    works: npt.NDArray[np.int64]
    left_out: int
    unknown: int
    other_labels: npt.NDArray[np.int64]


def _other(subject: Subject, own: Pieces, name: str) -> tuple[Elsewhere | None, OtherLabels | None]:
    dataset = open_named(subject.run.store, name)
    name = dataset.name
    subject.say(f"Comparing the pieces of {name} with those that the model learned from")
    table = dataset.pieces()
    classes = {label: number for number, label in enumerate(subject.run.classes)}
    judged = _judged(subject, own, dataset, table)
    other_labels = _other_labels(subject, own, dataset, table, judged)
    if not len(judged.index) and other_labels is not None:
        return None, other_labels
    if not len(judged.index):
        message = (
            f"No piece of {name} can judge the model: {judged.unknown} have labels that it does "
            f"not know, {judged.left_out} are near-duplicates of pieces that it learned from."
        )
        raise DatasetError(message)
    kept = table.iloc[judged.index]
    ids = kept["piece_id"].tolist()
    subject.say(f"Predicting {len(ids):,} pieces of {name}")
    examples = Examples(
        y=np.array([classes[label] for label in kept["label"]], dtype=np.int64),
        classes=subject.run.classes,
        groups=judged.works[judged.index],
        ids=ids,
        views=_views(dataset, own, ids, _view_names(subject)),
    )
    row = _judged_row(subject, f"{name}@{dataset.version}", examples, answers_of(subject, examples))
    counts = {"left_out": judged.left_out, "unknown": judged.unknown}
    return row.model_copy(update=counts), other_labels


def _other_labels(
    subject: Subject, own: Pieces, dataset: Dataset, table: "pd.DataFrame", judged: _Judged
) -> OtherLabels | None:
    """Return what the model says of pieces of no class; None where that cannot be measured."""
    facts, name = subject.run.record.detector, f"{dataset.name}@{dataset.version}"
    if facts is None or not len(judged.other_labels):
        return None
    if name in {exposure.source for exposure in facts.exposures}:
        subject.say(f"The detector learned from {name}: what it recognises of it is not measured")
        return None
    kept = table.iloc[judged.other_labels]
    ids = kept["piece_id"].tolist()
    subject.say(f"Predicting {len(ids):,} pieces of {dataset.name} whose labels are no class")
    examples = Examples(
        # They have no class; a class is needed to stand there, and is not read.
        y=np.zeros(len(ids), dtype=np.int64),
        classes=subject.run.classes,
        groups=judged.works[judged.other_labels],
        ids=ids,
        views=_views(dataset, own, ids, _view_names(subject)),
    )
    probabilities = answers_of(subject, examples)
    judgement = judgement_of(subject, examples, probabilities)
    if judgement is None:
        return None
    flags = judgement.is_unknown
    answered = (probabilities.max(axis=1) * judgement.of_a_class)[~flags]
    return OtherLabels(
        data=name,
        items=len(ids),
        labels=kept["label"].nunique(),
        recognised=mean(flags, examples.groups),
        confidence=float(answered.mean()) if len(answered) else None,
    )


def _view_names(subject: Subject) -> list[str]:
    """Return the names of the views that the model and its detector read."""
    facts = subject.run.record.detector
    return sorted(subject.inputs | ({facts.input} if facts is not None else set()))


def _views(
    dataset: Dataset, own: Pieces, ids: Sequence[str], names: Sequence[str]
) -> Mapping[str, View]:
    """Return the views, cut anew where the dataset's chunks are not as long as the model's."""
    if preparation_of(dataset) == preparation_of(own.dataset):
        return views_of_pieces(dataset, ids, names)
    notes = dataset.notes(ids)
    return views_of_notes([notes[piece_id] for piece_id in ids], names, own.preparation)


def _judged(
    subject: Subject,
    own: Pieces,
    dataset: Dataset,
    table: "pd.DataFrame",
) -> _Judged:
    ids = table["piece_id"].tolist()
    is_unknown = ~table["label"].isin(subject.run.classes).to_numpy()
    # A piece without a label may be of a class.
    has_label = (table["label"].fillna("") != "").to_numpy()
    learned, works = clusters_of((own, subject.parts.learned.ids), (Pieces(dataset, ids), ids))
    is_learned = np.isin(works, learned)
    index = np.flatnonzero(~is_learned & ~is_unknown)
    left_out = int((is_learned & ~is_unknown).sum())
    other_labels = np.flatnonzero(~is_learned & is_unknown & has_label)
    return _Judged(index, works, left_out, int(is_unknown.sum()), other_labels)


def answers_of(subject: Subject, examples: Examples) -> npt.NDArray[np.float64]:
    """Return calibrated probabilities for items, ``float64 [items, classes]``."""
    return subject.calibrate(predict(subject.classifier, examples))


def _judged_row(
    subject: Subject,
    data: str,
    examples: Examples,
    probabilities: npt.NDArray[np.float64],
) -> Elsewhere:
    """Return the metrics of pieces, their false alarms and the coverage of their sets."""
    flags = unknown_flags(subject, examples, probabilities)
    sets = subject.run.record.label_sets
    alarms = None if flags is None else mean(flags, examples.groups)
    holds = None if sets is None else covered(examples, probabilities, sets)
    coverage = None if holds is None else mean(holds, examples.groups)
    row = _row(data, examples, probabilities)
    return row.model_copy(update={"false_alarms": alarms, "coverage": coverage})


def _row(
    data: str,
    examples: Examples,
    probabilities: npt.NDArray[np.float64],
) -> Elsewhere:
    metrics = score(examples.y, probabilities, examples.groups)
    right = probabilities.argmax(axis=1) == examples.y
    return Elsewhere(
        data=data,
        items=len(examples),
        groups=len(np.unique(examples.groups)),
        metrics={name: metrics[name] for name in _METRICS},
        recall={
            label: mean(right[examples.y == number], examples.groups[examples.y == number])
            for number, label in enumerate(examples.classes)
            if (examples.y == number).any()
        },
    )
