"""What a request to a node asks for besides its body: right, absent and wrong."""

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from tests.serving.conftest import local_client, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.serving.service import Service

MIDI = {"Content-Type": "audio/midi"}


@pytest.fixture
def client(store: Store, make_service: Callable[..., Service]) -> TestClient:
    write_bundle(store)
    return local_client(make_service())


@pytest.mark.parametrize("route", ["/v1/composer", "/v1/composer/why"])
@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("X-Deadline-S", "soon", "unable to parse string as a number"),
        ("X-Deadline-S", "0", "greater than 0"),
        ("X-Deadline-S", "3601", "less than or equal to 3600"),
        ("X-Deadline-S", "nan", "less than or equal to 3600"),
        ("X-Sticky-Key", "k" * 201, "at most 200 characters"),
    ],
)
def test_a_wrong_header_is_named_with_the_reason(
    client: TestClient,
    midi_factory: Callable[..., bytes],
    route: str,
    name: str,
    value: str,
    reason: str,
) -> None:
    answer = client.post(route, content=midi_factory(), headers={**MIDI, name: value})
    problem = answer.json()
    assert answer.status_code == 422, problem
    (fault,) = problem["errors"]
    assert fault["where"] == f"header.{name}"
    assert reason in fault["what"]


@pytest.mark.parametrize("action", ["", "/why"])
@pytest.mark.parametrize(("name", "header"), [("composer", {"X-Deadline-S": "0"}), ("none", {})])
def test_metrics_have_the_route_of_a_request_that_reaches_no_node(
    store: Store,
    make_service: Callable[..., Service],
    action: str,
    name: str,
    header: dict[str, str],
) -> None:
    write_bundle(store)
    service = make_service()
    routes: list[str] = []
    service.metrics.request = lambda route, *_: routes.append(route)  # type: ignore[method-assign]
    answer = local_client(service).post(f"/v1/{name}{action}", content=b"x", headers=MIDI | header)
    assert answer.status_code in {404, 422}
    assert routes == [f"/v1/{{name}}{action}"]


def test_a_route_that_is_no_node_has_no_reasons(client: TestClient) -> None:
    answer = client.post("/v1/models/why", content=b"x", headers=MIDI)
    assert answer.status_code == 404
    assert "/v1/models/why" in answer.json()["detail"]


@pytest.mark.parametrize(("detail", "is_given"), [("1", True), ("no", False), ("", None)])
def test_detail_is_read_as_openapi_describes_it(
    client: TestClient, midi_factory: Callable[..., bytes], detail: str, is_given: bool | None
) -> None:
    answer = client.post(f"/v1/composer?detail={detail}", content=midi_factory(), headers={**MIDI})
    if is_given is None:
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["where"] == "query.detail"
    else:
        assert ("probabilities" in answer.json()["segments"][0]) == is_given


@pytest.mark.parametrize("method", ["get", "put", "delete"])
def test_a_node_answers_post_alone(client: TestClient, method: str) -> None:
    answer = getattr(client, method)("/v1/composer")
    assert answer.status_code == 405
    assert "POST" in answer.headers["allow"]
