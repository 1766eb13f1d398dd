"""Metrics of serving, exported by Ray in Prometheus format."""

from typing import Any

from tunesmith.serving.aside import Later, at_once

__all__ = ["Metrics", "RayMetrics"]


class Metrics:
    """Counts nothing; the interface, and what a process without Ray uses."""

    def request(self, route: str, status: int, duration_s: float) -> None:
        """Count an answered HTTP request."""

    def node(self, name: str, items: int, duration_s: float) -> None:
        """Count one run of a node over so many items."""

    def failure(self, name: str, problem: str) -> None:
        """Count that a node could not answer."""

    def in_flight(self, requests: int) -> None:
        """Tell how many classification requests are being worked on or wait."""

    def champion(self, task: str, version: int) -> None:
        """Tell which champion was loaded."""

    def refused(self, task: str, version: int) -> None:
        """Tell which promoted champion could not be loaded; version 0 takes it back."""

    def unreachable(self, unreachable: bool) -> None:
        """Tell whether nothing can be read from the store."""

    def challenger(self, task: str, version: int) -> None:
        """Tell which challenger was loaded; version 0 when there is none any more."""

    def challenger_answered(self, task: str, items: int) -> None:
        """Count items whose answer came from the challenger."""

    def compared(self, task: str, agreed: bool, distance: float) -> None:
        """Count an item that champion and challenger both judged, and how far they were apart."""

    def evidence(self, task: str, about: str, wins: int, losses: int) -> None:
        """Tell how often which model was the better one, over all replicas."""

    def drift(self, task: str, mean: float, largest: float) -> None:
        """Tell how far the inputs have drifted, over all columns and of the worst one."""

    def batch(self, name: str, wait_s: float) -> None:
        """Count how long a request waited for its batch to be computed."""


_SECONDS: list[float] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30]
_SHARES: list[float] = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1]
_ITEMS: list[float] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 1024]


class RayMetrics(Metrics):
    """Counts through `ray.util.metrics`: summed over replicas, exported on Ray's metrics port.

    Parameters
    ----------
    later
        Counts what every request adds.
    """

    def __init__(self, later: Later = at_once) -> None:
        from ray.util.metrics import Counter, Gauge, Histogram

        self._later = later
        # One record a request: its count by route and status is the histogram's own.
        self._request_s: Any = Histogram(
            "tunesmith_request_seconds",
            "Time to an answer, by route and status.",
            _SECONDS,
            ("route", "status"),
        )
        self._node_s: Any = Histogram(
            "tunesmith_node_seconds", "Time of one run of a node.", _SECONDS, ("node",)
        )
        self._node_items: Any = Histogram(
            "tunesmith_node_items",
            "Items computed together, where more than one.",
            _ITEMS,
            ("node",),
        )
        self._failures: Any = Counter(
            "tunesmith_node_failures", "Failures of nodes by kind.", ("node", "problem")
        )
        self._in_flight: Any = Gauge(
            "tunesmith_in_flight", "Classification requests in work or waiting."
        )
        self._champion: Any = Gauge(
            "tunesmith_champion_version", "Version that answers.", ("task",)
        )
        self._refused: Any = Gauge(
            "tunesmith_champion_refused",
            "Version that was promoted and cannot be loaded; -1 when the alias cannot be read, "
            "0 when all is well.",
            ("task",),
        )
        self._unreachable: Any = Gauge(
            "tunesmith_store_unreachable", "1 while nothing can be read from the store."
        )
        self._challenger: Any = Gauge(
            "tunesmith_challenger_version", "Version that is tried; 0 for none.", ("task",)
        )
        self._challenger_answers: Any = Counter(
            "tunesmith_challenger_answers", "Items answered by the challenger.", ("task",)
        )
        self._compared: Any = Counter(
            "tunesmith_challenger_compared",
            "Items judged by champion and challenger, by whether they named the same class.",
            ("task", "agreed"),
        )
        self._distance: Any = Histogram(
            "tunesmith_challenger_distance",
            "Total variation distance of the champion's and the challenger's probabilities.",
            _SHARES,
            ("task",),
        )
        self._evidence: Any = Gauge(
            "tunesmith_challenger_evidence",
            "Cases of a contest that tell its models apart, by the better one, of all replicas.",
            ("task", "about", "better"),
        )
        self._drift: Any = Gauge(
            "tunesmith_input_drift",
            "Population stability index of inputs against the training data: the mean over all "
            "columns and the largest. Above 0.25 it is another population.",
            ("task", "statistic"),
        )
        self._batch_wait_s: Any = Histogram(
            "tunesmith_batch_wait_seconds",
            "Time a request waited for its batch.",
            _SECONDS,
            ("node",),
        )

    def request(self, route: str, status: int, duration_s: float) -> None:
        """Count it and its time."""
        tags = {"route": route, "status": str(status)}
        self._later(_observe, (self._request_s, duration_s, tags))

    def node(self, name: str, items: int, duration_s: float) -> None:
        """Count its time and the size of the batch."""
        self._later(_observe, (self._node_s, duration_s, {"node": name}))
        if items > 1:
            self._later(_observe, (self._node_items, float(items), {"node": name}))

    def failure(self, name: str, problem: str) -> None:
        """Count it."""
        self._failures.inc(1, {"node": name, "problem": problem})

    def in_flight(self, requests: int) -> None:
        """Set the gauge."""
        self._in_flight.set(requests)

    def champion(self, task: str, version: int) -> None:
        """Set the gauge."""
        self._champion.set(version, {"task": task})

    def refused(self, task: str, version: int) -> None:
        """Set the alert gauge."""
        self._refused.set(version, {"task": task})

    def unreachable(self, unreachable: bool) -> None:
        """Set the gauge."""
        self._unreachable.set(int(unreachable))

    def challenger(self, task: str, version: int) -> None:
        """Set the gauge."""
        self._challenger.set(version, {"task": task})

    def challenger_answered(self, task: str, items: int) -> None:
        """Count them."""
        self._challenger_answers.inc(items, {"task": task})

    def compared(self, task: str, agreed: bool, distance: float) -> None:
        """Count it."""
        self._compared.inc(1, {"task": task, "agreed": "yes" if agreed else "no"})
        self._distance.observe(distance, {"task": task})

    def evidence(self, task: str, about: str, wins: int, losses: int) -> None:
        """Set the gauges."""
        for better, cases in (("challenger", wins), ("champion", losses)):
            self._evidence.set(cases, {"task": task, "about": about, "better": better})

    def drift(self, task: str, mean: float, largest: float) -> None:
        """Set the gauges."""
        self._drift.set(mean, {"task": task, "statistic": "mean"})
        self._drift.set(largest, {"task": task, "statistic": "largest"})

    def batch(self, name: str, wait_s: float) -> None:
        """Count it."""
        self._later(_observe, (self._batch_wait_s, wait_s, {"node": name}))


def _observe(values: list[tuple[Any, float, dict[str, str]]]) -> None:
    """Add values to histograms, each with its tags."""
    for histogram, value, tags in values:
        histogram.observe(value, tags)
