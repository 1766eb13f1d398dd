"""POST /v1/similar: the answers of `tunesmith similar`, within the limits of a request."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from tests.audio.sounds import wav
from tests.serving.conftest import local_client, write_bundle
from tests.serving.test_similar import ingest_pieces
from tunesmith.artifacts.store import Store
from tunesmith.cli.similar import main
from tunesmith.serving.service import Service
from tunesmith.serving.settings import SimilarSettings

MIDI = {"Content-Type": "audio/midi"}


@pytest.fixture
def similar_client(
    store: Store,
    tmp_path: Path,
    midi_factory: Callable[..., bytes],
    make_service: Callable[..., Service],
) -> TestClient:
    """Return a client of a server whose composer learned from four pieces."""
    pieces = {f"bach/{n}.mid": midi_factory(seed=n) for n in range(4)}
    name, version = ingest_pieces(store, tmp_path / "mine", pieces).split("@")
    write_bundle(store)
    card = store.read_json("models", "composer", "0001", "card.json")
    card["dataset"] = {"name": name, "version": version}
    store.write_json(card, "models", "composer", "0001", "card.json")
    return local_client(make_service())


@pytest.mark.parametrize("seed", [2, 50])
def test_the_answer_is_that_of_the_command(
    similar_client: TestClient,
    store: Store,
    tmp_path: Path,
    midi_factory: Callable[..., bytes],
    seed: int,
) -> None:
    midi = midi_factory(seed=seed, bpm=90)
    file = tmp_path / "piece.mid"
    file.write_bytes(midi)
    arguments = [str(file), "--dataset", "mine", "--store", store.uri, "--limit", "3", "--json"]
    expected = json.loads(CliRunner().invoke(main, arguments).stdout)
    answer = similar_client.post("/v1/similar?limit=3", content=midi, headers=MIDI)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert {**body, "piece": str(file)} == expected
    assert body["piece"]["notes"] == 60
    if seed == 2:
        assert body["match"]["path"] == "mine/bach/2.mid"
    else:
        assert body["match"] is None
    graph = similar_client.get("/v1/graph").json()
    assert graph["similar"] == f"{body['dataset']}@{body['version']}"


def test_files_of_a_form_are_answered_in_their_order(
    similar_client: TestClient, midi_factory: Callable[..., bytes]
) -> None:
    contents = [midi_factory(seed=1), b"no music", midi_factory(seed=3)]
    files = [("file", (f"{n}.mid", content)) for n, content in enumerate(contents)]
    one = similar_client.post("/v1/similar", files=files[:1]).json()
    assert one["match"]["path"] == "mine/bach/1.mid"
    answers = similar_client.post("/v1/similar", files=files).json()["answers"]
    assert answers[0] == one
    assert answers[1]["problem"]["type"] == "/problems/not-midi"
    assert answers[2]["match"]["path"] == "mine/bach/3.mid"


@pytest.mark.parametrize(
    ("content", "headers", "status", "kind"),
    [
        (b"", {}, 400, "empty-body"),
        (b"no music", {}, 422, "not-midi"),
        (b"{}", {"Content-Type": "application/json"}, 415, "unsupported-media-type"),
        (None, {"X-Deadline-S": "0.000001"}, 504, "deadline"),
        (wav([0.0] * 40_000), {"Content-Type": "audio/wav"}, 422, "no-music"),
    ],
)
def test_what_is_refused_elsewhere_is_refused_here(
    similar_client: TestClient,
    midi_factory: Callable[..., bytes],
    content: bytes | None,
    headers: dict[str, str],
    status: int,
    kind: str,
) -> None:
    midi = midi_factory() if content is None else content
    answer = similar_client.post("/v1/similar", content=midi, headers={**MIDI, **headers})
    assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{kind}")


@pytest.mark.parametrize("limit", [0, 101])
def test_the_number_of_pieces_is_bounded(
    similar_client: TestClient, midi_factory: Callable[..., bytes], limit: int
) -> None:
    url = f"/v1/similar?limit={limit}"
    answer = similar_client.post(url, content=midi_factory(), headers=MIDI)
    assert answer.status_code == 422
    assert "limit" in answer.json()["detail"]


@pytest.mark.parametrize("action", ["why", "label"])
def test_there_is_nothing_below_the_route(
    client: TestClient, midi_factory: Callable[..., bytes], action: str
) -> None:
    url = f"/v1/similar/{action}?label=Bach"
    answer = client.post(url, content=midi_factory(), headers=MIDI)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-route")


def test_a_server_without_its_data_says_what_to_do(
    client: TestClient, midi_factory: Callable[..., bytes]
) -> None:
    answer = client.post("/v1/similar", content=midi_factory(), headers=MIDI)
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["type"]) == (503, "/problems/no-index")
    assert body["detail"] == ("The dataset tiny@0123456789ab is not in the store of this server.")
    assert "similar" in body["advice"]
    assert client.get("/v1/graph").json()["similar"] is None


def test_the_search_can_be_turned_off(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store)
    client = local_client(make_service(similar=SimilarSettings(enabled=False)))
    answer = client.post("/v1/similar", content=midi_factory(), headers=MIDI)
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/unknown-route")
    assert "/v1/similar" not in client.get("/openapi.json").json()["paths"]
