"""State of one ingress replica: champions, worker threads, the graph. It knows no HTTP route."""

import asyncio
import contextvars
import functools
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from tunesmith.artifacts.store import Store
from tunesmith.serving.aside import Later, at_once
from tunesmith.serving.champions import Champions
from tunesmith.serving.contests import Contests
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.graph import Graph, Remote
from tunesmith.serving.http import problems
from tunesmith.serving.http.auth import Access
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.http.receiving import Receiver
from tunesmith.serving.metrics import Metrics
from tunesmith.serving.nodes import Nodes
from tunesmith.serving.settings import Settings
from tunesmith.serving.similar import KnownPieces
from tunesmith.serving.worker import Worker

__all__ = ["Admission", "Service"]

_LISTENERS = 1
"""Recordings that a replica transcribes at the same time."""

P = ParamSpec("P")
T = TypeVar("T")


class Service:
    """One ingress replica's state.

    Parameters
    ----------
    settings
        The application's arguments.
    remote
        Asks the nodes that are placed in deployments.
    metrics
        Where everything is counted.
    all_interfaces
        Whether Serve listens on every interface whatever its `host` says (HAProxy mode).
    exposition
        Returns the metrics in Prometheus' format; blocking.
    later
        Writes the access log.
    """

    def __init__(  # noqa: PLR0917  what a replica is given
        self,
        settings: Settings,
        remote: Remote | None = None,
        metrics: Metrics | None = None,
        all_interfaces: bool = False,
        exposition: Callable[[], bytes] | None = None,
        later: Later = at_once,
    ) -> None:
        self.settings = settings
        self.later = later
        self.exposition = exposition
        self.metrics = metrics or Metrics()
        store = Store(settings.store)
        self.access = Access(settings.access, store, all_interfaces)
        self.receiver = Receiver(settings.limits)
        self.admission = Admission(settings.limits.in_flight, self.metrics)
        self.champions = Champions(
            store,
            settings.reload_s,
            self.metrics,
            self._look,
            only=settings.tasks(),
            others=settings.unlisted == "serve",
            challenged=settings.challenged(),
        )
        self._pool = ThreadPoolExecutor(settings.worker_threads, thread_name_prefix="model")
        # Beside the others, so that recordings, which take seconds, hold up no other request.
        self._listeners = ThreadPoolExecutor(_LISTENERS, thread_name_prefix="audio")
        self.nodes = Nodes(settings, self.champions)
        self.contests = Contests(store, settings.decisions(), self.metrics)
        self.similar = KnownPieces(store, settings.similar, self._learned_from)
        self.graph = Graph(
            self.nodes,
            lambda name, node: Worker(name, node, self.champions, self.metrics, self.contests),
            self.in_thread,
            remote,
            self.metrics,
            self.similar.label,
        )

    def start(self) -> None:
        """Load the champions and begin to follow promotions."""
        self.champions.start()

    def _look(self) -> None:
        """Do what is due whenever the champions were looked for."""
        self.access.refresh()
        self.similar.refresh()
        self.contests.refresh()
        self.admission.report()

    def _learned_from(self) -> list[str]:
        """Return the data of the models of music, as NAME@VERSION, the first node's first."""
        nodes = self.nodes.all().values()
        champions = [model for node in nodes if node.reads == "midi" for model in node.champions]
        return list(dict.fromkeys(model.card.dataset_name for model in champions))

    def stop(self) -> None:
        """End the threads."""
        self.champions.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._listeners.shutdown(wait=False, cancel_futures=True)

    async def in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work in a worker thread, off the event loop, in the request's context."""
        return await _run(self._pool, call, *args, **kwargs)

    async def listen(self, call: Callable[[], T], deadline: Deadline) -> T:
        """Transcribe a recording in a thread for that alone, in the request's context.

        Raises
        ------
        ProblemError
            ``deadline`` when the time is over, waiting included.
        """
        try:
            async with asyncio.timeout(max(deadline.left_s, 0)):
                return await _run(self._listeners, call)
        except TimeoutError:
            raise deadline.missed() from None

    def check(self) -> None:
        """Raise when the replica cannot answer any more; Serve then replaces it."""
        self.champions.check()


class Admission:
    """Lets a bounded number of classification requests in, and tells the others when to return."""

    def __init__(self, in_flight: int, metrics: Metrics) -> None:
        self._limit = in_flight
        self._metrics = metrics
        self._inside = 0
        self._mean_s = 0.05

    def check(self) -> None:
        """Refuse when there is no place; before any work is done for a request.

        Raises
        ------
        ProblemError
            ``overloaded``.
        """
        if self._inside >= self._limit:
            # Estimated from recent latency: by then those inside will have left.
            retry = {"Retry-After": str(max(1, math.ceil(self._mean_s)))}
            detail = f"{self._inside} requests are being worked on; this replica takes no more."
            raise ProblemError(problems.OVERLOADED, detail, retry)

    @contextmanager
    def enter(self) -> Iterator[None]:
        """Hold a place for one request. Belongs on the event loop alone.

        Raises
        ------
        ProblemError
            ``overloaded`` when there is none.
        """
        self.check()
        self._inside += 1
        started = time.monotonic()
        try:
            yield
        finally:
            self._inside -= 1
            self._mean_s += 0.05 * (time.monotonic() - started - self._mean_s)

    def report(self) -> None:
        """Show how many are inside; from time to time, as a record costs more than a request."""
        self._metrics.in_flight(self._inside)


async def _run(pool: Executor, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run blocking work in a thread of a pool, in the request's context."""
    work = functools.partial(contextvars.copy_context().run, call, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(pool, work)
