"""Challengers that are promoted or withdrawn by what the replicas see."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.serving.conftest import SONG_FEATURES, local_client, write_bundle
from tests.serving.test_champions import wait_until
from tunesmith.artifacts import layout
from tunesmith.artifacts.api_keys import add_key
from tunesmith.artifacts.cards import read_aliases
from tunesmith.artifacts.store import Store
from tunesmith.errors import ModelError, StoreError
from tunesmith.registry import history
from tunesmith.registry.contests import Observations
from tunesmith.registry.history import name_challenger
from tunesmith.serving import contests
from tunesmith.serving.contests import Contests
from tunesmith.serving.metrics import Metrics
from tunesmith.serving.service import Service
from tunesmith.serving.settings import ChallengerSettings, DecisionSettings, NodeSettings, Settings

RULE = DecisionSettings(alpha=0.1, slower_at_most=1000.0)


class Counts(Metrics):
    """Keeps the evidence that is shown."""

    def __init__(self) -> None:
        self.shown: dict[str, tuple[int, int]] = {}

    def evidence(self, task: str, about: str, wins: int, losses: int) -> None:
        self.shown[about] = (wins, losses)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every look be one at the evidence."""
    monkeypatch.setattr(contests, "LOOK_S", 0.0)


@pytest.fixture
def serve(store: Store) -> Any:
    """Return a maker of servers whose champion says Jazz and whose challenger Rock."""
    write_bundle(store, 2, task="genre", favour=1)
    write_bundle(store, 1, task="genre")
    name_challenger(store, "genre", 2)
    started = []

    def make(
        rule: DecisionSettings | None = RULE, timeout_s: float = 10.0, **settings: float
    ) -> Service:
        challenger = ChallengerSettings(decide=rule, **settings)
        node = NodeSettings(reads="table", challenger=challenger, timeout_s=timeout_s)
        args = Settings(store=store.uri, reload_s=0.05, nodes={"genre": node})
        service = Service(args, metrics=Counts())
        service.start()
        started.append(service)
        return service

    yield make
    for service in started:
        service.stop()


def song(number: int) -> dict[str, float]:
    """Return a song unlike the others."""
    return dict.fromkeys(SONG_FEATURES, number / 1000)


def champion(store: Store) -> int | None:
    return read_aliases(store, "genre").champion


def challenger(store: Store) -> int | None:
    return read_aliases(store, "genre").challenger


def test_labels_promote_a_challenger_that_is_right(
    store: Store, serve: Callable[..., Service]
) -> None:
    with local_client(serve()) as client:
        first = client.post("/v1/genre/label?label=Rock", json=song(0)).json()
        assert first == {
            "label": "Rock",
            "answers": [
                {
                    "model": {"name": "genre", "version": version, "dataset": "tiny@0123456789ab"},
                    "challenger": version == 2,
                    "answer": answer,
                    "right": answer == "Rock",
                }
                for version, answer in ((1, "Jazz"), (2, "Rock"))
            ],
            "counted": True,
        }
        assert not client.post("/v1/genre/label?label=Rock", json=song(0)).json()["counted"]
        for number in range(1, 12):
            client.post("/v1/genre/label?label=Rock", json=song(number))
        wait_until(lambda: champion(store) == 2)
        wait_until(lambda: client.get("/v1/models/genre").json()["version"] == 2)
        # Nothing is tried any more.
        last = client.post("/v1/genre/label?label=Jazz", json=song(40)).json()
        assert (len(last["answers"]), last["counted"]) == (1, False)
    (record,) = history(store, "genre")
    assert (record.action, record.champion, record.replaced) == ("canary", 2, 1)
    assert record.reason is not None
    assert "labelled items on which exactly one model was right" in record.reason


def test_labels_withdraw_a_challenger_that_is_wrong(
    store: Store, serve: Callable[..., Service]
) -> None:
    with local_client(serve()) as client:
        for number in range(15):
            client.post("/v1/genre/label?label=Jazz", json=song(number))
        wait_until(lambda: challenger(store) is None)
    assert champion(store) == 1
    assert history(store, "genre")[0].action == "withdraw"


def test_replicas_share_their_evidence_and_an_item_counts_once(
    store: Store, serve: Callable[..., Service]
) -> None:
    services = [serve(), serve()]
    for service in services:
        with local_client(service) as client:
            for number in range(4):
                client.post("/v1/genre/label?label=Rock", json=song(number))
    wait_until(lambda: len(store.list(*layout.contest("genre", "0-2"))) == 2)
    shown = services[0].metrics
    assert isinstance(shown, Counts)
    wait_until(lambda: shown.shown.get("labels") == (4, 0))
    assert champion(store) == 1  # four items are not enough, eight would be
    with local_client(services[1]) as client:
        for number in range(4, 10):
            client.post("/v1/genre/label?label=Rock", json=song(number))
    wait_until(lambda: champion(store) == 2)
    assert len(history(store, "genre")) == 1
    wait_until(lambda: not store.list(*layout.contest("genre", "0-2")))


def test_a_challenger_that_fails_is_withdrawn_and_users_notice_nothing(
    store: Store, serve: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(share=1.0)
    tried = service.champions.challenger("genre")
    assert tried is not None

    def refuse(_: Any) -> Any:
        message = "onnxruntime ran out of memory"
        raise ModelError(message)

    monkeypatch.setattr(tried.classifier, "predict", refuse)
    with local_client(service) as client:
        for number in range(25):
            answer = client.post("/v1/genre", json=song(number))
            assert answer.json()["model"]["version"] == 1
        wait_until(lambda: challenger(store) is None)
    assert "failed in" in str(history(store, "genre")[0].reason)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_challenger_that_takes_too_long_is_withdrawn(
    store: Store, serve: Callable[..., Service], share: float
) -> None:
    # No model is a thousand times as fast as the other one.
    service = serve(DecisionSettings(alpha=0.1, slower_at_most=0.001), share=share, shadow=1.0)
    with local_client(service) as client:

        def ask() -> bool:
            assert client.post("/v1/genre", json=song(1)).status_code == 200
            return challenger(store) is None

        wait_until(ask)
    assert champion(store) == 1
    assert "took longer" in str(history(store, "genre")[0].reason)


def test_a_challenger_that_misses_every_deadline_is_withdrawn(
    store: Store, serve: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve(DecisionSettings(alpha=0.4), timeout_s=0.03, share=1.0)
    tried = service.champions.challenger("genre")
    assert tried is not None
    predict = tried.classifier.predict

    def slow(inputs: Any) -> Any:
        ends = time.thread_time() + 0.04
        while time.thread_time() < ends:
            pass
        return predict(inputs)

    monkeypatch.setattr(tried.classifier, "predict", slow)
    with local_client(service) as client:

        def ask() -> bool:
            client.post("/v1/genre", json=song(1))
            return challenger(store) is None

        wait_until(ask, timeout_s=30)
    assert "took longer" in str(history(store, "genre")[0].reason)


def test_without_a_rule_no_labels_are_taken(serve: Callable[..., Service]) -> None:
    with local_client(serve(rule=None, shadow=1.0)) as client:
        answer = client.post("/v1/genre/label?label=Rock", json=song(0))
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-route")
        assert "/v1/genre/label" not in client.get("/openapi.json").json()["paths"]


def test_labels_of_strangers_are_refused_before_they_are_read(
    store: Store, serve: Callable[..., Service]
) -> None:
    keys = {name: add_key(store, name, 600) for name in ("editors", "readers")}
    service = serve(DecisionSettings(alpha=0.1, labels_from=("editors",)))
    with local_client(service) as client:
        for headers in ({}, {"Authorization": f"Bearer {keys['readers']}"}):
            for number in range(12):
                answer = client.post(
                    "/v1/genre/label?label=Rock", json=song(number), headers=headers
                )
                assert answer.status_code == 403
                assert answer.json()["type"] == "/problems/not-a-labeller"
            unread = client.post("/v1/genre/label?label=Rock", content=b"{", headers=headers)
            assert unread.status_code == 403
            # It may ask all the same.
            assert client.post("/v1/genre", json=song(0), headers=headers).status_code == 200
        editor = {"Authorization": f"Bearer {keys['editors']}"}
        sent = client.post("/v1/genre/label?label=Rock", json=song(0), headers=editor)
        assert sent.json()["counted"]
    assert champion(store) == 1


def test_labels_that_no_model_knows_are_refused(serve: Callable[..., Service]) -> None:
    with local_client(serve()) as client:
        assert "/v1/genre/label" in client.get("/openapi.json").json()["paths"]
        answer = client.post("/v1/genre/label?label=Rok", json=song(0))
        assert answer.status_code == 422
        assert "Did you mean 'Rock'?" in answer.json()["detail"]
        assert client.post("/v1/genre/label", json=song(0)).status_code == 422
        several = client.post("/v1/genre/label?label=Rock", json=[song(0), song(1)])
        assert several.status_code == 422


def test_the_same_two_models_begin_again_after_a_decision(store: Store) -> None:
    write_bundle(store, 2, task="genre", favour=1)
    write_bundle(store, 1, task="genre")
    name_challenger(store, "genre", 2)
    service = Service(Settings(store=store.uri))
    service.start()
    service.stop()
    one = service.champions.get("genre")
    seen = Contests(store, {"genre": RULE}, Metrics())
    seen.failed(one, one, is_challenger=True)
    seen._own["genre"].versions = (1, 2)
    seen.refresh()
    folder = layout.contest("genre", "0-2")
    (file,) = store.list(*folder)
    assert Observations.read(store, *folder, file).failures == (0, 1)
    aliases = {"champion": 1, "previous": None, "challenger": 2, "record": 7}
    store.write_json(aliases, *layout.aliases("genre"))
    seen.refresh()
    assert not store.list(*layout.contest("genre", "7-2"))


def test_a_store_that_is_away_loses_no_evidence(
    store: Store, serve: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    service = serve()
    with monkeypatch.context() as patch:

        def away(*_: Any) -> Any:
            message = "the disk is full"
            raise StoreError(message)

        patch.setattr(Observations, "write", away)
        with local_client(service) as client:
            for number in range(3):
                client.post("/v1/genre/label?label=Rock", json=song(number))
            service.contests.refresh()
    shown = service.metrics
    assert isinstance(shown, Counts)
    wait_until(lambda: shown.shown.get("labels") == (3, 0))
