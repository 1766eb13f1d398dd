"""Files of music as Ray Data reads them: every file a row, archives in place, blocks by size."""

import zipfile
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

import tunesmith
from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.datasets.reader import note_arrays, open_dataset
from tunesmith.errors import UsageError
from tunesmith.ingestion import datasource, pipeline
from tunesmith.ingestion.datasource import MidiDatasource, row_schema
from tunesmith.ingestion.parameters import IngestParameters


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, midi_factory):
    root = tmp_path_factory.mktemp("music")
    for composer, seeds in {"Bach": range(4), "Chopin": range(4, 6)}.items():
        (root / composer).mkdir()
        for seed in seeds:
            (root / composer / f"{seed}.mid").write_bytes(midi_factory(seed=seed))
    with zipfile.ZipFile(root / "Chopin" / "more.zip", "w") as archive:
        archive.writestr("inside.mid", midi_factory(seed=9))
        archive.writestr("broken.mid", b"not MIDI")
    (root / "Bach" / "damaged.zip").write_bytes(b"PK no archive")
    return root


def blocks_of(source, parallelism=3):
    return [block for task in source.get_read_tasks(parallelism) for block in task()]


def test_every_file_is_a_row_with_notes_or_a_reason(corpus, tmp_path, monkeypatch):
    table = pa.concat_tables(blocks_of(MidiDatasource([str(corpus)])))
    assert table.schema.equals(row_schema())
    rows = {row["path"].split("/", 1)[1]: row for row in table.to_pylist()}
    assert len(rows) == table.num_rows == 9
    assert rows["Bach/0.mid"]["label"] == "Bach"
    assert rows["Chopin/more.zip/inside.mid"]["error"] is None
    for name, error in (("Chopin/more.zip/broken.mid", "NotMidi"), ("Bach/damaged.zip", None)):
        assert rows[name]["error"] == (error or rows[name]["error"])
        assert rows[name]["message"]
        assert rows[name]["pitch"] == []
    ingest_in_process(monkeypatch)
    pipeline.ingest(Store(tmp_path), [str(corpus)], "same", IngestParameters(loss_budget=1))
    dataset = open_dataset(Store(tmp_path), "same")
    path = dataset.pieces().set_index("piece_id")["path"]
    read = note_arrays(table.rename_columns({"path": "piece_id"}))
    for piece_id, notes in dataset.notes().items():
        np.testing.assert_array_equal(read[path[piece_id]], notes)
    kept = {row["path"] for row in rows.values() if row["error"] is None}
    assert kept == set(path)


def test_tasks_share_the_files_and_blocks_are_bounded(corpus, monkeypatch):
    source = MidiDatasource([str(corpus / "Bach"), str(corpus / "Chopin")])
    for parallelism in (1, 3, 200):
        tasks = source.get_read_tasks(parallelism)
        assert len(tasks) <= max(parallelism, 1) + 1
        planned = sum(task.metadata.num_rows for task in tasks)
        assert planned == sum(block.num_rows for task in tasks for block in task()) == 9
    monkeypatch.setattr(datasource, "_BLOCK_NOTES", 50)
    assert len(blocks_of(source, 1)) > 4
    assert source.estimate_inmemory_data_size() > 0
    assert blocks_of(MidiDatasource([str(corpus / "Bach")], IngestParameters(label="none")))


def test_a_row_limit_is_kept(corpus):
    (task, *_) = MidiDatasource([str(corpus)]).get_read_tasks(1, per_task_row_limit=2)
    assert sum(block.num_rows for block in task()) == 2


def test_sources_that_do_not_exist_are_refused_at_once(corpus):
    with pytest.raises(UsageError, match="nowhere"):
        tunesmith.read_midi(corpus / "nowhere")
    with pytest.raises(UsageError, match="label"):
        tunesmith.read_midi(corpus, label="colour")


@pytest.mark.cluster
@pytest.mark.usefixtures("ray_cluster")
def test_a_pipeline_of_ray_data_reads_them(corpus):
    from ray.data.expressions import col

    pieces = tunesmith.read_midi(corpus, override_num_blocks=2)
    readable = pieces.filter(expr=col("error").is_null())
    counted = readable.map(lambda row: {"label": row["label"], "n": len(row["pitch"])})
    totals: Counter[str] = Counter()
    for row in counted.take_all():
        totals[row["label"]] += row["n"]
    assert totals.keys() >= {"Bach", "Chopin"}
    assert min(totals.values()) > 100
    assert pieces.count() == 9
