"""Opening a search again: what an earlier version left is told, never mixed with a new study."""

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from optuna.trial import TrialState

from tunesmith.artifacts.searches import TrialResult
from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError
from tunesmith.tuning.continuation import begun_plan
from tunesmith.tuning.planning import plan_search
from tunesmith.tuning.requests import SearchRequest
from tunesmith.tuning.session import Session, open_session

BEGIN = SearchRequest("noise", families=("linear",), trials=2)


def opened(store: Store, request: SearchRequest) -> Session:
    cluster = {"CPU": 1.0}
    planned = plan_search(store, request, begun_plan(store, request), cluster)
    with ExitStack() as stack:
        return open_session(store, stack, planned, cluster=cluster, n_trials=2)


def test_an_interrupted_search_is_opened_where_it_was(store: Store) -> None:
    first = opened(store, BEGIN)
    again = opened(store, SearchRequest("noise", resume=True))
    assert (again.run_id, again.folder) == (first.run_id, first.folder)


def test_a_search_whose_study_this_version_cannot_read_is_not_continued(store: Store) -> None:
    session = opened(store, BEGIN)
    (session.folder / "history.jsonl").write_text('{"trial": 0}\n')
    (session.folder / "study.journal").unlink()
    with pytest.raises(SearchError, match=f"{session.run_id}.*an earlier version"):
        opened(store, SearchRequest("noise", resume=True))


def test_results_say_which_trials_were_not_stopped(store: Store) -> None:
    session = opened(store, BEGIN)
    study = session.search.study
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.COMPLETE):
        trial = study.ask()
        # The last trial began again and ended a step earlier than the first time.
        trial.set_user_attr("training_iteration", 2 if trial.number < 3 else 1)
        study.tell(trial, 0.5 if state == TrialState.COMPLETE else None, state=state)
    still_running = study.ask().number
    results = [
        TrialResult(trial, "linear", step, 0.5, 1, 0.1, {})
        for trial in range(still_running + 1) for step in (1, 2)
    ]  # fmt: skip
    session.history.write_text("".join(json.dumps(result.row()) + "\n" for result in results))
    assert [(r.trial, r.step, r.is_end) for r in session.ended_results()] == [
        (0, 1, False), (0, 2, True), (1, 1, False), (1, 2, False), (3, 1, True)
    ]  # fmt: skip


def test_a_run_whose_study_this_version_cannot_read_is_not_extended(store: Store) -> None:
    session = opened(store, BEGIN)
    published = Path(store.local_path("runs", "noise", "old"))
    session.folder.rename(published)
    (published / "study.journal").unlink()
    store.write_json({}, "runs", "noise", "old", "run.json")
    store.write_json({"run_id": "old"}, "runs", "noise", "latest.json")
    with pytest.raises(SearchError, match=r"old.*an earlier version"):
        opened(store, SearchRequest("noise", extend=True, trials=4))
