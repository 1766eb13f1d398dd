"""What serve/config.yaml may say about this application, checked before anything starts."""

from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "CONFIG",
    "AccessSettings",
    "ChallengerSettings",
    "LimitSettings",
    "ListenSettings",
    "NodeSettings",
    "Settings",
    "shipped",
]

CONFIG = Path(__file__).parent / "config.yaml"
"""The configuration that is shipped; serve/config.yaml of a checkout is the same file."""


class LimitSettings(BaseModel):
    """What one request may ask for; everything beyond is answered with a 4xx or 503 problem."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    body_bytes: int = Field(
        default=8_388_608,
        ge=1024,
        description="Largest request body. A larger one is refused while it is being received.",
    )
    midi_notes: int = Field(
        default=200_000, ge=1, description="Most notes of one MIDI file; more are a 422."
    )
    midi_duration_s: float = Field(
        default=2 * 3600.0, gt=0, description="Longest MIDI file in seconds; longer is a 422."
    )
    items: int = Field(
        default=1000, ge=1, description="Most songs, images or texts in one request."
    )
    text_characters: int = Field(
        default=100_000, ge=1, description="Longest text; a longer one is a 413."
    )
    in_flight: int = Field(
        default=32,
        ge=1,
        description="Classification requests a replica works on or keeps waiting; the next one is "
        "answered 503 with Retry-After. Bounds memory and waiting.",
    )
    deadline_s: float = Field(
        default=30.0,
        gt=0,
        description="Longest time from a request's arrival to its answer, waiting included; then "
        "it is answered 504. A client may ask for less with the header X-Deadline-S.",
    )


class ImageSettings(BaseModel):
    """What a model of images was trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: int = Field(ge=1, le=4096, description="Pixels from top to bottom.")
    width: int = Field(ge=1, le=4096, description="Pixels from left to right.")
    largest: float = Field(
        default=255.0, gt=0, description="Value of a full stroke; 0 is background."
    )


class ChallengerSettings(BaseModel):
    """What is done with the model behind the alias `challenger`: registered, not yet champion."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    share: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Canary: this share of the askers is answered by the challenger. An asker is "
        "the header X-Sticky-Key, else the API key's name, else the address; it always falls on "
        "the same side. Where the challenger fails, the champion answers.",
    )
    shadow: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Shadow: this share of the requests is judged by the other model as well, "
        "after the answer; that judgement is compared and never returned. It costs the time of "
        "another run of the model.",
    )


class NodeSettings(BaseModel):
    """One classifier of the graph: what it reads, where it runs, what its failure means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    reads: Literal["midi", "song", "image", "text"] = Field(
        description="What it classifies. The bytes are decoded once, in the ingress replica."
    )
    title: str = Field(default="", description="One line for people; shown at /docs.")
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
    image: ImageSettings | None = Field(
        default=None, description="Size of the images, for a node that reads images."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if (self.reads == "image") != (self.image is not None):
            message = "`image` (height, width) belongs to a node that reads images, and to no other"
            raise ValueError(message)
        if self.ensemble and min(self.ensemble.values()) <= 0:
            message = "the weights of `ensemble` must be positive"
            raise ValueError(message)
        return self


class AccessSettings(BaseModel):
    """Who may ask."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keys: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="`auto`: requests from this machine itself need no API key, all others do; in "
        "HAProxy mode, where Serve listens on every interface and the asker's address is not "
        "known, every request does. `always` and `never` mean what they say; behind a reverse "
        "proxy on the same machine choose `always`.",
    )


class ListenSettings(BaseModel):
    """Where the replicas of one machine answer without Serve's proxies."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(
        default="127.0.0.1",
        description="Address to listen on; beyond loopback every asker needs a key.",
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
    threads: int = Field(
        default=1,
        ge=1,
        description="Worker threads of a replica, each running one request's blocking work. "
        "More than the CPUs the replica owns only adds waiting.",
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
        description="The replicas listen here themselves, for one machine alone and together with "
        "`proxy_location: Disabled`. Fastest; Serve then counts no requests, so that the ingress "
        "is not autoscaled. Left out: Serve's proxies listen, as `http_options` says.",
    )
    limits: LimitSettings = Field(default_factory=LimitSettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    nodes: dict[str, NodeSettings] = Field(
        min_length=1,
        description="The classifiers of the graph by name; each answers POST /v1/NAME and takes "
        "part in POST /v1/classify.",
    )

    def tasks(self) -> tuple[str, ...]:
        """Return the tasks whose champions answer here."""
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

    @model_validator(mode="after")
    def _names(self) -> Self:
        taken = {"classify", "models", "limits", "graph"} & self.nodes.keys()
        bad = [name for name in self.nodes if not name.replace("_", "").isalnum()]
        if taken or bad:
            message = f"these cannot be names of nodes: {', '.join(sorted(taken | set(bad)))}"
            raise ValueError(message)
        return self


def shipped(**changes: Any) -> Settings:
    """Return the settings in serve/config.yaml, with changes: for use without Ray."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    return Settings.model_validate(config["applications"][0]["args"] | changes)
