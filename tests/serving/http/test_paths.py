"""Below a path: `route_prefix`, and reverse proxies that cut their prefix off or leave it."""

import re
from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from tests.serving.conftest import local_client, write_bundle
from tests.serving.http.test_auth import make_key
from tunesmith.artifacts.store import Store
from tunesmith.serving.http.routes import make_app
from tunesmith.serving.service import Service
from tunesmith.serving.settings import Settings


def check_below(client: TestClient, asked: str, prefix: str) -> None:
    """Check page, docs, health, problems and the OpenAPI document below a path."""
    for page in ("/", "/docs"):
        answer = client.get(asked + page)
        assert answer.status_code == 200
        links = re.findall(r'(?:href|src)="([^"#]*)"', answer.text)
        assert links
        assert not [link for link in links if link.startswith("/")], "absolute links leave the path"
    assert client.get(f"{asked}/page/main.js").status_code == 200
    assert client.get(f"{asked}/healthz").json() == {"status": "ok"}
    assert client.get(f"{asked}/openapi.json").json()["servers"] == [{"url": prefix}]
    problem = client.get(f"{asked}/v1/nothing").json()
    assert problem["type"] == f"{prefix}/problems/unknown-route"
    assert problem["instance"] == f"{prefix}/v1/nothing"
    items = client.post(f"{asked}/v1/genre", json=[{"energy": 1}]).json()
    assert items["answers"][0]["problem"]["type"] == f"{prefix}/problems/invalid-input"
    mixed = client.post(f"{asked}/v1/classify", json={"table": {"energy": 1}}).json()
    assert mixed["gaps"]["genre"]["type"] == f"{prefix}/problems/invalid-input"


@pytest.mark.parametrize("asked", ["", "/music"])
def test_a_reverse_proxy_may_leave_the_path_or_cut_it_off(
    store: Store, make_service: Callable[..., Service], asked: str
) -> None:
    write_bundle(store, task="genre")
    with local_client(make_service(root_path="/music")) as client:
        check_below(client, asked, "/music")


def test_the_prefix_without_its_slash_leads_to_the_page(
    make_service: Callable[..., Service],
) -> None:
    with local_client(make_service(root_path="/music")) as client:
        moved = client.get("/music", follow_redirects=False)
        assert (moved.status_code, moved.headers["location"]) == (307, "/music/")
        assert client.get("/musical").status_code == 404


def test_the_route_prefix_of_ray_serve_counts(
    store: Store, make_service: Callable[..., Service]
) -> None:
    write_bundle(store, task="genre")
    app = make_app(make_service())
    client = TestClient(
        app, base_url="http://127.0.0.1", client=("127.0.0.1", 5), root_path="/songs"
    )
    check_below(client, "/songs", "/songs")


def test_the_header_of_a_proxy_counts_where_the_setting_says_so(
    store: Store, make_service: Callable[..., Service]
) -> None:
    write_bundle(store, task="genre")
    key = make_key(store, "proxy")
    headers = {"Authorization": f"Bearer {key}", "X-Forwarded-Prefix": "/a/music/"}
    with local_client(make_service(root_path="forwarded")) as client:
        client.headers.update(headers)
        check_below(client, "", "/a/music")
        for odd in ("//evil.example", "/a b", "https://evil.example", "/a/../b?"):
            problem = client.get("/none", headers={"X-Forwarded-Prefix": odd}).json()
            assert problem["type"] == "/problems/unknown-route"
    with local_client(make_service()) as client:
        problem = client.get("/none", headers=headers).json()
        assert problem["type"] == "/problems/unknown-route"


def test_health_needs_no_key_below_a_path(make_service: Callable[..., Service]) -> None:
    with local_client(make_service(root_path="/music"), client="192.0.2.9") as client:
        assert client.get("/music/healthz").status_code == 200
        assert client.get("/music/v1/models").status_code == 401


@pytest.mark.parametrize("value", ["music", "/a//b", "https://x", "/a?b"])
def test_a_root_path_is_a_path(value: str) -> None:
    with pytest.raises(ValidationError, match="neither a path"):
        Settings(root_path=value)
