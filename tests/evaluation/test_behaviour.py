import numpy as np
import pytest

from tests import artefacts
from tests.artefacts import FakeDataset
from tunesmith.datasets.examples import Examples, View
from tunesmith.errors import ModelError
from tunesmith.evaluation.behaviour import CHANGES, Change, behaviour
from tunesmith.evaluation.music import Pieces
from tunesmith.evaluation.predictions import predict
from tunesmith.inference.classifier import Classifier
from tunesmith.midi.features import FEATURE_NAMES

RATE = 10.0


@pytest.fixture
def pieces():
    dataset = FakeDataset(n=12)
    return Pieces(dataset, [f"p{i}" for i in range(12)])


def ask(pieces, model, changes=CHANGES):
    classifier = Classifier(model, classes=artefacts.CLASSES)
    predictions = predict(classifier, pieces.dataset.examples())
    return behaviour(classifier, pieces, predictions, lambda p: p.by_item, changes)


def by_name(found):
    return {row.change: row.unchanged.value for row in found.changes}


def test_a_model_of_the_register_changes_its_mind_when_the_key_changes(pieces):
    found = ask(pieces, artefacts.chunk_model(artefacts.register_weights(60.0)))
    unchanged = by_name(found)
    assert unchanged["transposed by +6 semitones"] < 1
    assert unchanged["all notes equally loud"] > unchanged["transposed by +6 semitones"]
    assert found.pieces == 12


def test_a_model_that_looks_at_nothing_never_changes_its_mind(pieces):
    found = ask(pieces, artefacts.chunk_model(np.zeros((128, 3)), frames=20))
    assert set(by_name(found).values()) == {1.0}
    assert found.near_keys.value == 1.0


def test_a_model_of_features_is_asked_about_changed_notes(pieces):
    weights = np.zeros((len(FEATURE_NAMES), 3))
    for column, pitch_class in enumerate((0, 4, 8)):
        weights[FEATURE_NAMES.index(f"pitch_class_{pitch_class}"), column] = 50.0
    found = ask(pieces, artefacts.feature_model(weights))
    assert by_name(found)["transposed by +3 semitones"] < 1
    assert by_name(found)["all notes equally loud"] == 1
    assert {row.change for row in found.changes} == {change.name for change in CHANGES}


def test_near_keys_needs_every_key_to_agree(pieces):
    found = ask(pieces, artefacts.chunk_model(artefacts.register_weights(60.0)))
    near = [
        row.unchanged.value
        for row in found.changes
        if row.change.startswith("transposed") and "6" not in row.change
    ]
    assert len(near) == 6
    assert found.near_keys.value <= min(near)


def change(name: str) -> Change:
    return next(c for c in CHANGES if c.name == name)


def test_tempo_on_a_roll_and_on_notes_agree_on_the_length(pieces):
    for name, factor in (("20 % faster", 1.2), ("20 % slower", 0.8)):
        roll, notes = pieces.rolls[0], pieces.notes[0]
        assert len(change(name).of_roll(roll, RATE)) == round(len(roll) / factor)
        scaled = change(name).of_notes(notes)
        assert scaled["offset_s"].max() == pytest.approx(notes["offset_s"].max() / factor)


def test_cutting_the_start_leaves_short_pieces_alone(pieces):
    cut = change("without the first 20 s")
    short = pieces.notes[0][pieces.notes[0]["onset_s"] < 3]
    np.testing.assert_array_equal(cut.of_notes(short), short)
    roll = pieces.rolls[0]
    assert len(change("without the first 5 s").of_roll(roll, RATE)) == len(roll) - 50
    np.testing.assert_array_equal(cut.of_roll(roll[:20], RATE), roll[:20])


def test_flattening_keeps_which_notes_sound(pieces):
    flat = change("all notes equally loud")
    roll = flat.of_roll(pieces.rolls[0], RATE)
    np.testing.assert_array_equal(roll > 0, pieces.rolls[0] > 0)
    assert set(np.unique(roll)) == {0, 64}
    assert set(flat.of_notes(pieces.notes[0])["velocity"]) == {64}


def test_a_model_of_something_else_is_refused(pieces):
    examples = pieces.dataset.examples()
    table = Examples(
        examples.y,
        examples.classes,
        examples.groups,
        examples.ids,
        {"table": View.one_row_each(np.zeros((12, 6), dtype=np.float32))},
    )
    model = artefacts.feature_model(artefacts.feature_weights(), name="table")
    classifier = Classifier(model, classes=artefacts.CLASSES)
    with pytest.raises(ModelError, match="not as table"):
        behaviour(classifier, pieces, predict(classifier, table), lambda p: p.by_item)
