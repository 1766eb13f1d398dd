"""The HTTP routes: read the request, ask the graph, write the answer."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from tunesmith.inference.items import Item
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.graph import Answer
from tunesmith.serving.http import problems, schemas
from tunesmith.serving.http.bodies import media_type, read_body
from tunesmith.serving.http.decoding import decode_mixture, read_request
from tunesmith.serving.http.middleware import Envelope
from tunesmith.serving.http.openapi import (
    CLASSIFY_BODY,
    CLASSIFY_PROBLEMS,
    CLASSIFY_TYPES,
    answer_model,
    describe_problems,
    node_body,
    node_problems,
)
from tunesmith.serving.http.problems import KINDS, ProblemError, respond
from tunesmith.serving.service import Service
from tunesmith.serving.settings import LimitSettings, NodeSettings

__all__ = ["make_api", "make_app"]

PAGE = Path(__file__).parent.parent / "page"
REASONED = ("midi", "song")  # whose parts can be named

DeadlineHeader = Annotated[
    float | None,
    Header(
        alias="X-Deadline-S",
        gt=0,
        le=3600,
        description="Seconds after which the answer is of no use.",
    ),
]
StickyKey = Annotated[
    str | None,
    Header(
        alias="X-Sticky-Key",
        max_length=200,
        description="Whoever asks with the same key is answered by the same side of a trial.",
    ),
]
Detail = Annotated[
    bool, Query(description="Whether each segment carries the probability of every class.")
]


def _handle_errors(api: FastAPI) -> None:
    """Make every error a problem body."""

    def answer(request: Request, problem: ProblemError) -> Response:
        request_id = getattr(request.state, "request_id", None)
        if request_id is not None:
            problem.more.setdefault("request_id", request_id)
        return respond(problem, request.url.path)

    @api.exception_handler(ProblemError)
    async def on_problem(request: Request, problem: ProblemError) -> Response:
        return answer(request, problem)

    @api.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> Response:
        faults = [
            {"where": ".".join(map(str, fault["loc"])), "what": fault["msg"]}
            for fault in error.errors()[:20]
        ]
        detail = "; ".join(f"{fault['where']}: {fault['what']}" for fault in faults[:3])
        return answer(request, ProblemError(problems.INVALID_INPUT, detail, errors=faults))

    @api.exception_handler(Exception)
    async def on_unexpected(request: Request, _error: Exception) -> Response:
        detail = "An unexpected error; the server's log has it under the request id."
        return answer(request, ProblemError(problems.INTERNAL, detail))

    @api.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 404:
            detail = f"No route is named {request.url.path[:200]!r}."
            problem = ProblemError(problems.UNKNOWN_ROUTE, detail)
        elif error.status_code == 405:
            detail = f"{request.url.path} does not answer {request.method}."
            problem = ProblemError(problems.METHOD_NOT_ALLOWED, detail, error.headers)
        else:
            problem = ProblemError(problems.MALFORMED_BODY, str(error.detail), error.headers)
        return answer(request, problem)


def _list_answer(said: Sequence[Answer]) -> dict[str, Any]:
    """Return the answer to a list; the model is named once."""
    model = next((one["model"] for one in said if isinstance(one, dict)), None)
    told = []
    for one in said:
        if isinstance(one, ProblemError):
            told.append({"problem": one.body()})
        else:
            del one["model"]
            told.append(one)
    return {"answers": told, "model": model}


def _add_node(api: FastAPI, service: Service, name: str, node: NodeSettings) -> None:
    """Add POST /v1/NAME."""
    limits = service.settings.limits

    @api.post(
        f"/v1/{name}",
        summary=node.title or f"Classify by {name}",
        operation_id=name,
        tags=["classify"],
        response_model=answer_model(name, node) | schemas.ListAnswer,
        responses=node_problems(node),
        openapi_extra=node_body(node),
    )
    async def classify_by_node(
        request: Request,
        detail: Detail = False,
        x_deadline_s: DeadlineHeader = None,
        x_sticky_key: StickyKey = None,
    ) -> Response:
        deadline = _deadline(limits, x_deadline_s)
        with service.admission.enter():
            reading = await read_request(request, node, limits)
            asker = _asker(request, x_sticky_key)
            said = await service.graph.ask(name, reading, deadline, detail, asker)
        if reading.is_list:
            return JSONResponse(_list_answer(said))
        (one,) = said
        if isinstance(one, ProblemError):
            raise one
        return JSONResponse(one)


def _add_why(api: FastAPI, service: Service, name: str, node: NodeSettings) -> None:
    """Add POST /v1/NAME/why."""
    limits = service.settings.limits
    body = node_body(node)
    body["requestBody"]["description"] = "One item; of a list no reasons are given."

    @api.post(
        f"/v1/{name}/why",
        summary=f"What spoke for the answer of {name}, and what against it",
        operation_id=f"{name}_why",
        tags=["classify"],
        response_model=schemas.WhyAnswer,
        responses=node_problems(node),
        openapi_extra=body,
    )
    async def explain_by_node(
        request: Request,
        x_deadline_s: DeadlineHeader = None,
        x_sticky_key: StickyKey = None,
    ) -> Response:
        deadline = _deadline(limits, x_deadline_s)
        with service.admission.enter():
            reading = await read_request(request, node, limits)
            asker = _asker(request, x_sticky_key)
            return JSONResponse(await service.graph.explain(name, reading, deadline, asker))


def _asker(request: Request, sticky_key: str | None) -> str:
    """Return by what the same asker is known again: what it says, its API key, or its address."""
    address = request.client.host if request.client is not None else ""
    return sticky_key or getattr(request.state, "asker", "") or address


def _deadline(limits: LimitSettings, asked_s: float | None) -> Deadline:
    return Deadline.after(min(limits.deadline_s, asked_s or limits.deadline_s))


def _add_classify(api: FastAPI, service: Service) -> None:
    """Add POST /v1/classify."""
    limits = service.settings.limits

    @api.post(
        "/v1/classify",
        summary="Everything at once: any mixture of a piece, a song, an image and a text",
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
        deadline = _deadline(limits, x_deadline_s)
        kind = media_type(request) or "application/json"
        if kind not in CLASSIFY_TYPES:
            detail = f"The body is declared as {kind[:100]!r}; send {' or '.join(CLASSIFY_TYPES)}."
            raise ProblemError(problems.UNSUPPORTED_MEDIA_TYPE, detail)
        with service.admission.enter():
            body = await read_body(request, limits.body_bytes)
            content_type = request.headers.get("content-type", "")
            decoders = await service.in_thread(decode_mixture, kind, content_type, body, limits)

            def decode(node: NodeSettings) -> Callable[[], list[Item | ProblemError]]:
                return lambda: [decoders[node.reads](node)]

            wanted = {
                name: decode(node)
                for name, node in service.settings.nodes.items()
                if node.reads in decoders
            }
            asker = _asker(request, x_sticky_key)
            said, gaps = await service.graph.ask_all(wanted, deadline, asker)
        return JSONResponse(
            {"answers": said, "gaps": {name: gap.body() for name, gap in gaps.items()}}
        )


def _add_models(api: FastAPI, service: Service) -> None:
    """Add what tells about models, the graph and the limits."""

    @api.get(
        "/v1/models",
        summary="The champions that answer, with their cards",
        tags=["models"],
        response_model=schemas.ModelList,
    )
    async def models() -> Response:
        loaded = service.champions.loaded()
        return JSONResponse({"models": [loaded[task].public_card() for task in sorted(loaded)]})

    @api.get(
        "/v1/models/{task}",
        summary="One champion's card",
        tags=["models"],
        response_model=schemas.ModelCard,
        responses=describe_problems(problems.UNKNOWN_MODEL),
    )
    async def model(task: str) -> Response:
        found = service.champions.loaded().get(task)
        if found is None:
            known = ", ".join(sorted(service.champions.loaded())) or "none yet"
            detail = f"No champion is loaded for {task[:100]!r}; loaded: {known}."
            raise ProblemError(problems.UNKNOWN_MODEL, detail)
        return JSONResponse(found.public_card())

    @api.get(
        "/v1/graph",
        summary="The classifiers of this server",
        tags=["models"],
        response_model=schemas.GraphAnswer,
    )
    async def graph() -> Response:
        return JSONResponse({"nodes": service.describe_nodes()})

    @api.get(
        "/v1/limits",
        summary="What one request may ask for",
        tags=["models"],
        response_model=LimitSettings,
    )
    async def limits() -> Response:
        return JSONResponse(service.settings.limits.model_dump())


def _add_operations(api: FastAPI, service: Service) -> None:
    """Add health, the problems, the page and its documents."""

    @api.get(
        "/healthz",
        summary="Does the server live?",
        tags=["operations"],
        response_model=schemas.Health,
    )
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    @api.get(
        "/readyz",
        summary="Can the server answer what it must?",
        tags=["operations"],
        response_model=schemas.Health,
        responses=describe_problems(problems.NO_CHAMPION),
    )
    async def readyz() -> Response:
        waiting = [
            node["name"]
            for node in service.describe_nodes()
            if node["failure"] == "hard" and not node["ready"]
        ]
        if waiting:
            detail = f"No champion yet for: {', '.join(waiting)}."
            raise ProblemError(problems.NO_CHAMPION, detail, {"Retry-After": "10"})
        return JSONResponse({"status": "ready"})

    @api.get(
        "/problems/{name}",
        summary="What a kind of problem means",
        tags=["operations"],
        responses=describe_problems(problems.UNKNOWN_ROUTE),
    )
    async def problem(name: str) -> dict[str, str | int]:
        kind = KINDS.get(name)
        if kind is None:
            detail = f"No kind of problem is named {name[:100]!r}; known: {', '.join(KINDS)}."
            raise ProblemError(problems.UNKNOWN_ROUTE, detail)
        return {"status": kind.status, "title": kind.title, "advice": kind.advice}

    @api.get("/", include_in_schema=False)
    async def page() -> Response:
        return FileResponse(PAGE / "index.html")

    @api.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(PAGE / "docs.html")

    api.mount("/page", StaticFiles(directory=PAGE), name="page")


def make_api(service: Service) -> FastAPI:
    """Return the FastAPI application over a running service."""
    api = FastAPI(
        title="Tunesmith",
        version="1",
        summary="Music classifiers over HTTP.",
        description=(
            "Send a MIDI file, get the probable composer, of the piece and along it; and the same "
            "for songs, images and texts. Errors are problem details (RFC 9457)."
        ),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _handle_errors(api)
    for name, node in service.settings.nodes.items():
        _add_node(api, service, name, node)
        if node.reads in REASONED:
            _add_why(api, service, name, node)
    _add_classify(api, service)
    _add_models(api, service)
    _add_operations(api, service)
    _tidy_openapi(api)
    return api


def _tidy_openapi(api: FastAPI) -> None:
    """Describe the problem bodies that this application answers instead of FastAPI's own ones."""
    generate = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            document = generate()
            components = document["components"]["schemas"]
            for name in ("HTTPValidationError", "ValidationError"):
                components.pop(name, None)
            components["ProblemAnswer"] = schemas.ProblemAnswer.model_json_schema()
            invalid = describe_problems(problems.INVALID_INPUT)[422]
            refused = describe_problems(problems.KEY_REQUIRED, problems.RATE_LIMITED)
            for path in document["paths"].values():
                for operation in path.values():
                    answered = operation["responses"]
                    answered["200"]["description"] = "The answer"
                    if "HTTPValidationError" in json.dumps(answered.get("422", {})):
                        answered["422"] = invalid
                    for status, response in refused.items():
                        answered.setdefault(str(status), response)
            document["components"]["securitySchemes"] = {
                "key": {"type": "http", "scheme": "bearer"}
            }
            document["security"] = [{}, {"key": []}]
            api.openapi_schema = document
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]


def make_app(service: Service, name_id: bool = True) -> ASGIApp:
    """Return the ASGI application of a replica; see `Envelope` for `name_id`."""
    return Envelope(make_api(service), service, name_id=name_id)
