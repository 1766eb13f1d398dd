"""API keys: when they are needed, how they are made, revoked and limited."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner

from tests.serving.conftest import local_client
from tests.serving.test_champions import wait_until
from tunesmith.artifacts import layout
from tunesmith.artifacts.store import Store
from tunesmith.cli.keys import main
from tunesmith.serving.http.auth import OPEN_PATHS
from tunesmith.serving.http.routes import make_api
from tunesmith.serving.service import Service


def make_key(store: Store, name: str, *options: str) -> str:
    result = CliRunner().invoke(main, ["add", name, "--store", store.uri, *options])
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_this_machine_needs_no_key_and_others_do(make_service: Callable[..., Service]) -> None:
    service = make_service()
    with local_client(service) as client:
        assert client.get("/v1/models").status_code == 200
        elsewhere = client.get("/v1/models", headers={"X-Forwarded-For": "198.51.100.7"})
        assert elsewhere.status_code == 401
        rebound = client.get("/v1/models", headers={"Host": "evil.example"})
        assert rebound.status_code == 401
    with local_client(service, client="192.0.2.9") as client:
        refused = client.get("/v1/models")
        assert refused.status_code == 401
        basic, bearer = refused.headers.get_list("www-authenticate")
        assert basic.startswith("Basic realm=")
        assert bearer == "Bearer"
        assert refused.json()["type"] == "/problems/key-required"


def test_beyond_this_machine_every_route_but_health_needs_a_key(
    make_service: Callable[..., Service],
) -> None:
    service = make_service()
    asked = []
    with local_client(service, client="192.0.2.9") as client:
        for route in make_api(service).routes:
            path = str(getattr(route, "path", "")).replace("{name}", "x").replace("{task}", "x")
            for method in getattr(route, "methods", None) or {"GET"}:
                response = client.request(method, path)
                if path in OPEN_PATHS:
                    assert response.status_code != 401
                    continue
                asked.append((method, path))
                assert response.status_code == 401, (method, path)
        for path in ("/page/main.js", "/nothing", "//healthz", "/healthz/"):
            assert client.get(path).status_code == 401, path
    assert len(asked) >= 12
    assert {("POST", "/v1/classify"), ("GET", "/"), ("GET", "/openapi.json")} < set(asked)


def test_a_browser_may_give_the_key_as_a_password(
    store: Store, make_service: Callable[..., Service]
) -> None:
    key = make_key(store, "ann")
    service = make_service()
    with local_client(service, client="192.0.2.9") as client:
        assert client.get("/", auth=("anyone", key)).status_code == 200
        assert client.get("/", auth=("ann", "wrong")).status_code == 401
        elsewhere = {"Sec-Fetch-Site": "cross-site"}
        assert client.get("/", auth=("anyone", key), headers=elsewhere).status_code == 401
        for value in ("Basic", "Basic !", "Basic /w==", "Basic bm9jb2xvbg==", "Digest x"):
            assert client.get("/", headers={"Authorization": value}).status_code == 401


def test_haproxy_mode_needs_a_key_from_everyone(store: Store) -> None:
    from tunesmith.serving.settings import shipped

    service = Service(shipped(store=store.uri), all_interfaces=True)
    with local_client(service) as client:
        assert client.get("/v1/models").status_code == 401
        assert client.get("/readyz").status_code == 503


def test_keys_are_made_used_and_revoked_while_serving(
    store: Store, make_service: Callable[..., Service]
) -> None:
    key = make_key(store, "ann")
    service = make_service()
    headers = {"Authorization": f"Bearer {key}"}
    with local_client(service, client="192.0.2.9") as client:
        assert client.get("/v1/models", headers=headers).status_code == 200
        wrong = client.get("/v1/models", headers={"Authorization": "Bearer ts_wrong"})
        assert wrong.status_code == 401
        assert "not known" in wrong.json()["detail"]
        assert "ann" in CliRunner().invoke(main, ["list", "--store", store.uri]).output
        CliRunner().invoke(main, ["revoke", "ann", "--store", store.uri])
        wait_until(lambda: client.get("/v1/models", headers=headers).status_code == 401)


def test_each_key_has_its_own_rate(store: Store, make_service: Callable[..., Service]) -> None:
    slow, fast = make_key(store, "slow", "--per-minute", "20"), make_key(store, "fast")
    service = make_service()
    with local_client(service, client="192.0.2.9") as client:

        def ask(key: str) -> int:
            response = client.get("/v1/models", headers={"Authorization": f"Bearer {key}"})
            if response.status_code == 429:
                assert int(response.headers["retry-after"]) >= 1
            return int(response.status_code)

        assert [ask(slow) for _ in range(3)] == [200, 200, 429]
        assert ask(fast) == 200


def test_a_rate_changes_while_serving(store: Store, make_service: Callable[..., Service]) -> None:
    key = make_key(store, "ann", "--per-minute", "20")
    headers = {"Authorization": f"Bearer {key}"}
    with local_client(make_service(), client="192.0.2.9") as client:

        def ask() -> int:
            return int(client.get("/v1/models", headers=headers).status_code)

        assert [ask() for _ in range(3)] == [200, 200, 429]
        limit = ["limit", "ann", "--per-minute", "6000", "--store", store.uri]
        result = CliRunner().invoke(main, limit)
        assert result.exit_code == 0, result.output
        assert "6,000 requests per minute" in result.output
        wait_until(lambda: ask() == 200)
        assert {ask() for _ in range(50)} == {200}
    unknown = CliRunner().invoke(main, ["limit", "anne", "--per-minute", "6", "--store", store.uri])
    assert unknown.exit_code == 2
    assert "ann" in unknown.output


def test_keys_that_cannot_be_read_keep_the_old_ones(
    store: Store, make_service: Callable[..., Service], caplog: pytest.LogCaptureFixture
) -> None:
    key = make_key(store, "ann")
    service = make_service()
    store.write_bytes(b"{}}", *layout.FORMER_API_KEYS)
    wait_until(lambda: "old ones stay" in caplog.text)
    with local_client(service, client="192.0.2.9") as client:
        headers = {"Authorization": f"Bearer {key}"}
        assert client.get("/v1/models", headers=headers).status_code == 200
