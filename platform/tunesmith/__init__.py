"""Tunesmith: tune and serve music classifiers on Ray.

The public Python API, for notebooks and programs. Each function does what the command of the same
name does, takes its options under the same names with the same defaults, and returns an object that
a notebook shows as a table::

    import tunesmith

    tunesmith.ingest("my-midi/", name="mine")
    run = tunesmith.tune("composer", dataset="mine", time_budget="15m")
    report = tunesmith.evaluate(run)
    model = tunesmith.promote(run)
    model.predict("piece.mid")

Importing the package is fast: a name is loaded when it is first used, and neither Ray nor
TensorFlow is loaded before a function needs it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith.api.evaluation import evaluate
    from tunesmith.api.frames import load_dataset
    from tunesmith.api.ingestion import ingest
    from tunesmith.api.models import load_model
    from tunesmith.api.promotion import promote
    from tunesmith.api.reading import read_midi
    from tunesmith.api.scoring import score
    from tunesmith.api.search import tune
    from tunesmith.api.similar import similar
    from tunesmith.api.stores import open_store
    from tunesmith.errors import TunesmithError
    from tunesmith.models.contract import Family
    from tunesmith.tasks.contract import Task

    __version__: str

__all__ = [
    "Family",
    "Task",
    "TunesmithError",
    "__version__",
    "evaluate",
    "ingest",
    "load_dataset",
    "load_model",
    "open_store",
    "promote",
    "read_midi",
    "score",
    "similar",
    "tune",
]

# The module that holds each name.
_HOMES = {
    "Family": "tunesmith.models.contract",
    "Task": "tunesmith.tasks.contract",
    "TunesmithError": "tunesmith.errors",
    "evaluate": "tunesmith.api.evaluation",
    "ingest": "tunesmith.api.ingestion",
    "load_dataset": "tunesmith.api.frames",
    "load_model": "tunesmith.api.models",
    "open_store": "tunesmith.api.stores",
    "promote": "tunesmith.api.promotion",
    "read_midi": "tunesmith.api.reading",
    "score": "tunesmith.api.scoring",
    "similar": "tunesmith.api.similar",
    "tune": "tunesmith.api.search",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        value: Any = version("tunesmith")
    elif name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    else:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message, name=name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
