"""Event files of a search, which TensorBoard shows live: scalars a step, settings a trial."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from ray.tune import Callback

from tunesmith.models import get_family
from tunesmith.tuning.trial import SCORE, Fields

__all__ = ["EventFiles", "settings_of_all"]

_DRAWS = 50
Plain = bool | int | float | str
"""A setting as TensorBoard takes it."""

_FIGURES = (SCORE, "accuracy", "balanced_accuracy", "macro_f1", "log_loss", "loss", "step_s")


class EventFiles(Callback):
    """Writes event files, a folder a trial: ``tensorboard --logdir`` on the store shows them.

    Parameters
    ----------
    folders
        Where the folders of each task go.
    families
        Families of all tasks. TensorBoard's page of settings reads which ones there are from the
        first list that it finds: each folder gets one of the settings of all families.
    """

    def __init__(self, folders: Mapping[str, Path], families: Iterable[str]) -> None:
        self._folders = folders
        self._families = tuple(dict.fromkeys(families))
        # tensorboardX is imported when the first writer is made, and has no types.
        self._writers: dict[str, Any] = {}

    def setup(
        self,
        stop: Any = None,
        num_samples: int | None = None,
        total_num_samples: int | None = None,
        **info: Any,
    ) -> None:
        """Write the list of all settings into the folder of each task."""
        del stop, num_samples, total_num_samples, info
        from tensorboardX import SummaryWriter
        from tensorboardX.summary import hparams

        experiment, *_ = hparams(settings_of_all(self._families), {SCORE: 0.0})
        for folder in self._folders.values():
            with SummaryWriter(str(folder)) as writer:
                writer.file_writer.add_summary(experiment)

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
    """Return the summaries of one trial that the HParams page reads: its settings, and its end."""
    from tensorboardX.summary import hparams

    settings = {"family": trial.config["family"], **trial.config["params"]}
    plain = {name: _plain(value) for name, value in settings.items()}
    summaries: Sequence[Any] = hparams(plain, {SCORE: score})[1:]
    return summaries


def settings_of_all(families: Iterable[str]) -> dict[str, Plain]:
    """Return every setting of some families with one of its values, of the kind that all have.

    The spaces are define-by-run, so each is drawn from often enough to meet every branch.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    together: dict[str, Plain] = {"family": ""}
    for name in families:
        family = get_family(name)
        # Each in a study of its own: settings of one name may have other choices in each family.
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for _ in range(_DRAWS):
            for setting, value in family.space(study.ask()).items():
                plain = _plain(value)
                known = together.setdefault(setting, plain)
                if isinstance(known, str) != isinstance(plain, str):
                    together[setting] = str(plain)
    return together


def _plain(value: object) -> Plain:
    return value if isinstance(value, bool | int | float) else str(value)
