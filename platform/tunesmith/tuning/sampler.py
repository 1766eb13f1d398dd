"""Optuna's sampler of a search, which draws the same after an interruption."""

import warnings
from collections import Counter
from typing import Any

import optuna
from optuna.distributions import BaseDistribution

from tunesmith.tuning.space import FAMILY, Point

__all__ = ["SeededTpe"]

Distributions = dict[str, BaseDistribution]


class SeededTpe(optuna.samplers.BaseSampler):
    """TPE whose random numbers depend on the seed and the trial's number alone.

    A search that is interrupted and continued therefore draws what it would have drawn undisturbed,
    as far as the results it had seen by then were the same. Before TPE begins, families take turns:
    it keeps to the family with the best trials and would not come back to one it hardly tried.

    Parameters
    ----------
    seed
        Any number that is not negative.
    n_startup_trials
        TPE begins when so many ended.
    """

    def __init__(self, seed: int, n_startup_trials: int) -> None:
        self._seed = seed
        self._n_startup_trials = n_startup_trials
        self._samplers: dict[int, optuna.samplers.TPESampler] = {}

    def _of(self, number: int) -> optuna.samplers.TPESampler:
        if number not in self._samplers:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._samplers[number] = optuna.samplers.TPESampler(
                    seed=(self._seed * 1_000_003 + number) % 2**32,
                    n_startup_trials=self._n_startup_trials,
                    multivariate=True,
                    group=True,
                    constant_liar=True,
                )
        return self._samplers[number]

    def infer_relative_search_space(self, study: Any, trial: Any) -> Distributions:
        """Delegate to the trial's own sampler."""
        return self._of(trial.number).infer_relative_search_space(study, trial)

    def sample_relative(self, study: Any, trial: Any, search_space: Distributions) -> Point:
        """Delegate to the trial's own sampler."""
        return self._of(trial.number).sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Any, trial: Any, param_name: str, param_distribution: Any
    ) -> Any:
        """Return the family tried least; delegate all else to the trial's own sampler."""
        if param_name == FAMILY:
            tried = Counter(other.params.get(FAMILY) for other in study.get_trials(deepcopy=False))
            return min(param_distribution.choices, key=tried.__getitem__)
        sampler = self._of(trial.number)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Any, trial: Any, state: Any, values: Any) -> None:
        """Delegate to the trial's own sampler, which is needed no more."""
        self._of(trial.number).after_trial(study, trial, state, values)
        self._samplers.pop(trial.number, None)
