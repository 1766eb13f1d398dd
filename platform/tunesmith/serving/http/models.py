"""Routes about models, the graph and the limits."""

from fastapi import FastAPI, Request, Response

from tunesmith.serving.http import problems, schemas
from tunesmith.serving.http.openapi import describe_problems
from tunesmith.serving.http.pages import FOR_BOTH, page_for
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.http.responses import JsonResponse
from tunesmith.serving.limits import LimitSettings
from tunesmith.serving.nodes import Node
from tunesmith.serving.service import Service

__all__ = ["add_models"]


def _describe(service: Service, node: Node) -> schemas.NodeDescription:
    settings = node.settings
    challenger = None
    if settings.challenger is not None:
        versions = {
            task: standby.version
            for task in settings.ensemble or (node.name,)
            if (standby := service.champions.challenger(task)) is not None
        }
        challenger = schemas.ChallengerDescription(
            share=settings.challenger.share,
            shadow=settings.challenger.shadow,
            decided=settings.decision is not None,
            versions=versions,
        )
    return schemas.NodeDescription(
        name=node.name,
        title=node.title,
        reads=node.reads,
        placement=settings.placement,
        failure=settings.failure,
        ready=bool(node.champions),
        preparation=node.public_preparation,
        challenger=challenger,
    )


def add_models(api: FastAPI, service: Service) -> None:
    """Add what tells about models, the graph and the limits."""

    @api.get(
        "/v1/models",
        summary="The champions that answer, with their cards",
        tags=["models"],
        response_model=schemas.ModelList,
    )
    async def models(request: Request) -> Response:
        if page := page_for(request, "models.html"):
            return page
        loaded = service.champions.loaded()
        cards = [loaded[task].public_card() for task in sorted(loaded)]
        return JsonResponse({"models": cards}, headers=FOR_BOTH)

    @api.get(
        "/v1/models/{task}",
        summary="One champion's card",
        tags=["models"],
        response_model=schemas.ModelCard,
        responses=describe_problems(problems.UNKNOWN_MODEL),
    )
    async def model(task: str) -> Response:
        champion = service.champions.loaded().get(task)
        if champion is None:
            known = ", ".join(sorted(service.champions.loaded())) or "none yet"
            detail = f"No champion is loaded for {task[:100]!r}; loaded: {known}."
            raise ProblemError(problems.UNKNOWN_MODEL, detail)
        return JsonResponse(champion.public_card())

    @api.get(
        "/v1/graph",
        summary="The classifiers of this server",
        tags=["models"],
        response_model=schemas.GraphAnswer,
    )
    async def graph() -> Response:
        nodes = [_describe(service, node) for node in service.nodes.all().values()]
        return JsonResponse(schemas.GraphAnswer(nodes=nodes, similar=service.similar.dataset))

    @api.get(
        "/v1/limits",
        summary="What one request may ask for",
        tags=["models"],
        response_model=LimitSettings,
    )
    async def limits() -> Response:
        return JsonResponse(service.settings.limits)
