"""The seed study's 2-D network on chunks of four composers, and a smaller one beside it."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import numpy.typing as npt

from tunesmith.datasets.splits import folds
from tunesmith.studies._music import (
    EPOCHS,
    FOUR,
    SMALL_NETWORK,
    ChunkRows,
    chunk_rows,
    missing_collection,
    version_of,
)
from tunesmith.studies.contract import Measurement, Result, Row, Setting, Study
from tunesmith.studies.training import (
    Plan,
    cut_note,
    interval,
    mean_of,
    random_folds,
    train_and_judge,
)
from tunesmith.tasks import get_task

__all__ = ["STUDY"]

_TASK = "composer"
_FOLDS = 3
_REFERENCE = get_task(_TASK).reference
_STUDY = Plan("cnn2d", dict(_REFERENCE.params) if _REFERENCE else {}, EPOCHS)


def _rows_of(setting: Setting) -> ChunkRows:
    return chunk_rows(setting, _TASK, FOUR)


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
    rows = _rows_of(setting)
    fold = _fold_of_rows(rows, by_cluster)
    train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
    return train_and_judge(
        setting, plan, rows.examples, train, test, pieces=rows.pieces if by_cluster else None
    )


def _refitted(setting: Setting, plan: Plan) -> Result:
    """Judge on rows that the network was refitted on, as the study's last figure was."""
    rows = _rows_of(setting)
    held_out = np.flatnonzero(random_folds(len(rows.examples), _FOLDS) == 0)
    every = np.arange(len(rows.examples))
    if setting.effort.rows is not None:
        # With few rows to learn from, those that are judged must still be among them.
        held_out = setting.effort.some(held_out, seed=1)
        every = held_out
    return train_and_judge(setting, plan, rows.examples, every, held_out)


def _sentence(results: Mapping[str, Result], key: str, name: str) -> list[str]:
    """Return what splitting by cluster takes from a network's figure, on folds run both ways."""
    split = {
        how: {name.rpartition("-")[2] for name in results if name.startswith(f"{key}-{how}-")}
        for how in ("chunk", "cluster")
    }
    both = sorted(split["chunk"] & split["cluster"])
    if not both:
        return []
    by_chunk, by_cluster, by_piece = (
        np.mean([results[f"{key}-{how}-{number}"][figure] for number in both])
        for how, figure in (
            ("chunk", "accuracy"),
            ("cluster", "accuracy"),
            ("cluster", "piece_accuracy"),
        )
    )
    folds_said = f" on {len(both)} of {_FOLDS} folds" if len(both) < _FOLDS else ""
    said = (
        f"{name}{folds_said}: {by_chunk:.4f} with chunks of a piece on both sides, "
        f"{by_cluster:.4f} with duplicate clusters on one side ({by_piece:.4f} a piece)."
    )
    return [said]


def _rows(results: Mapping[str, Result]) -> list[Row]:
    small = mean_of(results, "small-chunk")
    said = [
        *_sentence(results, "study", "The study's network"),
        *_sentence(results, "small", "The 1-D network"),
    ]
    notes = [
        f"{name} {cut}"
        for key, name in (("study", "the study's network"), ("small", "the 1-D network"))
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
            better=None if small is None else (small, "1-D network, 35 times smaller"),
            difference=" ".join(said),
            ran="; ".join(notes),
        )
    ]
    refitted = mean_of(results, "study-refitted")
    fair, small_refitted = mean_of(results, "study-chunk"), mean_of(results, "small-refitted")
    words = ["The study's model was refitted on all rows, those it is judged on included."]
    if refitted is not None and fair is not None:
        words.append(f"The very same rows before that: {fair:.4f}.")
    if small_refitted is not None and small is not None:
        words.append(f"The 1-D network goes from {small:.4f} to {small_refitted:.4f} likewise.")
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


def _folds_of(
    key: str, name: str, plan: Plan, cost_s: float, *, over_chunks: range, by_cluster: range
) -> list[Measurement]:
    return [
        Measurement(
            f"{key}-{'cluster' if clustered else 'chunk'}-{number}",
            f"{name}, fold {number + 1} of {_FOLDS} {'by cluster' if clustered else 'over chunks'}",
            plan.about() | {"fold": number, "by_cluster": clustered},
            partial(_fold, plan=plan, number=number, by_cluster=clustered),
            cost_s,
        )
        for clustered, numbers in ((False, over_chunks), (True, by_cluster))
        for number in numbers
    ]


def _refit_of(key: str, name: str, plan: Plan, cost_s: float) -> Measurement:
    return Measurement(
        f"{key}-refitted",
        f"{name}, refitted on the rows it is judged on",
        plan.about(),
        partial(_refitted, plan=plan),
        cost_s,
    )


_FIRST, _OTHERS = range(1), range(1, _FOLDS)
_SMALL = ("small", "1-D network", SMALL_NETWORK)
_LARGE = ("study", "the study's network", _STUDY)

STUDY = Study(
    name="composer_cnn",
    title="Study 2024: 2-D network on chunks of four composers",
    task=_TASK,
    missing=lambda setting: missing_collection(setting, _TASK, "midi-big4.zip"),
    version=lambda setting: version_of(setting, _TASK),
    measurements=(
        # One fold of each tells most; the others make the mean of the study's own protocol.
        *_folds_of(*_SMALL, 180, over_chunks=_FIRST, by_cluster=_FIRST),
        *_folds_of(*_LARGE, 1600, over_chunks=_FIRST, by_cluster=_FIRST),
        _refit_of(*_SMALL, 270),
        *_folds_of(*_SMALL, 180, over_chunks=_OTHERS, by_cluster=_OTHERS),
        # By cluster one fold is enough: each is half an hour.
        *_folds_of(*_LARGE, 1600, over_chunks=_OTHERS, by_cluster=range(0)),
        _refit_of(*_LARGE, 2400),
    ),
    rows=_rows,
)
