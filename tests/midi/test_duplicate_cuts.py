"""The search in cuts: exactly the links of the search in one process, however it is divided."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.midi.material import midi_file, scale_notes
from tunesmith.midi import duplicate_cuts, read_score
from tunesmith.midi.duplicate_cuts import (
    candidates,
    common_hashes,
    compared,
    enough_shared,
    index_parts,
    leading,
    numbered,
    pairs_in_bins,
    split_pairs,
)
from tunesmith.midi.duplicates import LINK_DTYPE, RARE, Sketches, duplicate_links
from tunesmith.midi.fingerprints import PLACE_BITS, fingerprint
from tunesmith.midi.transforms import transpose_notes

Fingerprints = list[NDArray[np.uint64]]


def links_in_cuts(prints: Fingerprints, n_parts: int, n_groups: int) -> NDArray[np.void]:
    """Return the links as tasks find them, the pieces dealt to the groups in turn."""
    n = len(prints)
    groups = [np.arange(n)[number::n_groups] for number in range(n_groups)]
    sketches = [Sketches.of([prints[row] for row in rows]) for rows in groups]
    numbers = np.concatenate(groups).astype(np.int32)  # by address
    firsts = np.cumsum([0] + [len(rows) for rows in groups])
    index = [index_parts(s, n_parts, int(f)) for s, f in zip(sketches, firsts, strict=False)]
    parts = [
        numbered(np.concatenate([of[part] for of in index]), numbers) for part in range(n_parts)
    ]
    common = [common_hashes(part) for part in parts]
    lead = [leading([numbered(part, numbers) for part in of], common) for of in index]
    bins = (np.arange(n) % n_groups).astype(np.int32)
    pairs: list[Fingerprints] = [[np.empty(0, dtype=np.uint64)] for _ in groups]
    for number, part in enumerate(parts):
        leading_on = np.sort(np.concatenate([of[number] for of in lead]))
        for in_bins in pairs_in_bins(part, leading_on, bins, n_groups):
            for of, found in zip(pairs, in_bins, strict=True):
                of.append(found)
    enough = enough_shared(np.array([sketch.size for sketch in prints], dtype=np.int64))
    links = [np.empty(0, dtype=LINK_DTYPE)]
    for number, of_bin in enumerate(pairs):
        chosen = candidates(np.concatenate(of_bin), enough)
        later, earlier = split_pairs(chosen)
        for other in range(n_groups):
            mask = earlier % n_groups == other
            links.append(
                compared(
                    chosen[mask], sketches[number], later[mask] // n_groups,
                    sketches[other], earlier[mask] // n_groups,
                )
            )  # fmt: skip
    every = np.concatenate(links)
    ordered: NDArray[np.void] = every[np.lexsort((every["second"], every["first"]))]
    return ordered


def made_prints(seed: int, n: int, n_tunes: int, share_common: float) -> Fingerprints:
    """Return fingerprints of windows of a few tunes, some of whose hashes all tunes have.

    The hashes lie where the index takes its share from.
    """
    random = np.random.default_rng(seed)
    figures = random.integers(0, 2**36, 60, dtype=np.uint64)
    tunes = []
    for _ in range(n_tunes):
        tune = random.integers(0, 2**37, int(random.integers(2, 200)), dtype=np.uint64)
        is_common = random.random(tune.size) < share_common
        tune[is_common] = random.choice(figures, np.count_nonzero(is_common))
        tunes.append(tune)
    prints = []
    for _ in range(n):
        tune = tunes[int(random.integers(n_tunes))]
        start = int(random.integers(tune.size))
        hashes = tune[start : start + 1 + int(random.integers(tune.size))]
        hashes = hashes[random.random(hashes.size) < 0.9]
        places = np.arange(hashes.size, dtype=np.uint64)
        _, first = np.unique(hashes, return_index=True)
        entries = (hashes[first] << np.uint64(PLACE_BITS)) | places[first]
        prints.append(np.sort(entries))
    return prints


@given(
    st.integers(0, 2**32), st.integers(0, 150), st.integers(1, 40), st.sampled_from([0, 0.2, 0.9]),
    st.integers(1, 7), st.integers(1, 5),
)  # fmt: skip
def test_the_links_are_those_of_one_process(
    seed: int, n: int, n_tunes: int, share_common: float, n_parts: int, n_groups: int
) -> None:
    prints = made_prints(seed, n, n_tunes, share_common)
    links = duplicate_links(Sketches.of(prints))
    np.testing.assert_array_equal(links_in_cuts(prints, n_parts, n_groups), links)


@pytest.fixture(scope="module")
def many() -> Fingerprints:
    """Return fingerprints of made pieces with parts, other keys and figures that all share."""
    random = np.random.default_rng(0)
    figure = read_score(midi_file(scale_notes(40, seed=999))).notes
    prints = []
    for seed in range(90):
        notes = read_score(midi_file(scale_notes(int(random.integers(8, 400)), seed=seed))).notes
        prints += [fingerprint(notes), fingerprint(transpose_notes(notes, 3))]
        prints.append(fingerprint(notes[: notes.size // 2]))
        with_figure = np.concatenate([figure, notes])
        with_figure["onset_s"][figure.size :] += figure["onset_s"].max() + 1
        prints.append(fingerprint(with_figure))
    prints += [np.empty(0, dtype=np.uint64)] * 3
    return [prints[k] for k in random.permutation(len(prints))]


@pytest.mark.parametrize("n_parts", [1, 2, 7])
@pytest.mark.parametrize("n_groups", [1, 3])
def test_the_links_of_many_pieces_do_not_depend_on_the_cuts(
    many: Fingerprints, n_parts: int, n_groups: int
) -> None:
    links = duplicate_links(Sketches.of(many))
    assert len(links) > 150
    assert len(common_hashes(numbered(*_index(many)))[0]) > 5  # a hash in more than RARE pieces
    np.testing.assert_array_equal(links_in_cuts(many, n_parts, n_groups), links)


def _index(prints: Fingerprints) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    (postings,) = index_parts(Sketches.of(prints), 1)
    return postings, np.arange(len(prints), dtype=np.int32)


@pytest.mark.parametrize("n_notes", [33, 100])
def test_entries_of_very_many_pieces_lead_to_the_one_before(n_notes: int) -> None:
    sketch = fingerprint(read_score(midi_file(scale_notes(n_notes, seed=7))).notes)
    prints = [sketch] * 2100 + made_prints(1, 50, 5, 0.2)
    links = duplicate_links(Sketches.of(prints))
    assert np.count_nonzero(links["second"] == links["first"] + 1) >= 2099
    np.testing.assert_array_equal(links_in_cuts(prints, 3, 2), links)


def test_pairs_come_in_slices_of_a_size(
    many: Fingerprints, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = duplicate_links(Sketches.of(many))
    postings = numbered(*_index(many))
    bins = np.zeros(len(many), dtype=np.int32)
    monkeypatch.setattr(duplicate_cuts, "_PAIRS_AT_ONCE", 1000)
    sizes = [pairs.size for (pairs,) in pairs_in_bins(postings, postings[:0], bins, 1)]
    assert len(sizes) > 3
    assert max(sizes) <= 1000
    np.testing.assert_array_equal(links_in_cuts(many, 2, 2), links)


def test_pieces_without_a_number_are_left_out() -> None:
    prints = made_prints(3, 20, 2, 0)
    postings, numbers = _index(prints)
    numbers[5:] = -1
    left = numbered(postings, numbers)
    assert set((left & np.uint64(2**PLACE_BITS - 1)).tolist()) <= set(range(5))
    np.testing.assert_array_equal(left, numbered(*_index(prints[:5])))


def test_a_piece_with_enough_rare_hashes_does_not_lead_on_by_common_ones() -> None:
    common = np.arange(20, dtype=np.uint64)
    rare = 1000 + np.arange(40, dtype=np.uint64)
    own = np.concatenate([common << np.uint64(PLACE_BITS), rare << np.uint64(PLACE_BITS)])
    own[: common.size] |= np.uint64(1)  # piece 1 has the common hashes alone, piece 0 both
    of_common = (common, RARE + 20 - np.arange(20))
    (chosen,) = leading([np.sort(own)], [of_common])
    assert (chosen & np.uint64(1)).all()
    # The rarest sixteen, in order of their hashes.
    np.testing.assert_array_equal(chosen >> np.uint64(PLACE_BITS), common[4:])
    both = np.sort(np.concatenate([common, rare])) << np.uint64(PLACE_BITS)
    assert leading([both], [of_common])[0].size == 0
