"""The space of one task: the family first, then what that family suggests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import optuna

from tunesmith.models import get_family
from tunesmith.tasks import Reference

__all__ = ["FAMILY", "Point", "Space", "settings_of", "starting_points"]

FAMILY = "family"
"""Name of the parameter that chooses the family."""
Point = dict[str, bool | int | float | str | None]
"""Values by the names that Optuna suggests them under; what they are is the families' affair."""


class _Prefixed:
    """An Optuna trial whose suggestions carry a family's name, so that families cannot collide."""

    def __init__(self, trial: Any, prefix: str) -> None:
        self._trial = trial
        self._prefix = prefix

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._trial, name)
        if not name.startswith("suggest_"):
            return attribute

        def suggest(parameter: str, *args: Any, **kwargs: Any) -> Any:
            return attribute(f"{self._prefix}.{parameter}", *args, **kwargs)

        return suggest


@dataclass(frozen=True)
class Space:
    """The space of one task: the family first, then what that family suggests.

    Attributes
    ----------
    families
        Names to choose from.
    fixed
        What every configuration of the task carries besides, such as its name.
    by_family
        What every configuration of a family carries besides, such as its share of the cluster.
    """

    families: tuple[str, ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    by_family: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __call__(self, trial: Any) -> dict[str, object]:
        """Suggest a configuration, define-by-run."""
        family = trial.suggest_categorical(FAMILY, list(self.families))
        params = get_family(family).space(cast("optuna.Trial", _Prefixed(trial, family)))
        own = self.by_family.get(family, {})
        return {**self.fixed, **own, FAMILY: family, "params": params, "trial": trial.number}


def starting_points(
    families: Sequence[str],
    reference: Reference | None = None,
    cluster: Mapping[str, float] | None = None,
    n_trials: int | None = None,
) -> list[Point]:
    """Return the settings a search begins with.

    Parameters
    ----------
    families
        Names, in the order they are to be tried.
    reference
        The published result of the task; its own setting is tried first, unless only a GPU could
        train it in reasonable time and there is none, or there is one trial: what is to be better
        goes before what it is compared with.
    cluster
        Resources of the cluster by name.
    n_trials
        Number of trials of the search, if known.

    Returns
    -------
    list of Point
        The published setting, then each family's default.
    """
    settings = [(name, get_family(name).default()) for name in families]
    if reference is not None and reference.family in families:
        has_gpu = bool((cluster or {}).get("GPU"))
        if n_trials != 1 and (has_gpu or not reference.is_costly):
            settings.insert(0, (str(reference.family), dict(reference.params)))
    points: list[Point] = []
    for name, values in settings:
        point = {FAMILY: name, **{f"{name}.{key}": value for key, value in values.items()}}
        if point not in points:
            points.append(point)
    return points


def settings_of(trial: Any) -> tuple[str, Point]:
    """Return the family of one of Optuna's trials and its settings by their plain names."""
    family = str(trial.params.get(FAMILY, ""))
    prefix = f"{family}."
    return family, {
        name.removeprefix(prefix): value
        for name, value in trial.params.items()
        if name.startswith(prefix)
    }
