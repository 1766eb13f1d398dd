"""The items of a request: how they are prepared, and where they are decoded."""

from collections.abc import Callable, Sequence

from starlette.requests import Request

from tunesmith.artifacts.preparation import Preparation
from tunesmith.inference.explain import EXPLAINED
from tunesmith.inference.items import Item
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http import problems
from tunesmith.serving.http.decoding import Reading
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.service import Service
from tunesmith.serving.settings import RESERVED

__all__ = ["heard", "preparation_of"]


def preparation_of(request: Request, service: Service, name: str, action: str = "") -> Preparation:
    """Return how the items of the node that a request names are prepared.

    Parameters
    ----------
    request, service
        The request, and the server that it reached.
    name
        Name of the node.
    action
        Rest of the route below ``/v1/NAME``.

    Raises
    ------
    ProblemError
        When there is no such node or route, or no model of it yet.
    """
    if name in RESERVED:
        raise ProblemError(problems.UNKNOWN_ROUTE, f"No route is named '/v1/{name}{action}'.")
    node = service.nodes.get(name)
    # The template holds any name; this one is known, so that logs and metrics can have it.
    request.state.route = f"/v1/{name}{action}"
    if action == "/label" and node.settings.decision is None:
        detail = f"No labels are needed: no challenger of {name!r} is judged by them."
        raise ProblemError(problems.UNKNOWN_ROUTE, detail)
    if node.preparation is None:
        (task, *_) = node.settings.ensemble or (name,)
        return service.champions.get(task).preparation
    if action == "/why" and node.preparation.kind not in EXPLAINED:
        detail = f"No reasons are given for {node.preparation.kind}; for {', '.join(EXPLAINED)}."
        raise ProblemError(problems.UNKNOWN_ROUTE, detail)
    return node.preparation


async def heard(
    service: Service, reading: Reading, deadline: Deadline
) -> Callable[[], Sequence[Item | ProblemError]]:
    """Return what decodes the items; recordings are transcribed now, beside the worker threads."""
    is_long = (
        await service.in_thread(lambda: reading.takes_long)
        if reading.is_form
        else reading.takes_long
    )
    if not is_long:
        return reading
    items = await service.listen(reading, deadline)
    return lambda: items
