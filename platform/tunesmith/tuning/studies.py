"""Optuna's study of a search, in a file."""

import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import TrialState

__all__ = ["name_value", "open_study", "trial_states"]

# A lock that a killed driver left behind is taken over after so many seconds; a driver holds it
# while it appends one line.
_ABANDONED_LOCK_S = 5


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
    storage = _storage(path)
    return optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=sampler,
        pruner=optuna.pruners.NopPruner(),
        direction="maximize",
        load_if_exists=True,
    )


def name_value(study: Any, metric: str) -> None:
    """Name what the study maximises, which Optuna's dashboard calls "Objective 0" otherwise."""
    with warnings.catch_warnings():
        # Optuna calls it experimental since 3.2: only tools that show the study read it.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study.set_metric_names([metric])


def trial_states(path: Path, name: str) -> list[TrialState]:
    """Return the states of the trials of a study, none where there is no file; writes nothing."""
    if not path.is_file():
        return []
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.load_study(study_name=name, storage=_storage(path))
    except KeyError:
        # Its search died before the study was in the file.
        return []
    return [trial.state for trial in study.get_trials(deepcopy=False)]


def _storage(path: Path) -> JournalStorage:
    lock = JournalFileOpenLock(str(path), grace_period=_ABANDONED_LOCK_S)
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
