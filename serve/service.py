"""What a replica owns: champions, worker threads and the work itself. Knows nothing of HTTP."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from serve.champions import Champions
from serve.nodes import classify_piece, decode_midi
from serve.settings import Settings
from tunesmith.store import Store

__all__ = ["Service"]

P = ParamSpec("P")
T = TypeVar("T")


class Service:
    """One replica's state.

    Parameters
    ----------
    settings
        The application's arguments.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.champions = Champions(Store(settings.store), settings.reload_s)
        self._pool = ThreadPoolExecutor(settings.threads, thread_name_prefix="model")

    def start(self) -> None:
        """Load the champions and begin to follow promotions."""
        self.champions.start()

    def stop(self) -> None:
        """End the threads."""
        self.champions.stop()
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def in_thread(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run blocking work in a worker thread, off the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, lambda: call(*args, **kwargs))

    def check(self) -> None:
        """Raise when the replica cannot answer any more; Serve then replaces it."""
        if not self.champions.following:
            message = "the thread that follows promotions has ended"
            raise RuntimeError(message)

    def composer(self, body: bytes) -> dict[str, Any]:
        """Answer one MIDI file."""
        champion = self.champions.get("composer")
        return classify_piece(decode_midi(body, self.settings.limits), champion)
