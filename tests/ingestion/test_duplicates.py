"""Clusters and links of the kept pieces, by their notes and by their fingerprints."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.ingestion.duplicates import Copies, find_duplicates


def results_of(note_hashes: list[str], fingerprints: list[list[int]]) -> pa.Table:
    return pa.table(
        {
            "piece_id": [f"p{number}" for number in range(len(note_hashes))],
            "note_hash": note_hashes,
            "fingerprint": pa.array(fingerprints, pa.list_(pa.uint64())),
        }
    )


def test_note_identical_pieces_share_a_cluster_even_without_a_fingerprint() -> None:
    found = find_duplicates(results_of(["x", "y", "x", "z"], [[], [], [], []]))
    assert found.clusters.tolist() == [0, 1, 0, 2]
    assert found.links.select(["piece_id", "other_id", "kind", "in_order"]).to_pylist() == [
        {"piece_id": "p0", "other_id": "p2", "kind": "same notes", "in_order": None}
    ]


def test_clusters_join_through_either_kind_of_likeness() -> None:
    many = [(number << 30) | number for number in range(1000, 1100)]
    found = find_duplicates(results_of(["x", "x", "y"], [[], many, many]))
    assert found.clusters.tolist() == [0, 0, 0]
    same_notes, same_music = found.links.to_pylist()
    assert (same_notes["piece_id"], same_notes["other_id"]) == ("p0", "p1")
    assert (same_music["piece_id"], same_music["other_id"]) == ("p1", "p2")
    assert same_music["kind"] == "same music"
    assert same_music["in_order"] == same_music["onsets"] > 100


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=30))
def test_of_copies_with_the_same_notes_and_fingerprint_one_is_compared(
    pieces: list[tuple[int, int]],
) -> None:
    notes = np.array([note for note, _ in pieces], dtype=np.uint64).reshape(-1, 1)
    digests = np.array([(1, sketch) for _, sketch in pieces], dtype=np.uint64).reshape(-1, 2)
    copies = Copies.of(notes, digests)
    order = list(dict.fromkeys(pieces))
    assert copies.place.tolist() == [order.index(piece) for piece in pieces]
    assert copies.compared.tolist() == [pieces.index(piece) for piece in order]
    numbers = list(dict.fromkeys(note for note, _ in pieces))
    assert copies.notes.tolist() == [numbers.index(note) for note, _ in pieces]
