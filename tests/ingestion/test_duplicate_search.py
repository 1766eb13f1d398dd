"""The search as tasks over files: the same clusters and links as in one process."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.in_process import steps_in_process
from tests.midi.material import midi_file, scale_notes
from tunesmith.artifacts.store import Store
from tunesmith.errors import DatasetError, StoreError
from tunesmith.ingestion import duplicate_search, piece_rows, steps
from tunesmith.ingestion.duplicate_search import Search, search_duplicates
from tunesmith.ingestion.duplicates import find_duplicates
from tunesmith.ingestion.piece_rows import PieceRows, RowGroup
from tunesmith.ingestion.steps import step_rows
from tunesmith.midi import read_score
from tunesmith.midi.fingerprints import fingerprint
from tunesmith.midi.transforms import transpose_notes


def made_rows(n_tunes: int, seed: int = 0) -> pa.Table:
    """Return rows of pieces in a random order of path: tunes, copies, parts, and silent ones."""
    random = np.random.default_rng(seed)
    rows = []
    for tune in range(n_tunes):
        notes = read_score(midi_file(scale_notes(int(random.integers(8, 300)), seed=tune))).notes
        sketch = fingerprint(notes)
        rows += [(f"{tune:032x}", sketch)] * int(random.integers(1, 4))
        rows.append((f"{tune + 10_000:032x}", fingerprint(transpose_notes(notes, 2))))
        rows.append((f"{tune + 20_000:032x}", fingerprint(notes[: notes.size // 2])))
    rows += [(f"{1_000_000 + k // 2:032x}", np.empty(0, dtype=np.uint64)) for k in range(6)]
    ids = [f"{number:016x}" for number in random.permutation(2**20)[: len(rows)].tolist()]
    hashes, sketches = zip(*(rows[k] for k in random.permutation(len(rows))), strict=True)
    lists = pa.array([sketch.tolist() for sketch in sketches], pa.list_(pa.uint64()))
    return pa.table({"piece_id": ids, "note_hash": list(hashes), "fingerprint": lists})


def written(store: Store, rows: pa.Table, n_files: int) -> list[str]:
    """Write rows as batches do: dealt to files, with rows that are not kept among them."""
    order = np.random.default_rng(1).permutation(rows.num_rows)
    others = pa.table(
        {
            "piece_id": [f"{2**30 + number:016x}" for number in range(n_files)],
            "note_hash": ["0" * 32] * n_files,
            "fingerprint": pa.array([[2**40, 2**50]] * n_files, pa.list_(pa.uint64())),
        }
    )
    paths = []
    for number in range(n_files):
        own = pa.concat_tables([others.slice(number, 1), rows.take(order[number::n_files])])
        paths.append(store.path("rows", f"{number}.parquet"))
        store.fs.create_dir(store.path("rows"), recursive=True)
        pq.write_table(own, paths[-1], row_group_size=40)
    return paths


def kept_rows(store: Store, rows: pa.Table, n_files: int) -> PieceRows:
    return PieceRows.of(store, written(store, rows, n_files), None, rows["piece_id"].to_pylist())


@pytest.mark.parametrize(("n_files", "group_pieces"), [(1, 20_000), (2, 200), (5, 60)])
def test_clusters_and_links_are_those_of_one_process(
    store: Store, monkeypatch: pytest.MonkeyPatch, n_files: int, group_pieces: int
) -> None:
    done = steps_in_process(monkeypatch)
    monkeypatch.setattr(duplicate_search, "PART_PIECES", group_pieces)
    monkeypatch.setattr(piece_rows, "GROUP_PIECES", group_pieces)
    monkeypatch.setattr(duplicate_search, "BIN_PIECES", 50)
    rows = made_rows(80)
    found = find_duplicates(rows)
    divided = search_duplicates(store, ("work",), kept_rows(store, rows, n_files))
    assert divided.links.equals(found.links)
    np.testing.assert_array_equal(divided.clusters, found.clusters)
    assert found.clusters.max() < 100
    n_parts = max(-(-(rows.num_rows + n_files) // group_pieces), 1)
    assert [count for step, count in done if step in {"common", "pairs"}] == [n_parts] * 2
    assert n_parts > 1 or n_files == 1


@pytest.mark.parametrize("n_rows", [0, 1, 2])
def test_few_pieces_are_searched_too(
    store: Store, monkeypatch: pytest.MonkeyPatch, n_rows: int
) -> None:
    steps_in_process(monkeypatch)
    rows = made_rows(2).slice(0, n_rows)
    divided = search_duplicates(store, ("work",), kept_rows(store, rows, 1))
    found = find_duplicates(rows)
    assert divided.links.equals(found.links)
    np.testing.assert_array_equal(divided.clusters, found.clusters)


def test_more_pieces_than_can_be_numbered_are_refused(store: Store) -> None:
    with pytest.raises(DatasetError, match=r"16,777,217 pieces.*two datasets"):
        Search.of(store, ("work",), [RowGroup("x", "x", 0, 2**24 + 1)])


def test_a_file_that_is_gone_is_told_by_its_task(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = kept_rows(store, made_rows(3), 1)
    store.fs.delete_file(rows.row_groups[0].path)
    search = Search.of(store, ("work",), rows.row_groups)
    (message,) = step_rows({"number": ["0"]}, search, "index")["error"]
    assert "0.parquet" in message
    monkeypatch.setattr(steps, "results_of", lambda *_: [{"error": message}])
    with pytest.raises(StoreError, match=r"0\.parquet"):
        search_duplicates(store, ("work",), rows)


@pytest.mark.cluster
@pytest.mark.usefixtures("ray_cluster")
def test_the_tasks_run_on_a_cluster(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicate_search, "PART_PIECES", 100)
    monkeypatch.setattr(piece_rows, "GROUP_PIECES", 100)
    rows = made_rows(60)
    found = find_duplicates(rows)
    divided = search_duplicates(store, ("work",), kept_rows(store, rows, 3))
    assert divided.links.equals(found.links)
    np.testing.assert_array_equal(divided.clusters, found.clusters)
