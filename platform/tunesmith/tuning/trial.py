"""One trial: a family trained step by step, scored on what it did not see."""

import base64
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import ray
from ray import tune

from tunesmith.datasets.examples import Examples, aggregate, joined_name
from tunesmith.datasets.probabilities import fit_temperature
from tunesmith.models import Fitted, Step, get_family
from tunesmith.plugins import Snapshot, restore
from tunesmith.tuning.scoring import scores_with_copies
from tunesmith.tuning.trial_data import TrialData

__all__ = ["ANSWERS", "SCORE", "Fields", "SearchTrial", "hide_gpus_not_given", "packed", "unpacked"]

Fields = dict[str, Any]
"""A trial's configuration, or a result of it, in the form that Ray Tune passes them around in.

Ray Tune adds keys of its own to both, and families name their settings and metrics.
"""
SCORE = "score"
"""Name of the figure that is searched on: the best so far of the task's metric."""
ANSWERS = "answers"
"""Name of the answers to held-out items, given whenever the score rises."""


class SearchTrial(tune.Trainable):
    """Trains one setting; with folds, one model a fold side by side, scored by their mean.

    The process is reused for the next trial, so that TensorFlow is imported once.
    """

    def setup(
        self,
        config: Fields,
        trial_data: Mapping[str, Any] | None = None,
        plugins: Snapshot | None = None,
    ) -> None:
        """Take references to the data of every task, and the plugins of the search."""
        hide_gpus_not_given()
        if plugins is not None:
            restore(plugins)
        self._trial_data = dict(trial_data or {})
        self._begin(config)

    def reset_config(self, new_config: Fields) -> bool:
        """Become the next trial."""
        self._begin(new_config)
        return True

    def cleanup(self) -> None:
        """Let go of models and data."""
        self._fits.clear()

    def _begin(self, config: Fields) -> None:
        data: TrialData = ray.get(self._trial_data[config["task"]])
        family = get_family(config["family"])
        self._patience = family.patience
        self._max_steps = family.max_steps
        self._metric = data.metric
        self._best = -np.inf
        self._best_step = 0
        self._fit_s = 0.0
        self._fits: list[tuple[Iterator[Step], Examples]] = [
            (
                family.fit(
                    config["params"],
                    train.with_copies(family.view),
                    seed=config["seed"],
                    threads=config["threads"],
                ),
                validation,
            )
            for train, validation in data.splits()
        ]

    def step(self) -> Fields:
        """Train one step and return figures; ``score`` never falls."""
        started = time.perf_counter()
        figures: list[dict[str, float]] = []
        judged: list[Judged] = []
        fit_s = 0.0
        for fit, validation in self._fits:
            before = time.perf_counter()
            step = next(fit)
            fit_s += time.perf_counter() - before
            judged.append(Judged.of(step.model, validation))
            figures.append({**step.metrics, **judged[-1].scores()})
        self._fit_s += fit_s
        number = self.iteration + 1
        mean = {name: float(np.mean([f[name] for f in figures])) for name in figures[0]}
        result: Fields = {}
        if mean[self._metric] > self._best:
            self._best = mean[self._metric]
            self._best_step = number
            result["temperature"] = float(np.mean([j.temperature() for j in judged]))
            result[ANSWERS] = packed(np.concatenate([j.by_item for j in judged]))
        finished = number >= self._max_steps or number - self._best_step >= self._patience
        return {
            **mean,
            **result,
            SCORE: self._best,
            "best_step": self._best_step,
            # One model trained to where it was best: what a refit will cost.
            "fit_s": self._fit_s / len(self._fits),
            "step_s": time.perf_counter() - started,
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES", ""),
            "finished": finished,
            "done": finished,
        }


@dataclass(frozen=True)
class Judged:
    """Predictions of a trial for its validation items, and for their first copies behind them."""

    by_row: npt.NDArray[Any]
    item: npt.NDArray[np.int64]
    by_item: npt.NDArray[Any]
    y: npt.NDArray[np.int64]
    n_items: int

    @classmethod
    def of(cls, model: Fitted, validation: Examples) -> "Judged":
        copied = validation.as_copied()
        every = [validation] if copied is None else [validation, copied]
        n_items = len(validation)
        views = [examples.view(joined_name(model.views)) for examples in every]
        by_row = np.concatenate([model.predict_proba(view.x) for view in views])
        item = np.concatenate([view.item + n * n_items for n, view in enumerate(views)])
        by_item = aggregate(by_row, item, len(every) * n_items)
        return cls(by_row, item, by_item, np.tile(validation.y, len(every)), n_items)

    def scores(self) -> dict[str, float]:
        return scores_with_copies(self.by_item, self.y, self.n_items)

    def temperature(self) -> float:
        return fit_temperature(self.by_row, self.item, self.y)


def hide_gpus_not_given() -> None:
    """Keep a process that was given no GPU from using one: Ray leaves them all visible to it."""
    if not ray.get_gpu_ids():
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def packed(answers: npt.NDArray[Any]) -> str:
    """Return probabilities ``[items, classes]`` as text that a result can carry."""
    half = np.ascontiguousarray(answers, dtype=np.float16)
    return base64.b64encode(half.tobytes()).decode("ascii")


def unpacked(text: str, n_classes: int) -> npt.NDArray[np.float32]:
    """Return what `packed` made into text."""
    half = np.frombuffer(base64.b64decode(text), dtype=np.float16)
    return half.reshape(-1, n_classes).astype(np.float32)
