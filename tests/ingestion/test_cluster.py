"""The pipeline on a real Ray, and what happens when a worker is killed."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.in_process import ingest_in_process
from tunesmith.datasets.reader import open_dataset
from tunesmith.ingestion.pipeline import ingest

pytestmark = pytest.mark.cluster


@pytest.fixture
def corpus(tmp_path, midi_factory):
    root = tmp_path / "corpus"
    base = {seed: midi_factory(seed=seed, n_notes=400) for seed in range(8)}
    for number in range(240):
        folder = root / ("Bach" if number % 2 else "Chopin")
        folder.mkdir(parents=True, exist_ok=True)
        data = base[number % 8] + number.to_bytes(2, "big") * (1 + number % 40)
        (folder / f"{number}.mid").write_bytes(data)
    return root


@pytest.mark.usefixtures("ray_cluster")
def test_ray_gives_what_one_process_gives(store, corpus, monkeypatch):

    seen = []
    made = ingest(store, [str(corpus)], "ray", on_progress=lambda *done: seen.append(done))
    assert seen[0] == (0, 240)
    assert seen[-1] == (240, 240)
    assert len(seen) > 2

    ingest_in_process(monkeypatch)
    alone = ingest(store, [str(corpus)], "alone")
    assert made.content_hash == alone.content_hash
    assert made.tables == alone.tables


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_worker_that_is_killed_costs_nothing_but_time(store, corpus):
    undisturbed = ingest(store, [str(corpus)], "undisturbed")
    killed: list[int] = []

    def kill_one() -> None:
        deadline = time.monotonic() + 60
        folder = store.local_path("datasets", "disturbed")
        while not killed and time.monotonic() < deadline:
            for current in folder.glob(".staging-*/work/crashes/*/current"):
                pid = _writer_of(current)
                if pid:
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)
                    break

    thread = threading.Thread(target=kill_one)
    thread.start()
    disturbed = ingest(store, [str(corpus)], "disturbed")
    thread.join()
    assert killed
    assert disturbed.content_hash == undisturbed.content_hash
    assert disturbed.tables == undisturbed.tables
    assert len(open_dataset(store, "disturbed").chunks()) == undisturbed.counts.chunks


def _writer_of(path: Path) -> int | None:
    """Return the process, not this one, that has a file open."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                for descriptor in (process / "fd").iterdir():
                    if descriptor.readlink() == path:
                        return int(process.name)
            except OSError:
                continue
    return None
