"""Keyless requests come from a program of this user on this machine, and from nothing else."""

import asyncio
import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from tests.serving.conftest import local_client
from tests.serving.http.test_auth import make_key
from tunesmith.artifacts.store import Store
from tunesmith.errors import UsageError
from tunesmith.serving.http import locality
from tunesmith.serving.http.routes import make_app
from tunesmith.serving.service import Service
from tunesmith.serving.settings import AccessSettings
from tunesmith.yaml_files import read_yaml

PATH = "/v1/models"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-For", "198.51.100.7"),
        ("x-forwarded-host", "music.example"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "for=198.51.100.7"),
        ("Via", "1.1 proxy"),
        ("X-Real-IP", "198.51.100.7"),
        ("X_Real_IP", "198.51.100.7"),
        ("CF-Connecting-IP", "2001:db8::1"),
        ("True-Client-IP", "198.51.100.7"),
        ("X-Envoy-Attempt-Count", "1"),
        ("CDN-Loop", "cloudflare"),
        ("X-Original-URI", "/music/"),
        ("X-Amzn-Trace-Id", "Root=1-2"),
        # Of no known name, but it holds what only a proxy has to tell.
        ("X-Whose", "198.51.100.7"),
        ("X-Whose", "198.51.100.7:4711, 10.0.0.1"),
        ("X-Whose", "[2001:db8::1]:4711"),
    ],
)
def test_a_header_of_a_proxy_takes_the_keyless_way_away(
    make_service: Callable[..., Service], name: str, value: str
) -> None:
    with local_client(make_service()) as client:
        assert client.get(PATH, headers={name: value}).status_code == 401


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("User-Agent", "curl/8.5.0"),
        ("X-Sticky-Key", "198.51.100.7"),
        ("X-Request-ID", "1.2.3.4-5.6.7.8"),
        ("X-Deadline-S", "1.5"),
        ("X-Version", "1.2"),
        ("Accept-Language", "de"),
    ],
)
def test_the_headers_of_ordinary_clients_do_not(
    make_service: Callable[..., Service], name: str, value: str
) -> None:
    with local_client(make_service()) as client:
        assert client.get(PATH, headers={name: value}).status_code == 200


@pytest.mark.parametrize("address", ["127.0.0.6", "127.0.0.2", "10.0.0.1", "testclient"])
def test_other_addresses_need_a_key(make_service: Callable[..., Service], address: str) -> None:
    with local_client(make_service(), client=address) as client:
        assert client.get(PATH).status_code == 401


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def test_this_machine_needs_none(make_service: Callable[..., Service], address: str) -> None:
    with local_client(make_service(), client=address) as client:
        for host in ("127.0.0.1:8000", "localhost:8000", "[::1]:8000", "localhost"):
            assert client.get(PATH, headers={"Host": host}).status_code == 200
        for host in ("music.example", "127.0.0.1.music.example", "localhost.music.example", ""):
            assert client.get(PATH, headers={"Host": host}).status_code == 401


def status_of(service: Service, version: str, *headers: tuple[bytes, bytes]) -> int:
    """Return the status of a request from this machine in a version of HTTP."""
    sent: list[int] = []

    async def run() -> None:
        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                sent.append(int(str(message["status"])))

        scope = {
            "type": "http", "http_version": version, "method": "GET", "path": PATH,
            "raw_path": PATH.encode(), "query_string": b"", "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8000), "headers": list(headers),
        }  # fmt: skip
        await make_app(service)(scope, receive, send)  # type: ignore[arg-type]

    asyncio.run(run())
    return sent[0]


def test_nginx_as_it_comes_is_known_by_its_http_1_0(make_service: Callable[..., Service]) -> None:
    service, host = make_service(), (b"host", b"127.0.0.1:8000")
    assert status_of(service, "1.0", host, (b"connection", b"close")) == 401
    assert status_of(service, "1.0", host) == 200
    assert status_of(service, "1.0") == 200
    assert status_of(service, "1.1", host, (b"connection", b"close")) == 200
    assert status_of(service, "1.1") == 401


def test_a_connection_of_another_user_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            near, far = client.getsockname(), server.getsockname()
            assert locality._Owners().is_own(near, far)
            monkeypatch.setattr(os, "geteuid", lambda: 4711)
            assert not locality._Owners().is_own(near, far)
        assert locality._Owners().is_own(("127.0.0.1", 1), far)  # no such connection


CROSS = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


@pytest.mark.parametrize(
    "headers",
    [
        CROSS,
        {**CROSS, "Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {**CROSS, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
)
@pytest.mark.parametrize("keys", ["auto", "never"])
def test_pages_of_other_sites_need_a_key(
    store: Store, make_service: Callable[..., Service], headers: dict[str, str], keys: str
) -> None:
    key = make_key(store, "ann")
    with local_client(make_service(access=AccessSettings(keys=keys))) as client:
        refused = client.get(PATH, headers=headers)
        assert refused.status_code == 401
        assert refused.headers.get_list("www-authenticate") == ["Bearer"]
        assert "another site" in refused.json()["detail"]
        with_key = {**headers, "Authorization": f"Bearer {key}"}
        assert client.get(PATH, headers=with_key).status_code == 200


def test_the_server_s_own_page_and_links_to_it_need_none(
    make_service: Callable[..., Service],
) -> None:
    link = {**CROSS, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    with local_client(make_service()) as client:
        own = {"Origin": "http://127.0.0.1", "Sec-Fetch-Site": "same-origin"}
        assert client.get(PATH, headers=own).status_code == 200
        assert client.get(PATH, headers={"Origin": "http://127.0.0.1"}).status_code == 200
        assert client.get("/", headers=link).status_code == 200
        assert client.post("/v1/classify", json={}, headers=link).status_code == 401


def test_origins_of_the_configuration_may_ask_from_a_browser(
    store: Store, make_service: Callable[..., Service]
) -> None:
    app = "https://app.example"
    key = make_key(store, "ann")
    with local_client(make_service(access=AccessSettings(origins=(app,)))) as client:
        asks = {"Origin": app, "Access-Control-Request-Method": "POST",
                "Access-Control-Request-Headers": "authorization, x-deadline-s"}  # fmt: skip
        before = client.options("/v1/classify", headers=asks)
        assert (before.status_code, before.headers["access-control-allow-origin"]) == (200, app)
        answer = client.get(PATH, headers={**CROSS, "Origin": app})
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == app
        other = client.get(PATH, headers={**CROSS, "Origin": "https://evil.example"})
        assert other.status_code == 401
        assert "access-control-allow-origin" not in other.headers
    with local_client(make_service(access=AccessSettings(origins=("*",)))) as client:
        from_anywhere = {**CROSS, "Origin": "https://evil.example"}
        assert client.get(PATH, headers=from_anywhere).status_code == 401
        answer = client.get(PATH, headers={**from_anywhere, "Authorization": f"Bearer {key}"})
        assert answer.headers["access-control-allow-origin"] == "*"
    with local_client(make_service()) as client:
        assert (
            "access-control-allow-origin" not in client.get(PATH, headers={"Origin": app}).headers
        )


def test_an_origin_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "access.yaml"
    path.write_text("origins: [app.example.org/page]\n")
    with pytest.raises(UsageError, match="is not an origin"):
        read_yaml(path, AccessSettings)


def test_web_sockets_are_denied(make_service: Callable[..., Service]) -> None:
    client = TestClient(make_app(make_service()), base_url="http://127.0.0.1")
    for path in ("/", "/v1/composer", "/nothing"):
        with pytest.raises(WebSocketDisconnect), client.websocket_connect(path):
            pass
