"""The Serve application, `import_path: tunesmith.serving.app:build` in serve/config.yaml."""

import logging
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from typing import Any

from ray import serve
from ray.exceptions import RayError
from ray.serve import Application
from ray.serve.exceptions import BackPressureError, RayServeException
from ray.serve.handle import DeploymentHandle
from starlette.types import ASGIApp

from tunesmith.artifacts.store import Store
from tunesmith.inference.items import Item
from tunesmith.serving.aside import Aside
from tunesmith.serving.batching import Batcher
from tunesmith.serving.champions import Champions
from tunesmith.serving.contests import Contests
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http import problems
from tunesmith.serving.http.listener import Front
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.http.routes import make_app
from tunesmith.serving.metrics import RayMetrics
from tunesmith.serving.ray_adapter import exposition, is_haproxy_mode, logs_folder, route_prefix
from tunesmith.serving.service import Service
from tunesmith.serving.settings import Settings
from tunesmith.serving.tracing import Traces
from tunesmith.serving.worker import Answer, Worker

__all__ = ["Node", "Tunesmith", "assemble", "build"]

logger = logging.getLogger("tunesmith.serve")

LOG_BYTES, LOG_FILES = 50_000_000, 3


def _set_up_logs() -> None:
    """Write this application's logs beside Serve's own, warnings to the terminal too.

    Not through `sys.stderr`: Serve puts a logger behind it that looks for its caller at every line,
    which costs more than a small request.
    """
    root = logging.getLogger("tunesmith")
    if root.handlers:
        return
    try:
        context = serve.get_replica_context()
    except RayServeException:  # Serve's local testing mode: the test's own logging is right
        return
    name = f"tunesmith_{context.deployment}_{context.replica_id.unique_id}.log"
    file = RotatingFileHandler(logs_folder() / name, "a", LOG_BYTES, LOG_FILES)
    terminal = logging.StreamHandler(sys.__stderr__)
    terminal.setLevel(logging.WARNING)
    terminal.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    root.addHandler(file)
    root.addHandler(terminal)
    root.setLevel(logging.INFO)
    root.propagate = False


@dataclass(frozen=True)
class _Request:
    """A request to a node: decoded items, the time left, and how to answer."""

    items: Sequence[Item]
    left_s: float
    detail: bool
    canary: bool


@serve.deployment
class Node:
    """Replicas of one node: its champions alone, requests that arrive together in one batch.

    Parameters
    ----------
    settings
        The application's arguments.
    name
        The node.
    """

    def __init__(self, settings: Settings, name: str) -> None:
        _set_up_logs()
        node = settings.nodes[name]
        metrics = RayMetrics(Aside())
        store = Store(settings.store)
        contests = Contests(store, settings.decisions(), metrics)
        self._champions = Champions(
            store,
            settings.reload_s,
            metrics,
            contests.refresh,
            only=node.ensemble or (name,),
            challenged=settings.challenged(),
        )
        self._champions.start()
        self._worker = Worker(name, node, self._champions, metrics, contests)
        pool = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._traces = Traces()
        self._batcher = Batcher(
            self._answer, pool, node.batch_requests, lambda wait_s: metrics.batch(name, wait_s)
        )

    async def __call__(
        self, items: Sequence[Item], left_s: float, detail: bool, canary: bool = False
    ) -> list[Answer] | ProblemError:
        """Answer about items that were decoded elsewhere; problems are returned, not raised."""
        with self._traces.span(f"batch {self._worker.name}", items=len(items)):
            return await self._batcher.ask(_Request(items, left_s, detail, canary))

    def _answer(self, requests: Sequence[_Request]) -> list[list[Answer] | ProblemError]:
        """Judge the items of all requests at once and give each request its answers."""
        answers: dict[int, list[Answer] | ProblemError] = {}
        for canary in (False, True):
            alike = [n for n, request in enumerate(requests) if request.canary is canary]
            if alike:
                judged = self._answer_alike([requests[n] for n in alike], canary)
                answers |= zip(alike, judged, strict=True)
        return [answers[n] for n in range(len(requests))]

    def _answer_alike(
        self, requests: Sequence[_Request], canary: bool
    ) -> list[list[Answer] | ProblemError]:
        items = [item for request in requests for item in request.items]
        detail = any(request.detail for request in requests)
        deadline = Deadline.after(max(request.left_s for request in requests), self._worker.name)
        try:
            answers = iter(self._worker.answer(items, deadline, detail, canary))
        except ProblemError as problem:
            return [problem] * len(requests)
        return [[next(answers) for _ in request.items] for request in requests]

    def check_health(self) -> None:
        """Tell Serve whether the replica still follows promotions."""
        self._champions.check()


@serve.deployment(max_ongoing_requests=64)
@serve.ingress()
class Tunesmith:
    """One ingress replica: HTTP in front, decoding and the inline nodes inside.

    Parameters
    ----------
    settings
        The application's arguments.
    handles
        Of the nodes that are placed in deployments.
    """

    def __init__(self, settings: Settings, handles: Mapping[str, DeploymentHandle[Any]]) -> None:
        self._aside = Aside()  # first, for a replica that cannot start is ended, too
        _set_up_logs()
        self._handles = handles
        self._front: Front | None = None
        if settings.listen is not None and not settings.root_path:
            # Serve's proxy would cut it off; here the replica has to know it.
            settings = settings.model_copy(update={"root_path": route_prefix()})
        self._service = Service(
            settings,
            remote=self._ask_node,
            metrics=RayMetrics(self._aside),
            later=self._aside,
            all_interfaces=is_haproxy_mode(),
            exposition=exposition,
        )
        self._service.start()

    def __del__(self) -> None:
        """Write the end of the log: Serve calls this when the replica has answered its last."""
        self._aside.stop()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        listen = self._service.settings.listen
        if listen is None:
            return make_app(self._service, name_id=False)
        self._front = Front(make_app(self._service), listen)
        return self._front

    async def _ask_node(
        self, name: str, items: Sequence[Item], deadline: Deadline, detail: bool, canary: bool
    ) -> list[Answer]:
        return await self.ask_node(name, items, deadline.left_s, detail, canary)

    async def ask_node(
        self,
        name: str,
        items: Sequence[Item],
        left_s: float,
        detail: bool,
        canary: bool = False,
    ) -> list[Answer]:
        """Ask the deployment of a node; its trouble becomes a problem that names the node."""
        retry = {"Retry-After": "1"}
        try:
            answers: Any = await self._handles[name].remote(items, left_s, detail, canary)
        except BackPressureError:
            text = f"The node {name!r} has as much to do as it can."
            raise ProblemError(problems.OVERLOADED, text, retry, node=name) from None
        except (RayError, RayServeException) as error:
            logger.warning("node %s: %s", name, error)
            text = f"The node {name!r} failed."
            raise ProblemError(problems.NODE_FAILED, text, retry, node=name) from error
        if isinstance(answers, ProblemError):
            raise answers
        return list(answers)

    def check_health(self) -> None:
        """Tell Serve whether the replica can still answer."""
        self._service.check()
        if self._front is not None:
            self._front.check()


def build(settings: Settings) -> Application:
    """Return the application for the arguments in serve/config.yaml.

    Serve applies the options of the deployments itself where it reads the file.

    Parameters
    ----------
    settings
        Validated `args`; unknown keys are refused.

    Returns
    -------
    Application
        For `serve.run`.
    """
    return assemble(settings, {})


def assemble(settings: Settings, options: Mapping[str, Mapping[str, Any]]) -> Application:
    """Return the application with the options of its deployments.

    Parameters
    ----------
    settings
        Validated `args`.
    options
        By name of the deployment, as `deployments` in serve/config.yaml holds them.
    """
    nodes: Any = Node
    ingress: Any = Tunesmith
    handles = {
        name: nodes.options(name=name, **options.get(name, {})).bind(settings, name)
        for name, node in settings.nodes.items()
        if node.placement == "deployment"
    }
    own = options.get(ingress.name, {})
    application: Application = ingress.options(**own).bind(settings, handles)
    return application
