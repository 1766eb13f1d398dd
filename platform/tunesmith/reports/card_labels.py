"""Labels to check on the data card: music with several labels, and the evidence for each link."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tunesmith.artifacts.suspicions import Evidence
from tunesmith.datasets.reader import Dataset
from tunesmith.midi.passages import common_passage

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MixedLabels", "mixed_labels"]

MOST_SHOWN = 200
"""Pairs of labels whose evidence is shown: notes are compared for each."""
NO_LABEL = "(none)"

Row = Mapping[Any, Any]
"""A row of a table by column."""


@dataclass(frozen=True)
class MixedLabels:
    """Two labels of the same music, with the strongest link between them in a cluster.

    Attributes
    ----------
    cluster
        Number of the cluster.
    label, other
        The labels; the other one is `NO_LABEL` where it is missing.
    path, other_path
        Files of the link.
    evidence
        Evidence of the link.
    links
        Number of links between the two labels in the cluster.
    """

    cluster: int
    label: str
    other: str
    path: str
    other_path: str
    evidence: Evidence
    links: int


def mixed_labels(dataset: Dataset, pieces: "pd.DataFrame") -> list[MixedLabels]:
    """Return the pairs of labels of each cluster that holds more than one.

    Two labels come before one and none, and the surest first.

    Parameters
    ----------
    dataset
        The version; the notes of the first `MOST_SHOWN` links are compared for their transposition.
    pieces
        Its table `pieces`.

    Notes
    -----
    A piece without a label that links two labels counts as a label of its own.
    """
    labelled = pieces[pieces["label"].notna()]
    n_labels = labelled.groupby("cluster")["label"].nunique()
    mixed = pieces[pieces["cluster"].isin(n_labels.index[n_labels > 1])]
    of_piece: dict[str, Row] = {
        row["piece_id"]: row
        for row in mixed[["piece_id", "cluster", "label", "path"]].to_dict("records")
    }
    between: defaultdict[tuple[int, str, str], list[Row]] = defaultdict(list)
    links = dataset.links()
    links = links[links["piece_id"].isin(of_piece) & links["other_id"].isin(of_piece)]
    for link in links.to_dict("records"):
        ends = [of_piece[link["piece_id"]], of_piece[link["other_id"]]]
        left, right = sorted(ends, key=lambda end: (_label(end), end["path"]))
        if _label(left) != _label(right) and left["cluster"] == right["cluster"]:
            facts = {**link, "first": left, "second": right}
            between[left["cluster"], _label(left), _label(right)].append(facts)
    strongest = [(max(of_pair, key=_strength), len(of_pair)) for of_pair in between.values()]
    strongest.sort(key=lambda pair: _order(pair[0]))
    ids = {
        best[end]["piece_id"] for best, _ in strongest[:MOST_SHOWN] for end in ("first", "second")
    }
    notes = dataset.notes(sorted(ids)) if ids else {}
    rows = []
    for number, (best, count) in enumerate(strongest):
        first, second = best["first"], best["second"]
        semitones = None
        if number < MOST_SHOWN and best["kind"] == "same music":
            passage = common_passage(notes[first["piece_id"]], notes[second["piece_id"]])
            semitones = passage.semitones
        rows.append(
            MixedLabels(
                first["cluster"], _label(first), _label(second), first["path"], second["path"],
                _evidence(best, semitones), count,
            )
        )  # fmt: skip
    return rows


def _label(piece: Row) -> str:
    return piece["label"] if isinstance(piece["label"], str) else NO_LABEL


def _strength(link: Row) -> float:
    """Return the strength of a link; none is stronger than the same notes."""
    return float("inf") if link["kind"] == "same notes" else float(link["strength"])


def _order(link: Row) -> tuple[bool, float, str]:
    first, second = link["first"], link["second"]
    return NO_LABEL in {_label(first), _label(second)}, -_strength(link), first["path"]


def _evidence(link: Row, semitones: int | None) -> Evidence:
    if link["kind"] == "same notes":
        return Evidence(kind="same notes", shared=1.0)
    return Evidence(
        kind="same music",
        shared=float(link["shared"]),
        in_order=float(link["in_order"]),
        onsets=int(link["onsets"]),
        semitones=semitones,
    )
