"""Why a model says what it says: how its answer moves when a part of the input says nothing.

A part of a table, such as everything about the melody's steps, is put to the median of the
training data (on the card), an octave of a piano roll is silenced, and the model is asked again.
It needs nothing of the model but its answers, so it holds for every family and for ensembles.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import Preparation, TablePreparation
from tunesmith.artifacts.reports import InputSummary
from tunesmith.datasets.text_ngrams import VIEW as TEXT_NGRAMS
from tunesmith.errors import InputError
from tunesmith.inference.items import Item
from tunesmith.inference.model import Model
from tunesmith.inference.pieces import Cut
from tunesmith.midi.features import FEATURE_NAMES
from tunesmith.midi.rolls import sounding

__all__ = [
    "EXPLAINED", "PART_OF", "THEMES", "Member", "Reason", "TrainingSummary", "has_reasons",
    "reasons",
]  # fmt: skip

EXPLAINED = ("midi", "table")
"""Kinds of items whose parts have names, so that reasons can be given."""

# Blocks of musical features that a listener would name together.
THEMES: Mapping[str, tuple[str, ...]] = {
    "Notes of the scale": (
        "pitch_class", "degree_by_duration", "degree_by_count", "fifths_distance", "key",
    ),
    "How high and how low": ("pitch_summary", "register"),
    "Steps and leaps of the melody": ("top_degree", "top_interval", "top_bigram", "top_shape"),
    "Steps and leaps of the bass": (
        "bottom_degree", "bottom_interval", "bottom_bigram", "bottom_shape",
    ),
    "Melody against bass": ("outer_interval", "outer_span", "outer_motion"),
    "Kinds of chords": (
        "chord_type", "chord_classes", "major_chord_degree", "minor_chord_degree", "chord_interval",
    ),
    "How chords follow each other": ("root_motion", "harmony_summary"),
    "How many notes at once": ("chord_size", "polyphony", "texture_summary"),
    "Note values": ("gap_quarters", "duration_quarters"),
    "Speed": ("gap_seconds", "duration_seconds"),
    "Rhythm": ("gap_ratio", "place_in_quarter", "rhythm_summary"),
    "Loud and soft": ("velocity_summary", "dynamics_summary"),
}  # fmt: skip
_THEME_OF = {block: theme for theme, blocks in THEMES.items() for block in blocks}
PART_OF: Mapping[str, str] = {name: _THEME_OF[re.sub(r"_\d+$", "", name)] for name in FEATURE_NAMES}
"""Part of each musical feature, in a listener's words."""
# Chunks that stand for a piece, spread over it: more would only cost time.
_MOST_CHUNKS = 8
_OCTAVE = 12
_MEDIAN = 4  # the fifth of nine tenths
_LEAST = 1e-6

Inputs = dict[str, npt.NDArray[Any]]
TrainingSummary = Mapping[str, InputSummary]
"""Summary of the training data on the card: deciles of each column, by input."""


@dataclass(frozen=True, slots=True)
class Reason:
    """A part of the input and its effect on the probability of the answered class.

    Attributes
    ----------
    part
        In a listener's words, or the name of a feature.
    effect
        Log-odds of the class with the part less those without it: above 0 it speaks for the class.
        Log-odds, because near certainty probabilities hardly move.
    without
        Probability of the class without the part.
    """

    part: str
    effect: float
    without: float

    def json_object(self) -> dict[str, str | float]:
        """Return the reason as answers and tables hold it."""
        return {
            "part": self.part,
            "effect": round(self.effect, 6),
            "probability_without": round(self.without, 6),
        }


@dataclass(frozen=True, slots=True)
class Member:
    """A model that took part in an answer.

    Attributes
    ----------
    model
        The model.
    summary
        Summary of its training data.
    weight
        Its weight among the models.
    """

    model: Model
    summary: TrainingSummary
    weight: float = 1.0


def has_reasons(model: Model, summary: TrainingSummary) -> bool:
    """Return whether something can be taken out of what a model reads."""
    names = model.classifier.inputs.keys()
    return model.preparation.kind in EXPLAINED and (
        "chunks" in names or bool(names & summary.keys())
    )


def reasons(
    item: Item,
    members: Sequence[Member],
    label: str,
    between: Callable[[], None] | None = None,
) -> list[Reason]:
    """Return what spoke for and against a class, the strongest first.

    Parameters
    ----------
    item
        A piece or a row of a table.
    members
        The models that answered.
    label
        The class.
    between
        Called before each run of a model; may raise to stop.

    Returns
    -------
    list of Reason
        Empty where nothing can be taken out of what the models read.

    Raises
    ------
    InputError
        When the item is not what the models read.
    ModelError
        When a model cannot be run.
    """
    total = sum(member.weight for member in members)
    effects = [
        (member.weight / total, *_effects(item, member, label, between)) for member in members
    ]
    whole = sum(weight * share for weight, share, _ in effects)
    parts = dict.fromkeys(part for _, _, without in effects for part in without)
    by_part = []
    for part in parts:
        share = sum(weight * without.get(part, own) for weight, own, without in effects)
        by_part.append(Reason(part, _log_odds(whole) - _log_odds(share), share))
    return sorted(by_part, key=lambda reason: -abs(reason.effect))


def _log_odds(share: float) -> float:
    bounded = min(max(share, _LEAST), 1 - _LEAST)
    return math.log(bounded / (1 - bounded))


def _effects(
    item: Item, member: Member, label: str, between: Callable[[], None] | None
) -> tuple[float, dict[str, float]]:
    """Return the probability of a class, and that without each part."""
    model = member.model
    inputs, changed = _variants(item, model, member.summary)
    rows = len(next(iter(inputs.values())))
    every = {
        name: np.concatenate([array, *(variant[name] for variant in changed.values())])
        for name, array in inputs.items()
    }
    column = model.run(every, between)[:, model.classes.index(label)].reshape(-1, rows)
    # As in an answer, chunks in which nothing is left have no say.
    heard = sounding(every["chunks"]) if "chunks" in every else np.ones(column.size, dtype=bool)
    votes = heard.reshape(column.shape)
    totals, voters = np.where(votes, column, 0).sum(axis=1), votes.sum(axis=1)
    shares = np.where(voters, totals / np.maximum(voters, 1), 1 / len(model.classes))
    whole, *without = shares.tolist()
    return whole, dict(zip(changed, without, strict=True))


def _variants(
    item: Item, model: Model, summary: TrainingSummary
) -> tuple[Inputs, dict[str, Inputs]]:
    """Return the model's inputs, and for each part the same without that part."""
    prepared = model.prepare([item])
    (read,) = prepared.items
    if isinstance(read, InputError):
        raise read
    inputs = dict(prepared.inputs)
    if isinstance(read, Cut):
        # The row of the whole piece, or some rows spread over it.
        few = np.unique(np.linspace(0, read.rows - 1, _MOST_CHUNKS).round().astype(int))
        inputs = {name: rows[few if read.by_chunks else [0]] for name, rows in inputs.items()}
    changed: dict[str, Inputs] = {}
    for name, rows in inputs.items():
        if name == "chunks":
            parts = _octaves(rows)
        elif name == TEXT_NGRAMS and isinstance(model.preparation, TablePreparation):
            parts = _texts(rows, model.preparation)
        else:
            parts = _columns(name, rows, model, summary)
        # A text is a part of two inputs: its counts and its n-grams go together.
        for part, variant in parts.items():
            changed[part] = {**changed.get(part, inputs), name: variant}
    return inputs, changed


def _texts(rows: npt.NDArray[Any], preparation: TablePreparation) -> dict[str, npt.NDArray[Any]]:
    """Return n-grams of texts with those of one column after the other gone."""
    without = {}
    end = 0
    for column in preparation.texts:
        start, end = end, end + column.most
        without[column.name] = rows.copy()
        without[column.name][:, start:end] = 0
    return without


def _octaves(chunks: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Return chunks with one sounding octave after the other silenced; C4 is middle C."""
    without = {}
    for low in range(0, chunks.shape[2], _OCTAVE):
        if chunks[:, :, low : low + _OCTAVE].any():
            silent = chunks.copy()
            silent[:, :, low : low + _OCTAVE] = 0
            without[f"Notes from C{low // _OCTAVE - 1} to B{low // _OCTAVE - 1}"] = silent
    return without


def _columns(
    name: str, rows: npt.NDArray[Any], model: Model, summary: TrainingSummary
) -> dict[str, npt.NDArray[Any]]:
    """Return a table with one part after the other at the training data's median."""
    edges = summary[name].edges if name in summary else ()
    names = getattr(model.preparation, "features", ()) or FEATURE_NAMES
    if {len(edges), len(names)} != {rows.shape[1]}:
        return {}
    medians = np.array([tenths[_MEDIAN] for tenths in edges], dtype=rows.dtype)
    places: dict[str, list[int]] = {}
    for place, part in enumerate(_parts_of(model.preparation, names)):
        places.setdefault(part, []).append(place)
    changed = {}
    for part, columns in places.items():
        usual = rows.copy()
        usual[:, columns] = medians[columns]
        changed[part] = usual
    return changed


def _parts_of(preparation: Preparation, names: Sequence[str]) -> list[str]:
    """Return the part of the input that each feature belongs to."""
    if isinstance(preparation, TablePreparation):
        return [column.name for column in preparation.columns for _ in column.features]
    return [PART_OF.get(name, name) for name in names]
