import errno
import io
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest

from tunesmith.artifacts.store import cannot_write
from tunesmith.errors import StoreError
from tunesmith.ingestion import processing
from tunesmith.ingestion.locations import ContentReader
from tunesmith.ingestion.parameters import IngestParameters, ReadLimits
from tunesmith.ingestion.planning import Batch
from tunesmith.ingestion.processing import process_batch, process_rows


def run(store, folder, parameters=None):
    paths = sorted(folder.iterdir())
    batch = Batch("part-00000", [p.name for p in paths], [(str(p),) for p in paths])
    assert process_batch(batch, parameters or IngestParameters(), store, ("work",)) == len(paths)
    read = {
        table: pq.read_table(store.path("work", *table.split("/"), "part-00000.parquet"))
        for table in ("chunks", "notes", "work/results", "work/files")
    }
    return {name: table.to_pylist() for name, table in read.items()}


def test_identical_contents_are_decoded_once_and_both_files_have_a_row(
    store, tmp_path, midi_factory, monkeypatch
):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.mid", "b.mid"):
        (folder / name).write_bytes(midi_factory(seed=3))
    calls = []
    inner = processing.read_music
    monkeypatch.setattr(
        processing, "read_music", lambda *a, **k: (calls.append(1), inner(*a, **k))[1]
    )
    tables = run(store, folder)
    assert len(calls) == 1
    assert len(tables["work/results"]) == 1
    assert [row["path"] for row in tables["work/files"]] == ["a.mid", "b.mid"]
    assert len({row["sha256"] for row in tables["work/files"]}) == 1


@pytest.mark.parametrize(
    ("data", "error", "stage"),
    [
        (b"", "EmptyFile", "read"),
        (b"MThd", "TruncatedMidi", "read"),
        (b"this is music, but not MIDI", "NotMidi", "read"),
    ],
)
def test_what_cannot_be_decoded_has_a_row_with_the_reason(store, tmp_path, data, error, stage):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "x.mid").write_bytes(data)
    tables = run(store, folder)
    (row,) = tables["work/files"]
    assert (row["error"], row["stage"]) == (error, stage)
    assert row["message"]
    assert tables["chunks"] == tables["notes"] == tables["work/results"] == []


@pytest.mark.parametrize("limits", [{"max_notes": 10}, {"max_frames": 5}, {"max_tracks": 1}])
def test_limits_reach_the_reader(store, tmp_path, midi_factory, limits):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "x.mid").write_bytes(midi_factory(n_notes=50))
    tables = run(store, folder, IngestParameters(limits=ReadLimits(**limits)))
    (row,) = tables["work/files"]
    assert (row["error"], row["stage"]) == ("MidiLimitExceeded", "limits")
    assert next(iter(limits)) in row["message"]


def test_a_file_larger_than_allowed_is_not_read_to_the_end(store, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "x.mid").write_bytes(b"MThd" + bytes(10_000))
    tables = run(store, folder, IngestParameters(limits=ReadLimits(max_bytes=1000)))
    assert tables["work/files"][0]["error"] == "MidiLimitExceeded"


def test_a_file_that_vanished_has_a_row(store):
    batch = Batch("part-00000", ["gone.mid"], [("/no/where/gone.mid",)])
    process_batch(batch, IngestParameters(), store, ("work",))
    (row,) = pq.read_table(store.path("work", "work", "files", "part-00000.parquet")).to_pylist()
    assert (row["error"], row["sha256"]) == ("FileNotFoundError", None)


def test_an_unforeseen_failure_is_one_reject_and_leaves_no_chunk(
    store, tmp_path, midi_factory, monkeypatch
):
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in range(3):
        (folder / f"{seed}.mid").write_bytes(midi_factory(seed=seed))
    inner, seen = processing.musical_features, []

    def fail_once(notes):
        seen.append(1)
        if len(seen) == 2:
            message = "cannot be"
            raise IndexError(message)
        return inner(notes)

    monkeypatch.setattr(processing, "musical_features", fail_once)
    tables = run(store, folder)
    rejected = [row for row in tables["work/files"] if row["error"]]
    assert [(r["path"], r["stage"], r["error"]) for r in rejected] == [
        ("1.mid", "process", "IndexError")
    ]
    assert {r["piece_id"] for r in tables["chunks"]} == {
        r["piece_id"] for r in tables["work/results"]
    }
    assert len(tables["notes"]) == 2


def test_an_attempt_that_dies_leaves_nothing_with_a_final_name(
    store, tmp_path, midi_factory, monkeypatch
):
    (tmp_path / "x.mid").write_bytes(midi_factory())
    batch = Batch("part-00000", ["x.mid"], [(str(tmp_path / "x.mid"),)])
    monkeypatch.setattr(
        processing._BatchOutput, "finish", lambda _: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        process_batch(batch, IngestParameters(), store, ("work",))
    assert list(store.local_path("work").rglob("*.parquet*")) == []


def test_chunks_longer_than_a_row_group_are_split_over_groups(
    store, tmp_path, midi_factory, monkeypatch
):
    from tunesmith.ingestion import shards

    monkeypatch.setattr(shards, "_ROW_GROUP_CHUNKS", 3)
    monkeypatch.setattr(shards, "_ROW_GROUP_NOTES", 50)
    folder = tmp_path / "in"
    folder.mkdir()
    for seed in range(4):
        (folder / f"{seed}.mid").write_bytes(midi_factory(seed=seed, n_notes=200))
    tables = run(store, folder)
    by_piece: dict[str, list[int]] = {}
    for row in tables["chunks"]:
        by_piece.setdefault(row["piece_id"], []).append(row["index"])
    assert all(index == list(range(len(index))) for index in by_piece.values())
    assert {r["piece_id"]: r["n_chunks"] for r in tables["work/results"]} == {
        piece: len(index) for piece, index in by_piece.items()
    }
    file = pq.ParquetFile(store.path("work", "chunks", "part-00000.parquet"))
    assert file.num_row_groups > 2


def test_batches_survive_json_with_undecodable_names():
    batch = Batch("k", ["f\\xfcr.mid"], [("/x/f\udcfcr.mid", "3")])
    again = Batch.from_json(batch.to_json())
    assert [tuple(location) for location in again.locations] == [("/x/f\udcfcr.mid", "3")]


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_files(tmp_path, midi_factory):
    folder = tmp_path / "in"
    folder.mkdir()
    # What follows the last track is ignored, so these are other files of one music.
    piece = midi_factory(n_notes=3000)
    for number in range(600):
        (folder / f"{number}.mid").write_bytes(piece + number.to_bytes(4, "big"))
    program = textwrap.dedent("""
        import pathlib, sys
        from tunesmith.ingestion.parameters import IngestParameters
        from tunesmith.ingestion.planning import Batch
        from tunesmith.ingestion.processing import process_batch
        from tunesmith.artifacts.store import Store
        paths = sorted(pathlib.Path(sys.argv[1]).iterdir())[: int(sys.argv[3])]
        batch = Batch("k", [p.name for p in paths], [(str(p),) for p in paths])
        process_batch(batch, IngestParameters(), Store(sys.argv[2]), ("w",))
        # Not getrusage: its peak begins at what this process' parent held when it forked.
        status = pathlib.Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
    """)

    def peak_mb(n_files: int) -> int:
        command = [sys.executable, "-c", program, str(folder), str(tmp_path / "s"), str(n_files)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
        return int(done.stdout)

    # At 200 files every buffer has been full once; a growing one would hold 400 more pieces.
    few, many = peak_mb(200), peak_mb(600)
    assert many < few + 40
    assert many < 500


def test_rolls_are_the_readers_rolls(store, tmp_path, midi_factory):
    from tunesmith.midi import chunk_roll, read_score, velocity_roll

    data = midi_factory(seed=9)
    (tmp_path / "x.mid").write_bytes(data)
    parameters = IngestParameters(frames_per_second=16, chunk_frames=40, hop_frames=20)
    batch = Batch("k", ["x.mid"], [(str(tmp_path / "x.mid"),)])
    process_batch(batch, parameters, store, ("w",))
    rows = pq.read_table(store.path("w", "chunks", "k.parquet"))
    expected, padded, starts = chunk_roll(velocity_roll(read_score(data), 16), 40, 20)
    rolls = np.stack(
        [np.frombuffer(r, np.uint8).reshape(40, 128) for r in rows["roll"].to_pylist()]
    )
    np.testing.assert_array_equal(rolls, expected)
    assert rows["padded_frames"].to_pylist() == padded.tolist()
    np.testing.assert_allclose(rows["start_s"].to_numpy(), starts / 16)


def test_the_outermost_archive_stays_open_from_batch_to_batch(store, tmp_path, midi_factory):
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as nested:
        nested.writestr("b.mid", midi_factory(seed=2))
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("a.mid", midi_factory(seed=1))
        archive.writestr("inner.zip", inner.getvalue())
    outermost = (str(tmp_path / "x.zip"),)
    parameters = IngestParameters()
    reader = ContentReader(parameters.archives, parameters.limits.max_bytes)
    opened = reader.archive(outermost)
    locations = [(*outermost, "0"), (*outermost, "1", "inner.zip", "0")]
    for number, location in enumerate(locations):
        batch = Batch(f"part-{number:05d}", ["x.mid"], [location])
        assert process_batch(batch, parameters, store, ("work",), reader) == 1
        path = store.path("work", "work", "files", f"{batch.key}.parquet")
        assert pq.read_table(path)["error"].to_pylist() == [None]
        assert reader.archive(outermost) is opened
    inside = reader.archive(locations[1][:-1])
    reader.close(keep_outermost=True)
    assert reader.archive(outermost) is opened
    assert reader.archive(locations[1][:-1]) is not inside  # it would keep its memory
    reader.close()


@pytest.mark.parametrize("kind", [OSError, StoreError])
def test_a_full_disk_comes_as_a_row_that_says_what_to_do(store, monkeypatch, kind):
    full = OSError(errno.ENOSPC, "No space left on device")

    def refuse(batch, *_):
        if batch.key == "part-00001":
            raise full if kind is OSError else cannot_write("part-00001", full)
        return 3

    monkeypatch.setattr(processing, "process_batch", refuse)
    batches = [Batch(f"part-0000{n}", ["a.mid"], [("a.mid",)]).to_json() for n in range(2)]
    done = process_rows(
        {"batch": batches}, IngestParameters().model_dump_json(), store.uri, ["work"], "run"
    )
    assert list(done["n_files"]) == [3, 0]
    assert done["error"][0] == ""
    assert done["error"][1].startswith("part-00001")
    assert "No space left on device. Free some room there" in done["error"][1]


def test_a_piece_of_drums_is_kept_and_said_but_has_no_silent_chunks(store, tmp_path, midi_factory):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.mid").write_bytes(midi_factory(n_notes=60, is_drum=True))
    result = run(store, folder)
    (row,) = result["work/results"]
    assert row["n_chunks"] == len(result["chunks"]) == 0
    assert row["n_notes"] == 60
    assert any("drums only" in warning for warning in row["warnings"])
    assert row["damage"] is None
