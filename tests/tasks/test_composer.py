"""Pieces of a dataset version as examples."""

import numpy as np
import pytest

from tunesmith.artifacts.store import Store
from tunesmith.datasets.pieces import PIECE_VIEWS
from tunesmith.datasets.reader import open_dataset
from tunesmith.datasets.splits import leaked
from tunesmith.errors import DatasetError, UsageError
from tunesmith.models import get_family
from tunesmith.tasks import Request, get_task, load_for_run


@pytest.mark.parametrize("name", ["composer", "composer_all"])
def test_composers_of_enough_pieces_are_the_classes(name: str, music_store: Store) -> None:
    task = get_task(name)
    data = task.read(music_store, Request())
    assert data.examples.classes == ("Bach", "Chopin")
    assert (data.name, data.version) == ("small", open_dataset(music_store, "small").version)
    assert set(data.parts) == {"train", "validation", "test"}
    assert leaked(data.parts, data.examples.groups) == 0
    assert data.notes == (
        "5 pieces are left out: no known label, or one without at least 10 pieces.",
    )
    for family in task.families:
        assert len(data.examples.view(get_family(family).view))


def test_notes_stand_beside_their_chunks(music_store: Store) -> None:
    data = get_task("composer").read(music_store, Request())
    chunks, notes = data.examples.view("chunks"), data.examples.view("notes")
    np.testing.assert_array_equal(chunks.item, notes.item)
    sounding = (chunks.x > 0).any(axis=(1, 2))
    begun = (notes.x[:, :, 0] > 0).any(axis=1)
    assert (begun <= sounding).all()
    for row in np.flatnonzero(begun)[:5]:
        pitches = set(notes.x[row, notes.x[row, :, 0] > 0, 0] - 1)
        assert pitches <= set(np.flatnonzero((chunks.x[row] > 0).any(axis=0)))


def test_views_are_read_as_they_are_asked_for(music_store: Store) -> None:
    task = get_task("composer")
    assert set(task.read(music_store, Request()).examples.views) == set(PIECE_VIEWS)
    for wanted in (("features",), ("chunks", "features"), ("notes",)):
        assert set(task.read(music_store, Request(views=wanted)).examples.views) == set(wanted)


def test_fewer_pieces_or_a_share_of_chunks_can_be_asked_for(music_store: Store) -> None:
    task = get_task("composer_all")
    more = task.read(music_store, Request(options={"least_pieces": 4}))
    assert more.examples.classes == ("Bach", "Chopin", "Liszt")
    by_share = task.read(music_store, Request(options={"least_share": 0.2}))
    assert by_share.examples.classes == ("Bach", "Chopin")
    with pytest.raises(DatasetError, match=r"1 labels with 50\.0% of all chunks"):
        task.read(music_store, Request(options={"least_share": 0.5}))


def test_features_are_named_and_a_run_finds_its_items_again(music_store: Store) -> None:
    task = get_task("composer")
    data = task.read(music_store, Request())
    assert len(data.preparation.features) == data.examples.view("features").x.shape[1]
    assert data.preparation.chunk_frames == data.examples.view("chunks").x.shape[1]
    facts = {"task": "composer", "request": Request("small", data.version).facts()}
    assert load_for_run(music_store, facts).ids == data.examples.ids


def test_a_store_without_a_dataset_says_what_to_do(store: Store) -> None:
    with pytest.raises(UsageError, match=r"holds no dataset\. Make one: tunesmith ingest"):
        get_task("composer").read(store, Request())


def test_a_store_with_several_datasets_says_how_to_choose(store: Store) -> None:
    for name in ("bach", "folk"):
        store.write_json({}, "datasets", name, "0123", "manifest.json")
    with pytest.raises(UsageError, match=r"bach, folk.*--dataset NAME.*--dataset TASK=NAME"):
        get_task("composer").read(store, Request())


def test_an_unknown_dataset_is_answered_with_near_names(music_store: Store) -> None:
    with pytest.raises(UsageError, match="small"):
        get_task("composer").read(music_store, Request("smal"))


def test_copies_are_read_on_demand_and_named_in_the_protocol(
    music_store: Store,
) -> None:
    task = get_task("composer")
    plain = task.read(music_store, Request(views=("features",)))
    assert plain.examples.copies == ()
    assert "played" not in task.protocol(plain)
    copied = task.read(music_store, Request(views=("features",), copies=True))
    assert [set(views) for views in copied.examples.copies] == [{"features"}] * 3
    assert "as they are and played, transcribed" in task.protocol(copied)
