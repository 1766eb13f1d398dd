"""A metric with its interval."""

from tunesmith.artifacts.documents import Section, absent

__all__ = ["Interval", "Metrics"]


class Interval(Section):
    """A metric with its 95 % interval."""

    value: float
    low: float
    high: float
    method: str | None = absent("How the interval was made, where not by a bootstrap.")

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


Metrics = dict[str, Interval]
"""Metrics by name."""
