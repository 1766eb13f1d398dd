"""One trial: a family trained step by step, scored on what it did not see."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import ray
from ray import tune

from tunesmith.datasets.examples import Examples, aggregate
from tunesmith.datasets.probabilities import fit_temperature
from tunesmith.models import Step, get_family
from tunesmith.search.material import Material
from tunesmith.search.scoring import scores

__all__ = ["SCORE", "SearchTrial"]

SCORE = "score"
"""Name of the figure that is searched on: the best so far of the task's metric."""


class SearchTrial(tune.Trainable):
    """Trains one setting; with folds, one model a fold side by side, scored by their mean.

    The process is reused for the next trial, so that TensorFlow is imported once.
    """

    def setup(self, config: dict[str, Any], materials: Mapping[str, Any] | None = None) -> None:
        """Take the references to every task's material; it is fetched when a trial needs it."""
        self._materials = dict(materials or {})
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Become the next trial."""
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """Let go of models and data."""
        self._fits.clear()

    def _begin(self, config: dict[str, Any]) -> None:
        material: Material = ray.get(self._materials[config["task"]])
        family = get_family(config["family"])
        self._patience = family.patience
        self._max_steps = family.max_steps
        self._metric = material.metric
        self._best = -np.inf
        self._best_step = 0
        self._fit_s = 0.0
        self._fits: list[tuple[Iterator[Step], Examples]] = [
            (
                family.fit(config["params"], train, seed=config["seed"], threads=config["threads"]),
                validation,
            )
            for train, validation in material.splits()
        ]

    def step(self) -> dict[str, Any]:
        """Train one step and return figures; ``score`` never falls."""
        started = time.perf_counter()
        figures: list[dict[str, float]] = []
        fit_s = 0.0
        for fit, validation in self._fits:
            before = time.perf_counter()
            step = next(fit)
            fit_s += time.perf_counter() - before
            view = validation.view(step.model.views[0])
            answers = step.model.predict_proba(view.x)
            held_out = scores(aggregate(answers, view.item, len(validation)), validation.y)
            temperature = fit_temperature(answers, view.item, validation.y)
            figures.append({**step.metrics, **held_out, "temperature": temperature})
        self._fit_s += fit_s
        number = self.iteration + 1
        mean = {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}
        if mean[self._metric] > self._best:
            self._best = mean[self._metric]
            self._best_step = number
        finished = number >= self._max_steps or number - self._best_step >= self._patience
        return {
            **mean,
            SCORE: self._best,
            "best_step": self._best_step,
            # One model trained to where it was best: what a refit will cost.
            "fit_s": self._fit_s / len(self._fits),
            "step_s": time.perf_counter() - started,
            "finished": finished,
            "done": finished,
        }
