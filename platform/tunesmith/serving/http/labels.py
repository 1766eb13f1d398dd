"""POST /v1/NAME/label: the right label of an item, by which a challenger is judged."""

from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from tunesmith.serving.http import problems
from tunesmith.serving.http.decoding import read_request
from tunesmith.serving.http.headers import DeadlineHeader, deadline_of
from tunesmith.serving.http.items import heard, preparation_of
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.http.responses import JsonResponse
from tunesmith.serving.service import Service

__all__ = ["add_labels"]

Label = Annotated[str, Query(min_length=1, description="The right label of the item.")]


def add_labels(api: FastAPI, service: Service) -> None:
    """Add the route; `openapi` describes it for each node with a rule for its challenger."""
    limits = service.settings.limits

    @api.post("/v1/{name}/label", include_in_schema=False)
    async def label_by_node(
        request: Request, name: str, label: Label, x_deadline_s: DeadlineHeader = None
    ) -> Response:
        deadline = deadline_of(limits, x_deadline_s)
        preparation = preparation_of(request, service, name, "/label")
        _require_labeller(request, service, name)
        reading = await read_request(request, preparation, limits, service.receiver, deadline)
        with service.admission.enter():
            decode = await heard(service, reading, deadline)
            digest = await service.in_thread(lambda: reading.digest)
            labelled = await service.graph.label(name, decode, digest, label, deadline)
        return JsonResponse(labelled.body())


def _require_labeller(request: Request, service: Service, name: str) -> None:
    """Refuse labels of clients whose labels do not count for a node.

    Raises
    ------
    ProblemError
        ``not-a-labeller``.
    """
    decision = service.nodes.get(name).settings.decision
    trusted = None if decision is None else decision.labels_from
    if trusted is not None and request.state.client not in trusted:
        detail = f"Labels of {name!r} are taken from the keys that its settings name."
        raise ProblemError(problems.NOT_A_LABELLER, detail)
