"""A small dataset version for the tasks that read one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.ingestion import pipeline
from tunesmith.ingestion.parameters import IngestParameters


@pytest.fixture(scope="module")
def music_store(
    tmp_path_factory: pytest.TempPathFactory, midi_factory: Callable[..., bytes]
) -> Store:
    """Return a store whose one dataset the real pipeline made, without Ray."""
    root: Path = tmp_path_factory.mktemp("corpus") / "pieces"
    for composer, seeds in {"Bach": range(24), "Chopin": range(30, 48), "Liszt": range(4)}.items():
        (root / composer).mkdir(parents=True)
        for seed in seeds:
            music = midi_factory(seed=1000 * (composer == "Liszt") + seed)
            (root / composer / f"{seed}.mid").write_bytes(music)
    (root / "unknown").mkdir()
    (root / "unknown" / "x.mid").write_bytes(midi_factory(seed=99))

    store = Store(tmp_path_factory.mktemp("store"))
    with pytest.MonkeyPatch.context() as patch:
        ingest_in_process(patch)
        pipeline.ingest(store, [str(root)], "small", IngestParameters())
    return store
