"""The contest of a challenger: pooled evidence, decisions, and moves by one process alone."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from tests.serving.conftest import write_bundle
from tunesmith.artifacts import layout
from tunesmith.artifacts.cards import read_aliases
from tunesmith.artifacts.store import Store
from tunesmith.errors import PromotionError
from tunesmith.registry import history, rollback
from tunesmith.registry.contests import Contest, Decision, Evidence, Observations, decide, pool
from tunesmith.registry.history import name_challenger
from tunesmith.registry.sequential import Signs

NOTHING = Signs()


def evidence(**signs: Signs) -> Evidence:
    return Evidence(**{"labels": NOTHING, "failures": NOTHING, "times": NOTHING, **signs})


def certain(**signs: Signs) -> Decision:
    decision = decide(evidence(**signs), 0.05)
    assert decision is not None
    return decision


def begin(store: Store) -> Contest:
    """Return the contest of version 2 beside version 1."""
    write_bundle(store, 2, favour=1)
    write_bundle(store, 1)
    name_challenger(store, "composer", 2)
    return Contest("composer", read_aliases(store, "composer"))


@pytest.fixture
def contest(store: Store) -> Contest:
    """Return a contest in a folder."""
    return begin(store)


def test_the_files_of_replicas_are_one_evidence_and_an_item_counts_once() -> None:
    one = Observations(labels={"a": True, "b": False}, failures=(1, 2), times=(3, 0))
    two = Observations(labels={"b": False, "c": True}, failures=(0, 1))
    assert pool([one, two]) == Evidence(Signs(2, 1), Signs(1, 3), Signs(3, 0))
    assert pool([]) == evidence()


def test_labels_promote_and_withdraw() -> None:
    better = certain(labels=Signs(20, 3))
    assert better.promotes
    assert better.verdict.message.startswith(
        "Of 23 labelled items on which exactly one model was right, the challenger was right on 20:"
    )
    assert better.verdict.facts == {"about": "labels", "wins": 20, "losses": 3, "alpha": 0.025}
    assert not certain(labels=Signs(3, 25)).promotes
    assert decide(evidence(labels=Signs(6, 3)), 0.05) is None


def test_failures_and_time_withdraw_and_never_promote() -> None:
    assert "failed in 15" in certain(failures=Signs(0, 15)).verdict.message
    assert "took longer than it may in 40" in certain(times=Signs(5, 40)).verdict.message
    assert decide(evidence(failures=Signs(900, 0), times=Signs(900, 0)), 0.05) is None
    # A model that is better where it answers and fails more often is withdrawn.
    assert not certain(labels=Signs(40, 2), failures=Signs(0, 15)).promotes


def test_wrong_decisions_stay_below_alpha_where_the_models_are_alike() -> None:
    """Three tests at a time, looked at after every observation of each, in both directions."""
    rng = np.random.default_rng(5)
    alpha, wrong = 0.2, 0
    for _ in range(200):
        wins = (rng.random((3, 250)) < 0.5).cumsum(axis=1)
        for n in range(1, 251, 5):
            labels, failures, times = (Signs(int(w), int(n - w)) for w in wins[:, n - 1])
            if decide(Evidence(labels, failures, times), alpha) is not None:
                wrong += 1
                break
    assert wrong / 200 <= alpha


def test_a_promotion_is_recorded_with_its_evidence(store: Store, contest: Contest) -> None:
    replica = layout.contest("composer", contest.key, "one.json")
    Observations(labels={str(n): n > 2 for n in range(23)}).write(store, *replica)
    decision = decide(contest.pooled(store), 0.05)
    assert decision is not None
    record = contest.settle(store, decision)
    now = read_aliases(store, "composer")
    assert (now.champion, now.previous, now.challenger) == (2, 1, None)
    (newest,) = history(store, "composer")
    assert newest == record
    assert (newest.action, newest.champion, newest.replaced) == ("canary", 2, 1)
    assert newest.verdicts == (decision.verdict,)
    assert newest.reason == decision.verdict.message
    assert not store.exists(*replica)
    assert rollback(store, "composer").champion == 1


def test_a_withdrawal_is_recorded_and_the_champion_stays(store: Store, contest: Contest) -> None:
    contest.settle(store, certain(failures=Signs(0, 20)))
    now = read_aliases(store, "composer")
    assert (now.champion, now.challenger) == (1, None)
    (newest,) = history(store, "composer")
    assert (newest.action, newest.champion, newest.withdrawn) == ("withdraw", 1, 2)
    assert newest.replaced is None


@pytest.fixture(params=["disk", "s3"])
def any_store(request: pytest.FixtureRequest) -> Store:
    """Return an empty store of each kind."""
    store: Store = request.getfixturevalue("s3_store" if request.param == "s3" else "store")
    return store


@pytest.mark.parametrize("decision", [{"labels": Signs(20, 2)}, {"labels": Signs(2, 20)}])
def test_of_many_replicas_one_moves(any_store: Store, decision: dict[str, Signs]) -> None:
    contest, verdict = begin(any_store), certain(**decision)
    seen = Observations(labels={"a": True})
    for replica in range(3):
        seen.write(any_store, *layout.contest("composer", contest.key, f"{replica}.json"))
    assert contest.pooled(any_store).labels == Signs(1, 0)

    def settle(_: int) -> Any:
        try:
            return contest.settle(Store(any_store.uri), verdict)
        except PromotionError as error:
            return error

    with ThreadPoolExecutor(6) as pool_of_replicas:
        outcomes = list(pool_of_replicas.map(settle, range(6)))
    assert sum(not isinstance(outcome, PromotionError) for outcome in outcomes) == 1
    assert len(history(any_store, "composer")) == 1
    assert not any_store.list(*layout.contest("composer", contest.key))


def test_another_challenger_is_not_withdrawn_for_this_one(store: Store, contest: Contest) -> None:
    name_challenger(store, "composer", 3)
    with pytest.raises(PromotionError, match="changed meanwhile"):
        contest.settle(store, certain(labels=Signs(2, 20)))
    assert read_aliases(store, "composer").challenger == 3


def test_a_damaged_file_leaves_the_other_evidence(
    store: Store, contest: Contest, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = layout.contest("composer", contest.key)
    Observations(labels={"a": True}).write(store, *folder, "one.json")
    store.write_bytes(b"{", *folder, "two.json")
    assert contest.pooled(store).labels == Signs(1, 0)
