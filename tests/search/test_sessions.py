"""Opening a search again: what an earlier version left is told, never mixed with a new study."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from tunesmith.errors import SearchError
from tunesmith.search.sessions import Ask, Session, open_session
from tunesmith.store import Store

BEGIN = Ask("noise", families=("linear",), trials=2)


def opened(store: Store, ask: Ask) -> Session:
    with ExitStack() as stack:
        return open_session(store, stack, ask, cluster={"CPU": 1.0}, n_trials=2)


def test_an_interrupted_search_is_opened_where_it_was(store: Store) -> None:
    first = opened(store, BEGIN)
    again = opened(store, Ask("noise", resume=True))
    assert (again.run_id, again.folder) == (first.run_id, first.folder)


def test_a_search_whose_study_this_version_cannot_read_is_not_continued(store: Store) -> None:
    session = opened(store, BEGIN)
    (session.folder / "history.jsonl").write_text('{"trial": 0}\n')
    (session.folder / "study.journal").unlink()
    with pytest.raises(SearchError, match=f"{session.run_id}.*an earlier version"):
        opened(store, Ask("noise", resume=True))


def test_a_run_whose_study_this_version_cannot_read_is_not_extended(store: Store) -> None:
    session = opened(store, BEGIN)
    published = Path(store.local_path("runs", "noise", "old"))
    session.folder.rename(published)
    (published / "study.journal").unlink()
    store.write_json({"run_id": "old"}, "runs", "noise", "latest.json")
    with pytest.raises(SearchError, match=r"old.*an earlier version"):
        opened(store, Ask("noise", extend=True, trials=4))
