"""Power cuts at every moment of an ingest: readers see the former version or the new one."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.in_process import ingest_in_process
from tests.power_cuts import recorded
from tunesmith.artifacts.manifest import dataset_versions, remove_version
from tunesmith.artifacts.store import Store
from tunesmith.cli.datasets import main as datasets
from tunesmith.datasets.reader import open_dataset
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.ingestion.pipeline import ingest


@pytest.fixture(autouse=True)
def without_ray(monkeypatch):
    ingest_in_process(monkeypatch)


@pytest.fixture
def corpus(tmp_path, midi_factory):
    folder = tmp_path / "corpus" / "Bach"
    folder.mkdir(parents=True)
    for seed in range(2):
        (folder / f"{seed}.mid").write_bytes(midi_factory(seed=seed, n_notes=20))
    return folder


def _read(store: Store) -> int:
    """Return the number of pieces after reading every table of the latest version."""
    listed = CliRunner().invoke(datasets, ["list", "--store", store.uri, "--json"])
    assert listed.exit_code == 0, listed.output
    assert "tiny" in listed.output
    dataset = open_dataset(store, "tiny")
    assert len(dataset.chunks().rolls) == dataset.manifest.counts.chunks
    assert len(dataset.notes()) == len(dataset.pieces())
    return len(dataset.pieces())


@pytest.mark.slow
def test_after_a_cut_in_an_ingest_the_former_version_is_read_or_the_new(
    store, corpus, tmp_path, midi_factory
):
    sources, parameters = [str(corpus.parent)], IngestParameters()
    ingest(store, sources, "tiny", parameters)
    (corpus / "new.mid").write_bytes(midi_factory(seed=9, n_notes=20))
    with recorded(Path(store.uri)) as disks:
        made = ingest(store, sources, "tiny", parameters)
    counts = []
    for number, disk in enumerate(disks):
        after = Store(disk.write(tmp_path / f"disk {number}"))
        counts.append(_read(after))
        assert ingest(after, sources, "tiny", parameters).content_hash == made.content_hash
        assert _read(after) == 3
    assert len(disks) > 20
    assert set(counts) == {2, 3}


def test_after_a_cut_in_a_removal_the_version_is_whole_or_gone(store, corpus, tmp_path):
    sources = [str(corpus.parent)]
    first = ingest(store, sources, "tiny", IngestParameters())
    second = ingest(store, sources, "tiny", IngestParameters(hop_frames=5))
    with recorded(Path(store.uri)) as disks:
        remove_version(store, "tiny", second.version)
    for number, disk in enumerate(disks):
        after = Store(disk.write(tmp_path / f"disk {number}"))
        assert _read(after) == 2
        for version in dataset_versions(after, "tiny"):
            assert len(open_dataset(after, "tiny", version).pieces()) == 2
        ingest(after, sources, "tiny", IngestParameters(hop_frames=5))
    assert first.version in dataset_versions(store, "tiny")
