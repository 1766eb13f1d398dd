"""Pieces with the same music, and the evidence for it: what the label doctor compares."""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.suspicions import Evidence, Match
from tunesmith.datasets.reader import Dataset
from tunesmith.midi.matching import compare
from tunesmith.midi.passages import common_passage

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["copies_of_one_label", "matches_of", "with_transpositions"]

MOST_TRANSPOSED = 5
"""Matches of a piece whose transposition is computed: those that are shown."""


def matches_of(
    dataset: Dataset, pieces: "pd.DataFrame", copies: "pd.DataFrame"
) -> tuple[list[list[Match]], list[list[str]]]:
    """Return the matches with other labels of each piece, and the labels of all its matches."""
    every: list[list[Match]] = [[] for _ in range(len(pieces))]
    number_of = {piece_id: number for number, piece_id in enumerate(pieces["piece_id"])}
    for copy in copies.to_dict("records"):
        # Piece ids stand for bytes, so a copy has its piece's id.
        number = number_of.get(copy["piece_id"])
        # A copy without a label says nothing; pandas has NaN there.
        if number is not None and isinstance(copy["label"], str) and copy["label"]:
            facts = {name: copy[name] for name in ("path", "label", "piece_id")}
            every[number].append(Match(**facts, kind="same bytes", shared=1.0))
    sketches = dataset.fingerprints()
    for _, group in pieces.groupby("cluster"):
        for first, second in itertools.combinations(group.index, 2):
            if (evidence := _evidence(pieces, sketches, first, second)) is not None:
                for piece, other in ((first, second), (second, first)):
                    facts = {name: pieces[name][other] for name in ("path", "label", "piece_id")}
                    every[piece].append(Match(**facts, **evidence.model_dump()))
    votes = [[match.label for match in of_piece] for of_piece in every]
    matches = [
        sorted(
            (match for match in of_piece if match.label != label),
            key=lambda match: (-match.shared, match.path),
        )
        for of_piece, label in zip(every, pieces["label"], strict=True)
    ]
    return matches, votes


def _evidence(
    pieces: "pd.DataFrame",
    sketches: Mapping[str, npt.NDArray[np.uint64]],
    first: int,
    second: int,
) -> Evidence | None:
    """Return the evidence that two pieces are the same music; None where it differs."""
    if pieces["note_hash"][first] == pieces["note_hash"][second]:
        return Evidence(kind="same notes", shared=1.0)
    a, b = (sketches[pieces["piece_id"][number]] for number in (first, second))
    likeness = compare(a, b)
    if not likeness.is_same_music:
        return None
    return Evidence(
        kind="same music",
        shared=likeness.shared,
        in_order=likeness.in_order,
        onsets=likeness.onsets,
    )


def with_transpositions(
    dataset: Dataset, matches: Mapping[str, Sequence[Match]]
) -> dict[str, list[Match]]:
    """Return the matches of each piece, the first ones with their transposition.

    Parameters
    ----------
    dataset
        The version; its notes are compared.
    matches
        Matches by piece id.
    """
    pairs = [
        (name, match)
        for name, of_piece in matches.items()
        for match in of_piece[:MOST_TRANSPOSED]
        if match.kind == "same music"
    ]
    notes = dataset.notes(sorted({n for name, match in pairs for n in (name, match.piece_id)}))
    semitones = {
        (name, match.piece_id): common_passage(notes[name], notes[match.piece_id]).semitones
        for name, match in pairs
    }
    return {
        name: [
            match.model_copy(update={"semitones": semitones.get((name, match.piece_id))})
            for match in of_piece
        ]
        for name, of_piece in matches.items()
    }


def copies_of_one_label(copies: "pd.DataFrame") -> dict[tuple[str, str], list[str]]:
    """Return the paths of byte-identical copies by piece and label."""
    paths: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for copy in copies.to_dict("records"):
        paths[copy["piece_id"], copy["label"]].append(copy["path"])
    return paths
