"""A small store for the public API: one dataset version, made by the real pipeline without Ray."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.ingestion import pipeline
from tunesmith.ingestion.parameters import IngestParameters


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory, midi_factory: Callable[..., bytes]) -> Path:
    """Return a folder of small MIDI files by two composers, and one without a label."""
    root: Path = tmp_path_factory.mktemp("api") / "pieces"
    for composer, seeds in {"Bach": range(14), "Chopin": range(30, 42)}.items():
        (root / composer).mkdir(parents=True)
        for seed in seeds:
            (root / composer / f"{seed}.mid").write_bytes(midi_factory(seed=seed))
    (root / "unknown").mkdir()
    (root / "unknown" / "x.mid").write_bytes(midi_factory(seed=99))
    return root


@pytest.fixture(scope="session")
def piece_store(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Store:
    """Return a store that holds the dataset ``small``; tests only read it."""
    store = Store(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        ingest_in_process(patch)
        pipeline.ingest(store, [str(corpus)], "small", IngestParameters(hop_frames=100))
    return store
