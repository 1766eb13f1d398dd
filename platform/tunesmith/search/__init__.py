"""The search: Ray Tune and Optuna over families, for one task or many on one cluster."""

from tunesmith.search.driver import SearchInterruptedError, search
from tunesmith.search.planning import plan
from tunesmith.search.sessions import Ask

__all__ = ["Ask", "SearchInterruptedError", "plan", "search"]
