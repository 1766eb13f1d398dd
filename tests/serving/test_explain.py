"""What spoke for and against an answer."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from tests.serving.conftest import (
    SONG_FEATURES,
    local_client,
    make_onnx,
    write_bundle,
    write_card,
)
from tunesmith.artifacts.preparation import NgramsColumn, NumberColumn, TablePreparation
from tunesmith.artifacts.store import Store
from tunesmith.datasets.summary import summarise
from tunesmith.errors import ModelError
from tunesmith.inference.explain import THEMES, Member, reasons
from tunesmith.inference.pieces import read_piece
from tunesmith.midi.features import FEATURE_NAMES
from tunesmith.serving.service import Service
from tunesmith.serving.settings import NodeSettings

MIDI = {"Content-Type": "audio/midi"}
MEDIANS = (0.5, 0.7, 120.0)


def add_summary(store: Store, task: str, view: str, rows: np.ndarray) -> None:
    card = store.read_json("models", task, "0001", "card.json")
    names = SONG_FEATURES if task == "genre" else FEATURE_NAMES
    card["summary"] = {view: summarise(rows.astype(np.float32), names).json_object()}
    store.write_json(card, "models", task, "0001", "card.json")


def log_odds(share: float) -> float:
    return math.log(share / (1 - share))


def test_every_musical_feature_belongs_to_one_theme() -> None:
    blocks = {name.rpartition("_")[0] for name in FEATURE_NAMES}
    named = [block for theme in THEMES.values() for block in theme]
    assert len(named) == len(set(named))
    assert set(named) == blocks


def test_a_feature_speaks_by_what_the_answer_loses_without_it(
    store: Store, make_service: Callable[..., Service]
) -> None:
    write_bundle(store, task="genre")
    add_summary(store, "genre", "features", np.tile(MEDIANS, (50, 1)))
    song = dict(zip(SONG_FEATURES, (0.9, 0.1, 900.0), strict=True))
    with local_client(make_service()) as client:
        told = client.post("/v1/genre/why", json=song).json()
        answer = client.post("/v1/genre", json=song).json()
        assert told["genre"] == answer["genre"]
        assert told["probability"] == answer["probabilities"][answer["genre"]]
        effects = {
            reason["part"]: (reason["effect"], reason["probability_without"])
            for reason in told["reasons"]
        }
        assert set(effects) == set(SONG_FEATURES)
        for name, median in zip(SONG_FEATURES, MEDIANS, strict=True):
            without = client.post("/v1/genre", json={**song, name: median}).json()
            share = without["probabilities"][told["genre"]]
            lost = log_odds(told["probability"]) - log_odds(share)
            effect, remaining = effects[name]
            assert remaining == pytest.approx(share, abs=2e-6)
            assert effect == pytest.approx(lost, abs=1e-4)
        strengths = [abs(reason["effect"]) for reason in told["reasons"]]
        assert strengths == sorted(strengths, reverse=True)
        assert strengths[0] > 0
        several = client.post("/v1/genre/why", json=[song, song])
        assert several.status_code == 422
        assert client.post("/v1/genre/why", json={"energy": 1}).status_code == 422


def test_a_text_speaks_by_all_that_is_read_of_it(
    store: Store, make_service: Callable[..., Service]
) -> None:
    columns = (NumberColumn(name="tempo"), NgramsColumn(name="title", most=24))
    inputs = {"features": ("float32", [11]), "text_ngrams": ("int32", [24])}
    model = make_onnx(inputs, 2)
    preparation = TablePreparation(columns=columns)
    write_card(store, "genre", preparation, inputs, model, ("Jazz", "Rock"))
    usual = np.zeros((50, 11))
    usual[:, 0] = 120
    card = store.read_json("models", "genre", "0001", "card.json")
    summary = summarise(usual.astype(np.float32), preparation.features)
    card["summary"] = {"features": summary.json_object()}
    store.write_json(card, "models", "genre", "0001", "card.json")
    song = {"tempo": 900.0, "title": "A"}
    with local_client(make_service()) as client:
        told = client.post("/v1/genre/why", json=song).json()
        without = {
            "tempo": client.post("/v1/genre", json={**song, "tempo": 120}).json(),
            "title": client.post("/v1/genre", json={**song, "title": None}).json(),
        }
    shares = {reason["part"]: reason["probability_without"] for reason in told["reasons"]}
    assert shares.keys() == without.keys()
    assert shares["title"] < told["probability"] - 0.5
    for name, answer in without.items():
        assert shares[name] == pytest.approx(answer["probabilities"][told["genre"]], abs=2e-6)


def test_a_piece_is_explained_by_octaves_and_by_themes(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store, inputs=("chunks", "features"))
    random = np.random.default_rng(0)
    add_summary(store, "composer", "features", random.random((50, len(FEATURE_NAMES))))
    service = make_service()
    with local_client(service) as client:
        told = client.post("/v1/composer/why", content=midi_factory(n_notes=300), headers=MIDI)
        assert told.status_code == 200, told.text
        parts = {reason["part"] for reason in told.json()["reasons"]}
        assert parts == {*THEMES, *(f"Notes from C{n} to B{n}" for n in (3, 4, 5))}
        missing = client.post("/v1/composer_all/why", content=midi_factory(), headers=MIDI)
        assert missing.status_code == 404
        wrong = client.post("/v1/composer/why", content=b"Dear Sir", headers=MIDI)
        assert wrong.json()["type"] == "/problems/not-midi"


def test_a_model_that_cannot_be_asked_again_is_a_named_failure(
    store: Store,
    make_service: Callable[..., Service],
    midi_factory: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_bundle(store)
    service = make_service()

    def refuse(*_: object) -> None:
        message = "onnxruntime ran out of memory"
        raise ModelError(message)

    monkeypatch.setattr("tunesmith.inference.explain._effects", refuse)
    with local_client(service) as client:
        failed = client.post("/v1/composer/why", content=midi_factory(), headers=MIDI)
        assert client.post("/v1/composer", content=midi_factory(), headers=MIDI).status_code == 200
    assert failed.status_code == 503
    assert (failed.json()["type"], failed.json()["node"]) == ("/problems/node-failed", "composer")


def test_members_of_an_ensemble_speak_by_their_weight(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store, task="one", labels=("Bach", "Chopin"), favour=0)
    write_bundle(store, task="two", labels=("Chopin", "Bach"), favour=1)
    node = NodeSettings(reads="midi", ensemble={"one": 3, "two": 1})
    service = make_service(nodes={"composer": node})
    champions = [service.champions.get(name) for name in ("one", "two")]
    piece = read_piece(midi_factory(n_notes=100))

    def ask(*weights: float) -> dict[str, float]:
        pairs = zip(champions, weights, strict=True)
        members = [Member(of.model, of.summary, weight) for of, weight in pairs if weight]
        found = reasons(piece, members, "Bach")
        return {reason.part: reason.without for reason in found}

    first, second, both = ask(1, 0), ask(0, 1), ask(3, 1)
    assert both == {
        part: pytest.approx(0.75 * first[part] + 0.25 * second[part], abs=1e-6) for part in first
    }


def test_without_a_summary_a_table_gives_no_reasons(
    store: Store, make_service: Callable[..., Service]
) -> None:
    write_bundle(store, task="genre")
    with local_client(make_service()) as client:
        told = client.post("/v1/genre/why", json=dict.fromkeys(SONG_FEATURES, 0.5)).json()
    assert told["reasons"] == []
