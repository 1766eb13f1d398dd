import errno
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import FileSelector

from tests.in_process import ingest_in_process
from tunesmith.artifacts import durable
from tunesmith.artifacts.locks import only_one
from tunesmith.artifacts.manifest import dataset_versions, remove_version
from tunesmith.datasets.reader import open_dataset
from tunesmith.errors import DatasetError, UsageError
from tunesmith.ingestion import pipeline, publishing
from tunesmith.ingestion.inventory import take_inventory
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.pipeline import ingest
from tunesmith.midi import chunk_roll, read_score, velocity_roll


@pytest.fixture(autouse=True)
def without_ray(monkeypatch):
    """Run batches in this process: what Ray does to them is tested in test_cluster.py."""

    ingest_in_process(monkeypatch)


@pytest.fixture
def corpus(tmp_path, midi_factory):
    """Two composers, a byte-identical pair, a file that is no MIDI, a readme, a nested zip."""
    root = tmp_path / "corpus"
    for composer, seeds in {"Bach": range(6), "Mendelsonn": range(10, 14)}.items():
        (root / composer).mkdir(parents=True)
        for seed in seeds:
            (root / composer / f"piece {seed}.mid").write_bytes(midi_factory(seed=seed))
    (root / "Bach" / "again.MID").write_bytes(midi_factory(seed=0))
    (root / "Bach" / "broken.mid").write_bytes(b"not MIDI at all")
    (root / "readme.txt").write_text("hello")
    with zipfile.ZipFile(root / "Bach" / "more.zip", "w") as archive:
        archive.writestr("inside.mid", midi_factory(seed=20))
    return root


LENIENT = IngestParameters(loss_budget=0.2)


def test_every_file_is_accounted_for(store, corpus):
    manifest = ingest(store, [str(corpus)], "small", LENIENT)
    counts = manifest.counts
    assert (counts.found, counts.kept, counts.duplicate, counts.rejected) == (13, 11, 1, 1)
    assert counts.ignored == 1
    assert manifest.labels == {"Bach": 7, "Mendelssohn": 4}
    dataset = open_dataset(store, "small")
    assert len(dataset.pieces()) == 11
    assert dataset.duplicates()["path"].tolist() == ["corpus/Bach/piece 0.mid"]
    rejects = dataset.rejects()
    assert rejects["error"].tolist() == ["NotMidi"]
    assert rejects["path"].tolist() == ["corpus/Bach/broken.mid"]
    assert "corpus/Bach/more.zip/inside.mid" in set(dataset.pieces()["path"])


def test_tables_hold_what_the_file_says(store, corpus):
    ingest(store, [str(corpus)], "small", LENIENT)
    dataset = open_dataset(store, "small")
    pieces = dataset.pieces().set_index("path")
    row = pieces.loc["corpus/Mendelsonn/piece 12.mid"]
    score = read_score((corpus / "Mendelsonn" / "piece 12.mid").read_bytes())
    expected, padded, starts = chunk_roll(velocity_roll(score, 10))
    chunks = dataset.chunks([row.piece_id])
    np.testing.assert_array_equal(chunks.rolls, expected)
    np.testing.assert_array_equal(chunks.padded_frames, padded)
    np.testing.assert_allclose(chunks.start_s, starts / 10)
    np.testing.assert_array_equal(dataset.notes([row.piece_id])[row.piece_id], score.notes)
    assert row.n_chunks == len(expected)
    assert row.n_notes == len(score.notes)
    assert dataset.features([row.piece_id]).shape == (1, len(dataset.manifest.feature_names))


def test_chunks_come_in_the_order_asked_for(store, corpus):
    ingest(store, [str(corpus)], "small", LENIENT)
    dataset = open_dataset(store, "small")
    every = dataset.chunks()
    ids = dataset.pieces()["piece_id"].tolist()
    wanted = [ids[7], ids[0], ids[3]]
    chunks = dataset.chunks(wanted)
    for position, piece_id in enumerate(wanted):
        np.testing.assert_array_equal(
            chunks.rolls[chunks.piece_index == position],
            every.rolls[every.piece_index == ids.index(piece_id)],
        )
    assert (np.diff(chunks.piece_index) >= 0).all()


def test_unchanged_sources_are_not_decoded_again(store, corpus, monkeypatch):
    first = ingest(store, [str(corpus)], "small", LENIENT)
    monkeypatch.setattr(pipeline, "_map_batches", None)
    again = ingest(store, [str(corpus)], "small", LENIENT, start_ray=pytest.fail)
    assert again == first


def test_only_new_files_are_decoded_and_the_version_equals_one_made_at_once(
    store, corpus, midi_factory, monkeypatch
):
    ingest(store, [str(corpus)], "small", LENIENT)
    (corpus / "Bach" / "new.mid").write_bytes(midi_factory(seed=50))
    (corpus / "Bach" / "piece 1.mid").unlink()
    read = []
    inner = pipeline._map_batches

    def watch(batches, parameters, staging):
        read.extend(path for batch in batches for path in batch.paths)
        return inner(batches, parameters, staging)

    monkeypatch.setattr(pipeline, "_map_batches", watch)
    grown = ingest(store, [str(corpus)], "small", LENIENT)
    assert read == ["corpus/Bach/new.mid"]
    assert len(dataset_versions(store, "small")) == 2
    at_once = ingest(store, [str(corpus)], "other", LENIENT)
    assert at_once.content_hash == grown.content_hash
    ours, theirs = open_dataset(store, "small"), open_dataset(store, "other")
    assert ours.pieces().equals(theirs.pieces())
    np.testing.assert_array_equal(ours.chunks().rolls, theirs.chunks().rolls)
    assert all(
        (notes == theirs.notes()[piece_id]).all() for piece_id, notes in ours.notes().items()
    )


def test_relabelling_decodes_nothing(store, corpus, monkeypatch):
    ingest(store, [str(corpus)], "small", LENIENT)
    monkeypatch.setattr(pipeline, "_map_batches", None)
    relabelled = ingest(
        store, [str(corpus)], "small", IngestParameters(loss_budget=0.2, label="none")
    )
    assert relabelled.labels == {}
    assert relabelled.counts.unlabelled == 11


def test_an_interrupted_ingest_continues_and_ends_the_same(
    store, corpus, midi_factory, monkeypatch, tmp_path
):
    for seed in range(100, 220):
        (corpus / "Bach" / f"piece {seed}.mid").write_bytes(midi_factory(seed=seed, n_notes=9))
    inner = pipeline._map_batches
    read = []

    def stop_after_one(batches, parameters, staging):
        read.append(len(batches))
        yield next(iter(inner(batches, parameters, staging)))
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "_map_batches", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        ingest(store, [str(corpus)], "small", LENIENT)
    assert dataset_versions(store, "small") == []
    with pytest.raises(KeyboardInterrupt):
        ingest(store, [str(corpus)], "small", LENIENT)
    monkeypatch.setattr(pipeline, "_map_batches", inner)
    resumed = ingest(store, [str(corpus)], "small", LENIENT)
    assert read == [3, 2]
    undisturbed = ingest(store, [str(corpus)], "other", LENIENT)
    assert resumed.content_hash == undisturbed.content_hash
    assert resumed.tables == undisturbed.tables
    for files in resumed.tables.values():
        for file in files:
            parts = file.path.split("/")
            assert store.read_bytes(
                "datasets", "small", resumed.version, *parts
            ) == store.read_bytes("datasets", "other", undisturbed.version, *parts)


def test_too_many_rejects_fail_loudly_and_a_larger_budget_continues(store, corpus, monkeypatch):
    with pytest.raises(DatasetError, match=r"1 of 13 files were rejected .* 1 NotMidi"):
        ingest(store, [str(corpus)], "small")
    assert dataset_versions(store, "small") == []
    monkeypatch.setattr(pipeline, "_map_batches", None)
    assert ingest(store, [str(corpus)], "small", LENIENT).counts.rejected == 1


def test_a_missing_composer_is_an_error_with_near_matches(corpus):
    parameters = IngestParameters(composers=("bach", "mendelsonn"))
    assert {f.label for f in take_inventory([str(corpus)], parameters).labelled} == {
        "Bach",
        "Mendelssohn",
    }
    with pytest.raises(UsageError, match=r"'Bax'.*Did you mean Bach"):
        take_inventory([str(corpus)], IngestParameters(composers=("Bax",)))


def test_wanted_composers_only(store, corpus):
    parameters = IngestParameters(composers=("mendelssohn",))
    manifest = ingest(store, [str(corpus)], "small", parameters)
    assert manifest.labels == {"Mendelssohn": 4}
    assert manifest.counts.found == 4


def test_no_midi_at_all_is_an_error(store, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="no MIDI file was found"):
        ingest(store, [str(tmp_path / "empty")], "small")


def test_two_ingests_of_one_name_do_not_run_at_once(store, corpus):
    def again(*_):
        ingest(store, [str(corpus)], "small", LENIENT)

    with pytest.raises(DatasetError, match=r"Another ingest of small into .* is running"):
        ingest(store, [str(corpus)], "small", LENIENT, on_progress=again)


def _at_work(store):
    return only_one(store, "datasets", "small", work="ingest of small", error=DatasetError)


def test_two_ingests_of_one_name_into_a_bucket_do_not_run_at_once(s3_store, corpus):
    with _at_work(s3_store), pytest.raises(DatasetError, match="is running: process"):
        ingest(s3_store, [str(corpus)], "small", LENIENT)
    ingest(s3_store, [str(corpus)], "small", LENIENT)


@pytest.mark.parametrize("kind", ["store", "s3_store"])
def test_nothing_is_removed_while_an_ingest_runs(kind, request, corpus):
    place = request.getfixturevalue(kind)
    version = ingest(place, [str(corpus)], "small", LENIENT).version
    with _at_work(place):
        before = sorted(info.path for info in place.fs.get_file_info(
            FileSelector(place.path("datasets"), recursive=True)))  # fmt: skip
        with pytest.raises(DatasetError, match="is running"):
            remove_version(place, "small", version)
        after = sorted(info.path for info in place.fs.get_file_info(
            FileSelector(place.path("datasets"), recursive=True)))  # fmt: skip
        assert after == before
    assert remove_version(place, "small", version) is None
    assert dataset_versions(place, "small") == []
    assert ingest(place, [str(corpus)], "small", LENIENT).version == version


def test_rolls_are_readable_without_any_of_this_code(store, corpus):
    manifest = ingest(store, [str(corpus)], "small", LENIENT)
    path = store.local_path("datasets", "small", manifest.version, "chunks")
    table = pq.read_table(path)
    assert table.schema.field("roll").metadata[b"shape"] == b"[150, 128]"
    roll = np.frombuffer(table["roll"][0].as_py(), np.uint8).reshape(150, 128)
    piece_id = table["piece_id"][0].as_py()
    np.testing.assert_array_equal(roll, open_dataset(store, "small").chunks([piece_id]).rolls[0])


def test_many_small_additions_do_not_stay_many_files(store, tmp_path, midi_factory):
    root = tmp_path / "growing"
    root.mkdir()
    for seed in range(7):
        (root / f"bach-{seed}.mid").write_bytes(midi_factory(seed=seed))
        manifest = ingest(store, [str(root)], "growing")
    assert manifest.counts.kept == 7
    assert len(manifest.tables["chunks"]) == len(manifest.tables["notes"]) <= 2
    ingest(store, [str(root)], "at-once")
    ours, theirs = open_dataset(store, "growing"), open_dataset(store, "at-once")
    assert ours.manifest.content_hash == theirs.manifest.content_hash
    np.testing.assert_array_equal(ours.chunks().rolls, theirs.chunks().rolls)
    assert list(ours.notes()) == list(theirs.notes())


def test_a_published_version_holds_its_own_files_only(store, corpus):
    manifest = ingest(store, [str(corpus)], "small", LENIENT)
    folder = store.local_path("datasets", "small", manifest.version)
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    told = {file.path for files in manifest.tables.values() for file in files}
    notes = [path for path in told if path.startswith("notes/")]
    index = {path.replace("notes/", "index/").replace(".parquet", ".arrow") for path in notes}
    assert there == told | index | {"manifest.json"}
    assert [p.name for p in folder.parent.iterdir() if "staging" in p.name] == []


def test_old_versions_stay_readable_and_a_return_to_old_sources_finds_them(
    store, corpus, midi_factory
):
    first = ingest(store, [str(corpus)], "small", LENIENT)
    (corpus / "Bach" / "new.mid").write_bytes(midi_factory(seed=50))
    ingest(store, [str(corpus)], "small", LENIENT)
    assert len(open_dataset(store, "small", first.version).chunks()) == first.counts.chunks
    (corpus / "Bach" / "new.mid").unlink()
    assert ingest(store, [str(corpus)], "small", LENIENT).version == first.version
    assert open_dataset(store, "small").version == first.version


def files_of(store, manifest):
    """Return the files of the large tables and of the index."""
    folder = store.local_path("datasets", "small", manifest.version)
    files = [path for name in ("chunks", "notes", "index") for path in (folder / name).iterdir()]
    return {str(path.relative_to(folder)): path for path in sorted(files)}


@pytest.mark.parametrize("links", [True, False])
def test_a_later_version_shares_the_files_that_it_has_from_the_prior_one(
    store, corpus, midi_factory, monkeypatch, links
):
    def refuse(*_):
        raise OSError(errno.EPERM, "no links here")

    first = files_of(store, ingest(store, [str(corpus)], "small", LENIENT))
    (corpus / "Bach" / "new.mid").write_bytes(midi_factory(seed=50))
    if not links:
        monkeypatch.setattr(durable.os, "link", refuse)
    second = files_of(store, ingest(store, [str(corpus)], "small", LENIENT))
    assert first.keys() < second.keys()
    assert {path.samefile(second[name]) for name, path in first.items()} == {links}
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes()


def test_a_version_stays_as_it_is_whatever_becomes_of_attempts_at_the_next_one(
    store, corpus, midi_factory, monkeypatch
):
    manifest = ingest(store, [str(corpus)], "small", LENIENT)
    before = {name: path.read_bytes() for name, path in files_of(store, manifest).items()}
    (corpus / "Bach" / "new.mid").write_bytes(midi_factory(seed=50))
    with monkeypatch.context() as patch:
        patch.setattr(publishing.Version, "_manifest", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            ingest(store, [str(corpus)], "small", LENIENT)
    linked = store.local_path("datasets", "small").glob(".staging-*/index/*")
    assert any(path.stat().st_nlink > 1 for path in linked)
    # The same new file, so the work goes on in the same folder; but files have to be written anew.
    (corpus / "Bach" / "piece 1.mid").unlink()
    monkeypatch.setattr(pipeline, "_map_batches", lambda *_: pytest.fail("decoded again"))
    second = ingest(store, [str(corpus)], "small", LENIENT)
    assert second.counts.kept == manifest.counts.kept
    after = {name: path.read_bytes() for name, path in files_of(store, manifest).items()}
    assert after == before
    at_once = [open_dataset(store, "small", version.version) for version in (manifest, second)]
    assert at_once[0].notes().keys() != at_once[1].notes().keys()


def test_a_store_without_renames_gets_the_same_version(store, s3_store, corpus, midi_factory):
    remote = s3_store
    made = ingest(remote, [str(corpus)], "small", LENIENT)
    here = ingest(store, [str(corpus)], "small", LENIENT)
    assert made.content_hash == here.content_hash
    theirs = open_dataset(remote, "small")
    np.testing.assert_array_equal(
        theirs.chunks().rolls, open_dataset(store, "small").chunks().rolls
    )
    (corpus / "Bach" / "new.mid").write_bytes(midi_factory(seed=60))
    assert ingest(remote, [str(corpus)], "small", LENIENT).counts.kept == 12
    assert remote.staged("datasets", "small") == ()


def test_a_cluster_that_does_not_reach_the_store_is_told(store, corpus, monkeypatch):
    monkeypatch.setattr(
        pipeline, "_map_batches", lambda batches, *_: (len(b.paths) for b in batches)
    )
    with pytest.raises(DatasetError, match="Every node of the cluster must reach the store"):
        ingest(store, [str(corpus)], "small", LENIENT)
