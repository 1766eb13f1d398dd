"""Settings of this application in serve/config.yaml, checked before anything starts."""

import os
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tunesmith.serving.http.paths import FORWARDED, ROOT_PATH
from tunesmith.serving.limits import LimitSettings
from tunesmith.yaml_files import read_yaml

__all__ = [
    "CONFIG",
    "IMPORT_PATH",
    "RESERVED",
    "AccessSettings",
    "Application",
    "ChallengerSettings",
    "DecisionSettings",
    "ListenSettings",
    "NodeSettings",
    "ServeConfig",
    "Settings",
    "SimilarSettings",
    "load_config",
    "shipped",
]

CONFIG = Path(__file__).parent / "config.yaml"
"""The configuration that is shipped; serve/config.yaml of a checkout is the same file."""
IMPORT_PATH = "tunesmith.serving.app:build"
# Python runs one thread at a time; only what numpy and ONNX Runtime do runs beside it.
_MOST_THREADS = 4
_ORIGIN = re.compile(r"\*|https?://[A-Za-z0-9.\-\[\]:]+")
RESERVED = frozenset({"classify", "models", "limits", "graph", "notes", "similar"})
"""Names of routes, which no node can have."""


class DecisionSettings(BaseModel):
    """Rule by which a challenger is promoted or withdrawn without a person."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    alpha: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="Largest probability of a wrong decision in a whole contest, however long it "
        "lasts: half of it for promoting a challenger that is no better, half of it for "
        "withdrawing one that is no worse.",
    )
    slower_at_most: float | None = Field(
        default=3.0,
        gt=0,
        description="The challenger may take this many times the processor time of the champion "
        "for the same items; one that takes longer more often than not is withdrawn. `null`: its "
        "time does not matter.",
    )
    labels_from: tuple[str, ...] | None = Field(
        default=None,
        description="Names of the API keys that may send labels. Labels decide which model "
        "answers. Left out, every client that may ask may also send labels.",
    )


class ChallengerSettings(BaseModel):
    """Contest of the model behind the alias `challenger`: registered, not yet champion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Canary: this share of the clients is answered by the challenger. A client is "
        "known by the header X-Sticky-Key, else its API key's name, else its address, and always "
        "falls on the same side. Where the challenger fails, the champion answers.",
    )
    shadow: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Shadow: this share of the requests is judged by the other model as well, "
        "after the answer; that judgement is compared and never returned. It costs the time of "
        "another run of the model.",
    )
    decide: DecisionSettings | None = Field(
        default=None,
        description="Promote or withdraw the challenger as soon as the evidence suffices: labels "
        "sent to POST /v1/NAME/label, failures, and time. Left out, a person decides.",
    )


class NodeSettings(BaseModel):
    """One classifier of the graph: its input, its place, and the meaning of its failure."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reads: Literal["midi", "table", "image", "text"] | None = Field(
        default=None,
        description="Kind of its items. Left out, the champion's card says it; given, it is also "
        "known before there is a champion.",
    )
    title: str = Field(
        default="", description="One line for people. Left out, the champion's card gives it."
    )
    placement: Literal["inline", "deployment"] = Field(
        default="inline",
        description="`inline`: a plain call in the ingress replica, for models of a few "
        "milliseconds. `deployment`: replicas of its own, batched; their number, CPUs, GPUs and "
        "autoscaling are options of the deployment of the node's name, under `deployments`.",
    )
    failure: Literal["hard", "soft"] = Field(
        default="soft",
        description="In /v1/classify: `hard` fails the whole answer, `soft` leaves a named gap.",
    )
    timeout_s: float = Field(
        default=10.0, gt=0, description="Longest time in this node; cut with a 504 of its name."
    )
    batch_requests: int = Field(
        default=16,
        ge=1,
        description="Most requests computed together (deployment only). Batches form of what "
        "arrives while the one before is computed; a lone request never waits.",
    )
    unsure_below: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="The answer says `unsure` when no class is at least this probable.",
    )
    ensemble: dict[str, float] = Field(
        default_factory=dict,
        description="Champions whose probabilities are averaged by these weights. Left out: the "
        "champion of the node's own name. A member that fails leaves its weight to the others.",
    )
    challenger: ChallengerSettings | None = Field(
        default=None,
        description="Tries the challenger of the node, or of each member of its ensemble, on real "
        "requests. Left out, challengers are not even loaded.",
    )

    @property
    def decision(self) -> DecisionSettings | None:
        """Rule by which its challenger is promoted or withdrawn; None where a person decides."""
        return self.challenger.decide if self.challenger else None

    @field_validator("reads", mode="before")
    @classmethod
    def _former_name(cls, value: object) -> object:
        return "table" if value == "song" else value

    @field_validator("ensemble")
    @classmethod
    def _positive(cls, value: dict[str, float]) -> dict[str, float]:
        if value and min(value.values()) <= 0:
            message = "the weights must be positive"
            raise ValueError(message)
        return value


class AccessSettings(BaseModel):
    """Authentication of requests."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="`auto`: requests from this machine itself need no API key, all others do; in "
        "HAProxy mode, where Serve listens on every interface and the client's address is not "
        "known, every request needs one. A request that a proxy forwards or that a page of another "
        "site makes needs one, too. Behind a reverse proxy on the same machine choose `always`.",
    )
    origins: tuple[str, ...] = Field(
        default=(),
        description="Origins whose pages may ask from a browser (CORS), such as "
        "https://app.example.org, or `*` for those of every site.",
    )

    @field_validator("origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        bad = [origin for origin in value if not _ORIGIN.fullmatch(origin)]
        if bad:
            message = f"{bad[0]!r} is not an origin such as https://app.example.org, or *"
            raise ValueError(message)
        return value


class SimilarSettings(BaseModel):
    """Pieces that POST /v1/similar finds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(
        default=True,
        description="Whether the route answers. Its answers name files and labels of the dataset.",
    )
    dataset: str | None = Field(
        default=None,
        min_length=1,
        description="Dataset to search: NAME for its latest version, or NAME@VERSION. Left out: "
        "the data that the first node that reads music learned from.",
    )


class ListenSettings(BaseModel):
    """Address on which the replicas of one machine answer without Serve's proxies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on; beyond loopback every client needs a key.",
    )
    port: int = Field(default=8000, ge=1, le=65535, description="Port that the replicas share.")


class Settings(BaseModel):
    """Arguments of the application (`args` in serve/config.yaml)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str | None = Field(
        default=None,
        description="Where the champions live: a folder or a URI such as s3://bucket/prefix. "
        "Left out, the environment variable TUNESMITH_STORE of the replicas decides.",
    )
    threads: int | None = Field(
        default=None,
        ge=1,
        description="Worker threads of a replica, each running one request's blocking work. "
        "More than the CPUs the replica owns only adds waiting. Left out: with `listen` as many as "
        "the machine has CPUs, at most 4; else 1.",
    )
    reload_s: float = Field(
        default=2.0,
        gt=0,
        description="How often a replica looks for a newly promoted champion. A promotion is "
        "answered from at most this much later.",
    )
    log_format: Literal["json", "text"] = Field(
        default="json", description="Form of the access log: JSON lines or plain text."
    )
    listen: ListenSettings | None = Field(
        default=None,
        description="The replicas listen here themselves, on one machine and together with "
        "`proxy_location: Disabled`. Fastest; Serve then counts no requests, so that the ingress "
        "is not autoscaled. Left out: Serve's proxies listen, as `http_options` says.",
    )
    root_path: str = Field(
        default="",
        description="Path below which clients see the server, such as /music, where a reverse "
        "proxy shows it there; whether the proxy cuts the path off does not matter. `forwarded`: "
        "by the header X-Forwarded-Prefix, which the proxy must set itself. Left out: the "
        "`route_prefix` of the application.",
    )
    metrics: bool = Field(
        default=False,
        description="Answer GET /metrics, on the port of the other routes and with the same keys, "
        "with the metrics of this machine's replicas in Prometheus' format.",
    )
    limits: LimitSettings = Field(default_factory=LimitSettings)
    similar: SimilarSettings = Field(default_factory=SimilarSettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    nodes: dict[str, NodeSettings] = Field(
        default_factory=dict,
        description="Settings of classifiers by name; each answers POST /v1/NAME and takes part in "
        "POST /v1/classify. Every other task with a champion has a node with the defaults.",
    )
    unlisted: Literal["serve", "ignore"] = Field(
        default="serve",
        description="`serve`: tasks with a champion that are not named under `nodes` are served, "
        "too, from the moment of their promotion. `ignore`: they are not.",
    )

    @field_validator("root_path")
    @classmethod
    def _root(cls, value: str) -> str:
        value = value.rstrip("/")
        if value not in {"", FORWARDED} and not ROOT_PATH.fullmatch(value):
            message = f"{value!r} is neither a path such as /music nor `{FORWARDED}`"
            raise ValueError(message)
        return value

    @field_validator("nodes", mode="before")
    @classmethod
    def _automatic(cls, value: object) -> object:
        return {} if value in (None, "auto") else value

    @property
    def worker_threads(self) -> int:
        """Number of worker threads of a replica."""
        if self.threads is not None:
            return self.threads
        return min(os.cpu_count() or 1, _MOST_THREADS) if self.listen is not None else 1

    def tasks(self) -> tuple[str, ...]:
        """Return the tasks that the nodes of the configuration answer from."""
        members = (
            member for name, node in self.nodes.items() for member in node.ensemble or (name,)
        )
        return tuple(dict.fromkeys(members))

    def challenged(self) -> frozenset[str]:
        """Return the tasks whose challenger is tried."""
        return frozenset(
            member
            for name, node in self.nodes.items()
            if node.challenger is not None
            for member in node.ensemble or (name,)
        )

    def decisions(self) -> dict[str, DecisionSettings]:
        """Return the rule of each task whose challenger is promoted or withdrawn by itself."""
        return {
            member: rule
            for name, node in self.nodes.items()
            if (rule := node.decision) is not None
            for member in node.ensemble or (name,)
        }

    @field_validator("nodes")
    @classmethod
    def _names(cls, value: dict[str, NodeSettings]) -> dict[str, NodeSettings]:
        bad = [name for name in value if not name.replace("_", "").replace("-", "").isalnum()]
        bad += sorted(RESERVED & value.keys())
        if bad:
            message = f"these cannot be names of nodes: {', '.join(bad)}"
            raise ValueError(message)
        return value


class Application(BaseModel):
    """The application of a configuration file, as Ray Serve reads it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "tunesmith"
    route_prefix: str = "/"
    import_path: str = IMPORT_PATH
    runtime_env: dict[str, object] = Field(default_factory=dict)
    args: Settings = Field(default_factory=Settings)
    deployments: list[dict[str, object]] = Field(default_factory=list)
    external_scaler_enabled: bool = False

    @field_validator("args", mode="before")
    @classmethod
    def _none_given(cls, value: object) -> object:
        return {} if value is None else value


class ServeConfig(BaseModel):
    """A file such as serve/config.yaml: `ray.serve.schema.ServeDeploySchema`, of one application.

    Options of Ray Serve itself are checked by Ray Serve.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    proxy_location: str | None = None
    http_options: dict[str, object] = Field(default_factory=dict)
    grpc_options: dict[str, object] = Field(default_factory=dict)
    logging_config: dict[str, object] = Field(default_factory=dict)
    tracing_config: dict[str, object] = Field(default_factory=dict)
    target_capacity: float | None = None
    applications: list[Application] = Field(min_length=1, max_length=1)

    @property
    def application(self) -> Application:
        """Entry of the application in the file."""
        return self.applications[0]


def load_config(path: Path = CONFIG) -> ServeConfig:
    """Read and check a file such as serve/config.yaml, before anything is deployed.

    Raises
    ------
    UsageError
        When the file cannot be read, is not YAML, or has a key or a value that does not fit. Each
        line of the message names a line of the file and, for a misspelt key, the nearest one.
    """
    return read_yaml(path, ServeConfig)


def shipped(**changes: Any) -> Settings:
    """Return the settings in serve/config.yaml, with changes: for use without Ray."""
    settings = load_config().application.args
    return Settings.model_validate(settings.model_dump() | changes)
