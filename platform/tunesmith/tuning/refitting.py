"""Refits of the winners on the cluster: placed where there is room, ended with the time budget."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import ray
from ray.util.placement_group import PlacementGroup, placement_group, remove_placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from tunesmith.errors import TunesmithError
from tunesmith.tuning.ensemble import Candidate
from tunesmith.tuning.progress import Say
from tunesmith.tuning.refit import refit
from tunesmith.tuning.waiting import Watchman

__all__ = ["Refit", "as_refitted"]

_PAUSE_S = 0.2
# Room that was free when the refit was planned and is not there after so long went to others.
_FALL_BACK_S = 5.0


@dataclass
class Refit:
    """A member of a task's winner, to be trained again and exported.

    Attributes
    ----------
    task, member
        Name of the task, and the trial.
    share, fallback
        Resources to ask for by name, and those of the trial, which were there once.
    trial_data, options
        Reference to the items of the search, and what else `refit.refit` takes, by name.
    files
        What it gave, once it has ended well.
    error
        Why it failed.
    """

    task: str
    member: Candidate
    share: Mapping[str, float]
    fallback: Mapping[str, float]
    trial_data: Any
    options: Mapping[str, Any]
    files: Mapping[str, bytes] | None = None
    error: Exception | None = None

    @property
    def has_ended(self) -> bool:
        """True if it ended well or failed."""
        return self.files is not None or self.error is not None


@dataclass
class _Attempt:
    """A refit with its place in the cluster."""

    refit: Refit
    share: Mapping[str, float]
    group: PlacementGroup
    asked_at: float = field(default_factory=time.monotonic)
    files: Any = None

    @classmethod
    def of(cls, refit: Refit, share: Mapping[str, float]) -> "_Attempt":
        return cls(refit, share, placement_group([dict(share)]))

    def advance(self) -> None:
        """Start where there is room by now, and take the files once they are there."""
        if self.files is None:
            if self.group.wait(0):
                self.files = self._start()
        elif ray.wait([self.files], timeout=0)[0]:
            try:
                self.refit.files = ray.get(self.files)
            except (TunesmithError, ray.exceptions.RayError) as error:
                self.refit.error = error
            remove_placement_group(self.group)

    def _start(self) -> Any:
        remote: Any = ray.remote(cast("Any", refit))
        member = self.refit.member
        return remote.options(
            num_cpus=self.share["CPU"],
            num_gpus=self.share.get("GPU", 0),
            scheduling_strategy=PlacementGroupSchedulingStrategy(self.group),
        ).remote(
            self.refit.trial_data,
            member.family,
            dict(member.params),
            threads=int(self.share["CPU"]),
            **self.refit.options,
        )

    def end(self) -> None:
        """Stop the refit and give its place back."""
        if self.files is not None:
            ray.cancel(self.files, force=True)
        remove_placement_group(self.group)


def as_refitted(refits: Sequence[Refit], *, until: float, say: Say) -> Iterator[Refit]:
    """Run refits side by side and yield each when it has ended.

    One whose room was taken by others meanwhile asks for what its trial had.

    Parameters
    ----------
    refits
        The refits.
    until
        `time.monotonic` at which those that have not ended are stopped; they are not yielded.
    say
        Prints a line.
    """
    watchman = Watchman(say)
    attempts = [_Attempt.of(refit, refit.share) for refit in refits]
    try:
        while attempts and time.monotonic() < until:
            for attempt in attempts:
                attempt.advance()
            for attempt in [attempt for attempt in attempts if attempt.refit.has_ended]:
                attempts.remove(attempt)
                yield attempt.refit
            if attempts and all(attempt.files is None for attempt in attempts):
                attempts[0] = _with_less(attempts[0])
                watchman.waits(attempts[0].refit.task, attempts[0].share)
            else:
                watchman.rest()
            running = [attempt.files for attempt in attempts if attempt.files is not None]
            if running:
                ray.wait(running, timeout=_PAUSE_S)
            elif attempts:
                time.sleep(_PAUSE_S)
    finally:
        for attempt in attempts:
            attempt.end()


def _with_less(attempt: _Attempt) -> _Attempt:
    """Return the attempt, or one with the share of the trial where it has waited in vain."""
    fallback = attempt.refit.fallback
    waited_s = time.monotonic() - attempt.asked_at
    if attempt.share == fallback or waited_s < _FALL_BACK_S:
        return attempt
    attempt.end()
    return _Attempt.of(attempt.refit, fallback)
