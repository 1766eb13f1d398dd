"""The HTTP routes: read the request, ask the graph, write the answer."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.types import ASGIApp

from tunesmith.inference.items import Item
from tunesmith.serving.answers import Body, NodeAnswer
from tunesmith.serving.http import problems, schemas
from tunesmith.serving.http.bodies import media_type
from tunesmith.serving.http.decoding import read_request
from tunesmith.serving.http.errors import handle_errors
from tunesmith.serving.http.headers import DeadlineHeader, StickyKey, deadline_of, options_of
from tunesmith.serving.http.items import heard, preparation_of
from tunesmith.serving.http.labels import add_labels
from tunesmith.serving.http.middleware import Envelope, compressed, with_cors
from tunesmith.serving.http.mixtures import decode_mixture
from tunesmith.serving.http.models import add_models
from tunesmith.serving.http.music import largest_form
from tunesmith.serving.http.notes import add_notes
from tunesmith.serving.http.openapi import (
    CLASSIFY_BODY,
    CLASSIFY_PROBLEMS,
    CLASSIFY_TYPES,
    Dumped,
    complete,
    describe_problems,
)
from tunesmith.serving.http.pages import FOR_BOTH, PAGE, page_for
from tunesmith.serving.http.paths import prefix_of
from tunesmith.serving.http.problems import KINDS, ProblemError
from tunesmith.serving.http.responses import JsonResponse
from tunesmith.serving.http.similar import add_similar
from tunesmith.serving.nodes import Node
from tunesmith.serving.service import Service
from tunesmith.serving.settings import RESERVED
from tunesmith.serving.worker import Answer

__all__ = ["make_api", "make_app"]


class _NodeName(StringConvertor):
    """Any name below ``/v1/`` but those of the routes that are no node's."""

    regex = rf"(?!(?:{'|'.join(RESERVED)})$)[^/]+"


register_url_convertor("node", _NodeName())


class _NodeRoute(APIRoute):
    """A route that reads its request itself, without FastAPI's search for parameters.

    That search, which finds none here, took a tenth of the time of a small request.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler: Callable[[Request], Coroutine[Any, Any, Response]] = self.endpoint
        return handler


def _list_answer(answers: Sequence[Answer], prefix: str) -> Body:
    """Return the answer to a list; the model is named once."""
    model = next((answer.model for answer in answers if isinstance(answer, NodeAnswer)), None)
    members = [
        answer.body(with_model=False)
        if isinstance(answer, NodeAnswer)
        else {"problem": answer.body(prefix=prefix)}
        for answer in answers
    ]
    return {"answers": members, "model": model.body() if model is not None else None}


def _add_nodes(api: FastAPI, service: Service) -> None:
    """Add POST /v1/NAME and POST /v1/NAME/why; `openapi` describes them node by node."""
    limits = service.settings.limits

    async def classify_by_node(request: Request) -> Response:
        name = request.path_params["name"]
        options = options_of(request, limits)
        deadline = options.deadline
        preparation = preparation_of(request, service, name)
        reading = await read_request(request, preparation, limits, service.receiver, deadline)
        with service.admission.enter():
            client = _client(request, options.sticky_key)
            decode = await heard(service, reading, deadline)
            answers = await service.graph.ask(name, decode, deadline, options.detail, client)
        if reading.is_list:
            return JsonResponse(_list_answer(answers, prefix_of(request.scope)))
        (answer,) = answers
        if isinstance(answer, ProblemError):
            raise answer
        return JsonResponse(answer.body())

    async def explain_by_node(request: Request) -> Response:
        name = request.path_params["name"]
        options = options_of(request, limits)
        deadline = options.deadline
        preparation = preparation_of(request, service, name, "/why")
        reading = await read_request(request, preparation, limits, service.receiver, deadline)
        with service.admission.enter():
            client = _client(request, options.sticky_key)
            decode = await heard(service, reading, deadline)
            explanation = await service.graph.explain(name, decode, deadline, client)
        return JsonResponse(explanation.body())

    handlers = {"/v1/{name:node}": classify_by_node, "/v1/{name}/why": explain_by_node}
    for path, handler in handlers.items():
        api.router.add_api_route(
            path,
            handler,
            methods=["POST"],
            include_in_schema=False,
            route_class_override=_NodeRoute,
        )


def _client(request: Request, sticky_key: str | None) -> str:
    """Return a stable client identity: its sticky key, its API key's name, or its address."""
    address = request.client.host if request.client is not None else ""
    return sticky_key or getattr(request.state, "client", "") or address


def _add_classify(api: FastAPI, service: Service) -> None:
    """Add POST /v1/classify."""
    limits = service.settings.limits

    @api.post(
        "/v1/classify",
        summary="Everything at once: any mixture of a piece, a row, an image and a text",
        operation_id="classify",
        tags=["classify"],
        response_model=schemas.ClassifyAnswer,
        responses=CLASSIFY_PROBLEMS,
        openapi_extra=CLASSIFY_BODY,
    )
    async def classify(
        request: Request,
        x_deadline_s: DeadlineHeader = None,
        x_sticky_key: StickyKey = None,
    ) -> Response:
        deadline = deadline_of(limits, x_deadline_s)
        kind = media_type(request) or "application/json"
        if kind not in CLASSIFY_TYPES:
            detail = f"The body is declared as {kind[:100]!r}; send {' or '.join(CLASSIFY_TYPES)}."
            raise ProblemError(problems.UNSUPPORTED_MEDIA_TYPE, detail)
        content_type = request.headers.get("content-type", "")
        body = await service.receiver.read(request, deadline, largest_form(limits))
        with service.admission.enter():
            decoders = await service.in_thread(
                decode_mixture, kind, content_type, body, limits, deadline
            )
            music = decoders.get("midi")
            if music is not None and music.takes_long:
                await service.listen(music.piece, deadline)

            def reading(node: Node) -> Callable[[], list[Item | ProblemError]]:
                def read() -> list[Item | ProblemError]:
                    (task, *_) = node.settings.ensemble or (node.name,)
                    preparation = node.preparation or service.champions.get(task).preparation
                    return [decoders[str(node.reads)](preparation)]

                return read

            wanted = {
                name: reading(node)
                for name, node in service.nodes.all().items()
                if node.reads in decoders
            }
            client = _client(request, x_sticky_key)
            answers, gaps = await service.graph.ask_all(wanted, deadline, client)
        prefix = prefix_of(request.scope)
        return JsonResponse(
            {
                "answers": {name: answer.body() for name, answer in answers.items()},
                "gaps": {name: gap.body(prefix=prefix) for name, gap in gaps.items()},
            }
        )


def _add_operations(api: FastAPI, service: Service) -> None:
    """Add health and metrics."""

    @api.get(
        "/healthz",
        summary="Does the server live?",
        tags=["operations"],
        response_model=schemas.Health,
    )
    async def healthz() -> Response:
        return JsonResponse({"status": "ok"})

    @api.get(
        "/readyz",
        summary="Can the server answer what it must?",
        tags=["operations"],
        response_model=schemas.Health,
        responses=describe_problems(problems.NO_CHAMPION, problems.STORE_UNREACHABLE),
    )
    async def readyz() -> Response:
        nodes = service.nodes.all().values()
        waiting = [
            node.name for node in nodes if node.settings.failure == "hard" and not node.champions
        ]
        if waiting or not any(node.champions for node in nodes):
            service.champions.check_store()
        if waiting or not any(node.champions for node in nodes):
            detail = f"No champion yet for: {', '.join(waiting) or 'any task'}."
            raise ProblemError(problems.NO_CHAMPION, detail, {"Retry-After": "10"})
        return JsonResponse({"status": "ready"})

    if service.exposition is not None and service.settings.metrics:
        _add_metrics(api, service, service.exposition)


def _add_pages(api: FastAPI) -> None:
    """Add the page, its documents and what kinds of problems mean."""

    @api.get(
        "/problems/{name}",
        summary="What a kind of problem means",
        tags=["operations"],
        responses=describe_problems(problems.UNKNOWN_ROUTE),
    )
    async def problem(request: Request, name: str) -> Response:
        kind = KINDS.get(name)
        if kind is None:
            detail = f"No kind of problem is named {name[:100]!r}; known: {', '.join(KINDS)}."
            raise ProblemError(problems.UNKNOWN_ROUTE, detail)
        if page := page_for(request, "problem.html"):
            return page
        content = {"status": kind.status, "title": kind.title, "advice": kind.advice}
        return JsonResponse(content, headers=FOR_BOTH)

    @api.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html")

    @api.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(PAGE / "docs.html")

    api.mount("/page", StaticFiles(directory=PAGE), name="page")


def _add_metrics(api: FastAPI, service: Service, exposition: Callable[[], bytes]) -> None:
    @api.get("/metrics", summary="Metrics in Prometheus' format", tags=["operations"])
    async def metrics() -> Response:
        text = await service.in_thread(exposition)
        return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def make_api(service: Service) -> FastAPI:
    """Return the FastAPI application over a running service."""
    api = FastAPI(
        title="Tunesmith",
        version="1",
        summary="Music classifiers over HTTP.",
        description=(
            "Send a MIDI file, get its probable class, of the piece and along it; and the same "
            "for rows of a table, images and texts. Errors are problem details (RFC 9457)."
        ),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    handle_errors(api, service)
    # First, as most requests are for them: routes are tried one after another.
    _add_nodes(api, service)
    _add_classify(api, service)
    add_notes(api, service)
    add_similar(api, service)
    add_labels(api, service)
    add_models(api, service)
    _add_operations(api, service)
    _add_pages(api)
    _describe_api(api, service)
    return api


def _describe_api(api: FastAPI, service: Service) -> None:
    """Let the OpenAPI document follow the nodes, which change with promotions."""
    generate = api.openapi
    described: list[tuple[str, int, str]] = []

    def document() -> Dumped:
        nodes = service.nodes.all()
        now = [
            (name, champion.version, champion.task)
            for name, node in nodes.items()
            for champion in node.champions
        ]
        if api.openapi_schema is None or now != described:
            api.openapi_schema = None
            api.openapi_schema = complete(generate(), nodes.values())
            described[:] = now
        return api.openapi_schema

    api.openapi = document  # type: ignore[method-assign]

    @api.get("/openapi.json", include_in_schema=False)
    async def openapi(request: Request) -> Response:
        prefix = prefix_of(request.scope)
        servers = {"servers": [{"url": prefix}]} if prefix else {}
        return JsonResponse({**document(), **servers})


def make_app(service: Service, name_id: bool = True) -> ASGIApp:
    """Return the ASGI application of a replica; see `Envelope` for `name_id`."""
    inside = Envelope(compressed(make_api(service)), service, name_id=name_id)
    return with_cors(inside, service.settings.access)
