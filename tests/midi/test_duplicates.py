"""Clusters of the same music: copies and excerpts join, and false links do not chain."""

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.midi.material import midi_file, scale_notes
from tunesmith.midi import duplicates, read_score
from tunesmith.midi.duplicates import (
    LINK_DTYPE,
    Sketches,
    clusters_by_links,
    duplicate_clusters,
    duplicate_links,
)
from tunesmith.midi.fingerprints import PLACE_BITS, fingerprint
from tunesmith.midi.matching import compare


def random_piece(seed: int, n: int = 300) -> NDArray[np.void]:
    return read_score(midi_file(scale_notes(n, seed=seed))).notes


def random_sketch(random: np.random.Generator, n: int = 200) -> NDArray[np.uint64]:
    hashes = np.unique(random.integers(0, 2**38, n).astype(np.uint64))
    places = random.permutation(hashes.size).astype(np.uint64)
    return (hashes << np.uint64(PLACE_BITS)) | places


def links_of(*rows: tuple[int, int, float]) -> NDArray[np.void]:
    links = np.zeros(len(rows), dtype=LINK_DTYPE)
    for link, (first, second, strength) in zip(links, rows, strict=True):
        link["first"], link["second"], link["strength"] = first, second, strength
    return links


def test_a_part_of_a_piece_joins_it_and_other_music_does_not() -> None:
    pieces = [random_piece(seed) for seed in range(30)]
    halves = [p[: p.size // 2] for p in pieces]
    quarters = [p[p.size // 2 : 3 * p.size // 4] for p in pieces]
    labels = duplicate_clusters([fingerprint(p) for p in pieces + halves + quarters])
    np.testing.assert_array_equal(labels, np.tile(np.arange(30), 3))


def test_a_short_piece_and_its_copy_meet() -> None:
    short = random_piece(1, n=12)
    labels = duplicate_clusters([fingerprint(random_piece(2)), fingerprint(short)] * 2)
    assert labels.tolist() == [0, 1, 0, 1]


def test_pieces_without_a_fingerprint_stay_alone() -> None:
    empty = np.empty(0, dtype=np.uint64)
    assert duplicate_clusters([]).tolist() == []
    assert duplicate_clusters([empty, empty]).tolist() == [0, 1]


@pytest.mark.parametrize("n_copies", [100, 3000])
@pytest.mark.parametrize("n_notes", [33, 100])
def test_any_number_of_copies_is_one_cluster(n_copies: int, n_notes: int) -> None:
    sketch = fingerprint(random_piece(7, n=n_notes))
    assert set(duplicate_clusters([sketch] * n_copies)) == {0}


def test_a_link_carries_its_evidence() -> None:
    whole, half = fingerprint(random_piece(5)), fingerprint(random_piece(5)[:150])
    (link,) = duplicate_links(Sketches.of([whole, fingerprint(random_piece(6)), half]))
    likeness = compare(whole, half)
    assert (link["first"], link["second"]) == (0, 2)
    for name in ("shared", "in_order", "onsets", "strength"):
        assert link[name] == pytest.approx(getattr(likeness, name))


def test_links_do_not_depend_on_how_many_pieces_are_looked_at_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pieces = [random_piece(seed) for seed in range(12)]
    sketches = Sketches.of([fingerprint(p) for p in pieces + [p[:200] for p in pieces]])
    links = duplicate_links(sketches)
    assert [(a, b) for a, b, *_ in links.tolist()] == [(i, i + 12) for i in range(12)]
    for at_once in (1, 5):
        monkeypatch.setattr(duplicates, "_PIECES_AT_ONCE", at_once)
        np.testing.assert_array_equal(duplicate_links(sketches), links)


def test_a_weak_link_joins_two_pieces_and_no_two_clusters() -> None:
    weak, strong = 1.05, 4.0
    assert clusters_by_links(links_of((0, 1, weak)), 2).tolist() == [0, 0]
    groups = [(0, 1, strong), (1, 2, strong), (3, 4, strong), (4, 5, strong)]
    assert clusters_by_links(links_of(*groups, (2, 3, weak)), 6).tolist() == [0, 0, 0, 1, 1, 1]
    assert clusters_by_links(links_of(*groups, (2, 3, 1.5)), 6).tolist() == [0] * 6


def test_false_links_do_not_chain() -> None:
    random = np.random.default_rng(0)
    n, n_links = 2_000, 4_000
    links = np.zeros(n_links, dtype=LINK_DTYPE)
    ends = np.sort(random.integers(0, n, (n_links, 2)), axis=1)
    links["first"], links["second"] = ends[:, 0], ends[:, 1]
    links["strength"] = 1 + random.exponential(0.05, n_links)
    sizes = np.bincount(clusters_by_links(links, n))
    # Single linkage would make one cluster of almost all of them.
    assert sizes.max() <= 20


def test_pieces_with_the_same_notes_are_one_cluster_from_the_start() -> None:
    same = np.array([0, 1, 0, 2])
    assert clusters_by_links(links_of(), 4, same).tolist() == [0, 1, 0, 2]
    assert clusters_by_links(links_of((1, 2, 1.2)), 4, same).tolist() == [0, 0, 0, 1]


def test_cost_does_not_grow_with_the_number_of_pairs() -> None:
    random = np.random.default_rng(0)

    def cost_s(n: int) -> float:
        sketches = [random_sketch(random) for _ in range(n)]
        start = time.process_time()
        assert duplicate_clusters(sketches).max() == n - 1
        return time.process_time() - start

    cost_s(100)
    small_s, large_s = (min(cost_s(n) for _ in range(3)) for n in (800, 8000))
    assert large_s < 40 * max(small_s, 0.01)  # all pairs: 100 times
