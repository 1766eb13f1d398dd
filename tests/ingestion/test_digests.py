"""Digests of all files: the same in this process and by tasks."""

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.ingestion import digests, pipeline, planning, processing
from tunesmith.ingestion.digests import file_digests
from tunesmith.ingestion.inventory import take_inventory
from tunesmith.ingestion.locations import ContentReader
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.pipeline import ingest
from tunesmith.ingestion.sources import Entry

PARAMETERS = IngestParameters()


def zipped(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return sink.getvalue()


@pytest.fixture
def corpus(tmp_path: Path, midi_factory: Callable[..., bytes]) -> Path:
    """Plain files, and an archive with another one inside."""
    root = tmp_path / "corpus"
    (root / "Bach").mkdir(parents=True)
    for number in range(6):
        (root / "Bach" / f"{number}.mid").write_bytes(midi_factory(seed=number, n_notes=60))
    inner = zipped({"6.mid": midi_factory(seed=6), "7.mid": midi_factory(seed=7)})
    outer = zipped({"inner.zip": inner, "8.mid": midi_factory(seed=8)})
    (root / "Chopin.zip").write_bytes(outer)
    return root


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Let tasks read the files, in this process; a list gets the number of files of each."""
    sizes: list[int] = []
    readers: list[ContentReader] = []

    def shared_reader(parameters: IngestParameters, run: str) -> ContentReader:
        readers.append(processing.shared_reader(parameters, run))
        return readers[-1]

    def run(work: Any, items: Any, arguments: Any) -> Iterator[Any]:
        for item in items:
            columns = work({name: [value] for name, value in item.items()}, **arguments)
            row = {name: column[0] for name, column in columns.items()}
            sizes.append(len(json.loads(row["digests"])))
            yield row

    monkeypatch.setattr(digests, "results_of", run)
    monkeypatch.setattr(digests, "shared_reader", shared_reader)
    monkeypatch.setattr(digests, "DIVIDED_FROM", 1)
    monkeypatch.setattr(planning, "_MIN_BATCH_FILES", 3)
    yield sizes
    # In a worker they stay open until it ends.
    for reader in readers:
        reader.close()


def entries_of(corpus: Path) -> list[Entry]:
    return [file.entry for file in take_inventory([str(corpus)], PARAMETERS).labelled]


def test_tasks_find_what_this_process_finds(corpus: Path, request: pytest.FixtureRequest) -> None:
    entries = entries_of(corpus)
    (corpus / "Bach" / "3.mid").unlink()  # after it was listed
    alone = file_digests(entries, PARAMETERS, lambda: pytest.fail("needs no Ray"))
    blocks = request.getfixturevalue("blocks")
    started: list[int] = []
    divided = file_digests(entries, PARAMETERS, lambda: started.append(1))
    assert divided == alone
    assert list(divided) == [entry.path for entry in entries]
    assert (started, len(blocks), sum(blocks)) == ([1], 3, 9)
    gone = divided.pop("corpus/Bach/3.mid").reject
    assert gone is not None
    assert gone.error == "FileNotFoundError"
    read = {hashlib.sha256(path.read_bytes()).hexdigest() for path in corpus.glob("Bach/*.mid")}
    assert read < {row.sha256 for row in divided.values()}
    assert all(row.reject is None for row in divided.values())


def test_only_new_and_changed_files_are_decoded(
    store: Store,
    corpus: Path,
    midi_factory: Callable[..., bytes],
    blocks: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ingest_in_process(monkeypatch)
    first = ingest(store, [str(corpus)], "tasks")
    assert not blocks  # there is nothing to compare with
    assert ingest(store, [str(corpus)], "tasks").version == first.version
    assert sum(blocks) == 9

    changed = corpus / "Bach" / "0.mid"
    before = changed.stat()
    changed.write_bytes(midi_factory(seed=20, n_notes=60))
    # Nothing but its content tells that it is another one.
    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    decoded: list[str] = []
    run = pipeline._map_batches

    def watch(batches: Any, parameters: Any, staging: Any) -> Any:
        decoded.extend(path for batch in batches for path in batch.paths)
        return run(batches, parameters, staging)

    monkeypatch.setattr(pipeline, "_map_batches", watch)
    second = ingest(store, [str(corpus)], "tasks")
    assert decoded == ["corpus/Bach/0.mid"]
    monkeypatch.setattr(digests, "DIVIDED_FROM", 100)
    at_once = ingest(store, [str(corpus)], "at-once")
    assert second.content_hash == at_once.content_hash
    assert second.content_hash != first.content_hash


@pytest.mark.cluster
@pytest.mark.usefixtures("ray_cluster")
def test_the_tasks_run_on_a_cluster(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = entries_of(corpus)
    alone = file_digests(entries, PARAMETERS, lambda: None)
    monkeypatch.setattr(digests, "DIVIDED_FROM", 1)
    assert file_digests(entries, PARAMETERS, lambda: None) == alone
