"""Searches that did not finish: listed, chosen, guarded, continued as they began, or discarded."""

from contextlib import ExitStack
from typing import Any

import pytest
from optuna.trial import TrialState

from tests import records
from tunesmith.artifacts import layout
from tunesmith.artifacts.owners import Ownership
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError, UsageError
from tunesmith.tasks import Request
from tunesmith.tuning.continuation import begun_plan, discard, trials_so_far, unfinished_note
from tunesmith.tuning.dry_run import preview
from tunesmith.tuning.planning import plan_search
from tunesmith.tuning.requests import SearchRequest
from tunesmith.tuning.session import Session, open_session

CLUSTER = {"CPU": 1.0}


def opened(store: Store, request: SearchRequest) -> Session:
    """Open a search as the driver does, and let go of it."""
    planned = plan_search(store, request, begun_plan(store, request), CLUSTER)
    with ExitStack() as stack:
        return open_session(store, stack, planned, cluster=CLUSTER, n_trials=2)


def begin(store: Store, **options: Any) -> Session:
    return opened(store, SearchRequest("noise", **{"families": ("linear",), "trials": 3} | options))


def resume(store: Store, **options: Any) -> Session:
    return opened(store, SearchRequest("noise", **{"resume": True} | options))


def test_a_new_search_leaves_the_interrupted_one_and_names_it(store: Store) -> None:
    assert unfinished_note(store, "noise") is None
    first = begin(store)
    note = unfinished_note(store, "noise")
    assert note is not None
    assert f"--resume {first.run_id}" in note
    assert "0 of 3 trials over linear, seed 0" in note
    second = begin(store, seed=4)
    assert first.run_id != second.run_id
    with pytest.raises(UsageError, match=r"2 unfinished searches: name one") as several:
        resume(store)
    assert f"{first.run_id} (0 of 3 trials over linear, seed 0)" in str(several.value)
    assert f"{second.run_id} (0 of 3 trials over linear, seed 4)" in str(several.value)
    assert resume(store, resume=first.run_id).plan == first.plan
    assert resume(store, resume=second.run_id).plan == second.plan


def test_the_beginning_of_a_name_is_enough_and_another_is_refused(store: Store) -> None:
    for run_id in ("20260101T000000-aaaa", "20260102T000000-bbbb"):
        records.write_unfinished(store, records.make_plan(run_id, "noise"))
    request = SearchRequest("noise", resume="20260102")
    plan = begun_plan(store, request)
    assert plan is not None
    assert plan.run_id == "20260102T000000-bbbb"
    for name in ("2026", "2027"):
        with pytest.raises(SearchError, match=rf"has the name '{name}'. There are: 20260101"):
            begun_plan(store, SearchRequest("noise", resume=name))


def test_of_two_that_resume_the_second_is_told_who_was_first(store: Store) -> None:
    session = begin(store)
    with Ownership(store, "noise", session.run_id), pytest.raises(SearchError, match="belongs to"):
        resume(store)
    assert resume(store).run_id == session.run_id


def test_the_search_that_runs_is_not_the_one_to_resume(store: Store) -> None:
    running, interrupted = begin(store), begin(store)
    with Ownership(store, "noise", running.run_id):
        assert resume(store).run_id == interrupted.run_id
        note = unfinished_note(store, "noise")
        assert note is not None
        assert running.run_id not in note


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"families": ("linear", "boosting")}, r"--families: boosting, linear is asked for"),
        ({"seed": 1}, r"--seed: 1 is asked for, but the search \S+ of noise began with 0"),
        ({"data": Request(dataset="other")}, "--dataset: other"),
        ({"data": Request(options={"groups": ["artist"]})}, "--group: artist"),
        ({"data": Request(options={"background": ["pop"]})}, "--background: pop"),
    ],
)
def test_what_differs_beside_resume_is_refused(
    options: dict[str, Any], message: str, store: Store
) -> None:
    begin(store)
    with pytest.raises(UsageError, match=message):
        resume(store, **options)


def test_what_is_the_same_beside_resume_is_taken(store: Store) -> None:
    session = begin(store, seed=2)
    assert resume(store, seed=2, families=("linear",)).plan == session.plan


def test_more_trials_beside_resume_are_obeyed_and_fewer_than_ended_refused(store: Store) -> None:
    begin(store, trials=3)
    session = resume(store, trials=5)
    assert (session.plan.trials, session.search.n_trials) == (5, 5)
    assert resume(store).plan.trials == 5
    for _ in range(2):
        session.search.study.tell(session.search.study.ask(), 0.5)
    with pytest.raises(UsageError, match=r"1 are asked for, but 2 of"):
        resume(store, trials=1)
    assert resume(store).plan.trials == 5


def test_failed_trials_run_again_once(store: Store) -> None:
    session = begin(store, trials=2)
    failed = session.search.suggest("a")
    assert failed is not None
    session.search.on_trial_complete("a", error=True)
    again = resume(store, retry_failed=True)
    assert again.plan.trials == again.search.n_trials == 3
    waiting = again.search.study.get_trials(states=[TrialState.WAITING])
    assert waiting[-1].user_attrs == {"retries": 0}
    repeated = [again.search.suggest(name) for name in "bc"]
    assert failed["params"] in [config["params"] for config in repeated if config is not None]
    with pytest.raises(UsageError, match="leave --retry-failed out"):
        resume(store, retry_failed=True)


def test_a_preview_of_a_resumed_search_shows_that_search(store: Store) -> None:
    session = begin(store, trials=4, seed=3)
    session.search.study.tell(session.search.study.ask(), 0.5)
    (plan,) = preview(store, [SearchRequest("noise", resume=True)], CLUSTER)
    assert plan["continues"] == {"run_id": session.run_id, "ended": 1}
    assert (plan["trials"], plan["seed"], plan["first"]) == (4, 3, [])
    assert [family["name"] for family in plan["families"]] == ["linear"]


def test_a_discarded_search_is_gone_and_one_that_runs_is_kept(store: Store) -> None:
    first, second = begin(store), begin(store)
    with pytest.raises(UsageError, match="as in --discard"):
        discard(store, "noise", run=True)
    with Ownership(store, "noise", first.run_id), pytest.raises(SearchError, match="belongs to"):
        discard(store, "noise", first.run_id)
    assert discard(store, "noise", first.run_id).run_id == first.run_id
    assert store.staged(*layout.runs("noise")) == (second.run_id,)
    assert discard(store, "noise", run=True) == second.plan
    assert store.staged(*layout.runs("noise")) == ()


def test_a_plan_that_cannot_be_read_hides_no_other(store: Store) -> None:
    session = begin(store)
    store.write_json({"task": "noise"}, *layout.staged_run("noise", "2020", layout.PLAN))
    assert resume(store).run_id == session.run_id
    with pytest.raises(SearchError, match="Start a new search"):
        begun_plan(store, SearchRequest("noise", resume="2020"))


def test_ended_trials_are_counted_without_writing(store: Store) -> None:
    session = begin(store)
    session.search.study.tell(session.search.study.ask(), 0.5)
    before = (session.folder / "study.journal").read_bytes()
    assert trials_so_far(store, session.plan) == 1
    assert (session.folder / "study.journal").read_bytes() == before
