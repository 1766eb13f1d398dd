"""The search: Ray Tune and Optuna over families, for one task or many on one cluster."""

from tunesmith.search.driver import Ask, search

__all__ = ["Ask", "search"]
