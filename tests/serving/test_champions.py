"""Champions come and go without a restart."""

import time
from collections.abc import Callable

from tests.serving.conftest import local_client, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.serving.service import Service

MIDI = {"Content-Type": "audio/midi"}


def wait_until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.01)


def test_a_promotion_and_a_rollback_are_followed(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store, 1, favour=0)
    service = make_service()
    with local_client(service) as client:

        def ask() -> str:
            response = client.post("/v1/composer", content=midi_factory(), headers=MIDI)
            return str(response.json()["composer"])

        assert ask() == "Bach"
        write_bundle(store, 2, favour=3)
        wait_until(lambda: service.champions.get("composer").version == 2)
        assert ask() == "Mozart"
        write_bundle(store, 1, favour=0)
        wait_until(lambda: service.champions.get("composer").version == 1)
        assert ask() == "Bach"


def test_the_first_champion_is_found_by_a_running_server(
    store: Store, make_service: Callable[..., Service]
) -> None:
    service = make_service()
    assert service.champions.loaded() == {}
    write_bundle(store)
    wait_until(lambda: "composer" in service.champions.loaded())


def test_a_bad_bundle_leaves_the_old_one_serving(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store, 1)
    service = make_service()
    write_bundle(store, 2, model=b"not a model")
    wait_until(lambda: service.champions.refused() == {"composer": 2})
    with local_client(service) as client:
        response = client.post("/v1/composer", content=midi_factory(), headers=MIDI)
    assert response.status_code == 200
    assert response.json()["model"]["version"] == 1
    write_bundle(store, 3)
    wait_until(lambda: service.champions.get("composer").version == 3)
    assert service.champions.refused() == {}


def test_a_first_bundle_that_is_bad_is_a_503_that_says_so(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store, 1, model=b"not a model")
    with local_client(make_service()) as client:
        response = client.post("/v1/composer", content=midi_factory(), headers=MIDI)
    assert response.status_code == 503
    assert "log" in response.json()["detail"]
