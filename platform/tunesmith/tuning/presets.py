"""Presets: how much a search may cost, in one word."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tunesmith.errors import unknown
from tunesmith.tuning.requests import SearchOptions

__all__ = ["PRESETS", "Preset", "with_preset"]


@dataclass(frozen=True)
class Preset:
    """An amount of work.

    Attributes
    ----------
    trials
        Trials a task.
    minutes
        Minutes a task, refits included.
    """

    trials: int
    minutes: int


PRESETS: Mapping[str, Preset] = {
    "fast": Preset(trials=6, minutes=3),
    "good": Preset(trials=12, minutes=15),
    "best": Preset(trials=60, minutes=60),
}
_DEFAULT = "good"


def with_preset(
    name: str | None, options: SearchOptions, time_budget_s: float | None, n_tasks: int
) -> tuple[SearchOptions, float | None]:
    """Return the options and the time budget of a search, by a preset where they were not given.

    Parameters
    ----------
    name
        One of `PRESETS`. None is ``"good"`` for a new search of which neither trials nor time were
        given, and else leaves all as it is.
    options, time_budget_s
        What was given.
    n_tasks
        Number of tasks; they share the time, and it is spent where it pays.

    Raises
    ------
    UsageError
        When there is no such preset.
    """
    if name is None:
        is_sized = options.trials is not None or time_budget_s is not None
        if is_sized or options.resume or options.extend:
            return options, time_budget_s
        name = _DEFAULT
    preset = PRESETS.get(name)
    if preset is None:
        kind = "preset"
        raise unknown(kind, name, PRESETS)
    budget_s = 60.0 * preset.minutes * n_tasks if time_budget_s is None else time_budget_s
    return replace(options, trials=options.trials or preset.trials), budget_s
