"""Event files of a search, which TensorBoard shows live: scalars a step, settings a trial."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ray.tune import Callback

from tunesmith.tuning.trial import SCORE, Fields

__all__ = ["EventFiles"]

_FIGURES = (SCORE, "accuracy", "balanced_accuracy", "macro_f1", "log_loss", "loss", "step_s")


class EventFiles(Callback):
    """Writes event files, a folder a trial: ``tensorboard --logdir`` on the store shows them.

    Parameters
    ----------
    folders
        Where the folders of each task go.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = folders
        # tensorboardX is imported when the first writer is made, and has no types.
        self._writers: dict[str, Any] = {}

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: Fields, **info: Any
    ) -> None:
        """Write a result's figures."""
        del iteration, trials, info
        writer = self._writer(trial)
        for name in _FIGURES:
            if name in result:
                writer.add_scalar(name, result[name], result["training_iteration"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Write the trial's settings beside its score."""
        del iteration, trials, info
        score = trial.last_result.get(SCORE)
        if score is not None:
            for summary in _settings(trial, score):
                self._writer(trial).file_writer.add_summary(summary)
        self._close(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Close the trial's file."""
        del iteration, trials, info
        self._close(trial)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        """Close all files."""
        del trials, info
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, trial: Any) -> Any:
        from tensorboardX import SummaryWriter

        if trial.trial_id not in self._writers:
            name = f"{trial.config['trial']:04d}-{trial.config['family']}"
            folder = self._folders[trial.config["task"]] / name
            self._writers[trial.trial_id] = SummaryWriter(str(folder), flush_secs=5)
        return self._writers[trial.trial_id]

    def _close(self, trial: Any) -> None:
        writer = self._writers.pop(trial.trial_id, None)
        if writer is not None:
            writer.close()


def _settings(trial: Any, score: float) -> Sequence[Any]:
    """Return the summaries that the HParams page reads."""
    from tensorboardX.summary import hparams

    settings = {"family": trial.config["family"], **trial.config["params"]}
    plain = {k: v if isinstance(v, bool | int | float) else str(v) for k, v in settings.items()}
    summaries: Sequence[Any] = hparams(plain, {SCORE: score})
    return summaries
