"""Optuna studies behind Ray Tune: one a task, kept in a file, continued after any interruption."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
from ray.tune.search import Searcher

from tunesmith.tuning import adapters
from tunesmith.tuning.sampler import SeededTpe
from tunesmith.tuning.space import Point, Space
from tunesmith.tuning.studies import name_value, open_study
from tunesmith.tuning.trial import SCORE, Fields

__all__ = ["Portfolio", "StudySearch"]

_RETRIES = "retries"
"""Attribute of a trial that has the settings of one that failed: the number of that one."""


class StudySearch(Searcher):
    """A study as Ray Tune searches it; a trial that was running when the search died runs again.

    It keeps its number and its settings, because Optuna returns what was suggested before; so no
    trial is lost and none is there twice.

    Parameters
    ----------
    path, name
        File and name of the study.
    space
        The task's space.
    metric
        Name of what is maximised.
    n_trials
        Trials the study is to hold in the end.
    points
        Settings to begin with; ignored where the study has trials.
    seed
        Seed of the sampler.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        space: Space,
        *,
        metric: str,
        n_trials: int,
        points: Sequence[Point] = (),
        seed: int = 0,
    ) -> None:
        self.space = space
        startup = min(10, max(len(points), n_trials // 3))
        sampler = SeededTpe(seed, startup)
        self.study = open_study(path, name, sampler)
        self.n_trials = n_trials
        trials = self.study.get_trials(deepcopy=False)
        if not trials:
            name_value(self.study, metric)
            for point in points[:n_trials]:
                self.study.enqueue_trial(dict(point))
        self._interrupted = [t for t in trials if t.state == TrialState.RUNNING]
        ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        self.n_ended = sum(t.state in ended for t in trials)
        self.n_started = self.n_ended
        self._trials: dict[str, optuna.trial.Trial] = {}
        super().__init__(metric=SCORE, mode="max")

    def retry_failed(self) -> int:
        """Plan the settings of the trials that failed once more; return how many they are."""
        trials = self.study.get_trials(deepcopy=False)
        retried = {trial.user_attrs.get(_RETRIES) for trial in trials}
        failed = [t for t in trials if t.state == TrialState.FAIL and t.number not in retried]
        for trial in failed:
            self.study.enqueue_trial(trial.params, user_attrs={_RETRIES: trial.number})
        self.n_trials += len(failed)
        return len(failed)

    @property
    def n_running(self) -> int:
        """Trials handed out and not ended."""
        return self.n_started - self.n_ended

    @property
    def is_exhausted(self) -> bool:
        """True if every planned trial was handed out."""
        return self.n_started >= self.n_trials

    def suggest(self, trial_id: str) -> Fields | None:
        """Return the next configuration: interrupted trials first."""
        if self._interrupted:
            trial = adapters.running_trial(self.study, self._interrupted.pop(0))
        else:
            trial = self.study.ask()
        self._trials[trial_id] = trial
        self.n_started += 1
        return self.space(trial)

    def on_trial_result(self, trial_id: str, result: Fields) -> None:
        """Report the best so far."""
        self._report(self._trials[trial_id], result)

    def _report(self, trial: Any, result: Mapping[str, Any]) -> None:
        # A step reported before an interruption is kept as it was.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The reported value is ignored")
            trial.report(result[SCORE], result["training_iteration"])

    def on_trial_complete(
        self, trial_id: str, result: Fields | None = None, error: bool = False
    ) -> None:
        """Tell Optuna how the trial ended: complete, stopped early, or failed."""
        trial = self._trials[trial_id]
        scored = result is not None and SCORE in result
        if scored and result is not None:
            for name in ("best_step", "fit_s", "training_iteration", "time_total_s"):
                trial.set_user_attr(name, result[name])
        if error or not scored:
            self.study.tell(trial, state=TrialState.FAIL)
        elif result is not None and not result["finished"]:
            # Ray Tune keeps the result by which a trial was stopped to itself.
            self._report(trial, result)
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, result[SCORE] if result else None)
        self.n_ended += 1

    def close(self) -> None:
        """End the trials that a search out of time left running, with what they had reached.

        One that had reached nothing stays as it is: the search may be continued, and runs it again.
        """
        for trial in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            if trial.intermediate_values:
                self.study.tell(trial.number, state=TrialState.PRUNED)
            self.n_ended += 1

    def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
        """Keep the study's own metric and direction."""
        del metric, mode, config, spec
        return True

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the study's file is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: the study's file is the state."""


class Portfolio(Searcher):
    """Several studies behind one search, none starving another.

    The next trial always goes to the study that has had the least of its plan so far.

    Parameters
    ----------
    searches
        A search for each study.
    n_slots
        Trials that can run at once, which may change. No more are handed out: a setting drawn early
        is drawn from fewer results.
    """

    def __init__(self, searches: Mapping[str, StudySearch], n_slots: int) -> None:
        super().__init__(metric=SCORE, mode="max")
        self.searches = dict(searches)
        self.n_slots = n_slots
        self._owner: dict[str, StudySearch] = {}

    @property
    def n_left(self) -> int:
        """Trials still to be handed out, over all studies."""
        return sum(s.n_trials - s.n_started for s in self.searches.values())

    def waits(self, name: str) -> bool:
        """Return whether the study of this name has trials that were not handed out yet."""
        return not self.searches[name].is_exhausted

    def suggest(self, trial_id: str) -> Any:
        """Return the next configuration, None while the cluster is full, or that none is left."""
        open_searches = [s for s in self.searches.values() if not s.is_exhausted]
        if not open_searches:
            return Searcher.FINISHED
        if sum(search.n_running for search in self.searches.values()) >= self.n_slots:
            return None
        search = min(open_searches, key=lambda s: s.n_started / s.n_trials)
        self._owner[trial_id] = search
        return search.suggest(trial_id)

    def on_trial_result(self, trial_id: str, result: Fields) -> None:
        """Pass the result to the study that owns the trial."""
        self._owner[trial_id].on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: Fields | None = None, error: bool = False
    ) -> None:
        """Pass the end to the study that owns the trial."""
        self._owner[trial_id].on_trial_complete(trial_id, result, error)

    def set_search_properties(self, metric: Any, mode: Any, config: Any, **spec: Any) -> bool:
        """Keep the studies' own metric and direction."""
        del metric, mode, config, spec
        return True

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the studies' files are the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: the studies' files are the state."""
