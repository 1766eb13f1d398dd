"""Studies by name: every module of this package that holds a ``STUDY``."""

from functools import cache
from importlib import import_module

from tunesmith.errors import unknown
from tunesmith.replications.contract import Study

__all__ = ["get_study", "study_names"]

# The cheap ones first: a run that is stopped has most of the table by then.
_NAMES = (
    "digits",
    "noise",
    "composer_lstm",
    "emotion",
    "genre",
    "mnist",
    "composer_all",
    "sentiment",
    "composer_cnn",
)


def study_names() -> tuple[str, ...]:
    """Return the names of all studies, the cheapest first."""
    return _NAMES


@cache
def get_study(name: str) -> Study:
    """Return the study called `name`.

    Raises
    ------
    UsageError
        When there is none; the message names the nearest ones.
    """
    if name not in _NAMES:
        kind = "study"
        raise unknown(kind, name, _NAMES)
    study: Study = import_module(f"tunesmith.replications.{name}").STUDY
    return study
