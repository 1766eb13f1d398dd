"""The tables with a row for each piece: the same in one process and by tasks over files."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from tests.in_process import ingest_in_process, steps_in_process
from tunesmith.artifacts.store import Store
from tunesmith.datasets.reader import open_dataset
from tunesmith.datasets.schema import FINGERPRINTS, piece_schema
from tunesmith.ingestion import duplicate_search, piece_rows, piece_tables, planning
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.pipeline import ingest

LENIENT = IngestParameters(loss_budget=0.2)
N_PIECES = 26


@pytest.fixture
def corpus(tmp_path: Path, midi_factory: Callable[..., bytes]) -> Path:
    """Pieces of two composers, some in other bytes too, a byte-identical pair, and a reject."""
    root = tmp_path / "corpus"
    for number in range(N_PIECES):
        folder = root / ("Bach" if number % 3 else "Chopin")
        folder.mkdir(parents=True, exist_ok=True)
        seed, bpm = number % 20, 120 if number < 20 else 90
        data = midi_factory(seed=seed, n_notes=120 + 5 * seed, bpm=bpm)
        (folder / f"{number:02d}.mid").write_bytes(data)
    (root / "Bach" / "again.mid").write_bytes((root / "Bach" / "01.mid").read_bytes())
    (root / "Bach" / "broken.mid").write_bytes(b"not MIDI at all")
    return root


@pytest.fixture
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few rows a file, and few a group and part of the index."""
    ingest_in_process(monkeypatch)
    monkeypatch.setattr(planning, "_MIN_BATCH_FILES", 8)
    monkeypatch.setattr(piece_tables, "FILE_ROWS", 7)
    monkeypatch.setattr(piece_rows, "GROUP_PIECES", 10)
    monkeypatch.setattr(duplicate_search, "PART_PIECES", 10)


@pytest.fixture
def divided(small_files: None, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Let the work be divided, in this process; a list gets each step and its tasks."""
    monkeypatch.setattr(piece_tables, "DIVIDED_FROM", 2)
    return steps_in_process(monkeypatch)


def tables_of(store: Store, name: str) -> dict[str, pa.Table]:
    dataset = open_dataset(store, name)
    return {table: dataset.table(table) for table in ("pieces", "fingerprints", "links")}


def test_a_version_is_the_same_in_one_process_and_by_tasks(
    store: Store,
    corpus: Path,
    midi_factory: Callable[..., bytes],
    small_files: None,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    alone = ingest(store, [str(corpus)], "alone", LENIENT)
    done = request.getfixturevalue("divided")
    started = []
    many = ingest(store, [str(corpus)], "many", LENIENT, start_ray=lambda: started.append(1))
    assert [step for step, _ in done] == [
        "index", "common", "leading", "pairs", "links", "cut", "write",
    ]  # fmt: skip
    assert dict(done)["cut"] > 1
    assert len(started) == 1
    assert [file.rows for file in many.tables["pieces"]] == [7, 7, 7, 5]
    assert [file.rows for file in many.tables["fingerprints"]] == [7, 7, 7, 5]
    assert many.content_hash == alone.content_hash
    assert many.tables == alone.tables
    assert (many.counts, many.leak, many.columns) == (alone.counts, alone.leak, alone.columns)
    tables = tables_of(store, "many")
    assert tables == tables_of(store, "alone")
    assert tables["pieces"].schema.names == piece_schema().names
    kept_format = tables["fingerprints"].schema.field("fingerprint").metadata
    assert kept_format == FINGERPRINTS.field("fingerprint").metadata
    assert tables["links"].num_rows >= 5
    paths = tables["pieces"]["path"].to_pylist()
    assert paths == sorted(paths)
    assert len(paths) == N_PIECES

    # A later version takes most rows from this one, and leaves some out.
    (corpus / "Bach" / "00 new.mid").write_bytes(midi_factory(seed=50))
    (corpus / "Bach" / "07.mid").unlink()
    second = ingest(store, [str(corpus)], "many", LENIENT)
    assert done[-1] == ("write", 4)
    monkeypatch.setattr(piece_tables, "DIVIDED_FROM", 1000)
    again = ingest(store, [str(corpus)], "alone", LENIENT)
    assert second.content_hash == again.content_hash
    assert second.version != many.version
    assert tables_of(store, "many") == tables_of(store, "alone")


@pytest.mark.usefixtures("divided")
def test_intermediate_files_are_gone_from_the_version(store: Store, corpus: Path) -> None:
    manifest = ingest(store, [str(corpus)], "many", LENIENT)
    assert not store.list("datasets", "many", manifest.version, "work")
    features = open_dataset(store, "many").features()
    assert features.shape == (N_PIECES, len(manifest.feature_names))


@pytest.mark.cluster
@pytest.mark.usefixtures("ray_cluster")
def test_the_tables_are_written_on_a_cluster(
    store: Store, corpus: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = ingest(store, [str(corpus)], "alone", LENIENT)
    monkeypatch.setattr(piece_tables, "DIVIDED_FROM", 2)
    many = ingest(store, [str(corpus)], "many", LENIENT)
    assert many.content_hash == alone.content_hash
    assert many.tables == alone.tables
