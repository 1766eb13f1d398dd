import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tunesmith.errors import DatasetError
from tunesmith.ingestion.assembly import (
    Account,
    FileRow,
    account_for,
    check_losses,
    content_hash,
    leak_report,
)
from tunesmith.ingestion.labels import Labelled
from tunesmith.ingestion.sources import Entry, Reject


def labelled(path: str, label: str | None = "Bach") -> Labelled:
    return Labelled(Entry(path, path, (path,), 1, ""), label or "", label)


def reject(path: str) -> Reject:
    return Reject(path, "read", "NotMidi", "no")


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans(), st.booleans()), max_size=30))
def test_every_file_is_in_one_place(files):
    given_files, rows = [], {}
    for number, (content, is_rejected, has_label) in enumerate(files):
        path = f"{number:02d}.mid"
        given_files.append(labelled(path, "Bach" if has_label else None))
        rows[path] = FileRow(content, reject(path) if is_rejected else None)
    account = account_for(given_files, rows, [reject("list.mid")])
    assert account.found == len(files) + 1
    paths = [f.entry.path for f, _ in account.kept + account.duplicates]
    paths += [r.path for r in account.rejects]
    assert sorted(paths) == sorted([f.entry.path for f in given_files] + ["list.mid"])
    contents = [sha256 for _, sha256 in account.kept]
    assert len(contents) == len(set(contents))
    assert {sha256 for _, sha256 in account.duplicates} <= set(contents)


def test_of_identical_files_the_labelled_one_is_kept():
    files = [labelled("a.mid", None), labelled("b.mid"), labelled("c.mid")]
    rows = {f.entry.path: FileRow("x", None) for f in files}
    account = account_for(files, rows, [])
    assert [f.entry.path for f, _ in account.kept] == ["b.mid"]
    assert [f.entry.path for f, _ in account.duplicates] == ["a.mid", "c.mid"]


@pytest.mark.parametrize(
    ("lost", "budget", "fails"), [(1, 0.05, False), (2, 0.05, True), (9, 1, 0)]
)
def test_the_loss_budget(lost, budget, fails):
    kept = [(labelled(f"{i}.mid"), str(i)) for i in range(20 - lost)]
    account = Account(kept, [], [reject(f"r{i}.mid") for i in range(lost)])
    if fails:
        with pytest.raises(DatasetError, match=r"2 of 20 .*10.0%.*5.0%.*2 NotMidi.*r0.mid"):
            check_losses(account, budget)
    else:
        check_losses(account, budget)


def test_all_rejected_is_an_error_at_any_budget():
    with pytest.raises(DatasetError, match="None of 1 files"):
        check_losses(Account([], [], [reject("a.mid")]), 1.0)


def test_the_leak_of_a_random_split_is_counted_over_labelled_pieces():
    labels = ["Bach"] * 50 + [None] * 10
    alone = leak_report(labels, np.arange(60))
    assert (alone.held_out, alone.leaked, alone.in_clusters) == (10, 0, 0)
    pairs = leak_report(labels, np.arange(60) // 2)
    assert pairs.in_clusters == 60
    assert 5 <= pairs.leaked <= 10


def test_the_content_of_many_pieces_is_digested_a_few_at_a_time():
    n = 20_000
    texts = ("path", "sha256", "label", "raw_label", "note_hash", "reader")
    columns = {name: [f"{name} {row}" for row in range(n)] for name in texts}
    numbers = {name: range(n) for name in ("cluster", "n_chunks", "n_notes")}
    pieces = pa.table(columns | {name: pa.array(row) for name, row in numbers.items()})
    tracemalloc.start()
    try:
        at_once = content_hash("key", pieces, Account([], [], []))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 500 * n
    in_chunks = pa.concat_tables([pieces[:7], pieces[7:]])
    assert content_hash("key", in_chunks, Account([], [], [])) == at_once
    assert content_hash("key", pieces[1:], Account([], [], [])) != at_once
