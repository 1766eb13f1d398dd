"""Mutated files through the whole of a batch: none is lost, none gets through untyped."""

import io
import random
import subprocess
import sys
import textwrap
import zipfile
from collections import Counter

import pyarrow.parquet as pq
import pytest

from tunesmith.artifacts.store import Staging
from tunesmith.ingestion import archives
from tunesmith.ingestion.assembly import account_for
from tunesmith.ingestion.labels import label_entries
from tunesmith.ingestion.parameters import ArchiveLimits, IngestParameters
from tunesmith.ingestion.planning import plan_batches
from tunesmith.ingestion.processing import process_batch
from tunesmith.ingestion.publishing import file_rows
from tunesmith.ingestion.sources import list_sources
from tunesmith.midi import errors
from tunesmith.midi.composers import ComposerTable

STAGES = {"read", "limits", "parse", "archive"}
INTERESTING = [0, 1, 0x7F, 0x80, 0x8F, 0x90, 0xB0, 0xC0, 0xE0, 0xF0, 0xF7, 0xFF]


def mutate(dice: random.Random, data: bytes, other: bytes) -> bytes:  # noqa: C901 - a list
    """Change a MIDI file the way accidents, bad transfers and enemies do."""
    out = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 4, 16])):
        at = dice.randrange(len(out)) if out else 0
        match dice.randrange(9):
            case 0:
                out[at : at + 1] = bytes([dice.randrange(256)])
            case 1:
                out[at : at + 1] = bytes([dice.choice(INTERESTING)])
            case 2:
                del out[at:]
            case 3:
                del out[at : at + dice.randrange(1, 50)]
            case 4:
                start = dice.randrange(max(len(other), 1))
                out[at:at] = other[start : start + dice.randrange(1, 200)]
            case 5:
                out[at : at + 4] = dice.choice([0, 1, 0x7FFFFFFF, 0xFFFFFFFF]).to_bytes(4, "big")
            case 6:
                out[8:14] = bytes(dice.randrange(256) for _ in range(6))
            case 7:
                out[at:at] = b"\xff\x51\x03" + dice.randrange(1 << 24).to_bytes(3, "big")
            case 8:
                out[at:at] = bytes([0xFF, 0xFF, 0xFF, 0x7F]) * dice.randrange(1, 4)
    return bytes(out)


def account_of(store, archive):
    """Run the batches of an archive and account for its files."""
    parameters = IngestParameters()
    listing = list_sources([str(archive)], ArchiveLimits())
    staging = Staging(store, ("fuzz",))
    rows = {}
    for batch in plan_batches(listing.entries):
        process_batch(batch, parameters, store, staging.parts)
        rows |= file_rows(staging, batch.key)
    labelled = label_entries(listing.entries, "none", ComposerTable.load())
    return listing, account_for(labelled, rows, listing.rejects)


def check_rejects(account):
    known = set(errors.__all__) | set(archives.__all__)
    untyped = [r for r in account.rejects if r.stage not in STAGES or r.error not in known]
    assert untyped == []
    assert all(reject.message for reject in account.rejects)


def test_every_mutated_file_is_kept_or_has_a_typed_reason(store, tmp_path, midi_factory):
    dice = random.Random(1)
    base = [midi_factory(seed=seed, n_notes=40, is_drum=seed == 3) for seed in range(5)]
    archive = tmp_path / "fuzz.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for number in range(400):
            data = mutate(dice, dice.choice(base), dice.choice(base))
            packed.writestr(f"{number}.mid", data)
    listing, account = account_of(store, archive)
    assert account.found == len(listing.entries) == 400
    check_rejects(account)
    assert len(account.kept) > 20
    results = pq.read_table(store.path("fuzz", "work", "results")).to_pylist()
    assert {row["sha256"] for row in results} == {sha256 for _, sha256 in account.kept}
    # What is shorter than a frame has no chunk.
    told = {row["piece_id"]: row["n_chunks"] for row in results if row["n_chunks"]}
    chunks = pq.read_table(store.path("fuzz", "chunks"), columns=["piece_id"])
    assert Counter(chunks["piece_id"].to_pylist()) == told


def test_a_mutated_archive_loses_no_file_it_still_lists(store, tmp_path, midi_factory):
    dice = random.Random(2)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for number in range(10):
            packed.writestr(f"{number}.mid", midi_factory(seed=number, n_notes=20))
    whole = buffer.getvalue()
    for number in range(40):
        archive = tmp_path / f"{number}.zip"
        data = bytearray(whole)
        for _ in range(dice.randrange(1, 30)):
            data[dice.randrange(len(data))] = dice.randrange(256)
        archive.write_bytes(data)
        store.remove("fuzz")
        listing, account = account_of(store, archive)
        assert account.found == len(listing.entries) + len(listing.rejects)
        check_rejects(account)


FUZZ = textwrap.dedent("""
    import sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[3])
    from tests.ingestion.test_fuzz import account_of, check_rejects
    from tunesmith.artifacts.store import Store
    listing, account = account_of(Store(sys.argv[1]), Path(sys.argv[2]))
    check_rejects(account)
    # Not getrusage: its peak starts at what the parent held when it started this process.
    lines = Path("/proc/self/status").read_text().splitlines()
    peak_mb = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
    print(account.found, len(account.kept), len(account.duplicates), len(account.rejects), peak_mb)
""")


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("n_files", [2_000, pytest.param(10_000, marks=pytest.mark.long)])
def test_thousands_of_mutated_real_files(tmp_path, data_dir, request, n_files):
    """No crash, no hang, memory of one worker below 1 GB, every file accounted for."""
    dice = random.Random(3)
    with zipfile.ZipFile(data_dir / "midi-big4.zip") as real:
        infos = [i for i in real.infolist() if i.filename.lower().endswith(".mid")]
        base = [real.read(i) for i in infos if i.file_size < 12_000]
    archive = tmp_path / "fuzz.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for number in range(n_files):
            data = mutate(dice, dice.choice(base), dice.choice(base))
            packed.writestr(f"{number}.mid", data)
    done = subprocess.run(
        [sys.executable, "-c", FUZZ, tmp_path / "s", archive, request.config.rootpath],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found, kept, duplicates, rejects, peak_mb = map(float, done.stdout.split())
    assert found == n_files == kept + duplicates + rejects
    assert peak_mb < 1000
