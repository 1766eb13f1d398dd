import numpy as np
import pytest

from tunesmith.datasets.augmentation import with_copies
from tunesmith.datasets.examples import Examples, View
from tunesmith.datasets.splits import leaked, split_pieces
from tunesmith.errors import DatasetError, UsageError


@pytest.fixture
def examples(dataset):
    pieces = dataset.pieces().dropna(subset="label")
    ids = pieces["piece_id"].tolist()
    classes = tuple(sorted(set(pieces["label"])))
    chunks = dataset.chunks(ids)
    notes = dataset.notes(ids)
    return Examples(
        y=np.array([classes.index(label) for label in pieces["label"]]),
        classes=classes,
        groups=pieces["cluster"].to_numpy(),
        ids=ids,
        views={
            "chunks": View(chunks.rolls, chunks.piece_index),
            "notes": View.one_row_each([notes[piece] for piece in ids]),
            "features": View.one_row_each(dataset.features(ids)),
        },
    )


def test_copies_are_rows_of_their_piece(examples):
    more = with_copies(examples, "chunks", tempo_factors=(1.25,))
    assert more.ids == examples.ids
    assert more.classes == examples.classes
    before, after = examples.view("chunks"), more.view("chunks")
    assert len(after) == 4 * len(before)
    np.testing.assert_array_equal(np.bincount(after.item), 4 * np.bincount(before.item))
    np.testing.assert_array_equal(after.x[: len(before)], before.x)
    lower = after.x[len(before) : 2 * len(before)]
    np.testing.assert_array_equal(lower[..., :100], before.x[..., 2:102])


def test_copies_stay_on_the_side_of_their_piece(examples):
    more = with_copies(examples, "chunks")
    parts = split_pieces(more.y, more.groups, {"train": 0.6, "test": 0.4})
    assert leaked(parts, more.groups) == 0
    train = more.take(np.flatnonzero(parts == "train"))
    test = more.take(np.flatnonzero(parts == "test"))
    assert not set(train.ids) & set(test.ids)
    assert len(train.view("chunks")) + len(test.view("chunks")) == len(more.view("chunks"))


def test_notes_can_be_transposed_too(examples):
    more = with_copies(examples, "notes", semitones=(3,))
    before, after = examples.view("notes"), more.view("notes")
    assert len(after) == 2 * len(before)
    moved = after.x[len(before)]["pitch"].astype(int) - before.x[0]["pitch"]
    assert set(moved) == {3}
    assert after.item.tolist() == before.item.tolist() * 2


def test_what_cannot_be_transposed(examples):
    with pytest.raises(DatasetError, match="neither chunks nor notes"):
        with_copies(examples, "features")
    with pytest.raises(UsageError):
        with_copies(examples, "melody")
