import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tunesmith.artifacts.manifest import TableFile
from tunesmith.datasets.reader import Dataset
from tunesmith.datasets.schema import STATISTICS, TABLES, note_schema, piece_schema
from tunesmith.errors import DatasetError
from tunesmith.midi import NOTE_DTYPE, read_score
from tunesmith.midi.statistics import piece_statistics


def test_the_statistics_on_disk_are_those_of_the_midi_room(midi_factory):
    told = piece_statistics(read_score(midi_factory()))
    assert set(told) == set(STATISTICS.names)
    assert set(note_schema().names) == {"piece_id", *NOTE_DTYPE.names}


def test_every_table_is_there_with_its_schema(dataset):
    assert set(dataset.manifest.tables) == set(TABLES)
    assert dataset.table("pieces").schema.equals(piece_schema())
    for name in TABLES:
        table = dataset.table(name)
        assert dataset.manifest.columns[name] == {f.name: str(f.type) for f in table.schema}
        rows = sum(file.rows for file in dataset.manifest.tables[name])
        assert rows == table.num_rows


def test_counts_are_what_the_tables_hold(dataset):
    counts, pieces = dataset.manifest.counts, dataset.pieces()
    assert counts.kept == len(pieces) == 12
    assert counts.rejected == len(dataset.rejects()) == 1
    assert counts.duplicate == len(dataset.duplicates()) == 1
    assert counts.chunks == len(dataset.chunks()) == pieces["n_chunks"].sum()
    assert counts.notes == sum(map(len, dataset.notes().values())) == pieces["n_notes"].sum()
    assert counts.unlabelled == pieces["label"].isna().sum() == 1
    assert dataset.labels == ["Bach", "Chopin & Co"]


def test_the_same_music_at_another_tempo_shares_a_cluster(dataset):
    pieces = dataset.pieces()
    cluster = pieces.set_index("path")["cluster"]
    assert cluster["pieces/Bach/0.mid"] == cluster["pieces/Bach/faster <0>.mid"]
    assert pieces["cluster"].nunique() == 11


def test_a_link_names_both_pieces_and_its_evidence(dataset):
    path = dataset.pieces().set_index("piece_id")["path"]
    (link,) = dataset.links().to_dict("records")
    assert {path[link["piece_id"]], path[link["other_id"]]} == {
        "pieces/Bach/0.mid", "pieces/Bach/faster <0>.mid",
    }  # fmt: skip
    assert link["kind"] == "same music"
    assert link["in_order"] == link["onsets"] > 0
    assert link["strength"] > 1


def test_versions_of_before_links_are_read_and_their_fingerprints_made_again(dataset):
    prints = dataset.fingerprints()
    path = dataset.path("fingerprints", "hashes-alone.parquet")
    hashes = pa.array([[1, 2**63]] * len(prints), pa.list_(pa.uint64()))
    pq.write_table(pa.table({"piece_id": list(prints), "fingerprint": hashes}), path)
    file = TableFile(path="fingerprints/hashes-alone.parquet", rows=len(prints), bytes=1)
    tables = {**dataset.manifest.tables, "fingerprints": [file]}
    del tables["links"]
    old = Dataset(dataset.store, dataset.manifest.model_copy(update={"tables": tables}))
    assert old.links().empty
    made = old.fingerprints()
    assert made.keys() == prints.keys()
    for name, sketch in made.items():
        np.testing.assert_array_equal(sketch, prints[name])


def test_pieces_can_be_chosen(dataset):
    ids = dataset.pieces()["piece_id"].tolist()
    wanted = [ids[4], ids[1]]
    assert list(dataset.notes(wanted)) == wanted
    every = dataset.features()
    np.testing.assert_array_equal(dataset.features(wanted), every[[4, 1]])
    assert set(dataset.chunks(wanted).piece_index) == {0, 1}
    assert len(dataset.chunks([])) == 0
    assert dataset.notes([]) == {}


@pytest.mark.parametrize("read", ["chunks", "notes", "features"])
def test_a_piece_that_is_not_there(dataset, read):
    with pytest.raises(DatasetError, match="not in small"):
        getattr(dataset, read)(["0123456789abcdef"])


def test_a_lost_file_is_told(dataset):
    path = dataset.store.local_path("datasets", "small", dataset.version)
    hidden = path / "rejects" / "gone"
    file = path / "rejects" / "part-00000.parquet"
    file.rename(hidden)
    try:
        with pytest.raises(DatasetError, match="missing or damaged"):
            dataset.rejects()
    finally:
        hidden.rename(file)


def test_pandas_and_duckdb_read_the_tables_alone(dataset):
    folder = dataset.path()
    pieces = pd.read_parquet(f"{folder}/pieces")
    assert len(pieces) == 12
    chunks = pd.read_parquet(f"{folder}/chunks")
    rolls = np.stack([np.frombuffer(roll, np.uint8).reshape(150, 128) for roll in chunks["roll"]])
    assert rolls.shape == dataset.chunks().rolls.shape
    query = f"""
        select label, count(*) from '{folder}/chunks/*.parquet' c
        join '{folder}/pieces/*.parquet' p using (piece_id) group by label order by label
    """  # noqa: S608 - a path of this test
    counted = dict(duckdb.sql(query).fetchall())
    expected = pieces.groupby("label", dropna=False)["n_chunks"].sum()
    # A piece of drums alone has no chunks.
    assert counted == {label: n_chunks for label, n_chunks in expected.items() if n_chunks}
    ((length,),) = duckdb.sql(
        f"select max(octet_length(roll)) from '{folder}/chunks/*.parquet'"  # noqa: S608
    ).fetchall()
    assert length == 150 * 128
