"""Champions come and go without a restart."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.serving.conftest import local_client, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.errors import StoreUnreachableError
from tunesmith.serving.champions import Champions
from tunesmith.serving.metrics import Metrics
from tunesmith.serving.refusals import Refusals
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


class CountedStore(Store):
    """A store that counts how often each file is read, and can be out of reach."""

    def __init__(self, uri: str) -> None:
        super().__init__(uri)
        self.reads: list[str] = []
        self.away: tuple[str, ...] = ()

    def _look(self, parts: tuple[str, ...]) -> None:
        path = "/".join(parts)
        if any(path.startswith(start) for start in self.away):
            message = f"The store {self.shown} cannot be reached: no route to host."
            raise StoreUnreachableError(message)

    def read_bytes(self, *parts: str) -> bytes:
        self._look(parts)
        self.reads.append(parts[-1])
        return super().read_bytes(*parts)

    def list(self, *parts: str) -> list[str]:
        self._look(parts)
        return super().list(*parts)

    def exists(self, *parts: str) -> bool:
        self._look(parts)
        return super().exists(*parts)


class Alerts(Metrics):
    """Keeps what was told about refused champions."""

    def __init__(self) -> None:
        self.refusals: list[tuple[str, int]] = []

    def refused(self, task: str, version: int) -> None:
        """Keep it."""
        self.refusals.append((task, version))


def follow(store: Store, alerts: Metrics | None = None, **more: Any) -> Champions:
    """Return the champions of a store, not yet looked at, whose polling thread never looks."""
    return Champions(store, 3600, alerts or Metrics(), only=(), others=True, **more)


@pytest.mark.parametrize("alias", ["champion", "challenger"])
def test_a_broken_model_is_fetched_again_only_when_it_changes(store: Store, alias: str) -> None:
    counted, alerts = CountedStore(store.uri), Alerts()
    write_bundle(store, 1)
    champions = follow(counted, alerts, challenged=["composer"])
    champions.refresh()
    write_bundle(store, 2, model=b"not a model")
    store.write_json({"champion": 1, alias: 2}, "models", "composer", "aliases.json")

    def fetches(looks: int) -> int:
        counted.reads.clear()
        for _ in range(looks):
            champions.refresh()
        return counted.reads.count("model.onnx")

    assert fetches(20) == 1
    assert champions.get("composer").version == 1
    # Written again, and still broken: that is a change, and is looked at once.
    store.write_bytes(b"still not a model", "models", "composer", "0002", "model.onnx")
    assert fetches(20) == 1
    # Repaired in its place.
    write_bundle(store, 2, favour=3)
    store.write_json({"champion": 1, alias: 2}, "models", "composer", "aliases.json")
    assert fetches(20) == 1
    found = champions.find if alias == "champion" else champions.challenger
    model = found("composer")
    assert model is not None
    assert model.version == 2
    if alias == "champion":
        assert alerts.refusals == [
            ("composer", 0),
            ("composer", 2),
            ("composer", 2),
            ("composer", 0),
        ]


def test_trouble_that_may_pass_is_tried_again_after_pauses_that_double(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    refusals = Refusals()
    assert refusals.is_due("composer", 1, ())
    tries = []
    for second in range(60):
        now = float(second)
        if refusals.is_due("composer", 1, ()):
            assert refusals.add("composer", 1, (), OSError("reset")) is (not tries)
            tries.append(second)
    assert tries == [0, 2, 6, 14, 30]
    assert refusals.is_due("composer", 2, ())
    assert refusals.is_due("composer", 1, ("changed",))
    refusals.add("composer", 1, (), ValueError("damaged"))
    now = 1e9
    assert not refusals.is_due("composer", 1, ())


def test_a_replica_does_not_start_without_its_store(store: Store) -> None:
    write_bundle(store)
    counted = CountedStore(store.uri)
    counted.away = ("models",)
    with pytest.raises(StoreUnreachableError, match="no route to host"):
        follow(counted).start()
    counted.away = ()
    champions = follow(counted)
    champions.start()
    champions.check()
    champions.stop()


def test_a_store_that_is_lost_leaves_the_champions_and_is_a_problem_of_its_own(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store, task="genre")
    service = make_service()
    counted = CountedStore(store.uri)
    service.champions._store = counted
    counted.away = ("models",)
    with local_client(service) as client:

        def composer() -> str:
            response = client.post("/v1/composer", content=midi_factory(), headers=MIDI)
            assert response.status_code == 503
            return str(response.json()["type"])

        wait_until(lambda: composer() == "/problems/store-unreachable")
        song = {"danceability": 0.5, "energy": 0.5, "tempo": 100}
        assert client.post("/v1/genre", json=song).status_code == 200
        assert client.get("/readyz").status_code == 200
        service.check()
        service.champions._loaded.clear()
        assert client.get("/readyz").json()["type"] == "/problems/store-unreachable"
        counted.away = ()
        wait_until(lambda: client.get("/readyz").status_code == 200)
        assert composer() == "/problems/no-champion"


@pytest.mark.parametrize("file", ["aliases.json", "0001/card.json"])
@pytest.mark.parametrize(
    "content",
    [
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"",
        b"{",
        b"\xff\xfe",
        b'{"champion": [1]}',
        b'{"champion": {}}',
        b'{"champion": 1e300}',
        b'{"champion": -1}',
        b'{"schema_version": []}',
        b'{"labels": 7}',
        b'{"preparation": []}',
        b'{"inputs": []}',
    ],
)
def test_a_malformed_file_is_the_gap_of_its_task_alone(
    store: Store, file: str, content: bytes
) -> None:
    for task in ("composer", "genre", "emotion"):
        write_bundle(store, task=task)
    store.write_bytes(content, "models", "emotion", *file.split("/"))
    alerts = Alerts()
    champions = follow(store, alerts, challenged=["emotion"])
    champions.start()
    champions.stop()
    assert set(champions.loaded()) == {"composer", "genre"}
    assert [task for task, version in alerts.refusals if version] == ["emotion"]
    write_bundle(store, 2, task="emotion")
    champions.refresh()
    assert set(champions.loaded()) == {"composer", "emotion", "genre"}
    assert champions.refused() == {}


def test_a_file_of_one_task_that_cannot_be_read_is_its_gap(store: Store) -> None:
    for task in ("composer", "genre"):
        write_bundle(store, task=task)
    counted = CountedStore(store.uri)
    counted.away = ("models/composer",)
    champions = follow(counted)
    champions.refresh()
    assert set(champions.loaded()) == {"genre"}
    assert set(champions.refused()) == {"composer"}
    champions.check_store()
