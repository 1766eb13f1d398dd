"""The challenger on real requests: a share of the askers by sticky key, and unseen comparisons."""

import logging
import time
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.serving.conftest import local_client, write_bundle
from tests.serving.http.test_auth import make_key
from tests.serving.test_champions import wait_until
from tunesmith.artifacts.store import Store
from tunesmith.errors import ModelError
from tunesmith.inference.pieces import read_piece
from tunesmith.inference.predictions import Prediction
from tunesmith.serving.challengers import MOST_WAITING, Comparisons, Judged, distance, is_chosen
from tunesmith.serving.metrics import Metrics
from tunesmith.serving.service import Service
from tunesmith.serving.settings import ChallengerSettings, NodeSettings, Settings

MIDI = {"Content-Type": "audio/midi"}


class Counts(Metrics):
    """Keeps what is counted about challengers."""

    def __init__(self) -> None:
        self.agreed: Counter[bool] = Counter()
        self.distances: list[float] = []
        self.answered = 0
        self.failures: list[str] = []
        self.versions: list[int] = []

    def compared(self, task: str, agreed: bool, distance: float) -> None:
        self.agreed[agreed] += 1
        self.distances.append(distance)

    def challenger_answered(self, task: str, items: int) -> None:
        self.answered += items

    def challenger(self, task: str, version: int) -> None:
        self.versions.append(version)

    def failure(self, name: str, problem: str) -> None:
        self.failures.append(problem)


def name_challenger(store: Store, champion: int, challenger: int | None) -> None:
    aliases = {"champion": champion, "previous": None, "challenger": challenger}
    store.write_json(aliases, "models", "composer", "aliases.json")


@pytest.fixture
def trial(store: Store, make_service: Callable[..., Service]) -> Callable[..., tuple[Any, Counts]]:
    """Return a maker of a service whose champion says Bach and whose challenger Mozart."""
    write_bundle(store, 2, favour=3)
    write_bundle(store, 1, favour=0)
    name_challenger(store, 1, 2)

    def make(**settings: float) -> tuple[Service, Counts]:
        node = NodeSettings(reads="midi", challenger=ChallengerSettings(**settings))
        counts = Counts()
        service = Service(
            Settings(store=store.uri, reload_s=0.05, nodes={"composer": node}), None, counts
        )
        service.start()
        return service, counts

    return make


def test_a_share_of_the_askers_is_the_same_share_every_time() -> None:
    askers = [f"asker {n}" for n in range(4000)]
    chosen = {asker for asker in askers if is_chosen("composer", asker, 0.1)}
    assert 0.08 < len(chosen) / len(askers) < 0.12
    assert chosen < {asker for asker in askers if is_chosen("composer", asker, 0.3)}
    assert chosen != {asker for asker in askers if is_chosen("genre", asker, 0.1)}
    assert not any(is_chosen("composer", asker, 0.0) for asker in askers)
    assert all(is_chosen("composer", asker, 1.0) for asker in askers)


def test_askers_of_the_share_get_the_challenger_and_keep_it(
    trial: Callable[..., tuple[Service, Counts]], midi_factory: Callable[..., bytes]
) -> None:
    service, counts = trial(share=0.5)
    with local_client(service) as client:

        def ask(asker: str) -> tuple[str, int]:
            headers = {**MIDI, "X-Sticky-Key": asker}
            answer = client.post("/v1/composer", content=midi_factory(), headers=headers).json()
            return answer["composer"], answer["model"]["version"]

        said = {asker: ask(asker) for asker in map(str, range(12))}
        assert set(said.values()) == {("Bach", 1), ("Mozart", 2)}
        for asker, answer in said.items():
            assert (answer[1] == 2) is is_chosen("composer", asker, 0.5)
            assert ask(asker) == answer
            headers = {**MIDI, "X-Sticky-Key": asker}
            why = client.post("/v1/composer/why", content=midi_factory(), headers=headers).json()
            assert (why["composer"], why["model"]["version"]) == answer
        assert counts.answered == 3 * sum(version == 2 for _, version in said.values())
        described = client.get("/v1/graph").json()["nodes"][0]["challenger"]
        assert described == {
            "share": 0.5, "shadow": 0.0, "decided": False, "versions": {"composer": 2},
        }  # fmt: skip
    service.stop()


def test_an_asker_is_known_by_its_key_and_else_by_its_address(
    store: Store,
    trial: Callable[..., tuple[Service, Counts]],
    midi_factory: Callable[..., bytes],
) -> None:
    names = {
        chosen: next(n for n in map(str, range(99)) if is_chosen("composer", n, 0.5) is chosen)
        for chosen in (True, False)
    }
    keys = {chosen: make_key(store, name) for chosen, name in names.items()}
    service, _ = trial(share=0.5)
    with local_client(service) as client:
        for chosen, key in keys.items():
            headers = {**MIDI, "Authorization": f"Bearer {key}"}
            answer = client.post("/v1/composer", content=midi_factory(), headers=headers).json()
            assert (answer["model"]["version"] == 2) is chosen
        answer = client.post("/v1/composer", content=midi_factory(), headers=MIDI).json()
        assert (answer["model"]["version"] == 2) is is_chosen("composer", "127.0.0.1", 0.5)
    service.stop()


def test_a_shadow_is_compared_and_never_answers(
    trial: Callable[..., tuple[Service, Counts]], midi_factory: Callable[..., bytes]
) -> None:
    service, counts = trial(shadow=1.0)
    with local_client(service) as client:
        for seed in range(5):
            midi = midi_factory(seed=seed)
            answer = client.post("/v1/composer", content=midi, headers=MIDI).json()
            assert (answer["composer"], answer["model"]["version"]) == ("Bach", 1)
            wait_until(lambda seed=seed: len(counts.distances) == seed + 1)
    assert counts.agreed == {False: 5}
    assert all(0.5 < apart <= 1 for apart in counts.distances)
    assert counts.answered == 0
    service.stop()


def test_a_challenger_comes_is_promoted_and_goes_without_a_restart(
    store: Store, trial: Callable[..., tuple[Service, Counts]]
) -> None:
    service, counts = trial(share=1.0)
    tried = service.champions.challenger("composer")
    assert tried is not None
    name_challenger(store, 2, None)
    wait_until(lambda: service.champions.get("composer").version == 2)
    assert service.champions.get("composer") is tried  # it was loaded and warm already
    wait_until(lambda: counts.versions == [2, 0])
    assert service.champions.challenger("composer") is None
    service.stop()


def test_a_challenger_that_cannot_be_loaded_or_asked_leaves_the_champion(
    store: Store,
    trial: Callable[..., tuple[Service, Counts]],
    midi_factory: Callable[..., bytes],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_bundle(store, 3, model=b"not a model")
    for version in (4, 5):
        write_bundle(store, version, inputs=("features",), task="composer")
    card = store.read_json("models", "composer", "0005", "card.json")
    card["preparation"]["features"] = ["a feature of former days"]
    store.write_json(card, "models", "composer", "0005", "card.json")
    name_challenger(store, 1, 3)
    service, counts = trial(share=1.0, shadow=1.0)

    def refuse(_: Any) -> Any:
        message = "onnxruntime ran out of memory"
        raise ModelError(message)

    with local_client(service) as client:

        def ask() -> int:
            answer = client.post("/v1/composer", content=midi_factory(), headers=MIDI)
            return int(answer.json()["model"]["version"])

        assert ask() == 1
        with caplog.at_level(logging.WARNING):
            name_challenger(store, 1, 4)
            wait_until(lambda: counts.versions[-1:] == [4])
            tried = service.champions.challenger("composer")
            assert tried is not None
            monkeypatch.setattr(tried.classifier, "predict", refuse)
            assert ask() == 1
            wait_until(lambda: counts.failures == ["challenger"])
            name_challenger(store, 1, 5)
            wait_until(lambda: "does not compute: a feature of former days" in caplog.text)
            assert ask() == 1
    service.stop()


def test_the_distance_of_answers_is_by_class_name() -> None:
    one = Prediction(("a", "b"), np.array([0.8, 0.2], dtype=np.float32))
    turned = Prediction(("b", "a"), np.array([0.2, 0.8], dtype=np.float32))
    other = Prediction(("c",), np.array([1.0], dtype=np.float32))
    assert distance(one, turned) == pytest.approx(0)
    assert distance(one, other) == pytest.approx(1)


def test_comparisons_do_not_pile_up(
    store: Store, make_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(store)
    champion = make_service().champions.get("composer")
    asked = []

    def slow(items: Any, *_: Any) -> tuple[list[Any], float]:
        asked.append(items)
        time.sleep(0.05)
        return [], 0.05

    monkeypatch.setattr("tunesmith.serving.challengers.judge", slow)
    comparisons = Comparisons(1.0, 1.0, Metrics())
    started = time.monotonic()
    for _ in range(100):
        comparisons.offer(Judged([], [], champion, champion, False, 0.05))
    assert time.monotonic() - started < 0.05 * MOST_WAITING
    wait_until(lambda: len(asked) == MOST_WAITING)


def test_a_deployment_answers_both_sides_of_one_batch(
    store: Store, midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store, 2, favour=3)
    write_bundle(store, 1, favour=0)
    name_challenger(store, 1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray import serve

        from tunesmith.serving.app import build

        node = NodeSettings(
            reads="midi", placement="deployment", challenger=ChallengerSettings(share=0.5)
        )
        settings = Settings(store=store.uri, reload_s=0.05, nodes={"composer": node})
        handle = serve.run(build(settings), _local_testing_mode=True)
    item = read_piece(midi_factory())
    asked = [
        (n, handle.ask_node.remote("composer", [item], 20.0, False, n % 3 == 0)) for n in range(9)
    ]
    for n, response in asked:
        (answer,) = response.result()
        assert answer.model.version == (2 if n % 3 == 0 else 1)
