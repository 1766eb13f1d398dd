"""Presets fill in what was not given."""

import re

import pytest

from tunesmith.cli import tune as command
from tunesmith.errors import UsageError
from tunesmith.tuning.presets import PRESETS, with_preset
from tunesmith.tuning.requests import SearchOptions


def test_what_was_given_counts() -> None:
    options = SearchOptions(trials=7, seed=3)
    assert with_preset("best", options, None, 1) == (options, 3600.0)
    assert with_preset("best", SearchOptions(), 90.0, 1) == (SearchOptions(trials=60), 90.0)
    assert with_preset(None, options, 90.0, 1) == (options, 90.0)


def test_a_new_search_without_a_size_is_a_good_one() -> None:
    assert with_preset(None, SearchOptions(), None, 2) == (SearchOptions(trials=12), 1800.0)


@pytest.mark.parametrize(
    ("options", "budget_s"),
    [
        (SearchOptions(trials=60), None),
        (SearchOptions(), 90.0),
        (SearchOptions(resume=True), None),
        (SearchOptions(extend=True), None),
    ],
)
def test_a_search_with_a_size_or_a_beginning_is_left_alone(
    options: SearchOptions, budget_s: float | None
) -> None:
    assert with_preset(None, options, budget_s, 2) == (options, budget_s)


def test_tasks_share_the_time_of_all() -> None:
    assert with_preset("fast", SearchOptions(), None, 4) == (SearchOptions(trials=6), 720.0)


def test_an_unknown_preset_is_refused_with_those_that_exist() -> None:
    with pytest.raises(UsageError, match="best, fast, good"):
        with_preset("faster", SearchOptions(), None, 1)


def test_the_help_tells_the_presets_as_they_are() -> None:
    (option,) = [of for of in command.main.params if of.name == "preset"]
    assert list(option.type.choices) == list(PRESETS)
    numbers = [int(number) for number in re.findall(r"\d+", option.help or "")]
    assert numbers == [
        *(preset.minutes for preset in PRESETS.values()),
        *(preset.trials for preset in PRESETS.values()),
    ]
