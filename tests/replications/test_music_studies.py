"""The composer studies on a small dataset that the real pipeline made."""

import numpy as np
import pytest

from tunesmith.artifacts.store import Store
from tunesmith.replications import Effort, Setting, composer_all, composer_cnn, composer_lstm
from tunesmith.replications.music import BIG4, CLASSICAL, FOUR, NOTES_NETWORK, SMALL_NETWORK

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
NAMES = {"composer": "small", "composer_all": "small"}
EFFORT = Effort(40, 0.02)


@pytest.fixture
def setting(music_store: Store) -> Setting:
    return Setting(music_store, EFFORT, NAMES)


def test_folds_over_chunks_part_pieces_and_folds_by_cluster_do_not(setting: Setting) -> None:
    rows = BIG4.chunk_rows(setting, FOUR, SMALL_NETWORK)
    assert rows.examples.classes == ("Bach", "Chopin")
    by_cluster = composer_cnn._fold_of_rows(rows, by_cluster=True)
    assert set(by_cluster) == {0, 1, 2}
    for cluster in np.unique(rows.examples.groups):
        assert len(set(by_cluster[rows.examples.groups == cluster])) == 1
    over_chunks = composer_cnn._fold_of_rows(rows, by_cluster=False)
    parted = [len(set(over_chunks[rows.pieces == piece])) for piece in np.unique(rows.pieces)]
    assert max(parted) > 1


def test_a_refit_stands_beside_what_the_rows_it_is_judged_on_scored_before() -> None:
    scores = {"study-chunk-0": 0.5, "study-chunk-1": 0.9, "study-refitted": 0.99}
    results = {key: {"accuracy": score} for key, score in scores.items()}
    by_fold, refitted = composer_cnn.REPLICATION.rows(results)
    assert by_fold.same == pytest.approx(0.7)
    assert "2 of 3 folds" in by_fold.ran
    assert "The very same rows before that: 0.5000." in refitted.difference


def test_windows_of_files_in_order_and_shuffled_hold_the_same_files(setting: Setting) -> None:
    values, y = composer_lstm._numbers(setting)
    assert values.shape == (42, 2)
    assert (np.diff(y) >= 0).all()
    assert np.abs(values.mean(axis=0)).max() < 1e-5
    in_order = composer_lstm._windows(setting, shuffled=False)
    shuffled = composer_lstm._windows(setting, shuffled=True)
    assert in_order["n"] == shuffled["n"] == 6
    assert in_order["as_before"] >= shuffled["as_before"]
    rows = composer_lstm.REPLICATION.rows({"in-order": in_order, "shuffled": shuffled})
    assert "composer of the file before" in rows[0].difference
    assert rows[0].ran == "CUT DOWN: 1 of 50 epochs"


def test_a_threshold_leaves_rare_composers_out_and_numbers_the_rest(setting: Setting) -> None:
    rows = CLASSICAL.chunk_rows(setting, None, SMALL_NETWORK)
    assert rows.examples.classes == ("Bach", "Chopin", "Liszt")
    kept = composer_all._kept(rows, 0.2)
    assert kept.examples.classes == ("Bach", "Chopin")
    assert set(kept.examples.y) == {0, 1}
    assert len(kept.examples) < len(rows.examples)
    assert composer_all._kept(rows, 0.0).examples.classes == rows.examples.classes
    by_cluster = composer_all._by_cluster(setting, 0.2)
    assert by_cluster["classes"] == 2
    assert 6 <= by_cluster["n"] <= 10


def test_augmented_files_counted_as_a_composer_make_36_percent(setting: Setting) -> None:
    result = composer_all._with_augmented(Setting(setting.store, Effort(None, 0.02), NAMES), 0.2)
    assert result["classes"] == 3
    assert result["per_class"]["augmented"]["n"] == pytest.approx(0.36 * result["n"], rel=0.5)


def test_a_network_of_notes_learns_from_the_same_chunks(setting: Setting) -> None:
    rolls = CLASSICAL.chunk_rows(setting, None, SMALL_NETWORK)
    notes = CLASSICAL.chunk_rows(setting, None, NOTES_NETWORK)
    assert set(notes.examples.views) == {"features", "ngrams"}
    np.testing.assert_array_equal(rolls.pieces, notes.pieces)
    np.testing.assert_array_equal(rolls.examples.y, notes.examples.y)
    np.testing.assert_array_equal(rolls.examples.groups, notes.examples.groups)
    silent = ~rolls.examples.view("chunks").x.any(axis=(1, 2))
    nothing_begins = ~notes.examples.view("features").x.any(axis=1)
    # Notes that began before a chunk may sound in it.
    assert not (silent & ~nothing_begins).any()
    result = composer_all._by_chunk(setting, NOTES_NETWORK, 0.2)
    assert result["classes"] == 2
    rows = composer_all.REPLICATION.rows({"notes-0.1": result})
    assert rows[1].better == (result["accuracy"], "network of notes")
