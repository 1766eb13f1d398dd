"""Requests to the server, built from what a caller gives, and the policy of retries."""

import base64
import json
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

__all__ = [
    "Item",
    "Patience",
    "Request",
    "classify_request",
    "label_request",
    "list_request",
    "request",
    "similar_request",
]

Item = Path | bytes | str | Mapping[str, Any]
"""A file by path or content, a text, or a table's row or an image as a mapping.

A file is MIDI, a score, a recording, PNG, JPEG or WebP.
"""

_PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    content: bytes = b""
    content_type: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    files: tuple[bytes, ...] = ()


@dataclass
class Patience:
    """Retry policy: limits on tries and time, with the delay of the server or a growing one."""

    tries: int
    patience_s: float
    began: float = field(default_factory=time.monotonic)
    tried: int = 0

    def wait_s(self, after_s: float | None) -> float | None:
        """Return the delay before the next try, or None to give up."""
        self.tried += 1
        # Random, so that clients that were refused together do not retry together.
        wait_s = random.uniform(0.5, 1.0) * 0.2 * 2**self.tried  # noqa: S311
        if after_s is not None:
            wait_s = after_s + random.uniform(0, 0.1) * after_s  # noqa: S311
        left_s = self.patience_s - (time.monotonic() - self.began)
        return wait_s if self.tried < self.tries and wait_s <= left_s else None


def request(task: str, item: Item, detail: bool = False, more: str = "") -> Request:
    params = {"detail": "true"} if detail else {}
    path = f"/v1/{task}{more}"
    if isinstance(item, Path):
        item = item.read_bytes()
    if isinstance(item, bytes):
        # MIDI files and recordings may be in RIFF, too; then the form of the RIFF file is another
        # one. The server tells them apart by their content.
        kind = next((of for start, of in _PICTURES.items() if item.startswith(start)), "")
        if not kind or (kind == "image/webp" and item[8:12] != b"WEBP"):
            kind = "audio/midi"
        return Request("POST", path, item, kind, params)
    body = {"text": item} if isinstance(item, str) else dict(item)
    return Request("POST", path, json.dumps(body).encode(), "application/json", params)


def label_request(task: str, item: Item, label: str) -> Request:
    return replace(request(task, item, more="/label"), params={"label": label})


def similar_request(piece: Path | bytes, limit: int) -> Request:
    return replace(request("similar", piece), params={"limit": str(limit)})


def list_request(task: str, items: Sequence[Item], detail: bool) -> Request:
    params = {"detail": "true"} if detail else {}
    files = [item.read_bytes() if isinstance(item, Path) else item for item in items]
    contents = tuple(item for item in files if isinstance(item, bytes))
    if len(contents) == len(files):
        return Request("POST", f"/v1/{task}", params=params, files=contents)
    body = json.dumps({"items": files}).encode()
    return Request("POST", f"/v1/{task}", body, "application/json", params)


def classify_request(
    midi: Path | bytes | None,
    table: Mapping[str, Any] | None,
    image: Mapping[str, Any] | None,
    text: str | None,
) -> Request:
    content = midi.read_bytes() if isinstance(midi, Path) else midi
    encoded = None if content is None else base64.b64encode(content).decode()
    given = {"midi": encoded, "table": table, "image": image, "text": text}
    body = {name: value for name, value in given.items() if value is not None}
    return Request("POST", "/v1/classify", json.dumps(body).encode(), "application/json")
