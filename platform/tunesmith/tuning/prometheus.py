"""State of a search as metrics of Ray, which every node exports to Prometheus."""

import time
from collections.abc import Mapping
from typing import Any

from ray.tune import Callback
from ray.util.metrics import Gauge

from tunesmith.tuning.progress import Progress

__all__ = ["BEST_SCORE", "TRIALS", "Meters"]

TRIALS = "tunesmith_trials"
"""Trials of a task, by state: ``planned``, ``running``, ``complete``, ``pruned``, ``failed``."""
BEST_SCORE = "tunesmith_best_score"
"""The best score of a task so far."""
_PAUSE_S = 1.0


class Meters(Callback):
    """Sets the gauges of every task, once a second at most.

    Ray puts ``ray_`` before the names.

    Parameters
    ----------
    progress
        Where each task stands, by task; kept up to date by another callback before this one.
    """

    def __init__(self, progress: Mapping[str, Progress]) -> None:
        self._progress = progress
        self._trials = Gauge(TRIALS, "Trials of a search by state.", ("task", "state"))
        self._best = Gauge(BEST_SCORE, "Best score of a search so far.", ("task",))
        self._set_at = 0.0

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Set every gauge."""
        del iteration, info
        if time.monotonic() - self._set_at < _PAUSE_S:
            return
        self._set_at = time.monotonic()
        for task, progress in self._progress.items():
            running = sum(t.status == "RUNNING" and t.config["task"] == task for t in trials)
            self._set(task, progress, running)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Leave the gauges where the search ended."""
        del trials, info
        for task, progress in self._progress.items():
            self._set(task, progress, 0)

    def _set(self, task: str, progress: Progress, running: int) -> None:
        states = {
            "planned": progress.n_trials,
            "running": running,
            "complete": progress.complete,
            "pruned": progress.pruned,
            "failed": progress.failed,
        }
        for state, count in states.items():
            self._trials.set(count, {"task": task, "state": state})
        if progress.best_text:
            self._best.set(progress.best, {"task": task})
