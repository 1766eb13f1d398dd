"""An MLflow run a trial: settings, figures, environment.

All of it is written by one thread of the driver, seconds after the fact and a batch a trial, so
that no trial ever waits for a data base. What MLflow already holds is looked up first: a search
that continues adds to the runs it made before.
"""

import queue
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from optuna.trial import TrialState
from ray.tune import Callback

from tunesmith.artifacts.searches import TrialResult, read_history
from tunesmith.artifacts.tracking import experiment, open_client
from tunesmith.tuning import run_artifact
from tunesmith.tuning.progress import Say, result_of
from tunesmith.tuning.session import Session
from tunesmith.tuning.space import settings_of
from tunesmith.tuning.trial import SCORE, Fields

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["TrackedTrials"]

_PAUSE_S = 2.0
_PATIENCE_S = 120.0
_OVERTIME_S = 10.0
_KILLED = "KILLED"
_MOST_METRICS = 500  # MLflow takes 1,000 entities a call
_STUDY, _TRIAL, _STATE = "tunesmith.study", "tunesmith.trial", "tunesmith.state"
_COMMIT = "mlflow.source.git.commit"


@dataclass
class _News:
    """Updates of one trial."""

    family: str
    params: Mapping[str, Any]
    results: list[TrialResult] = field(default_factory=list)
    state: str | None = None
    error: str | None = None


@dataclass
class _Written:
    """State of one trial in MLflow."""

    run_id: str
    last_step: int = 0
    has_ended: bool = False
    was_killed: bool = False


class TrackedTrials(Callback):
    """Writes every trial of a search as a run of MLflow, an experiment a task.

    A server that cannot be reached ends the tracking with one line, never the search.

    Parameters
    ----------
    sessions
        The tasks; trials of theirs that ended before and are not in MLflow are written now.
    uri
        A server, or a SQLite file of the driver's machine.
    say
        Prints a line.
    deadline
        `time.monotonic` at which the search should be over, None for no limit.
    """

    def __init__(
        self, sessions: Sequence[Session], uri: str, say: Say, *, deadline: float | None = None
    ) -> None:
        self._deadline = deadline
        self._sessions = {session.task.name: session for session in sessions}
        self._uri = uri
        self._say = say
        self._news: queue.SimpleQueue[tuple[str, int, _News]] = queue.SimpleQueue()
        self._closing = threading.Event()
        self.catch_up()
        self._writer = threading.Thread(target=self._write_all, name="mlflow", daemon=True)
        self._writer.start()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: Fields, **info: Any
    ) -> None:
        """Pass a result on."""
        del iteration, trials, info
        self._pass_on(trial, results=[result_of(trial, result)])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on that a trial ended."""
        del iteration, trials, info
        finished = bool(trial.last_result.get("finished"))
        self._pass_on(trial, state="COMPLETE" if finished else "PRUNED")

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Pass on that a trial failed."""
        del iteration, trials, info
        self._pass_on(trial, state="FAILED")

    def __getstate__(self) -> dict[str, object]:
        """Leave nothing for Ray Tune to save: the files of the search and MLflow are the state."""
        return {}

    def close(self) -> None:
        """Write what is left, close the runs of trials that did not end, and stop."""
        self._closing.set()
        patience_s = _PATIENCE_S
        if self._deadline is not None:
            patience_s = max(self._deadline - time.monotonic() + _OVERTIME_S, _PAUSE_S)
        self._writer.join(timeout=min(patience_s, _PATIENCE_S))
        if self._writer.is_alive():
            self._say(f"MLflow at {self._uri} is too slow: not every trial was written there.")

    def _pass_on(self, trial: Any, **what: Any) -> None:
        task, number = trial.config["task"], trial.config["trial"]
        self._news.put(
            (task, number, _News(trial.config["family"], trial.config["params"], **what))
        )

    def catch_up(self) -> None:
        """Pass on every trial that ended, from the files of the search, those out of time too."""
        for task, session in self._sessions.items():
            results: dict[int, list[TrialResult]] = {}
            for result in read_history(session.history):
                results.setdefault(result.trial, []).append(result)
            for trial in session.search.study.get_trials(deepcopy=False):
                state = run_artifact.STATES.get(trial.state)
                if state is not None:
                    family, params = settings_of(trial)
                    error = session.progress.errors.get(trial.number)
                    own = results.get(trial.number, [])
                    self._news.put((task, trial.number, _News(family, params, own, state, error)))

    # --- in the thread

    def _write_all(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            client = open_client(self._uri)
            notebooks = {
                task: _Notebook(client, self._uri, session)
                for task, session in self._sessions.items()
            }
            is_last = False
            while not is_last:
                is_last = self._closing.wait(_PAUSE_S)
                for (task, number), news in _gathered(_drained(self._news)).items():
                    notebooks[task].write(number, news)
            for notebook in notebooks.values():
                notebook.close()
        except MlflowException as error:
            self._say(f"MLflow at {self._uri} takes no more, the search goes on without: {error}")


class _Notebook:
    """One task's experiment."""

    def __init__(self, client: "MlflowClient", uri: str, session: Session) -> None:
        self._client = client
        self._study = session.plan.study
        self._metric = session.task.metric
        self._tags = _environment(session)
        self._experiment = experiment(client, uri, session.task.name)
        self._written = dict(self._read())

    def _read(self) -> Iterator[tuple[int, _Written]]:
        """Yield the runs that the study has, by trial."""
        token = None
        while True:
            page = self._client.search_runs(
                [self._experiment], f"tags.`{_STUDY}` = '{self._study}'", page_token=token
            )
            for run in page:
                status = run.info.status
                written = _Written(
                    run.info.run_id,
                    has_ended=status not in {"RUNNING", _KILLED},
                    was_killed=status == _KILLED,
                )
                if not written.has_ended:
                    steps = self._client.get_metric_history(written.run_id, SCORE)
                    written.last_step = max((metric.step for metric in steps), default=0)
                yield int(run.data.tags[_TRIAL]), written
            token = page.token
            if not token:
                return

    def write(self, number: int, news: _News) -> None:
        """Add what is new of a trial."""
        from mlflow.entities import Metric, RunTag

        written = self._written.get(number)
        if written is None:
            written = self._written[number] = self._begin(number, news)
        if written.has_ended:
            return
        if written.was_killed:
            self._client.update_run(written.run_id, status="RUNNING")
            written.was_killed = False
        now_ms = int(time.time() * 1000)
        metrics = [
            Metric(name, float(value), now_ms, result.step)
            for result in news.results
            if result.step > written.last_step
            for name, value in result.row().items()
            if isinstance(value, int | float) and name not in {"trial", "step"}
        ]
        written.last_step = max([written.last_step, *(result.step for result in news.results)])
        tags = {_STATE: news.state, "error": news.error}
        run_tags = [RunTag(name, text) for name, text in tags.items() if text]
        for start in range(0, len(metrics), _MOST_METRICS):
            self._client.log_batch(written.run_id, metrics=metrics[start : start + _MOST_METRICS])
        if news.state is not None:
            self._client.log_batch(written.run_id, tags=run_tags)
            status = "FAILED" if news.state == run_artifact.STATES[TrialState.FAIL] else "FINISHED"
            self._client.set_terminated(written.run_id, status)
            written.has_ended = True

    def close(self) -> None:
        """Mark the runs of trials that did not end as killed; a resumed search opens them again."""
        for written in self._written.values():
            if not written.has_ended and not written.was_killed:
                self._client.set_terminated(written.run_id, _KILLED)

    def _begin(self, number: int, news: _News) -> _Written:
        from mlflow.entities import Param

        tags = {**self._tags, _STUDY: self._study, _TRIAL: str(number)}
        # As the leaderboard names a trial; an experiment holds those of all searches of a task.
        name = f"{news.family} #{number} ({self._tags['run']})"
        run = self._client.create_run(self._experiment, tags=tags, run_name=name)
        params = {"family": news.family, **news.params}
        self._client.log_batch(
            run.info.run_id, params=[Param(key, str(value)) for key, value in params.items()]
        )
        return _Written(run.info.run_id)


def _environment(session: Session) -> dict[str, str]:
    """Return what a trial of a search ran with, as MLflow's tags."""
    data, plan = session.data, session.plan
    tags = {
        "dataset": data.name,
        "dataset.version": data.version,
        "dataset.is_sample": str(data.is_sample),
        "metric": session.task.metric,
        "seed": str(plan.seed),
        "tunesmith.task": session.task.name,
        "run": session.run_id,
        **{f"version.{name}": version for name, version in run_artifact.versions().items()},
    }
    commit = run_artifact.code_commit()
    return tags if commit is None else {**tags, _COMMIT: commit}


def _drained(news: queue.SimpleQueue[tuple[str, int, _News]]) -> Iterator[tuple[str, int, _News]]:
    while True:
        try:
            yield news.get_nowait()
        except queue.Empty:
            return


def _gathered(news: Iterable[tuple[str, int, _News]]) -> dict[tuple[str, int], _News]:
    """Return what is new by trial, so that each is written in one go."""
    by_trial: dict[tuple[str, int], _News] = {}
    for task, number, latest in news:
        known = by_trial.setdefault((task, number), _News(latest.family, latest.params))
        known.results.extend(latest.results)
        known.state = latest.state or known.state
        known.error = latest.error or known.error
    return by_trial
