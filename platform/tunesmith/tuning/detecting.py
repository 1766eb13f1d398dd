"""The detector of items of no class, learned on the cluster beside the last trials and refits."""

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import ray
from ray import tune
from ray.exceptions import GetTimeoutError, RayError, RayTaskError
from ray.tune.experiment import Trial

from tunesmith.artifacts.runs import RunRecord
from tunesmith.datasets.others import Others
from tunesmith.errors import TunesmithError
from tunesmith.tuning.failures import cause_of
from tunesmith.tuning.open_set import Detection, learn_detector
from tunesmith.tuning.progress import Say
from tunesmith.tuning.refit import MODEL_FOLDER
from tunesmith.tuning.session import Session

__all__ = ["Detecting", "DetectorsInTime"]

_SHARE_OF_BUDGET = 0.5


class Detecting:
    """A detector that is learned as soon as `begin` is called.

    Parameters
    ----------
    trial_data
        Reference to the items of the search.
    others
        Items of no class, None where there are none.
    seed
        Seed of the search.
    """

    def __init__(self, trial_data: Any, others: Others | None, seed: int) -> None:
        self._data = trial_data, others
        self._seed = seed
        self._detection: Any = None

    def begin(self) -> None:
        """Start to learn, unless that was done before."""
        if self._detection is None:
            # No core is asked for: it must not wait behind the refits.
            remote: Any = ray.remote(cast("Any", learn_detector)).options(num_cpus=0, max_retries=0)
            self._detection = remote.remote(*self._data, seed=self._seed)

    def end(self) -> None:
        """Stop learning."""
        if self._detection is not None:
            ray.cancel(self._detection, force=True)

    def add_to(
        self, record: RunRecord, files: Mapping[str, bytes], until: float, say: Say
    ) -> tuple[RunRecord, dict[str, bytes]]:
        """Return a run's record and files with the detector, or with the reason for having none.

        `begin` must have been called.

        Parameters
        ----------
        record, files
            The run without it.
        until
            `time.monotonic` at which it is waited for no longer.
        say
            Prints a line.
        """
        left_s = None if math.isinf(until) else max(until - time.monotonic(), 0.0)
        try:
            detection: Detection = ray.get(self._detection, timeout=left_s)
        except GetTimeoutError:
            self.end()
            reason = "the time budget ended before it was learned"
        except (TunesmithError, RayError) as error:
            cause = error.cause if isinstance(error, RayTaskError) else error
            reason = str(cause) if isinstance(cause, TunesmithError) else cause_of(str(error))
        else:
            with_it = {**files, f"{MODEL_FOLDER}/known.onnx": detection.graph}
            sources = ", ".join(
                f"{exposure.items:,} of {exposure.source}"
                + (f" ({exposure.labels} labels)" if exposure.labels else "")
                for exposure in detection.facts.exposures
                if exposure.items
            )
            say(f"{record.task}: learned what is of no class from {sources}")
            return record.model_copy(update={"detector": detection.facts}), with_it
        reason = reason.removesuffix(".")
        say(f"{record.task}: no detector of {record.unit}s of no class: {reason}")
        return record.model_copy(update={"no_detector": f"{reason}."}), dict(files)


class DetectorsInTime(tune.Callback):
    """Begins each task's detector once no trial waits for a slot, or half the budget is over.

    Earlier it would take a core from the trials; later it might not end within the budget.

    Parameters
    ----------
    sessions
        The tasks of a search.
    detectors
        Their detectors by name.
    deadline
        `time.monotonic` at which the search should be over, None for no limit.
    """

    def __init__(
        self,
        sessions: Sequence[Session],
        detectors: Mapping[str, Detecting],
        deadline: float | None,
    ) -> None:
        self._sessions = sessions
        self._detectors = detectors
        now = time.monotonic()
        left_s = math.inf if deadline is None else max(deadline - now, 0.0)
        self._latest = now + _SHARE_OF_BUDGET * left_s
        self._most_running = 0

    def __getstate__(self) -> dict[str, object]:
        """Leave nothing for Ray Tune to save."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Begin the detectors that are due."""
        del iteration, info
        running = sum(trial.status == Trial.RUNNING for trial in trials)
        self._most_running = max(self._most_running, running)
        is_late = time.monotonic() >= self._latest
        has_room = running < self._most_running
        for session in self._sessions:
            if is_late or (has_room and session.search.is_exhausted):
                self._detectors[session.task.name].begin()
