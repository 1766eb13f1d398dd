"""Items of no class: from the dataset itself, from background datasets, and made up."""

from pathlib import Path

import numpy as np
import pytest

from tests.in_process import ingest_in_process
from tests.tasks.conftest import music_store
from tunesmith.datasets import others as module
from tunesmith.datasets.others import other_pieces
from tunesmith.datasets.reader import open_dataset
from tunesmith.errors import TunesmithError
from tunesmith.ingestion import pipeline
from tunesmith.ingestion.parameters import IngestParameters
from tunesmith.midi.features import FEATURE_NAMES
from tunesmith.midi.made_up import MADE_UP, shuffled
from tunesmith.tasks import Request, get_task

__all__ = ["music_store"]

MADE = {*MADE_UP, "shuffled pieces"}


@pytest.fixture(scope="module")
def store(music_store, tmp_path_factory, midi_factory):
    """Return a store with a second dataset: Bach, a copy of a Bach as Brahms's, and others."""
    root: Path = tmp_path_factory.mktemp("background") / "pieces"
    files = {"bach/a": 7000, "Brahms/copy": 3, "Brahms/b": 7001, "Brahms/c": 7002, "Liszt/d": 7003}
    for name, seed in files.items():
        path = root / f"{name}.mid"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(midi_factory(seed=seed))
    with pytest.MonkeyPatch.context() as patch:
        ingest_in_process(patch)
        pipeline.ingest(music_store, [str(root)], "wider", IngestParameters())
        flat = tmp_path_factory.mktemp("flat")
        for seed in range(8000, 8004):
            (flat / f"{seed}.mid").write_bytes(midi_factory(seed=seed))
        pipeline.ingest(music_store, [str(flat)], "pop", IngestParameters())
    return music_store


def read(store, background=()):
    dataset = open_dataset(store, "small")
    pieces = dataset.pieces()
    classes = ("Bach", "Chopin")
    ids = pieces["piece_id"][pieces["label"].isin(classes)].tolist()
    return other_pieces(dataset, ids, classes, pieces["label"], background, store=store, seed=1)


def exposure(others, name):
    return next(of for of in others.exposures if of.source.partition("@")[0] == name)


def test_labels_of_the_dataset_that_are_no_class_are_others(store):
    others = read(store)
    own = exposure(others, "small")
    assert (own.items, own.labels, own.of_classes, own.without_label) == (4, 1, 42, 1)
    assert {of.source.partition("@")[0] for of in others.exposures} == {"small", *MADE}
    # Each piece, and two copies of it.
    assert (others.label == "Liszt").sum() == 12
    assert (others.is_copy & (others.label == "Liszt")).sum() == 8
    assert others.x.shape == (len(others.label), len(FEATURE_NAMES))
    assert np.isfinite(others.x).all()
    made = sum(exposure(others, name).items for name in MADE)
    assert (others.label == "").sum() == made


def test_a_background_is_read_without_classes_and_near_duplicates(store):
    others = read(store, ["wider"])
    wider = exposure(others, "wider")
    # "bach" is the class "Bach", and Brahms's copy is a piece of Bach's that is known.
    assert (wider.items, wider.labels, wider.of_classes, wider.near_duplicates) == (3, 2, 1, 1)
    assert (others.label == "Brahms").sum() == 6
    version = open_dataset(store, "wider").version
    assert wider.source == f"wider@{version}"
    again = read(store, [f"wider@{version}"])
    np.testing.assert_array_equal(others.x, again.x)


def test_a_background_without_any_label_is_other_music_as_a_whole(store):
    pop = exposure(read(store, ["pop"]), "pop")
    assert (pop.items, pop.labels, pop.without_label) == (4, 1, 0)


def test_the_dataset_itself_is_no_background(store):
    assert len(read(store, ["small"]).x) == len(read(store).x)


def test_an_unknown_background_is_refused(store):
    with pytest.raises(TunesmithError, match="nowhere"):
        read(store, ["nowhere"])


def test_no_label_takes_more_than_its_share(monkeypatch):
    monkeypatch.setattr(module, "MOST_PER_LABEL", 3)
    labels = ["a"] * 50 + ["b"] * 2 + ["c"] * 4
    chosen = module._chosen(labels, 7, np.random.default_rng(0))
    names = [labels[place] for place in chosen]
    assert {name: names.count(name) for name in "abc"} == {"a": 3, "b": 2, "c": 2} or {
        name: names.count(name) for name in "abc"
    } == {"a": 2, "b": 2, "c": 3}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("kind", sorted(MADE_UP))
def test_made_up_notes_are_notes(kind, seed):
    notes = MADE_UP[kind](np.random.default_rng(seed))
    assert len(notes) >= 4
    assert (np.diff(notes["onset_s"]) >= 0).all()
    assert (notes["offset_s"] > notes["onset_s"]).all()
    assert ((notes["pitch"] >= 0) & (notes["pitch"] < 128)).all()
    assert ((notes["velocity"] > 0) & (notes["velocity"] < 128)).all()


def test_a_shuffled_piece_has_the_pitches_of_the_piece():
    notes = MADE_UP["random notes"](np.random.default_rng(0))
    changed = shuffled(notes, np.random.default_rng(1))
    assert sorted(changed["pitch"]) == sorted(notes["pitch"])
    assert (changed["pitch"] != notes["pitch"]).any()


def test_a_task_reads_others_only_for_a_search(store):
    task = get_task("composer")
    options = {"background": ["wider"]}
    searched = task.read(store, Request("small", options=options, copies=True, views=("features",)))
    assert "wider" in {of.source.partition("@")[0] for of in searched.others.exposures}
    assert task.read(store, Request("small", options=options, views=("features",))).others is None
