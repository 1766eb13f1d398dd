"""From the options of a search to what is searched."""

from typing import Any

import pytest

from tunesmith.errors import UsageError
from tunesmith.tasks import Request
from tunesmith.tuning import SearchOptions, SearchRequest, datasets_by_task, search_requests


def test_each_task_gets_the_options_that_its_kind_of_data_has() -> None:
    datasets = datasets_by_task(["mine", "composer_all=other"])
    options = SearchOptions(
        dataset=datasets, version="abc", least_pieces=4, trials=3, families=["svm"], seed=5
    )
    composer, every, digits = search_requests(["composer", "composer_all", "digits"], options)
    assert composer.data.dataset == "mine"
    assert every.data.dataset == "other"
    assert composer.data.version == "abc"
    assert composer.data.options == {"least_pieces": 4}
    assert digits.data.dataset is None
    assert digits.data.version is None
    assert digits.data.options == {}
    assert {ask.trials for ask in (composer, every, digits)} == {3}
    assert digits.families == ("svm",)
    assert digits.data.seed == digits.seed == 5


def test_a_table_of_the_users_own_goes_to_tasks_on_tables_alone() -> None:
    options = SearchOptions(csv="songs.csv", target="mood", group=["artist"], drop=["id"])
    (ask,) = search_requests(["genre"], options)
    assert ask.data.options == {
        "csv": "songs.csv", "target": "mood", "groups": ["artist"], "leave_out": ["id"],
    }  # fmt: skip
    with pytest.raises(
        UsageError, match="--csv is for tasks that can read a table of your own: emotion or genre"
    ):
        search_requests(["genre", "digits"], options)


def test_other_music_goes_to_tasks_on_music_alone() -> None:
    options = SearchOptions(background=["pop", "folk"])
    (ask,) = search_requests(["composer"], options)
    assert ask.data.options == {"background": ["pop", "folk"]}
    with pytest.raises(UsageError, match="--background is for tasks on music: composer"):
        search_requests(["composer", "genre"], options)


def test_an_unknown_task_is_answered_with_near_ones() -> None:
    with pytest.raises(UsageError, match="Did you mean composer"):
        search_requests(["compser"], SearchOptions())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "nois"}, "Did you mean noise"),
        ({"families": ("boosing",)}, "Did you mean boosting"),
        ({"families": ("cnn1d",)}, "reads chunks, which .* Families for it: ann, boosting, "),
        ({"trials": 0}, "at least one trial"),
        ({"resume": True, "extend": True}, "choose one of them"),
        ({"data": Request(dataset="a/b")}, "cannot name a dataset"),
    ],
)
def test_a_request_that_cannot_be_carried_out_cannot_be_made(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        SearchRequest(**{"task": "noise", **options})
