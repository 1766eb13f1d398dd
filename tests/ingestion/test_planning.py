from hypothesis import given
from hypothesis import strategies as st

from tunesmith.ingestion.planning import plan_batches, plan_key
from tunesmith.ingestion.sources import Entry


def entry(number: int, size: int) -> Entry:
    return Entry(f"{number:05d}.mid", f"{number:05d}.mid", (f"/x/{number}",), size, "")


@given(st.lists(st.integers(0, 200_000), max_size=300))
def test_every_file_is_in_one_batch_and_equal_sizes_are_together(sizes):
    batches = plan_batches([entry(i, size) for i, size in enumerate(sizes)])
    paths = [path for batch in batches for path in batch.paths]
    assert sorted(paths) == [f"{i:05d}.mid" for i in range(len(sizes))]
    where = {path: batch.key for batch in batches for path in batch.paths}
    keys = [(size, where[f"{i:05d}.mid"]) for i, size in enumerate(sizes)]
    assert len(set(keys)) == len(set(sizes))
    assert all(batch.paths == sorted(batch.paths) for batch in batches)


def test_batches_are_few_and_even():
    sizes = [5_000 + 37 * (i % 1000) for i in range(5000)]
    batches = plan_batches([entry(i, size) for i, size in enumerate(sizes)])
    assert len(batches) == 8
    weights = [sum(sizes[int(path[:5])] for path in batch.paths) for batch in batches]
    assert max(weights) < 1.02 * min(weights)


def test_a_small_corpus_is_one_batch_and_a_large_one_many():
    assert len(plan_batches([entry(i, 1000 + i) for i in range(20)])) == 1
    assert len(plan_batches([entry(i, 100_000 + i) for i in range(10_000)])) == 44


def test_numbers_continue():
    assert plan_batches([entry(0, 1)], first_number=7)[0].key == "part-00007"


def test_the_key_names_this_very_work():
    files = [entry(0, 1), entry(1, 2)]
    assert plan_key(files, "a") == plan_key(files, "a")
    others = [plan_key(files, "b"), plan_key(files[:1], "a"), plan_key([entry(0, 1), entry(1, 3)])]
    assert plan_key(files, "a") not in others
