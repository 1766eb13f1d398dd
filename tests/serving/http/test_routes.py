"""Everything around the classification routes."""

from collections.abc import Callable

from fastapi.testclient import TestClient

from tests.serving.conftest import SONG_FEATURES, local_client, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.serving.http.problems import KINDS
from tunesmith.serving.service import Service
from tunesmith.serving.settings import shipped


def test_models_lists_the_champions_with_their_cards(client: TestClient) -> None:
    (card,) = client.get("/v1/models").json()["models"]
    assert (card["name"], card["version"]) == ("composer", 1)
    assert card["inputs"]["chunks"]["dtype"] == "uint8"


def test_unlisted_tasks_can_be_left_out(store: Store, make_service: Callable[..., Service]) -> None:
    for task in ("composer", "noise"):
        write_bundle(store, task=task)
    with local_client(make_service(unlisted="ignore")) as client:
        assert [card["name"] for card in client.get("/v1/models").json()["models"]] == ["composer"]


def test_health_answers_without_a_champion(make_service: Callable[..., Service]) -> None:
    with local_client(make_service()) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
        assert client.get("/v1/models").json() == {"models": []}


def test_unknown_route_and_wrong_method_are_problems(client: TestClient) -> None:
    missing = client.get("/v1/nothing")
    assert missing.status_code == 404
    assert missing.json()["type"] == "/problems/unknown-route"
    wrong = client.get("/v1/composer")
    assert wrong.status_code == 405
    assert wrong.headers["allow"] == "POST"
    assert wrong.json()["type"] == "/problems/method-not-allowed"
    assert client.get("/page/none.js").headers["content-type"] == "application/problem+json"


def test_every_kind_of_problem_can_be_opened(client: TestClient) -> None:
    for name, kind in KINDS.items():
        answer = client.get(f"/problems/{name}").json()
        assert answer == {"status": kind.status, "title": kind.title, "advice": kind.advice}
    assert client.get("/problems/none").status_code == 404


def test_request_ids_are_kept_or_made(client: TestClient) -> None:
    given = client.get("/healthz", headers={"X-Request-ID": "abc-12345678"})
    assert given.headers["x-request-id"] == "abc-12345678"
    bad = client.get("/v1/x", headers={"X-Request-ID": "{bad id}"})
    assert bad.headers["x-request-id"] == bad.json()["request_id"] != "{bad id}"


def test_security_headers_are_on_every_answer(client: TestClient) -> None:
    for path in ("/healthz", "/docs", "/nothing", "/page/docs.js"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "default-src 'self'" in headers["content-security-policy"]


def test_docs_fetch_nothing_from_elsewhere(client: TestClient) -> None:
    page = client.get("/docs").text
    assert "docs.js" in page
    for path in ("/docs", "/page/docs.js", "/page/docs.css"):
        text = client.get(path).text
        assert "http://" not in text
        assert "https://" not in text


def test_openapi_documents_the_answers_and_the_problems(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    operation = document["paths"]["/v1/composer"]["post"]
    assert {"200", "400", "413", "415", "422", "503"} <= set(operation["responses"])
    assert {"multipart/form-data", "audio/midi"} <= set(operation["requestBody"]["content"])
    assert "application/problem+json" in operation["responses"]["422"]["content"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path in document["paths"].values():
        for described in path.values():
            assert described["summary"]


def test_an_unexpected_error_is_a_problem_too(
    store: Store, make_service: Callable[..., Service]
) -> None:
    write_bundle(store)
    service = make_service()

    async def broken(*_: object) -> None:
        raise ZeroDivisionError

    service.graph.ask = broken  # type: ignore[method-assign,assignment]
    with local_client(service) as client:
        response = client.post("/v1/composer", content=b"x", headers={"Content-Type": "audio/midi"})
        assert response.status_code == 500
        assert response.json()["type"] == "/problems/internal"
        assert client.get("/healthz").status_code == 200


def test_head_is_answered_wherever_get_is(client: TestClient) -> None:
    paths = ["/", "/docs", "/openapi.json", "/healthz", "/readyz", "/page/main.js"]
    paths += ["/v1/models", "/v1/models/composer", "/v1/graph", "/v1/limits", "/problems/internal"]
    for path in paths:
        get, head = client.get(path), client.head(path)
        assert head.status_code == get.status_code == 200, path
        assert head.content == b""
        for name in ("content-type", "content-length", "x-content-type-options"):
            assert head.headers[name] == get.headers[name], (path, name)
    assert client.head("/nothing").status_code == 404
    wrong = client.post("/healthz")
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")
    assert client.head("/v1/classify").status_code == 405


def test_long_answers_are_compressed_for_who_reads_it(
    store: Store, make_service: Callable[..., Service]
) -> None:
    write_bundle(store, task="genre")
    song = dict.fromkeys(SONG_FEATURES, 0.5)
    with local_client(make_service()) as client:
        for plain in ({"Accept-Encoding": "identity"}, {"Accept-Encoding": "br"}):
            answer = client.post("/v1/genre", json=[song] * 200, headers=plain)
            assert "content-encoding" not in answer.headers
        packed = client.post("/v1/genre", json=[song] * 200, headers={"Accept-Encoding": "gzip"})
        assert packed.headers["content-encoding"] == "gzip"
        assert "Accept-Encoding" in packed.headers["vary"]
        assert packed.json() == answer.json()
        short = client.post("/v1/genre", json=song, headers={"Accept-Encoding": "gzip"})
        assert "content-encoding" not in short.headers
        assert client.get("/page/main.js").headers["content-encoding"] == "gzip"


def test_metrics_are_there_where_the_setting_says_so(store: Store) -> None:
    text = b"ray_tunesmith_in_flight 0\n"
    for asked, status in ((True, 200), (False, 404)):
        service = Service(shipped(store=store.uri, metrics=asked), exposition=lambda: text)
        with local_client(service) as client:
            answer = client.get("/metrics")
            assert answer.status_code == status
            if asked:
                assert answer.content == text
                assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        with local_client(service, client="192.0.2.9") as elsewhere:
            assert elsewhere.get("/metrics").status_code == 401
        service.stop()
