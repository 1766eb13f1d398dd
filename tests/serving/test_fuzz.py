"""Ten thousand bodies that nobody should send: no 500, no hang, no growth."""

import json
import resource
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.serving.conftest import SONG_FEATURES, TASKS, local_client, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.serving.service import Service
from tunesmith.serving.settings import shipped

pytestmark = pytest.mark.slow

BODIES = 10_000
HEADER = b'Content-Disposition: form-data; name="file"; filename="a"'
TYPES = (
    "audio/midi",
    "application/json",
    "text/csv",
    "text/plain",
    "image/png",
    "application/octet-stream",
    "multipart/form-data; boundary=x",
    "multipart/form-data",
    "",
)
WHOLE_JSON = (
    [],
    {},
    7,
    None,
    "x",
    [[]],
    [{}],
    {"items": {}},
    {"items": [None, 1, "a", {}]},
    dict.fromkeys(SONG_FEATURES, 0.5),
    dict.fromkeys(SONG_FEATURES),
    dict.fromkeys(SONG_FEATURES, True),
    {name: [1] for name in SONG_FEATURES},
    {"pixels": [[0] * 28] * 28},
    {"pixels": [[[0]]]},
    {"pixels": None},
    {"text": "fine"},
    {"text": None},
    {"midi": "TVRoZA==", "table": {}, "image": {}, "text": ""},
)


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    for task in ("composer", *TASKS):
        write_bundle(store, task=task)
    service = Service(shipped(store=store.uri))
    service.start()
    with local_client(service) as made:
        yield made
    service.stop()


def test_no_body_breaks_the_server(client: TestClient, midi_factory: Callable[..., bytes]) -> None:
    random = np.random.default_rng(0)
    seeds = [
        *(midi_factory(seed=seed) for seed in range(4)),
        *(json.dumps(value).encode() for value in WHOLE_JSON),
        ",".join(SONG_FEATURES).encode() + b"\n1,2,3\n,,\n",
        b"\r\n".join([b"--x", HEADER, b"", b"MThd", b"--x--", b""]),
        b"\x89PNG\r\n\x1a\n" + bytes(60),
        b"",
    ]
    routes = [f"/v1/{name}" for name in ("composer", *TASKS, "classify")]

    def body() -> bytes:
        chosen = bytearray(seeds[random.integers(len(seeds))])
        kind = random.integers(5)
        if kind == 0 or not chosen:
            return bytes(chosen)
        if kind == 1:
            return bytes(chosen[: random.integers(len(chosen))])
        if kind == 2:
            at = random.integers(len(chosen))
            return bytes(chosen[:at] + random.bytes(random.integers(1, 30)) + chosen[at:])
        for _ in range(random.integers(1, 8)):
            chosen[random.integers(len(chosen))] = random.integers(256)
        return bytes(chosen)

    def ask(count: int) -> set[int]:
        statuses = set()
        for _ in range(count):
            route = routes[random.integers(len(routes))]
            headers = {"Content-Type": TYPES[random.integers(len(TYPES))]}
            content = body()
            response = client.post(route, content=content, headers=headers)
            assert response.status_code < 500, (route, headers, content[:200], response.text)
            if response.status_code >= 400:
                assert response.headers["content-type"] == "application/problem+json"
            statuses.add(response.status_code)
        return statuses

    ask(BODIES // 10)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    statuses = ask(BODIES - BODIES // 10)
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert {200, 400, 413, 415, 422} >= statuses >= {200, 400, 415, 422}
    assert grown_mb < 60
