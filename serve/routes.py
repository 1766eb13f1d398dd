"""The HTTP routes: read the request, ask the service, write the answer."""

import json
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from serve import answers, problems
from serve.bodies import media_type, parse_multipart, read_body
from serve.middleware import Envelope
from serve.problems import KINDS, MEDIA_TYPE, Kind, ProblemError, respond
from serve.service import Service

__all__ = ["make_api", "make_app"]

PAGE = Path(__file__).parent / "page"
MIDI_TYPES = (
    "audio/midi",
    "audio/mid",
    "audio/x-midi",
    "audio/sp-midi",
    "application/x-midi",
    "application/octet-stream",
)
_BINARY = {"schema": {"type": "string", "format": "binary"}}
MIDI_BODY = {
    "requestBody": {
        "required": True,
        "description": "A Standard MIDI File, as a form field or as the body itself.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            **dict.fromkeys(MIDI_TYPES, _BINARY),
        },
    }
}


def _problems(*kinds: Kind) -> dict[int | str, dict[str, Any]]:
    """Describe in the OpenAPI document which problems a route can answer."""
    found: dict[int | str, dict[str, Any]] = {}
    for kind in kinds:
        titles = found.setdefault(kind.status, {"description": "", "content": {MEDIA_TYPE: {}}})
        titles["description"] = "; ".join(filter(None, (titles["description"], kind.title)))
        titles["content"][MEDIA_TYPE] = {
            "schema": {"$ref": "#/components/schemas/ProblemAnswer"},
            "example": {
                "type": f"/problems/{kind.name}",
                "title": kind.title,
                "status": kind.status,
                "detail": kind.title + ".",
                "instance": "/v1/…",
                "advice": kind.advice,
            },
        }
    return found


MIDI_PROBLEMS = _problems(
    problems.EMPTY_BODY,
    problems.MALFORMED_BODY,
    problems.TOO_LARGE,
    problems.UNSUPPORTED_MEDIA_TYPE,
    problems.NOT_MIDI,
    problems.UNREADABLE_MIDI,
    problems.NO_NOTES,
    problems.MIDI_LIMIT,
    problems.NO_CHAMPION,
)


async def read_midi(request: Request, limit_bytes: int) -> bytes:
    """Return the MIDI file of a request: its raw body or the file of its form."""
    kind = media_type(request)
    if kind == "multipart/form-data":
        body = await read_body(request, limit_bytes)
        files = [
            part
            for part in parse_multipart(request.headers["content-type"], body)
            if part.filename is not None or part.name == "file"
        ]
        if len(files) != 1:
            detail = f"The form has {len(files)} files; send exactly one, in the field 'file'."
            raise ProblemError(problems.MALFORMED_BODY, detail)
        if not files[0].data:
            raise ProblemError(problems.EMPTY_BODY, "The file in the form is empty (0 bytes).")
        return bytes(files[0].data)
    if kind and kind not in MIDI_TYPES:
        detail = (
            f"The body is declared as {kind!r}. Send multipart/form-data with the field 'file', "
            "or the file itself with 'Content-Type: audio/midi'."
        )
        raise ProblemError(
            problems.UNSUPPORTED_MEDIA_TYPE, detail, {"Accept": ", ".join(MIDI_TYPES)}
        )
    return await read_body(request, limit_bytes)


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
            problem = ProblemError(
                problems.UNKNOWN_ROUTE, f"No route is named {request.url.path[:200]!r}."
            )
        elif error.status_code == 405:
            detail = f"{request.url.path} does not answer {request.method}."
            problem = ProblemError(problems.METHOD_NOT_ALLOWED, detail, error.headers)
        else:
            problem = ProblemError(problems.MALFORMED_BODY, str(error.detail), error.headers)
        return answer(request, problem)


def make_api(service: Service) -> FastAPI:
    """Return the FastAPI application over a running service."""
    api = FastAPI(
        title="Tunesmith",
        version="1",
        summary="Music classifiers over HTTP.",
        description=(
            "Send a MIDI file, get the probable composer, of the piece and along it. "
            "Errors are problem details (RFC 9457)."
        ),
        docs_url=None,
        redoc_url=None,
    )
    _handle_errors(api)
    limits = service.settings.limits

    @api.post(
        "/v1/composer",
        summary="Who wrote this piece?",
        tags=["classify"],
        response_model=answers.ComposerAnswer,
        responses=MIDI_PROBLEMS,
        openapi_extra=MIDI_BODY,
    )
    async def composer(request: Request) -> Response:
        body = await read_midi(request, limits.body_bytes)
        return JSONResponse(await service.in_thread(service.composer, body))

    @api.get(
        "/v1/models",
        summary="The champions that answer, with their cards",
        tags=["models"],
        response_model=answers.ModelList,
    )
    async def models() -> Response:
        loaded = service.champions.loaded()
        return JSONResponse({"models": [loaded[task].card for task in sorted(loaded)]})

    @api.get(
        "/v1/limits",
        summary="What one request may ask for",
        tags=["models"],
        response_model=answers.LimitsAnswer,
    )
    async def get_limits() -> Response:
        return JSONResponse(limits.model_dump())

    @api.get(
        "/healthz",
        summary="Does the server live?",
        tags=["operations"],
        response_model=answers.Health,
    )
    async def healthz() -> Response:
        return JSONResponse({"status": "ok"})

    @api.get(
        "/problems/{name}",
        summary="What a kind of problem means",
        tags=["operations"],
        responses=_problems(problems.UNKNOWN_ROUTE),
    )
    async def problem(name: str) -> dict[str, str | int]:
        kind = KINDS.get(name)
        if kind is None:
            detail = f"No kind of problem is named {name[:200]!r}; known: {', '.join(KINDS)}."
            raise ProblemError(problems.UNKNOWN_ROUTE, detail)
        return {"status": kind.status, "title": kind.title, "advice": kind.advice}

    @api.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return FileResponse(PAGE / "docs.html")

    api.mount("/page", StaticFiles(directory=PAGE), name="page")
    _tidy_openapi(api)
    return api


def _tidy_openapi(api: FastAPI) -> None:
    """Describe the problem bodies that this application answers instead of FastAPI's own ones."""
    generate = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            document = generate()
            schemas = document["components"]["schemas"]
            for name in ("HTTPValidationError", "ValidationError"):
                schemas.pop(name, None)
            schemas["ProblemAnswer"] = answers.ProblemAnswer.model_json_schema()
            for path in document["paths"].values():
                for operation in path.values():
                    answered = operation["responses"]
                    if "HTTPValidationError" in json.dumps(answered.get("422", {})):
                        answered["422"] = _problems(problems.INVALID_INPUT)[422]
            api.openapi_schema = document
        return api.openapi_schema

    api.openapi = openapi  # type: ignore[method-assign]


def make_app(service: Service, name_id: bool = True) -> ASGIApp:
    """Return the ASGI application of a replica; see `Envelope` for `name_id`."""
    log_json = service.settings.log_format == "json"
    return Envelope(make_api(service), log_json=log_json, name_id=name_id)
