"""Handlers that answer every error of the application as a problem."""

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from tunesmith.serving.http import problems
from tunesmith.serving.http.paths import path_of
from tunesmith.serving.http.problems import ProblemError, respond
from tunesmith.serving.service import Service
from tunesmith.serving.settings import RESERVED

__all__ = ["handle_errors"]


def handle_errors(api: FastAPI, service: Service) -> None:
    """Make every error a problem body."""

    def answer(request: Request, problem: ProblemError) -> Response:
        request_id = getattr(request.state, "request_id", None)
        if request_id is not None:
            problem.more.setdefault("request_id", request_id)
        return respond(problem, request.scope)

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
        path = path_of(request.scope)
        if error.status_code == 404 or _is_no_node(path, service):
            detail = f"No route is named {path[:200]!r}."
            problem = ProblemError(problems.UNKNOWN_ROUTE, detail)
        elif error.status_code == 405:
            detail = f"{path} does not answer {request.method}."
            allowed = (error.headers or {}).get("Allow", "")
            if "GET" in allowed and "HEAD" not in allowed:
                allowed = f"{allowed}, HEAD"  # answered by the middleware, on every such route
            problem = ProblemError(problems.METHOD_NOT_ALLOWED, detail, {"Allow": allowed})
        else:
            problem = ProblemError(problems.MALFORMED_BODY, str(error.detail), error.headers)
        return answer(request, problem)


def _is_no_node(path: str, service: Service) -> bool:
    """Return whether a path has the form of a node's route and there is no such node."""
    parts = path.strip("/").split("/")
    if len(parts) != 2 or parts[0] != "v1" or parts[1] in RESERVED:
        return False
    return parts[1] not in service.nodes.all()
