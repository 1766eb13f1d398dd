"""The seed study's sweep of thresholds over all composers, without its two mistakes."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.splits import split_pieces
from tunesmith.replications.contract import Measurement, Replication, Result, Row, Setting
from tunesmith.replications.music import CLASSICAL, NOTES_NETWORK, SMALL_NETWORK, ChunkRows
from tunesmith.replications.training import (
    Plan,
    cut_note,
    interval,
    random_part,
    row_examples,
    train_and_judge,
)

__all__ = ["REPLICATION"]

_HELD_OUT = 0.2
_SHARES = {"0": 0.0, "0.1": 0.001, "1": 0.01, "10": 0.1}
_PUBLISHED = {"0": 0.4289, "0.1": 0.4953, "1": 0.5003, "10": 0.4996}
_FEATURES = Plan.default("linear", 1)
_AUGMENTED_SHARE = 0.36
_SEMITONES = 2


def _kept(rows: ChunkRows, share: float) -> ChunkRows:
    """Return the chunks of composers who have at least this share of all chunks."""
    examples = rows.examples
    count = np.bincount(examples.y, minlength=len(examples.classes))
    labels = np.flatnonzero(count >= share * count.sum())
    chosen = np.flatnonzero(np.isin(examples.y, labels))
    index = np.full(len(count), -1)
    index[labels] = np.arange(len(labels))
    # Taking all rows would copy them.
    kept = examples if len(chosen) == len(examples) else examples.take(chosen)
    classes = tuple(examples.classes[label] for label in labels)
    return ChunkRows(replace(kept, y=index[kept.y], classes=classes), rows.pieces[chosen])


def _by_chunk(setting: Setting, plan: Plan, share: float) -> Result:
    """Judge as the study did: a random fifth of the chunks."""
    kept = _kept(CLASSICAL.chunk_rows(setting, None, plan), share)
    train, test = random_part(len(kept.examples), _HELD_OUT)
    result = train_and_judge(setting, plan, kept.examples, train, test)
    return result | {"classes": len(kept.examples.classes)}


def _with_augmented(setting: Setting, share: float) -> Result:
    """Count transposed copies as one more composer, as the study did by mistake."""
    kept = _kept(CLASSICAL.chunk_rows(setting, None, SMALL_NETWORK), share).examples
    x = kept.view("chunks").x
    rng = np.random.default_rng(42)
    n_copies = round(len(x) * _AUGMENTED_SHARE / (1 - _AUGMENTED_SHARE))
    copied = x[np.sort(rng.choice(len(x), n_copies, replace=False))]
    moved = np.zeros_like(copied)
    half = n_copies // 2
    moved[:half, :, _SEMITONES:] = copied[:half, :, :-_SEMITONES]
    moved[half:, :, :-_SEMITONES] = copied[half:, :, _SEMITONES:]
    y = np.concatenate([kept.y, np.full(n_copies, len(kept.classes))])
    examples = row_examples(np.concatenate([x, moved]), y, (*kept.classes, "augmented"), "chunks")
    train, test = random_part(len(y), _HELD_OUT)
    return train_and_judge(setting, SMALL_NETWORK, examples, train, test) | {
        "classes": len(examples.classes)
    }


def _by_cluster(setting: Setting, share: float) -> Result:
    """Judge pieces by their musical features, duplicate clusters on one side."""
    dataset = CLASSICAL.dataset(setting)
    pieces = dataset.pieces()
    pieces = pieces[pieces["label"].isin(dataset.labels)]
    chunks = pieces.groupby("label")["n_chunks"].sum()
    classes = sorted(chunks[chunks >= share * chunks.sum()].index)
    pieces = pieces[pieces["label"].isin(classes)].reset_index(drop=True)
    index = {label: number for number, label in enumerate(classes)}
    y = pieces["label"].map(index).to_numpy(dtype=np.int64)
    groups = pieces["cluster"].to_numpy(dtype=np.int64)
    ids = pieces["piece_id"].tolist()
    view = View.one_row_each(dataset.features(ids))
    examples = Examples(y, tuple(classes), groups, ids, {"features": view})
    parts = split_pieces(y, groups, {"train": 1 - _HELD_OUT, "test": _HELD_OUT}, seed=0)
    train, test = np.flatnonzero(parts == "train"), np.flatnonzero(parts == "test")
    result = train_and_judge(setting, _FEATURES, examples, train, test)
    return result | {"classes": len(classes)}


def _rows(results: Mapping[str, Result]) -> list[Row]:
    rows = []
    fake, plain = results.get("augmented-1"), results.get("chunk-1")
    for name in _SHARES:
        by_chunk, by_cluster = results.get(f"chunk-{name}"), results.get(f"cluster-{name}")
        by_notes = results.get(f"notes-{name}")
        one = by_chunk or by_notes or by_cluster
        whom = f"composers with {name} % of all or more"
        if one:
            whom += f" ({one['classes']} classes here)"
        remarks, better = [], None
        for result, network in ((by_chunk, "1-D network"), (by_notes, "network of notes")):
            if result:
                better = (result["accuracy"], network)
        if judged := by_chunk or by_notes:
            remarks.append(
                f"Naming the commonest composer scores {judged['majority']:.4f} a chunk."
            )
        if by_chunk and by_notes:
            remarks.append(
                f"A 1-D network on piano rolls scores {by_chunk['accuracy']:.4f}, a network on the "
                f"features and n-grams of the notes {by_notes['accuracy']:.4f}."
            )
        if name in {"1", "10"}:
            remarks.append("The study trained this on its 49 classes by mistake.")
        if name == "0":
            remarks.append("One of the study's 145 classes was its folder of augmented files.")
        if name == "1" and fake and plain:
            remarks.append(
                f"With transposed copies as one more composer (36 % of all chunks): "
                f"{fake['accuracy']:.4f} against {plain['accuracy']:.4f} without."
            )
        text = "a piece, linear on musical features, by cluster"
        rows.append(
            Row(
                protocol=f"a random fifth of the chunks of {whom}",
                published=_PUBLISHED[name],
                same=None,
                better=better,
                difference=" ".join(remarks),
                ran=cut_note(results, f"{'notes' if by_notes else 'chunk'}-{name}")
                if better
                else "not run",
                honest=interval(by_cluster["accuracy"], by_cluster["n"]) | {"text": text}
                if by_cluster
                else None,
            )
        )
    return rows


REPLICATION = Replication(
    name="composer_all",
    title="Study 2024: all composers, by share of chunks",
    task=CLASSICAL.task,
    missing=CLASSICAL.missing,
    version=CLASSICAL.version,
    dataset=CLASSICAL.name,
    measurements=(
        *(
            Measurement(
                f"cluster-{name}", f"linear on features, {name} % of chunks, by cluster",
                _FEATURES.about() | {"share": share}, partial(_by_cluster, share=share), 20,
            )
            for name, share in _SHARES.items()
        ),
        *(
            Measurement(
                f"{key}-{name}", f"{network}, {name} % of chunks, over chunks",
                plan.about() | {"share": share}, partial(_by_chunk, plan=plan, share=share), 400,
            )
            for key, network, plan in (
                ("notes", "network of notes", NOTES_NETWORK),
                ("chunk", "1-D network", SMALL_NETWORK),
            )
            for name, share in reversed(_SHARES.items())
        ),
        Measurement(
            "augmented-1", "1-D network with augmented files as a composer, 1 % of chunks",
            SMALL_NETWORK.about() | {"share": 0.01, "augmented": _AUGMENTED_SHARE},
            partial(_with_augmented, share=0.01), 500,
        ),
    ),
    rows=_rows,
)  # fmt: skip
