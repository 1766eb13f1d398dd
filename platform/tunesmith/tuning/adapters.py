"""Private names of Ray, Optuna and MLflow that a search needs, all of them here.

Read in Optuna 5.0.0, Ray 2.60.0 and mlflow-skinny 3.17.2. Of Ray Tune and MLflow a search needs
public names alone. `tests/tuning/test_adapters.py` fails when one of these moves, and says what to
do.
"""

from typing import Any

import optuna

__all__ = ["running_trial"]


def running_trial(study: Any, frozen: optuna.trial.FrozenTrial) -> optuna.trial.Trial:
    """Return a trial of a study that is running, to go on with it in this process.

    Optuna's public interface gives a trial by its number only as a frozen copy. The class `Trial`
    is public, its argument is the storage's id of the trial, and that id is a private attribute:
    ``FrozenTrial._trial_id``.

    Parameters
    ----------
    study
        The study.
    frozen
        The trial, as `study.get_trials` returns it.
    """
    return optuna.trial.Trial(study, frozen._trial_id)
