"""Two processes that move the aliases of one task: no move lost, every refusal loud."""

import json
from collections import Counter
from itertools import pairwise

import pytest

from tests import artefacts
from tests.artifacts.test_pointers import run_together
from tunesmith.artifacts.store import Store
from tunesmith.errors import PromotionError
from tunesmith.registry import aliases, champion, history, promote, rollback
from tunesmith.registry.history import move_champion, name_challenger
from tunesmith.reports.publishing import make_report

# Promotions, rollbacks and challengers, as many of each, as the commands make them; the bundles are
# there already.
MOVING = """
import json, random, sys
from tunesmith.artifacts.cards import read_aliases
from tunesmith.artifacts.store import Store
from tunesmith.errors import PromotionError
from tunesmith.registry.history import move_champion, name_challenger, rollback

store, name, n_moves = Store(sys.argv[1]), sys.argv[2], int(sys.argv[3])
chance = random.Random(name)
kinds = ["promote", "rollback", "challenger"] * n_moves
chance.shuffle(kinds)
print("ready", flush=True)
sys.stdin.readline()
moved, refused = [], 0
for number, kind in enumerate(kinds):
    version, reason = chance.choice([1, 2, 3]), f"{name} {number}"
    if kind == "challenger":
        name_challenger(store, "composer", version)
        continue
    try:
        if kind == "promote":
            now = read_aliases(store, "composer")
            move_champion(store, "composer", version, action="promote", since=now, reason=reason)
        else:
            rollback(store, "composer", chance.choice([None, version]), reason=reason)
    except PromotionError as error:
        refused += 1
        assert "by another command" in str(error) or "already" in str(error) \\
            or "no previous" in str(error), error
    else:
        moved.append(reason)
print(json.dumps([moved, refused]))
"""


@pytest.fixture(params=["folder", "s3"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """Return an empty store of each kind."""
    store: Store = request.getfixturevalue("s3_store" if request.param == "s3" else "store")
    return store


@pytest.fixture
def three_bundles(any_store, monkeypatch):
    examples = artefacts.make_examples(180)
    artefacts.stand_in(monkeypatch, examples, drawn=False)
    for number in (1, 2, 3):
        model = artefacts.chunk_model(artefacts.register_weights(8.0 + number))
        artefacts.write_run(any_store, examples, model, run_id=f"r{number}")
        make_report(any_store, "composer", f"r{number}")
        promote(any_store, "composer", f"r{number}", force="a drill")
    return any_store


def check_moves(store: Store, n_moves: int) -> None:
    before = history(store, "composer")
    outputs = run_together([[MOVING, store.uri, name, str(n_moves)] for name in ("one", "two")])
    moves = [json.loads(output) for output in outputs]
    assert [len(moved) + refused for moved, refused in moves] == [2 * n_moves] * 2
    made = Counter(reason for moved, _ in moves for reason in moved)
    chain = history(store, "composer")
    assert sum(made.values()) > n_moves
    assert Counter(record.reason for record in chain[: -len(before)]) == made
    # Each record names the champion that the one before it had made.
    for record, earlier in pairwise(chain):
        assert (record.parent, record.replaced) == (earlier.number, earlier.champion)
    now = aliases(store, "composer")
    assert (now.champion, now.previous) == (chain[0].champion, chain[0].replaced)


def test_no_move_of_two_processes_is_lost(three_bundles):
    check_moves(three_bundles, 25)


@pytest.mark.long
def test_no_move_of_a_thousand_is_lost(three_bundles):
    check_moves(three_bundles, 1000)


def test_a_promotion_that_began_before_a_rollback_does_not_undo_it(store, add_run, monkeypatch):
    from tunesmith.registry import promotion

    for number in (1, 2, 3):
        add_run(f"r{number}", artefacts.chunk_model(artefacts.register_weights(8.0 + number)))
    promote(store, "composer", "r1", force="a test")
    promote(store, "composer", "r2", force="a test")
    baseline_rule = promotion.baseline_rule

    def slow(report):
        rollback(store, "composer", reason="2 was slow")
        return baseline_rule(report)

    monkeypatch.setattr(promotion, "baseline_rule", slow)
    with pytest.raises(PromotionError, match="changed by another command meanwhile: it was versi"):
        promote(store, "composer", "r3", force="a test")
    assert aliases(store, "composer").champion == 1
    assert history(store, "composer")[0].reason == "2 was slow"
    monkeypatch.undo()


def test_a_challenger_does_not_undo_a_move(store, add_run):
    for number in (1, 2):
        add_run(f"r{number}", artefacts.chunk_model(artefacts.register_weights(8.0 + number)))
        promote(store, "composer", f"r{number}", force="a test")
    name_challenger(store, "composer", 2)
    now = aliases(store, "composer")
    assert (now.champion, now.challenger) == (2, None)
    name_challenger(store, "composer", 1)
    move_champion(store, "composer", 1, action="rollback")
    assert aliases(store, "composer").challenger is None


def test_a_folder_that_a_power_cut_emptied_keeps_its_number(store, add_run):
    add_run("r1")
    promote(store, "composer", "r1", force="a test")
    store.local_path("models", "composer", "0002").mkdir()
    store.write_bytes(b"", "models", "composer", "0003", "card.json")
    add_run("r2", artefacts.chunk_model(artefacts.register_weights(9.0)))
    assert promote(store, "composer", "r2", force="a test").version == 4
    assert champion(store, "composer").version == 4


@pytest.mark.parametrize("content", [b"", b"[]", b'{"champion": [1]}'])
def test_damaged_aliases_are_mended_by_naming_a_champion(store, add_run, content):
    for number in (1, 2):
        add_run(f"r{number}", artefacts.chunk_model(artefacts.register_weights(8.0 + number)))
        promote(store, "composer", f"r{number}", force="a test")
    store.write_bytes(content, "models", "composer", "aliases.json")
    rollback(store, "composer", to=1, reason="mended")
    assert aliases(store, "composer").champion == 1
    assert [record.number for record in history(store, "composer")] == [3, 2, 1]
