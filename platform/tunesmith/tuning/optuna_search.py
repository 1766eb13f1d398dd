"""Optuna studies behind Ray Tune: one a task, kept in a file, continued after any interruption."""

import fcntl
import os
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState
from ray.tune.search import Searcher
from ray.tune.search.optuna import OptunaSearch

from tunesmith.models import get_family
from tunesmith.tuning.trial import SCORE

__all__ = [
    "Portfolio",
    "SeededTpe",
    "Space",
    "StudySearch",
    "open_study",
    "settings_of",
    "starting_points",
]

FAMILY = "family"


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

    def __call__(self, trial: Any) -> dict[str, Any]:
        """Suggest a configuration, define-by-run."""
        family = trial.suggest_categorical(FAMILY, list(self.families))
        params = get_family(family).space(cast("optuna.Trial", _Prefixed(trial, family)))
        own = self.by_family.get(family, {})
        return {**self.fixed, **own, FAMILY: family, "params": params, "trial": trial.number}


def starting_points(
    families: Sequence[str], study: tuple[str, Mapping[str, Any]] | None = None
) -> list[dict[str, Any]]:
    """Return the settings a search begins with.

    Parameters
    ----------
    families
        Names, in the order they are to be tried.
    study
        Family and setting of the study that the task comes from, to be tried first.

    Returns
    -------
    list of dict
        Values by suggested name: the study's own setting, then each family's default.
    """
    settings = [(name, get_family(name).default()) for name in families]
    if study is not None and study[0] in families:
        settings.insert(0, (study[0], dict(study[1])))
    points: list[dict[str, Any]] = []
    for name, values in settings:
        point = {FAMILY: name, **{f"{name}.{key}": value for key, value in values.items()}}
        if point not in points:
            points.append(point)
    return points


def settings_of(trial: Any) -> tuple[str, dict[str, Any]]:
    """Return the family of one of Optuna's trials and its settings by their plain names."""
    family = str(trial.params.get(FAMILY, ""))
    prefix = f"{family}."
    return family, {
        name.removeprefix(prefix): value
        for name, value in trial.params.items()
        if name.startswith(prefix)
    }


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

    def infer_relative_search_space(self, study: Any, trial: Any) -> dict[str, Any]:
        """Delegate to the trial's own sampler."""
        return self._of(trial.number).infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Any, trial: Any, search_space: dict[str, Any]
    ) -> dict[str, Any]:
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


class _DriverLock(JournalFileOpenLock):
    """A lock that ends with the process that holds it.

    Optuna's own is a file that a killed driver leaves behind, and the one that continues its search
    would wait for it.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._handle = -1

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(self._handle, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        """Let the next one have it."""
        os.close(self._handle)


def open_study(path: Path, name: str, sampler: Any = None) -> Any:
    """Open or create the study `name` in the file `path`, to be maximised.

    The file is Optuna's journal, a line an operation: what a trial costs the driver is a tenth of
    what it costs in SQLite, where every question is a query and grows with the trials that run.

    Returns
    -------
    optuna.Study
        Any tool that reads Optuna's storage can open the same file while the search runs.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=_DriverLock(path)))
    return optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=sampler,
        pruner=optuna.pruners.NopPruner(),
        direction="maximize",
        load_if_exists=True,
    )


class StudySearch(OptunaSearch):
    """OptunaSearch that continues: a trial that was running when the search died runs again.

    It keeps its number and its settings, because Optuna returns what was suggested before; so no
    trial is lost and none is there twice.

    Parameters
    ----------
    path, name
        File and name of the study.
    space
        The task's space.
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
        n_trials: int,
        points: Sequence[Mapping[str, Any]] = (),
        seed: int = 0,
    ) -> None:
        self.space = space
        startup = min(10, max(len(points), n_trials // 3))
        sampler = SeededTpe(seed, startup)
        self.study = open_study(path, name, sampler)
        self.n_trials = n_trials
        trials = self.study.get_trials(deepcopy=False)
        if not trials:
            for point in points[:n_trials]:
                self.study.enqueue_trial(dict(point))
        self._interrupted = [t for t in trials if t.state == TrialState.RUNNING]
        ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        self.n_ended = sum(t.state in ended for t in trials)
        self.n_started = self.n_ended
        super().__init__(
            space=space,
            metric=SCORE,
            mode="max",
            sampler=sampler,
            study_name=name,
            storage=self.study._storage,
        )

    @property
    def n_running(self) -> int:
        """Trials handed out and not ended."""
        return self.n_started - self.n_ended

    @property
    def is_exhausted(self) -> bool:
        """Whether every planned trial was handed out."""
        return self.n_started >= self.n_trials

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the next configuration: interrupted trials first."""
        if self._interrupted:
            frozen = self._interrupted.pop(0)
            self._ot_trials[trial_id] = optuna.trial.Trial(self.study, frozen._trial_id)
        configuration = self.space(self._trial_for(trial_id))
        self.n_started += 1
        return configuration

    def _trial_for(self, trial_id: str) -> Any:
        if trial_id not in self._ot_trials:
            self._ot_trials[trial_id] = self.study.ask()
        return self._ot_trials[trial_id]

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Report the best so far."""
        self._report(self._ot_trials[trial_id], result)

    def _report(self, trial: Any, result: Mapping[str, Any]) -> None:
        # A step reported before an interruption is kept as it was.
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The reported value is ignored")
            trial.report(result[SCORE], result["training_iteration"])

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell Optuna how the trial ended: complete, stopped early, or failed."""
        trial = self._ot_trials[trial_id]
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
        self._completed_trials.add(trial_id)
        self.n_ended += 1

    def close(self) -> None:
        """End the trials that a search out of time left running, with what they had reached."""
        for trial in self.study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
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
        Trials that can run at once. No more are handed out: a setting drawn early is drawn from
        fewer results.
    """

    def __init__(self, searches: Mapping[str, StudySearch], n_slots: int) -> None:
        super().__init__(metric=SCORE, mode="max")
        self.searches = dict(searches)
        self._n_slots = n_slots
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
        if sum(search.n_running for search in self.searches.values()) >= self._n_slots:
            return None
        search = min(open_searches, key=lambda s: s.n_started / s.n_trials)
        self._owner[trial_id] = search
        return search.suggest(trial_id)

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Pass the result to the study that owns the trial."""
        self._owner[trial_id].on_trial_result(trial_id, result)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
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
