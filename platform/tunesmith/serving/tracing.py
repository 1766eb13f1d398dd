"""OpenTelemetry spans through the graph, when asked for.

Ray Serve traces its own hops where `tracing_config` in serve/config.yaml says so, or the
environment variable RAY_SERVE_TRACING_EXPORTER_IMPORT_PATH; these spans then hang below them.
Without that, and without the package, nothing is imported and nothing is spent.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from starlette.datastructures import Headers
from starlette.types import Scope

__all__ = ["Traces"]

_NOTHING = nullcontext()


class Traces:
    """Makes spans if this process traces; decided once, when a replica starts."""

    def __init__(self) -> None:
        self._tracer: Any = _find_tracer()

    def span(self, name: str, **facts: str | int) -> AbstractContextManager[None]:
        """Return what measures the block below it; a block that raises is marked as failed."""
        return _NOTHING if self._tracer is None else self._span(name, facts)

    def taken_up(self, scope: Scope) -> AbstractContextManager[None]:
        """Return what hangs the spans of the block below the one that a request's headers name."""
        return _NOTHING if self._tracer is None else _below(scope)

    @contextmanager
    def _span(self, name: str, facts: Mapping[str, str | int]) -> Iterator[None]:
        attributes = {f"tunesmith.{key}": value for key, value in facts.items()}
        with self._tracer.start_as_current_span(name, attributes=attributes):
            yield


@contextmanager
def _below(scope: Scope) -> Iterator[None]:
    from opentelemetry import context, propagate

    token = context.attach(propagate.extract(Headers(scope=scope)))
    try:
        yield
    finally:
        context.detach(token)


def _find_tracer() -> Any:
    """Return the tracer that Serve, or who runs this process, has set up; None where none did."""
    sdk = sys.modules.get("opentelemetry.sdk.trace")
    if sdk is None:
        return None
    from opentelemetry import trace

    provider = trace.get_tracer_provider()
    return provider.get_tracer("tunesmith") if isinstance(provider, sdk.TracerProvider) else None
