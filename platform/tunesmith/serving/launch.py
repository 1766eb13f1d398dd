"""Starting the server of a configuration file in this process's Ray, and draining it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tunesmith.artifacts import layout
from tunesmith.artifacts.store import Store
from tunesmith.errors import TunesmithError, UsageError
from tunesmith.registry import aliases, open_bundle
from tunesmith.serving.settings import (
    CONFIG,
    IMPORT_PATH,
    RESERVED,
    ListenSettings,
    NodeSettings,
    Settings,
    load_config,
)

__all__ = ["Configuration", "ServedNode", "drain", "read_configuration", "served_nodes", "start"]

_LOOPBACK = "127.0.0.1"
_PORT = 8000


@dataclass(frozen=True)
class Configuration:
    """A configuration file, checked.

    Attributes
    ----------
    settings
        The application's arguments.
    name, route_prefix
        Of the application.
    serve
        Options of `ray.serve.start`.
    deployments
        Options of each deployment, by its name.
    environment
        Variables for the processes of an embedded Ray.
    """

    settings: Settings
    name: str = "tunesmith"
    route_prefix: str = "/"
    serve: Mapping[str, Any] = field(default_factory=dict)
    deployments: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port on which requests are answered."""
        if (listen := self.settings.listen) is not None:
            return listen.host, listen.port
        options = self.serve.get("http_options", {})
        return str(options.get("host", _LOOPBACK)), int(options.get("port", _PORT))

    @property
    def url(self) -> str:
        """URL of the page."""
        host, port = self.address
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{port}{self.route_prefix.rstrip('/')}"

    def changed(
        self, *, store: str | None = None, host: str | None = None, port: int | None = None
    ) -> "Configuration":
        """Return the configuration with another store or address; None leaves what it says."""
        settings = self.settings.model_copy(update={} if store is None else {"store": store})
        old_host, old_port = self.address
        host, port = host or old_host, port or old_port
        options = {**self.serve.get("http_options", {}), "host": host, "port": port}
        if settings.listen is not None:
            listen = ListenSettings(host=host, port=port)
            settings = settings.model_copy(update={"listen": listen})
        return Configuration(
            settings,
            self.name,
            self.route_prefix,
            {**self.serve, "http_options": options},
            self.deployments,
            self.environment,
        )


@dataclass(frozen=True)
class ServedNode:
    """A node of the graph with the models that answer for it.

    Attributes
    ----------
    name
        Of the node; it answers ``POST /v1/NAME``.
    reads
        Kind of its items: ``midi``, ``table``, ``image`` or ``text``; "" before a model says it.
    placement
        ``inline`` or ``deployment``.
    models
        Version of the champion of each task that the node answers from, None without a champion.
    problem
        The reason why a champion cannot be served, "" where all can.
    """

    name: str
    reads: str
    placement: str
    models: Mapping[str, int | None]
    problem: str = ""

    @property
    def has_model(self) -> bool:
        """True if the node can answer."""
        return any(version is not None for version in self.models.values())


def read_configuration(path: Path = CONFIG) -> Configuration:
    """Read and check a file such as serve/config.yaml.

    Raises
    ------
    UsageError
        When the file cannot be read, has a setting that does not exist or a value that does not
        fit, or describes another application.
    """
    config = load_config(path)
    application = config.application
    if application.import_path != IMPORT_PATH:
        message = (
            f"{path} describes the application {application.import_path!r}, not {IMPORT_PATH!r}. "
            f"Start it with: serve run {path}"
        )
        raise UsageError(message)
    variables = application.runtime_env.get("env_vars") or {}
    starting = {"proxy_location", "http_options", "logging_config", "tracing_config"}
    return Configuration(
        application.args,
        name=application.name,
        route_prefix=application.route_prefix,
        serve=config.model_dump(include=starting, exclude_unset=True),
        deployments={
            str(options["name"]): {key: value for key, value in options.items() if key != "name"}
            for options in application.deployments
        },
        # The code is the installed package, not a checkout on the path.
        environment={
            name: str(value)
            for name, value in (variables.items() if isinstance(variables, dict) else ())
            if name != "PYTHONPATH"
        },
    )


def served_nodes(settings: Settings, store: Store) -> list[ServedNode]:
    """Return the nodes with the champions that a server would answer from, each one opened."""
    listed = settings.nodes
    others: list[str] = []
    if settings.unlisted == "serve":
        members = {*listed, *settings.tasks(), *RESERVED}
        names = sorted(set(store.list(*layout.models())) - members)
        others = [name for name in names if not name.startswith(".") and _has_champion(store, name)]
    nodes = []
    for name, node in {**listed, **{task: NodeSettings() for task in others}}.items():
        models: dict[str, int | None] = {}
        problems = []
        reads: str | None = node.reads
        for task in node.ensemble or (name,):
            try:
                models[task] = aliases(store, task).champion
                if (version := models[task]) is not None:
                    reads = open_bundle(store, task, version).model().preparation.kind
            except TunesmithError as error:
                problems.append(str(error))
        served = ServedNode(name, reads or "", node.placement, models, " ".join(problems))
        nodes.append(served)
    return nodes


def _has_champion(store: Store, task: str) -> bool:
    try:
        return aliases(store, task).champion is not None
    except TunesmithError:
        return True  # it is listed, and its problem is told there


def start(configuration: Configuration) -> None:
    """Start Serve in the Ray that is connected, and the application in it; return when it answers.

    Raises
    ------
    TunesmithError
        When the application does not start.
    """
    from ray import serve

    from tunesmith.serving.app import assemble

    logging.getLogger("ray.serve").setLevel(logging.WARNING)
    options = dict(configuration.serve)
    logs = options.get("logging_config", {})
    serve.start(**options)
    try:
        serve.run(
            assemble(configuration.settings, configuration.deployments),
            name=configuration.name,
            route_prefix=configuration.route_prefix,
            logging_config=logs,
        )
    except RuntimeError as error:
        message = f"The server did not start: {error}"
        raise TunesmithError(message) from error


def drain() -> None:
    """Answer the requests that are in work, then end the application and Serve.

    `serve.shutdown` alone ends proxies and replicas at the same time, and cuts what they work on.
    """
    from ray import serve

    for name in serve.status().applications:
        serve.delete(name)  # returns when its replicas have answered what they had
    serve.shutdown()
