"""Order of hashes, beside NumPy's sort."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tunesmith.midi.hash_order import distinct_entries, ordered_entries, ordered_hashes

PLACE_BITS = 24

# Whole range, few different values, and values whose leading bits are all alike.
hashes = st.one_of(
    arrays(np.uint64, st.integers(0, 200), elements=st.integers(0, 2**64 - 1)),
    arrays(np.uint64, st.integers(0, 200), elements=st.sampled_from([0, 1, 2**63, 2**64 - 1])),
    arrays(np.uint64, st.integers(0, 200), elements=st.integers(0, 300)),
)


@given(hashes)
def test_hashes_are_in_order(values: np.ndarray) -> None:
    np.testing.assert_array_equal(ordered_hashes(values), np.sort(values))


@given(hashes)
def test_entries_keep_their_owners(values: np.ndarray) -> None:
    owners = np.arange(values.size, dtype=np.uint32)
    order = np.argsort(values, kind="stable")
    ordered, owned = ordered_entries(values, owners)
    np.testing.assert_array_equal(ordered, values[order])
    np.testing.assert_array_equal(owned, owners[order])


@given(arrays(np.uint64, st.integers(0, 200), elements=st.integers(1, 2**64 - 1)) | hashes)
def test_each_hash_keeps_its_first_place(values: np.ndarray) -> None:
    first: dict[int, int] = {}
    for value in np.maximum(values, 1).tolist():
        hash_ = value >> PLACE_BITS
        first[hash_] = min(first.get(hash_, value), value)
    assert distinct_entries(values, PLACE_BITS).tolist() == sorted(first.values())


def test_one_hash_many_times_is_no_more_work() -> None:
    # A million entries of one hash would take hours if they were sorted before they are told apart.
    places = np.arange(1_000_000, 0, -1, dtype=np.uint64)
    values = np.uint64(7 << PLACE_BITS) + places
    assert distinct_entries(values, PLACE_BITS).tolist() == [(7 << PLACE_BITS) + 1]
