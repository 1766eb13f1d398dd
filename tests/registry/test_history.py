import pytest

from tests import artefacts
from tunesmith.artifacts.store import Store
from tunesmith.errors import PromotionError, StoreError
from tunesmith.registry import aliases, champion, history, promote, rollback


@pytest.fixture
def three_versions(store, add_run):
    for number in (1, 2, 3):
        add_run(f"r{number}", artefacts.chunk_model(artefacts.register_weights(8.0 + number)))
        promote(store, "composer", force="a test")
    return store


def test_rollback_returns_to_the_previous_and_keeps_who_and_why(three_versions):
    record = rollback(three_versions, "composer", reason="3 was slow")
    found = champion(three_versions, "composer")
    assert found is not None
    assert found.version == record.champion == 2
    found.load()
    now = aliases(three_versions, "composer")
    assert (now.champion, now.previous) == (2, 3)
    newest = history(three_versions, "composer")[0]
    assert newest == record
    assert (newest.action, newest.replaced, newest.reason) == ("rollback", 3, "3 was slow")
    assert newest.who
    assert [r.champion for r in history(three_versions, "composer")] == [2, 3, 2, 1]


def test_rollback_to_a_named_version_and_forth_again(three_versions):
    rollback(three_versions, "composer", to=1)
    assert aliases(three_versions, "composer").champion == 1
    rollback(three_versions, "composer")
    assert aliases(three_versions, "composer").champion == 3


def test_rollback_without_a_previous_champion_is_refused(store, add_run):
    with pytest.raises(PromotionError, match="no previous champion"):
        rollback(store, "composer")
    add_run("r1")
    promote(store, "composer")
    with pytest.raises(PromotionError, match="no previous champion"):
        rollback(store, "composer")
    with pytest.raises(PromotionError, match="is the champion of 'composer' already"):
        rollback(store, "composer", to=1)
    with pytest.raises(StoreError, match="no version 5"):
        rollback(store, "composer", to=5)


def test_rollback_to_a_damaged_version_leaves_the_champion(three_versions):
    before = aliases(three_versions, "composer")
    three_versions.write_bytes(b"damaged", "models", "composer", "0002", "model.onnx")
    with pytest.raises(StoreError, match="damaged"):
        rollback(three_versions, "composer")
    assert aliases(three_versions, "composer") == before


def test_a_move_lists_nothing_so_a_long_history_does_not_slow_it(three_versions, monkeypatch):
    monkeypatch.setattr(Store, "list", lambda *_: pytest.fail("the records were listed"))
    rollback(three_versions, "composer", to=1)
    monkeypatch.undo()
    assert [record.number for record in history(three_versions, "composer")] == [4, 3, 2, 1]


def test_a_record_that_a_killed_promotion_left_behind_is_no_history(three_versions):
    before = history(three_versions, "composer")
    orphan = before[0].json_object() | {"number": 4, "parent": 3}
    three_versions.write_json(orphan, "models", "composer", "records", "0004.json")
    assert history(three_versions, "composer") == before
    rollback(three_versions, "composer")
    assert [r.number for r in history(three_versions, "composer")] == [5, 3, 2, 1]


def test_an_aliases_file_from_elsewhere_is_refused(store):
    store.write_json({"winner": 3}, "models", "composer", "aliases.json")
    with pytest.raises(StoreError, match=r"aliases.json.*winner"):
        champion(store, "composer")
