"""Lines about the resources that a search waits for while the cluster has no room."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ray.tune import Callback

from tunesmith.tuning.capacity import Shortage, free_cpus, is_queued, slots
from tunesmith.tuning.optuna_search import Portfolio
from tunesmith.tuning.progress import Progress, Say

__all__ = ["Waiting", "Watchman"]

_PAUSE_S = 10.0
_LOOK_S = 1.0


class Watchman:
    """Says what is waited for, ten seconds after the wait began and every ten seconds from then on.

    Parameters
    ----------
    say
        Prints a line.
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._since: float | None = None
        self._said_at = 0.0

    def rest(self) -> None:
        """Forget the wait: nothing is waited for."""
        self._since = None

    def waits(self, what: str, wanted: Mapping[str, float]) -> None:
        """Note that resources are waited for.

        Parameters
        ----------
        what
            Task that waits.
        wanted
            Resources by name.
        """
        now = time.monotonic()
        if self._since is None:
            self._since = self._said_at = now
        if now - self._said_at < _PAUSE_S:
            return
        self._said_at = now
        self._say(f"{what}: waiting {now - self._since:.0f} s for {Shortage.of(wanted)}")


class Waiting(Callback):
    """Says what trials wait for, and hands out more of them where resources become free.

    Parameters
    ----------
    portfolio
        Hands out the trials.
    cluster
        What the connected cluster has or grows to, by resource name.
    bundles
        What the kinds of trials ask for.
    progress
        State of each task; whether it waits is kept up to date.
    say
        Prints a line.
    """

    def __init__(
        self,
        portfolio: Portfolio,
        cluster: Mapping[str, float],
        bundles: Sequence[Mapping[str, float]],
        *,
        progress: Mapping[str, Progress],
        say: Say,
    ) -> None:
        self._portfolio = portfolio
        self._progress = progress
        self._cluster = dict(cluster)
        self._bundles = bundles
        self._most = slots(cluster, bundles)
        self._watchman = Watchman(say)
        self._looked_at = time.monotonic()
        self._was_free = False

    def __getstate__(self) -> dict[str, object]:
        """Leave nothing for Ray Tune to save."""
        return {}

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Look, once a second at most, at trials that wait and at resources that wait for one."""
        del iteration, info
        now = time.monotonic()
        if now - self._looked_at < _LOOK_S:
            return
        self._looked_at = now
        pending = next((trial for trial in trials if trial.status == "PENDING"), None)
        is_running = any(trial.status == "RUNNING" for trial in trials)
        # Else another trial of this search holds them, or its process is starting.
        waits = pending is not None and not is_running and is_queued(pending.config["resources"])
        for progress in self._progress.values():
            progress.is_queued = waits
        if pending is not None and waits:
            self._watchman.waits(pending.config["task"], pending.config["resources"])
        else:
            self._watchman.rest()
        if pending is None:
            self._grow()

    def _grow(self) -> None:
        """Run more trials at once where others have let go of resources for two looks."""
        if self._portfolio.n_slots >= self._most or not self._portfolio.n_left:
            return
        extra = int(free_cpus() // min(bundle["CPU"] for bundle in self._bundles))
        if extra and self._was_free:
            self._portfolio.n_slots = min(self._portfolio.n_slots + extra, self._most)
        self._was_free = bool(extra)
