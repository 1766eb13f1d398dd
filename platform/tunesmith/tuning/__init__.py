"""The search: Ray Tune and Optuna over families, for one task or many on one cluster.

Names are imported when they are first used: reading results needs neither Ray nor Optuna.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith.tuning.capacity import obtainable
    from tunesmith.tuning.driver import SearchInterruptedError, search
    from tunesmith.tuning.dry_run import preview
    from tunesmith.tuning.presets import with_preset
    from tunesmith.tuning.requests import (
        SearchOptions,
        SearchRequest,
        datasets_by_task,
        search_requests,
    )
    from tunesmith.tuning.trial import hide_gpus_not_given

__all__ = [
    "ENGINE",
    "SearchInterruptedError",
    "SearchOptions",
    "SearchRequest",
    "datasets_by_task",
    "hide_gpus_not_given",
    "obtainable",
    "preview",
    "search",
    "search_requests",
    "with_preset",
]

ENGINE = (
    "tunesmith.tuning.driver",
    # Ray Tune imports it to count which of its callbacks are in use, and with it MLflow.
    "ray.air.integrations.mlflow",
)
"""Modules of a search, imported by `tunesmith.cluster.connection.session` while Ray starts."""

_HOMES = {
    "SearchInterruptedError": "driver",
    "SearchOptions": "requests",
    "SearchRequest": "requests",
    "datasets_by_task": "requests",
    "hide_gpus_not_given": "trial",
    "obtainable": "capacity",
    "preview": "dry_run",
    "search": "driver",
    "search_requests": "requests",
    "with_preset": "presets",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
