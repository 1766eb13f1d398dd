"""Requests that arrive while others are computed wait for each other and are computed together."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

__all__ = ["Batcher"]

J = TypeVar("J")
R = TypeVar("R")


class Batcher(Generic[J, R]):
    """Computes jobs in batches that grow with the load.

    There is no timer: a job that finds the worker idle starts at once, and what arrives meanwhile
    is the next batch. So a lone request never waits, and a crowd shares the cost of a run.

    Parameters
    ----------
    compute
        Blocking; returns a result for each job, in order.
    executor
        Where it runs.
    most
        Most jobs of a batch.
    waited
        Told how long each job waited for its batch, in seconds.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[J]], Sequence[R]],
        executor: Executor,
        most: int,
        waited: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._compute = compute
        self._executor = executor
        self._most = most
        self._waited = waited
        self._waiting: deque[tuple[J, asyncio.Future[R], float]] = deque()
        self._running: asyncio.Task[None] | None = None

    async def ask(self, job: J) -> R:
        """Return the result of a job, computed with those that wait beside it."""
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, future, time.monotonic()))
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            count = min(self._most, len(self._waiting))
            taken = [self._waiting.popleft() for _ in range(count)]
            kept = [one for one in taken if not one[1].done()]  # the others were given up
            if not kept:
                continue
            now = time.monotonic()
            for *_, since in kept:
                self._waited(now - since)
            batch = [(job, future) for job, future, _ in kept]
            jobs = [job for job, _ in batch]
            try:
                results = await loop.run_in_executor(self._executor, self._compute, jobs)
            except Exception as error:  # noqa: BLE001  each asker gets it; the next batch goes on
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), result in zip(batch, results, strict=True):
                if not future.done():
                    future.set_result(result)
