"""POST /v1/similar: the piece that a file of music is, and the pieces nearest to it."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

from fastapi import FastAPI, Query, Request, Response

from tunesmith.artifacts.preparation import MidiPreparation
from tunesmith.inference.items import Item
from tunesmith.inference.pieces import Piece
from tunesmith.serving.answers import Body
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http import problems, schemas
from tunesmith.serving.http.decoding import read_request
from tunesmith.serving.http.headers import DeadlineHeader, deadline_of
from tunesmith.serving.http.items import heard
from tunesmith.serving.http.openapi import SIMILAR_BODY, SIMILAR_PROBLEMS
from tunesmith.serving.http.paths import prefix_of
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.http.responses import JsonResponse
from tunesmith.serving.predict import summary
from tunesmith.serving.service import Service

__all__ = ["add_similar"]

_MOST = 100
Limit = Annotated[int, Query(ge=1, le=_MOST, description="Most pieces to return.")]


def add_similar(api: FastAPI, service: Service) -> None:
    """Add the route; where it is turned off it answers that it is not there."""
    limits = service.settings.limits
    enabled = service.settings.similar.enabled

    @api.post(
        "/v1/similar",
        summary="The piece of a dataset that this music is, and the nearest ones",
        operation_id="similar",
        tags=["classify"],
        response_model=schemas.SimilarAnswer | schemas.SimilarListAnswer,
        responses=SIMILAR_PROBLEMS,
        openapi_extra=SIMILAR_BODY,
        include_in_schema=enabled,
    )
    async def similar(
        request: Request, limit: Limit = 10, x_deadline_s: DeadlineHeader = None
    ) -> Response:
        if not enabled:
            raise ProblemError(problems.UNKNOWN_ROUTE, "The search for pieces is turned off.")
        deadline = deadline_of(limits, x_deadline_s)
        reading = await read_request(request, MidiPreparation(), limits, service.receiver, deadline)
        prefix = prefix_of(request.scope)
        with service.admission.enter():
            decode = await heard(service, reading, deadline)

            def find() -> list[Body]:
                return _answers(service, decode(), limit, deadline, prefix)

            answers = await service.in_thread(find)
        if reading.is_list:
            return JsonResponse({"answers": answers})
        return JsonResponse(answers[0])


def _answers(
    service: Service,
    items: Sequence[Item | ProblemError],
    limit: int,
    deadline: Deadline,
    prefix: str,
) -> list[Body]:
    """Return an answer about each item of a list; the problem of a single one is raised."""
    answers: list[Body] = []
    for item in items:
        deadline.check()
        if isinstance(item, Piece):
            nearest = service.similar.nearest(item.score.notes, limit)
            answers.append(
                {
                    "dataset": nearest.dataset,
                    "version": nearest.version,
                    "match": None if nearest.match is None else asdict(nearest.match),
                    "pieces": [asdict(piece) for piece in nearest.pieces],
                    "piece": summary(item).body(),
                }
            )
        elif isinstance(item, ProblemError):
            answers.append({"problem": item.body(prefix=prefix)})
    return answers
