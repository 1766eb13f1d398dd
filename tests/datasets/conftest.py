from pathlib import Path

import pytest

from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.datasets.reader import open_dataset
from tunesmith.ingestion import pipeline
from tunesmith.ingestion.parameters import IngestParameters


@pytest.fixture(scope="module")
def dataset(tmp_path_factory, midi_factory):
    """A small version made by the real pipeline, without Ray."""
    root: Path = tmp_path_factory.mktemp("corpus") / "pieces"
    for composer, seeds in {"Bach": range(6), "Chopin & Co": range(10, 14)}.items():
        (root / composer).mkdir(parents=True)
        for seed in seeds:
            (root / composer / f"{seed}.mid").write_bytes(midi_factory(seed=seed))
    (root / "unknown").mkdir()
    (root / "unknown" / "x.mid").write_bytes(midi_factory(seed=30, is_drum=True))
    (root / "Bach" / "faster <0>.mid").write_bytes(midi_factory(seed=0, bpm=150))
    (root / "Bach" / "copy.mid").write_bytes(midi_factory(seed=1))
    (root / "Bach" / "broken.mid").write_bytes(b"not MIDI")

    store = Store(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        ingest_in_process(patch)
        pipeline.ingest(store, [str(root)], "small", IngestParameters(loss_budget=0.2))
    return open_dataset(store, "small")
