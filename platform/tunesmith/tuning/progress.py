"""Results of a search: counted, kept and shown while it runs."""

import json
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ray.tune import Callback, Stopper

from tunesmith.artifacts import layout
from tunesmith.artifacts.durable import append_line, write_file
from tunesmith.artifacts.searches import TrialResult
from tunesmith.tuning.display import Display, Lines, Standing
from tunesmith.tuning.failures import cause_in
from tunesmith.tuning.trial import ANSWERS, Fields

__all__ = ["REFIT_MARGIN", "Budget", "Progress", "Say", "Watch", "result_of", "silent"]

Say = Callable[[str], None]
"""Prints a line for people."""

_KEEP_FREE_S = 20.0
REFIT_MARGIN = 1.3
"""A refit takes this many times what its trial lets one expect, at most."""
_SPARED = 0.2
# Ray Tune adds these to every result; they describe its own bookkeeping.
_BOOKKEEPING = {
    "config", "date", "done", "finished", "hostname", "iterations_since_restore", "node_ip", "pid",
    "time_since_restore", "time_this_iter_s", "timestamp", "training_iteration", "trial_id",
    "checkpoint_dir_name", "episodes_total", "timesteps_total", "experiment_tag",
    "should_checkpoint", ANSWERS,
}  # fmt: skip


def silent(line: str) -> None:
    """Print nothing."""
    del line


def result_of(trial: Any, result: Mapping[str, Any]) -> TrialResult:
    """Return a result of one of Ray Tune's trials, without Ray Tune's own bookkeeping."""
    measured = {name: value for name, value in result.items() if name not in _BOOKKEEPING}
    known = {"trial": trial.config["trial"], "family": trial.config["family"]}
    return TrialResult.of({**known, "step": result["training_iteration"], **measured})


@dataclass
class Progress:
    """Progress of one task.

    Attributes
    ----------
    n_trials
        Trials planned, those of earlier sessions included.
    growth
        Items a refit learns from, as a multiple of those that a trial learns from.
    mixes
        Whether the best of every family may be refitted, or only the best of all.
    started
        Trials whose process started in this session.
    is_queued
        Whether no trial runs, because others hold the resources that the next one needs.
    """

    n_trials: int
    growth: float = 1.0
    mixes: bool = False
    complete: int = 0
    pruned: int = 0
    failed: int = 0
    started: int = 0
    is_queued: bool = False
    best: float = float("-inf")
    best_text: str = ""
    best_by_family: dict[str, tuple[float, float]] = field(default_factory=dict)
    last: dict[int, TrialResult] = field(default_factory=dict)
    errors: dict[int, str] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        """Trials that ended, however."""
        return self.complete + self.pruned + self.failed

    def saw(self, result: TrialResult) -> bool:
        """Take a result in; return whether it is the best so far."""
        self.last[result.trial] = result
        family, score, refit_s = result.family, result.score, result.fit_s * self.growth
        if score > self.best_by_family.get(family, (float("-inf"), 0.0))[0]:
            self.best_by_family[family] = (score, refit_s)
        if score <= self.best:
            return False
        self.best = score
        self.best_text = f"{family} #{result.trial}"
        return True

    @property
    def best_refit_s(self) -> float:
        """Seconds that refitting the best of all will take."""
        return max(self.best_by_family.values(), default=(0.0, 0.0))[1]

    @property
    def other_refits_s(self) -> float:
        """Seconds that refitting the best of the other families takes, for an ensemble."""
        every = sum(refit_s for _, refit_s in self.best_by_family.values())
        return every - self.best_refit_s if self.mixes else 0.0


class Budget(Stopper):
    """Ends a search early enough that its winners are refitted within the time given.

    Until then each task has an equal share of that time on all slots. A trial keeps its slot while
    it runs, so those of large data would hold all slots to the end: once a task has used up its
    share, its trials stop at their next result as long as another that has not waits for a slot.

    Parameters
    ----------
    deadline
        `time.monotonic` at which everything should be done, None for no limit.
    progress
        State of each task. Time for refits is kept for the tasks that have a score.
    max_failed
        Failed trials after which the search gives up, None for no limit.
    n_slots
        Trials and refits that can run at once.
    waits
        Whether the task of this name has trials that have not begun.
    """

    def __init__(
        self,
        deadline: float | None,
        progress: Mapping[str, Progress],
        *,
        max_failed: int | None,
        n_slots: int,
        waits: Callable[[str], bool],
    ) -> None:
        self._deadline = deadline
        self._total_s = deadline - time.monotonic() if deadline is not None else 0.0
        self._progress = progress
        self._max_failed = max_failed
        self._n_slots = n_slots
        self._waits = waits
        share_s = self._total_s * n_slots / len(progress)
        self._share_s = math.inf if deadline is None else share_s
        self._used_s: defaultdict[str, dict[str, float]] = defaultdict(dict)
        self.reason: str | None = None

    def __call__(self, trial_id: str, result: Fields) -> bool:
        """Return whether the trial ends now, because its task keeps others waiting."""
        task = result["config"]["task"]
        self._used_s[task][trial_id] = result["time_total_s"]
        return self._has_used_up(task) and any(
            self._waits(other) and not self._has_used_up(other) for other in self._progress
        )

    def _has_used_up(self, task: str) -> bool:
        """Return whether the task's trials of this session took its share of the time."""
        return sum(self._used_s[task].values()) > self._share_s

    def stop_all(self) -> bool:
        """Return whether the whole search ends now."""
        failed = sum(progress.failed for progress in self._progress.values())
        if self._max_failed is not None and failed > self._max_failed:
            self.reason = f"{failed} trials failed"
        elif self._deadline is not None:
            is_over = time.monotonic() + self._reserve_s() >= self._deadline
            self.reason = "time budget" if is_over else None
        return self.reason is not None

    def _reserve_s(self) -> float:
        """Return the time that refits need; members of ensembles get a fifth of all at most."""
        every = [progress for progress in self._progress.values() if progress.last]
        if not every:
            # There is nothing to refit yet: a first score may still come.
            return 0.0
        best_s = [progress.best_refit_s for progress in every]
        others_s = sum(progress.other_refits_s for progress in every) / self._n_slots
        needed_s = max(sum(best_s) / self._n_slots, *best_s)
        spared_s = min(REFIT_MARGIN * others_s, _SPARED * self._total_s)
        return REFIT_MARGIN * needed_s + spared_s + _KEEP_FREE_S


class Watch(Callback):
    """Writes every result to a file as it comes and shows the state of each task.

    Parameters
    ----------
    progress
        State of each task, by its name; kept up to date.
    history
        File of each task, a JSON object on each line; answers to held-out items go into the folder
        ``answers`` beside it, one file for each trial.
    say
        Prints a line; where it is a `Display`, it shows the state of each task as well.
    deadline
        As in `Budget`.
    """

    def __init__(
        self,
        progress: Mapping[str, Progress],
        history: Mapping[str, Path],
        say: Say,
        deadline: float | None,
    ) -> None:
        self._progress = progress
        self._history = history
        self._display: Display = say if isinstance(say, Display) else Lines(say)
        self._deadline = deadline
        self._started = time.monotonic()
        self._ended_before = {task: state.ended for task, state in progress.items()}

    def __getstate__(self) -> dict[str, object]:
        # Ray Tune stores its callbacks in the search's folder; a terminal cannot be stored.
        return self.__dict__ | {"_display": Lines(silent)}

    def setup(
        self,
        stop: Stopper | None = None,
        num_samples: int | None = None,
        total_num_samples: int | None = None,
        **info: Any,
    ) -> None:
        """Show each task before its first result, which can take a minute."""
        del stop, num_samples, total_num_samples, info
        for task in self._progress:
            self._show(task, [])

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Count a trial whose process has started."""
        del iteration, trials, info
        self._progress[trial.config["task"]].started += 1

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: Fields, **info: Any
    ) -> None:
        """Keep a result."""
        del iteration, info
        task, latest = trial.config["task"], result_of(trial, result)
        history = self._history[task]
        # Optuna syncs its journal: no trial may have ended there without its result and its answers
        # here, whenever the power is cut.
        if ANSWERS in result:
            kept = history.with_name(layout.ANSWERS) / str(latest.trial)
            write_file(kept, result[ANSWERS].encode("ascii"))
        append_line(history, json.dumps(latest.row()))
        self._progress[task].saw(latest)
        self._show(task, trials)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Count a trial that ended well."""
        del iteration, info
        progress = self._progress[trial.config["task"]]
        finished = bool(trial.last_result.get("finished"))
        progress.complete += finished
        progress.pruned += not finished
        self._show(trial.config["task"], trials)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Count a trial that failed for good."""
        del iteration, info
        progress = self._progress[trial.config["task"]]
        progress.failed += 1
        cause = cause_in(trial.error_file)
        progress.errors[trial.config["trial"]] = cause
        task, number, family = (trial.config[key] for key in ("task", "trial", "family"))
        self._display(f"{task}: trial {number} ({family}) failed: {cause}")
        self._show(task, trials)

    def _show(self, task: str, trials: list[Any]) -> None:
        progress, now = self._progress[task], time.monotonic()
        elapsed_s = now - self._started
        ended_here = progress.ended - self._ended_before[task]
        running = sum(t.status == "RUNNING" and t.config["task"] == task for t in trials)
        self._display.show(
            Standing(
                task,
                ended=progress.ended,
                n_trials=progress.n_trials,
                # The trial whose end is told is still counted as running by Ray Tune.
                running=min(running, progress.n_trials - progress.ended),
                best=f"{progress.best:.4f} ({progress.best_text})" if progress.best_text else "",
                elapsed_s=elapsed_s,
                rate=60 * ended_here / elapsed_s if ended_here else None,
                budget_left_s=None if self._deadline is None else self._deadline - now,
            )
        )
