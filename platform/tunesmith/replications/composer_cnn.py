"""The seed study's 2-D network on chunks of four composers, and a smaller one beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.splits import folds
from tunesmith.replications.contract import Measurement, Replication, Result, Row, Setting
from tunesmith.replications.music import (
    BIG4,
    EPOCHS,
    FOUR,
    NOTES_NETWORK,
    SMALL_NETWORK,
    ChunkRows,
)
from tunesmith.replications.training import (
    Plan,
    cut_note,
    interval,
    mean_of,
    random_folds,
    train_and_judge,
)
from tunesmith.tasks import get_task

__all__ = ["REPLICATION"]

_FOLDS = 3
_REFERENCE = get_task(BIG4.task).reference
_NAMES = {
    "study": "the study's network",
    "small": "the 1-D network",
    "notes": "the network of features and n-grams of a chunk's notes",
}
_STUDY = Plan("cnn2d", dict(_REFERENCE.params) if _REFERENCE else {}, EPOCHS)


def _rows_of(setting: Setting, plan: Plan) -> ChunkRows:
    return BIG4.chunk_rows(setting, FOUR, plan)


def _fold_of_rows(rows: ChunkRows, by_cluster: bool) -> npt.NDArray[np.int64]:
    """Return the fold of each chunk: at random, or whole clusters of pieces at a time."""
    examples = rows.examples
    if not by_cluster:
        return random_folds(len(examples), _FOLDS)
    # Folds are made of pieces, not chunks: a long piece is no more a piece than a short one.
    _, first = np.unique(rows.pieces, return_index=True)
    by_piece = folds(examples.y[first], examples.groups[first], k=_FOLDS, seed=0)
    return by_piece[rows.pieces]


def _fold(setting: Setting, plan: Plan, number: int, by_cluster: bool) -> Result:
    rows = _rows_of(setting, plan)
    fold = _fold_of_rows(rows, by_cluster)
    train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
    return train_and_judge(
        setting, plan, rows.examples, train, test, pieces=rows.pieces if by_cluster else None
    )


def _refitted(setting: Setting, plan: Plan) -> Result:
    """Judge on rows that the network was refitted on, as the study's last figure was."""
    rows = _rows_of(setting, plan)
    held_out = np.flatnonzero(random_folds(len(rows.examples), _FOLDS) == 0)
    every = np.arange(len(rows.examples))
    if setting.effort.rows is not None:
        # With few rows to learn from, those that are judged must still be among them.
        held_out = setting.effort.some(held_out, seed=1)
        every = held_out
    return train_and_judge(setting, plan, rows.examples, every, held_out)


def _sentence(results: Mapping[str, Result], key: str, name: str) -> list[str]:
    """Return what splitting by cluster takes from a network's figure, on folds run both ways."""
    both = [
        (results[f"{key}-chunk-{number}"], results[f"{key}-cluster-{number}"])
        for number in range(_FOLDS)
        if {f"{key}-chunk-{number}", f"{key}-cluster-{number}"} <= results.keys()
    ]
    if not both:
        return []
    by_chunk = np.mean([over_chunks["accuracy"] for over_chunks, _ in both])
    by_cluster = np.mean([clustered["accuracy"] for _, clustered in both])
    by_piece = np.mean([clustered["piece_accuracy"] for _, clustered in both])
    folds_said = f" on {len(both)} of {_FOLDS} folds" if len(both) < _FOLDS else ""
    remark = (
        f"{name}{folds_said}: {by_chunk:.4f} with chunks of a piece on both sides, "
        f"{by_cluster:.4f} with duplicate clusters on one side ({by_piece:.4f} a piece)."
    )
    return [remark]


def _rows(results: Mapping[str, Result]) -> list[Row]:
    better = None
    for key, name in (("small", "1-D network, 35 times smaller"), ("notes", "network of notes")):
        mean = mean_of(results, f"{key}-chunk")
        better = better if mean is None else (mean, name)
    remarks = [
        sentence
        for key, name in _NAMES.items()
        for sentence in _sentence(results, key, name[0].upper() + name[1:])
    ]
    notes = [
        f"{name} {cut}"
        for key, name in _NAMES.items()
        if (cut := cut_note(results, f"{key}-chunk", _FOLDS))
    ]
    clustered = [r for key, r in results.items() if key.startswith("study-cluster")]
    honest = None
    if clustered:
        mean = float(np.mean([r["accuracy"] for r in clustered]))
        text = "the same network, a chunk, by cluster"
        honest = interval(mean, sum(r["n_pieces"] for r in clustered)) | {"text": text}
    rows = [
        Row(
            protocol="mean accuracy of 3 folds over chunks",
            published=0.7702,
            same=mean_of(results, "study-chunk"),
            better=better,
            difference=" ".join(remarks),
            ran="; ".join(notes),
        )
    ]
    refitted, small_refitted = (mean_of(results, f"{key}-refitted") for key in ("study", "small"))
    # What a refit is judged on are the rows held out of the first fold.
    fair, small_fair = (mean_of(results, f"{key}-chunk-0") for key in ("study", "small"))
    words = ["The study's model was refitted on all rows, those it is judged on included."]
    if refitted is not None and fair is not None:
        words.append(f"The very same rows before that: {fair:.4f}.")
    if small_refitted is not None and small_fair is not None:
        rise = f"from {small_fair:.4f} to {small_refitted:.4f}"
        words.append(f"The 1-D network goes {rise} likewise.")
    rows.append(
        Row(
            protocol="accuracy on validation after a refit on everything",
            published=0.98,
            same=refitted,
            better=None if small_refitted is None else (small_refitted, "1-D network"),
            difference=" ".join(words),
            ran=cut_note(results, "study-refitted"),
            honest=honest,
        )
    )
    return rows


@dataclass(frozen=True)
class _Network:
    """A network to train on the folds: key, name, and seconds per fold."""

    key: str
    name: str
    plan: Plan
    fold_s: float

    def fold(self, number: int, *, by_cluster: bool) -> Measurement:
        return Measurement(
            f"{self.key}-{'cluster' if by_cluster else 'chunk'}-{number}",
            f"{self.name}, fold {number + 1} of {_FOLDS} "
            f"{'by cluster' if by_cluster else 'over chunks'}",
            self.plan.about() | {"fold": number, "by_cluster": by_cluster},
            partial(_fold, plan=self.plan, number=number, by_cluster=by_cluster),
            self.fold_s,
        )

    def refitted(self) -> Measurement:
        return Measurement(
            f"{self.key}-refitted",
            f"{self.name}, refitted on the rows it is judged on",
            self.plan.about(),
            partial(_refitted, plan=self.plan),
            # It learns from all folds, where the others leave one out.
            self.fold_s * _FOLDS / (_FOLDS - 1),
        )


_SMALL = _Network("small", "1-D network", SMALL_NETWORK, 180)
_NOTES = _Network("notes", "network of notes", NOTES_NETWORK, 180)
_LARGE = _Network("study", "the study's network", _STUDY, 1600)

REPLICATION = Replication(
    name="composer_cnn",
    title="Study 2024: 2-D network on chunks of four composers",
    task=BIG4.task,
    missing=BIG4.missing,
    version=BIG4.version,
    dataset=BIG4.name,
    measurements=(
        # One fold of each tells most; the others make the mean of the study's own protocol. The
        # large network has one fold by cluster: each is half an hour.
        *(n.fold(0, by_cluster=c) for n in (_NOTES, _SMALL, _LARGE) for c in (False, True)),
        _SMALL.refitted(),
        *(
            n.fold(k, by_cluster=c)
            for n in (_NOTES, _SMALL)
            for c in (False, True)
            for k in range(1, _FOLDS)
        ),
        *(_LARGE.fold(k, by_cluster=False) for k in range(1, _FOLDS)),
        _LARGE.refitted(),
    ),
    rows=_rows,
)
