"""The label doctor: labels of pieces that look wrong, by copies of the music and by a model.

Two kinds of evidence are put together. Pieces with the same music should have the same label. And a
model that has seen neither a piece nor its copies says which label the music sounds like: no
wrong label can vouch for itself.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.suspicions import Diagnosis, Opinion, Suspicion
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.reader import Dataset
from tunesmith.datasets.splits import folds
from tunesmith.errors import DatasetError
from tunesmith.evaluation.label_errors import confident_labels, estimated_errors
from tunesmith.evaluation.label_matches import copies_of_one_label, matches_of, with_transpositions
from tunesmith.models.registry import get_family

__all__ = ["Judgement", "Labelling", "diagnose", "find_suspicions", "judge"]

FAMILY = "boosting"
FOLDS = 5
REPEATS = 2
"""Foldings over which the predictions are averaged: each puts other pieces together."""
MOST_STEPS = 4
STEPS_BY_CLASSES = 40
"""Steps of the family times classes: a round of boosting grows a tree for each class."""

WRONG_BEFOREHAND = 0.15
"""Probability that a label is wrong before anything is known about the piece.

Collections have some 3 % of wrong labels (Northcutt, Athalye and Mueller 2021). The model is surer
of itself than it is right, so more is assumed; measured on planted errors.
"""
WRONG_MATCH = 0.2
"""Probability that a match has another true label: a false match, a wrong label, an arrangement."""
MOST_MATCHES = 3
"""Matches that count in full: ten copies of one upload are not ten opinions."""
LISTED_FROM = 0.5
LEAST_PROBABILITY = 1e-4


@dataclass(frozen=True)
class Labelling:
    """Labelled pieces and all that is known about their labels.

    Attributes
    ----------
    labels
        Label of each piece.
    clusters
        Pieces of one number are the same music, ``int [pieces]``.
    features
        Musical features, ``float32 [pieces, features]``.
    votes
        Labels of the other files with the same music, for each piece.
    """

    labels: Sequence[str]
    clusters: npt.NDArray[np.int64]
    features: npt.NDArray[np.float32]
    votes: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Judgement:
    """Probability of every label for every piece.

    Attributes
    ----------
    classes
        All labels, sorted.
    given
        Label of each piece, an index into `classes`, ``int [pieces]``.
    by_model
        Held-out predictions, ``float64 [pieces, classes]``; NaN in rows that were not judged.
    together
        With the matches and the label itself, ``float64 [pieces, classes]``.
    is_confident
        Whether confident learning finds the label wrong, ``bool [pieces]``.
    n_errors
        Wrong labels that confident learning estimates; None without a model.
    """

    classes: tuple[str, ...]
    given: npt.NDArray[np.int64]
    by_model: npt.NDArray[np.float64]
    together: npt.NDArray[np.float64]
    is_confident: npt.NDArray[np.bool_]
    n_errors: int | None

    @property
    def wrong(self) -> npt.NDArray[np.float64]:
        """Probability that each label is wrong, ``float64 [pieces]``."""
        return np.asarray(1.0 - self.together[np.arange(len(self.given)), self.given])

    @property
    def is_judged(self) -> npt.NDArray[np.bool_]:
        """Pieces that the model judged, ``bool [pieces]``."""
        return ~np.isnan(self.by_model[:, 0])

    @property
    def suggested(self) -> npt.NDArray[np.int64]:
        """The likeliest label that is not the given one, ``int [pieces]``."""
        others = self.together.copy()
        others[np.arange(len(self.given)), self.given] = -1.0
        likeliest: npt.NDArray[np.int64] = others.argmax(axis=1)
        return likeliest


def judge(labelling: Labelling, *, family: str = FAMILY, seed: int = 0) -> Judgement:
    """Return the probability of every label for every piece.

    Parameters
    ----------
    labelling
        The pieces.
    family
        Name of a model family that reads ``features``.
    seed
        Seed of the folds and of the model.
    """
    classes = tuple(sorted(set(labelling.labels)))
    index = {label: number for number, label in enumerate(classes)}
    given = np.array([index[label] for label in labelling.labels], dtype=np.int64)
    by_model = _held_out(labelling, classes, given, family, seed)
    is_judged = ~np.isnan(by_model[:, 0])
    is_confident, n_errors = np.zeros(len(given), dtype=bool), None
    if is_judged.any():
        judged, labels = by_model[is_judged], given[is_judged]
        confident = confident_labels(judged, labels)
        is_confident[is_judged] = (confident >= 0) & (confident != labels)
        n_errors = estimated_errors(judged, labels)
    together = np.log(np.maximum(np.nan_to_num(by_model, nan=1.0), LEAST_PROBABILITY))
    others = max(len(classes) - 1, 1)
    together += np.log(WRONG_BEFOREHAND / others)
    together[np.arange(len(given)), given] += np.log(
        (1 - WRONG_BEFOREHAND) / (WRONG_BEFOREHAND / others)
    )
    for piece, votes in enumerate(labelling.votes):
        if votes:
            share = np.zeros(len(classes))
            np.add.at(share, [index[label] for label in votes], 1 / len(votes))
            right, wrong = np.log(1 - WRONG_MATCH), np.log(WRONG_MATCH / others)
            together[piece] += min(len(votes), MOST_MATCHES) * (share * right + (1 - share) * wrong)
    together = np.exp(together - together.max(axis=1, keepdims=True))
    together /= together.sum(axis=1, keepdims=True)
    return Judgement(classes, given, by_model, together, is_confident, n_errors)


def _held_out(
    labelling: Labelling,
    classes: tuple[str, ...],
    given: npt.NDArray[np.int64],
    family: str,
    seed: int,
) -> npt.NDArray[np.float64]:
    """Return predictions by models that saw neither the piece nor its music; NaN where none can.

    A label is judged where it has music for every fold.
    """
    predictions = np.full((len(given), len(classes)), np.nan)
    n_clusters = np.array(
        [len(np.unique(labelling.clusters[given == label])) for label in range(len(classes))]
    )
    judged = np.flatnonzero(n_clusters >= FOLDS)
    rows = np.flatnonzero(np.isin(given, judged))
    if len(judged) < 2:
        return predictions
    examples = Examples(
        y=np.searchsorted(judged, given[rows]),
        classes=tuple(classes[label] for label in judged),
        groups=labelling.clusters[rows],
        ids=[str(row) for row in rows],
        views={"features": View.one_row_each(labelling.features[rows])},
    )
    total = np.zeros((len(rows), len(judged)))
    for repeat in range(REPEATS):
        fold = folds(examples.y, examples.groups, FOLDS, seed + repeat)
        for number in range(FOLDS):
            is_held_out = fold == number
            total[is_held_out] += _predictions(
                family,
                examples.take(np.flatnonzero(~is_held_out)),
                examples.view("features").x[is_held_out],
                seed + repeat,
            )
    predictions[rows] = 0.0
    predictions[np.ix_(rows, judged)] = total / REPEATS
    return predictions


def _predictions(
    family: str, train: Examples, x: npt.NDArray[np.float32], seed: int
) -> npt.NDArray[np.float32]:
    chosen = get_family(family)
    steps = max(1, min(MOST_STEPS, chosen.max_steps, STEPS_BY_CLASSES // len(train.classes)))
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    model = None
    for step in chosen.fit(chosen.default(), train, seed=seed, max_steps=steps, threads=threads):
        model = step.model
    if model is None:
        message = f"The family {family} trained nothing."
        raise DatasetError(message)
    return model.predict_proba(x)


def find_suspicions(labelling: Labelling, judgement: Judgement) -> list[int]:
    """Return the pieces whose label looks wrong, the surest first.

    These are labels that are more likely wrong than right, and of pieces with the same music and
    different labels the likeliest at least.
    """
    wrong = judgement.wrong
    listed = set(np.flatnonzero(wrong >= LISTED_FROM).tolist())
    members: defaultdict[int, list[int]] = defaultdict(list)
    for piece, votes in enumerate(labelling.votes):
        if set(votes) - {labelling.labels[piece]}:
            members[int(labelling.clusters[piece])].append(piece)
    for pieces in members.values():
        if not listed & set(pieces):
            listed.add(max(pieces, key=lambda piece: (wrong[piece], -piece)))
    return sorted(listed, key=lambda piece: (-wrong[piece], piece))


def diagnose(
    dataset: Dataset,
    *,
    labels: Mapping[str, str] | None = None,
    family: str = FAMILY,
    seed: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Diagnosis:
    """Return the labels of a dataset version that look wrong, with the evidence.

    Parameters
    ----------
    dataset
        The version.
    labels
        Labels by piece id, to judge in place of the dataset's.
    family
        Name of a model family that reads ``features``.
    seed
        Seed of the folds and of the model.
    say
        Called with a line for each step.

    Raises
    ------
    DatasetError
        If the version has fewer than two labels.
    """
    pieces = dataset.pieces()
    if labels is not None:
        pieces["label"] = pieces["piece_id"].map(labels)
    pieces = pieces[pieces["label"].notna() & (pieces["label"] != "")].reset_index(drop=True)
    if pieces["label"].nunique() < 2:
        message = (
            f"Dataset {dataset.name} has {pieces['label'].nunique()} labels; a wrong label can be "
            "told where there are at least 2. Ingest with labels (--label)."
        )
        raise DatasetError(message)
    say("Comparing pieces with the same music")
    copies = dataset.duplicates()
    matches, votes = matches_of(dataset, pieces, copies)
    ids = pieces["piece_id"].tolist()
    labelling = Labelling(
        pieces["label"].tolist(), pieces["cluster"].to_numpy(), dataset.features(ids), votes
    )
    say(f"Predicting {len(pieces):,} pieces by {FOLDS} folds, {REPEATS} times")
    judgement = judge(labelling, family=family, seed=seed)
    suspected = find_suspicions(labelling, judgement)
    by_cluster = pieces.groupby("cluster")["label"].nunique()
    own_copies = copies_of_one_label(copies)
    shown = with_transpositions(dataset, {ids[piece]: matches[piece] for piece in suspected})
    judged_labels = {labelling.labels[i] for i in np.flatnonzero(judgement.is_judged).tolist()}
    return Diagnosis(
        dataset=dataset.name,
        version=dataset.version,
        pieces=len(pieces),
        judged=int(judgement.is_judged.sum()),
        labels_too_rare=sorted(set(labelling.labels) - judged_labels),
        family=family if judged_labels else "",
        folds=FOLDS,
        estimated_errors=judgement.n_errors,
        mixed_clusters=int((by_cluster > 1).sum()),
        suspicions=[
            Suspicion(
                number=number,
                piece_id=ids[piece],
                path=pieces["path"][piece],
                label=labelling.labels[piece],
                suggested=judgement.classes[judgement.suggested[piece]],
                probability=float(judgement.wrong[piece]),
                opinions=_opinions(judgement, piece),
                is_confident=bool(judgement.is_confident[piece]),
                matches=shown[ids[piece]],
                copies=own_copies.get((ids[piece], labelling.labels[piece]), []),
            )
            for number, piece in enumerate(suspected, start=1)
        ],
    )


def _opinions(judgement: Judgement, piece: int) -> list[Opinion]:
    """Return the model's three likeliest labels, and the given one if it is not among them."""
    if not judgement.is_judged[piece]:
        return []
    row = judgement.by_model[piece]
    shown = np.argsort(-row, kind="stable")[:3].tolist()
    given = int(judgement.given[piece])
    shown += [given] * (given not in shown)
    return [Opinion(label=judgement.classes[n], probability=float(row[n])) for n in shown]
