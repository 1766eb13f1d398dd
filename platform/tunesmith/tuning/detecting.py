"""The detector of items of no class, learned on the cluster beside the refits."""

import math
import time
from collections.abc import Mapping
from typing import Any, cast

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError

from tunesmith.artifacts.runs import RunRecord
from tunesmith.datasets.others import Others
from tunesmith.errors import TunesmithError
from tunesmith.tuning.failures import cause_of
from tunesmith.tuning.open_set import Detection, learn_detector
from tunesmith.tuning.progress import Say
from tunesmith.tuning.refit import MODEL_FOLDER

__all__ = ["Detecting"]


class Detecting:
    """A detector that is being learned.

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
        # No core is asked for: it takes seconds, and must not wait behind the refits.
        remote: Any = ray.remote(cast("Any", learn_detector))
        self._detection = remote.options(num_cpus=0, max_retries=0).remote(
            trial_data, others, seed=seed
        )

    def end(self) -> None:
        """Stop learning."""
        ray.cancel(self._detection, force=True)

    def add_to(
        self, record: RunRecord, files: Mapping[str, bytes], until: float, say: Say
    ) -> tuple[RunRecord, dict[str, bytes]]:
        """Return a run's record and files with the detector, or with the reason for having none.

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
