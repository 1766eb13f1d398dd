"""The search: Ray Tune and Optuna over families, for one task or many on one cluster.

Names are imported when they are first used: reading results needs neither Ray nor Optuna.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith.search.board import leaderboard
    from tunesmith.search.driver import SearchInterruptedError, search
    from tunesmith.search.planning import plan
    from tunesmith.search.scheduling import on_machines
    from tunesmith.search.sessions import Ask
    from tunesmith.search.trial import hide_gpus_not_given

__all__ = [
    "Ask",
    "SearchInterruptedError",
    "hide_gpus_not_given",
    "leaderboard",
    "on_machines",
    "plan",
    "search",
]

_HOMES = {
    "Ask": "sessions",
    "SearchInterruptedError": "driver",
    "hide_gpus_not_given": "trial",
    "leaderboard": "board",
    "on_machines": "scheduling",
    "plan": "planning",
    "search": "driver",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
