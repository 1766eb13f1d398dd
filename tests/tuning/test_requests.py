"""From the options of a search to what is searched."""

import pytest

from tunesmith.errors import UsageError
from tunesmith.tuning import SearchOptions, asks_for, datasets_by_task


def test_each_task_gets_the_options_that_its_kind_of_data_has() -> None:
    datasets = datasets_by_task(["mine", "composer_all=other"])
    options = SearchOptions(
        dataset=datasets, version="abc", least_pieces=4, trials=3, families=["svm"], seed=5
    )
    composer, every, digits = asks_for(["composer", "composer_all", "digits"], options)
    assert composer.request.dataset == "mine"
    assert every.request.dataset == "other"
    assert composer.request.version == "abc"
    assert composer.request.options == {"least_pieces": 4}
    assert digits.request.dataset is None
    assert digits.request.version is None
    assert digits.request.options == {}
    assert {ask.trials for ask in (composer, every, digits)} == {3}
    assert digits.families == ("svm",)
    assert digits.request.seed == digits.seed == 5


def test_a_table_of_the_users_own_goes_to_tasks_on_tables_alone() -> None:
    options = SearchOptions(csv="songs.csv", target="mood", group=["artist"], drop=["id"])
    (ask,) = asks_for(["genre"], options)
    assert ask.request.options == {
        "csv": "songs.csv", "target": "mood", "groups": ["artist"], "leave_out": ["id"],
    }  # fmt: skip
    with pytest.raises(
        UsageError, match="--csv is for tasks that can read a table of your own: emotion or genre"
    ):
        asks_for(["genre", "digits"], options)


def test_an_unknown_task_is_answered_with_near_ones() -> None:
    with pytest.raises(UsageError, match="Did you mean composer"):
        asks_for(["compser"], SearchOptions())
