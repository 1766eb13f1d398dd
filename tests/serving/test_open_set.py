"""Answers about items of no class: on the server, by the client, and as evaluation has them."""

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.artefacts import feature_model
from tests.serving.conftest import COMPOSERS, local_client, served, write_bundle
from tunesmith.artifacts.open_set import Detector, DetectorPart, LabelSets
from tunesmith.artifacts.store import Store
from tunesmith.client import Client
from tunesmith.errors import StoreError
from tunesmith.inference.pieces import read_piece
from tunesmith.midi.features import FEATURE_NAMES
from tunesmith.registry import open_bundle
from tunesmith.serving.service import Service
from tunesmith.serving.settings import NodeSettings, shipped

MIDI = {"Content-Type": "audio/midi"}
SETS = LabelSets(coverage=0.9, least=dict.fromkeys(COMPOSERS, 0.2), calibrated_on={})


def add_detector(
    store: Store, tells: float, task: str = "composer", *, levels: int = 21
) -> Detector:
    """Add a detector to a bundle: `tells` is what the least known of its own items has."""
    graph = feature_model(np.zeros((len(FEATURE_NAMES), 2)))
    part = DetectorPart(
        name="sign",
        column=1,
        share=1.0,
        calibration=dict.fromkeys(COMPOSERS, tuple(np.linspace(tells, 1.0, levels))),
        calibrated_on=dict.fromkeys(COMPOSERS, levels),
    )
    facts = Detector(
        sha256=hashlib.sha256(graph).hexdigest(), input="features", columns=("known", "none"),
        promised=0.05, threshold=0.05, parts=(part,),
    )  # fmt: skip
    place = ("models", task, "0001")
    card = store.read_json(*place, "card.json")
    card |= {"detector": facts.json_object(), "label_sets": SETS.json_object()}
    store.write_json(card, *place, "card.json")
    store.write_bytes(graph, *place, "known.onnx")
    return facts


@pytest.mark.parametrize(("tells", "is_none"), [(0.9, True), (0.1, False)])
@pytest.mark.parametrize("inputs", [("features",), ("chunks",), ("chunks", "features")])
def test_an_answer_can_be_none_of_these(
    store: Store,
    make_service: Callable[..., Service],
    midi_factory: Callable[..., bytes],
    inputs: tuple[str, ...],
    *,
    tells: float,
    is_none: bool,
) -> None:
    write_bundle(store, inputs=inputs)
    add_detector(store, tells)
    with local_client(make_service()) as client:
        answer = client.post("/v1/composer", content=midi_factory(), headers=MIDI).json()
        every = client.post("/v1/classify", files={"file": ("a.mid", midi_factory())}).json()
        card = client.get("/v1/models").json()["models"][0]
    assert answer["none_of_these"] is is_none
    assert (answer["known"] < 0.05) is is_none
    # The graph takes every item for one of no class with a probability of one half.
    best = max(answer["probabilities"].values())
    assert answer["confidence"] == pytest.approx(best / 2, abs=1e-5)
    # The nearest class is named all the same.
    assert answer["composer"] == "Bach"
    assert answer["labels_90"][0] == "Bach"
    assert every["answers"]["composer"]["none_of_these"] is is_none
    assert card["detector"]["promised"] == 0.05
    # The quantiles are thousands of numbers.
    assert "parts" not in card["detector"]


def test_the_server_says_what_evaluation_measured(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store, inputs=("features",))
    add_detector(store, 0.3)
    detector = open_bundle(store, "composer", 1).open_set()
    assert detector is not None
    with local_client(make_service()) as client:
        for seed in range(4):
            midi = midi_factory(seed=seed)
            answer = client.post("/v1/composer", content=midi, headers=MIDI).json()
            probabilities = [[answer["probabilities"][name] for name in COMPOSERS]]
            judgement = detector.judge(read_piece(midi).features[None], probabilities)
            assert answer["known"] == pytest.approx(judgement.known[0], abs=1e-4)
            assert answer["none_of_these"] == judgement.is_unknown[0]


def test_members_of_an_ensemble_vote(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    for task, tells in (("first", 0.9), ("second", 0.1)):
        write_bundle(store, inputs=("features",), task=task)
        add_detector(store, tells, task)
    nodes = {"composer": NodeSettings(reads="midi", ensemble={"first": 0.7, "second": 0.3})}
    with local_client(make_service(nodes=nodes)) as client:
        answer = client.post("/v1/composer", content=midi_factory(), headers=MIDI).json()
    assert answer["none_of_these"] is True


def test_the_client_passes_it_on(store: Store, midi_factory: Callable[..., bytes]) -> None:
    write_bundle(store)
    with served(Service(shipped(store=store.uri))) as url, Client(url) as client:
        before = client.predict("composer", midi_factory())
    assert (before.none_of_these, before.known, before.labels_90) == (None, None, None)
    assert before.confidence == pytest.approx(before.probability, abs=1e-5)
    add_detector(store, 0.9)
    with served(Service(shipped(store=store.uri))) as url, Client(url) as client:
        answer = client.predict("composer", midi_factory())
    assert answer.none_of_these is True
    assert answer.confidence == pytest.approx(before.confidence / 2, abs=1e-5)
    assert answer.known is not None
    assert answer.labels_90 is not None
    assert answer.labels_90[0] == "Bach"


def test_the_document_describes_the_members(client: TestClient) -> None:
    schemas: dict[str, Any] = client.get("/openapi.json").json()["components"]["schemas"]
    members = schemas["ComposerAnswer"]["properties"]
    for name in ("none_of_these", "known", "labels_90"):
        assert members[name]["description"]


def test_a_damaged_detector_is_refused(store: Store) -> None:
    write_bundle(store)
    add_detector(store, 0.9)
    store.write_bytes(b"no graph", "models", "composer", "0001", "known.onnx")
    with pytest.raises(StoreError, match="damaged"):
        open_bundle(store, "composer", 1).model()
