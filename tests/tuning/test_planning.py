"""The families of a search are those that can read its data."""

from pathlib import Path

import pytest

from tunesmith.artifacts.store import Store
from tunesmith.errors import SearchError
from tunesmith.tasks import Request
from tunesmith.tuning.planning import PlannedSearch, plan_search
from tunesmith.tuning.requests import SearchRequest

CLUSTER = {"CPU": 2.0}


def _plan(folder: Path, families: tuple[str, ...] | None, **read_as: str) -> PlannedSearch:
    """Return the plan for a table with a title."""
    rows = [
        f"Song {number} of {'ab'[number % 2]},{number % 7},{number % 2}" for number in range(80)
    ]
    (folder / "songs.csv").write_text("\n".join(["title,tempo,kind", *rows]))
    options = {"csv": str(folder / "songs.csv"), "target": "kind", "read_as": read_as}
    request = SearchRequest("genre", Request(options=options), families=families)
    return plan_search(Store(folder / "store"), request, None, CLUSTER)


def test_a_family_of_texts_is_left_out_where_there_are_none_and_that_is_told(
    tmp_path: Path,
) -> None:
    planned = _plan(tmp_path, None)
    assert "text_boosting" not in planned.plan.families
    assert "boosting" in planned.plan.families
    note = next(note for note in planned.data.notes if "text_boosting" in note)
    assert "reads text_ngrams, which the data does not have" in note
    assert "--read-as COLUMN=ngrams" in note


def test_a_family_of_texts_is_searched_where_there_are_some(tmp_path: Path) -> None:
    planned = _plan(tmp_path, None, title="ngrams")
    assert planned.plan.families[0] == "text_boosting"
    assert not any("text_boosting" in note for note in planned.data.notes)


def test_a_chosen_family_that_cannot_read_the_data_is_refused_with_a_way_on(tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"reads text_ngrams.*--read-as COLUMN=ngrams"):
        _plan(tmp_path, ("boosting", "text_boosting"))
