"""Music of a dataset is recognised; few indexes stay open, and absent ones are no fault."""

from tests.in_process import ingest_in_process
from tunesmith.artifacts.store import Store
from tunesmith.datasets import learned
from tunesmith.datasets.learned import LearnedMusic
from tunesmith.ingestion import pipeline
from tunesmith.midi import read_score
from tunesmith.midi.transforms import transpose_notes


def test_a_piece_is_recognised_in_any_of_the_datasets(tmp_path, midi_factory, monkeypatch):
    monkeypatch.setattr(learned, "_MOST_OPEN", 2)
    ingest_in_process(monkeypatch)
    store, names = Store(tmp_path / "store"), []
    for seed in range(3):
        folder = tmp_path / f"own{seed}" / f"Composer {seed}"
        folder.mkdir(parents=True)
        (folder / "piece.mid").write_bytes(midi_factory(seed=seed))
        manifest = pipeline.ingest(store, [str(folder.parent)], folder.parent.name)
        names.append(f"{manifest.name}@{manifest.version}")
    music = LearnedMusic(store)
    for _ in range(2):
        for seed, name in enumerate(names):
            notes = transpose_notes(read_score(midi_factory(seed=seed)).notes, 3)
            assert music.label(name, notes) == f"Composer {seed}"
            assert music.label(name, read_score(midi_factory(seed=80)).notes) is None
            assert len(music._indexes) <= 2
    assert music.label("gone@0123456789ab", notes) is None
