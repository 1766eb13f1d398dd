"""POST /v1/composer: what is answered, and what is refused how."""

import asyncio
import io
from collections.abc import Callable, Iterator
from typing import Any

import pretty_midi
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.midi.test_scores import ABC, KERN, MUSICXML, archived
from tests.serving.conftest import COMPOSERS, local_client, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.inference import pieces
from tunesmith.serving.http.routes import make_app
from tunesmith.serving.service import Service

MIDI = {"Content-Type": "audio/midi"}


def assert_problem(response: Any, status: int, name: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["type"] == f"/problems/{name}"
    assert body["status"] == status
    assert body["instance"] == "/v1/composer"
    assert body["detail"]
    assert body["title"]
    return body


def check_answer(answer: dict[str, Any]) -> None:
    open_set = {"none_of_these", "known", "labels_90"}
    members = {"composer", "unsure", "confidence", "probabilities", "segments", "model", "piece"}
    assert set(answer) == members | open_set
    assert answer["confidence"] == max(answer["probabilities"].values())
    # Bundles of earlier versions have no detector.
    assert all(answer[name] is None for name in open_set)
    assert set(answer["probabilities"]) == set(COMPOSERS)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert answer["composer"] == max(answer["probabilities"], key=answer["probabilities"].get)
    end_s = 0.0
    for segment in answer["segments"]:
        assert set(segment) == {"start_s", "end_s", "composer", "probability"}
        assert end_s <= segment["start_s"] < segment["end_s"] <= answer["piece"]["duration_s"]
        assert 0 < segment["probability"] <= 1
        end_s = segment["end_s"]


def test_a_raw_body_and_a_form_get_the_same_answer(
    client: TestClient, midi_factory: Callable[..., bytes]
) -> None:
    midi = midi_factory(n_notes=200)
    raw = client.post("/v1/composer", content=midi, headers=MIDI)
    form = client.post("/v1/composer", files={"file": ("a.mid", midi, "audio/midi")})
    assert raw.status_code == form.status_code == 200
    assert raw.json() == form.json()
    answer = raw.json()
    check_answer(answer)
    assert answer["composer"] == "Bach"
    assert len(answer["segments"]) > 1
    assert answer["piece"]["notes"] == 200
    assert answer["model"] == {"name": "composer", "version": 1, "dataset": "tiny@0123456789ab"}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (MUSICXML, "application/vnd.recordare.musicxml+xml"),
        (archived(MUSICXML), "application/vnd.recordare.musicxml"),
        (ABC, "text/vnd.abc"),
        (KERN, "application/octet-stream"),
    ],
)
def test_a_score_is_read_like_midi(client: TestClient, data: bytes, kind: str) -> None:
    # The first one imports music21: seconds on a busy machine.
    headers = {"Content-Type": kind, "X-Deadline-S": "60"}
    answer = client.post("/v1/composer", content=data, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["piece"]["notes"] == 4


def test_xml_that_is_no_score_is_told(client: TestClient) -> None:
    answer = client.post("/v1/composer", content=b"<html/>", headers=MIDI)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("This is a web page")


@pytest.mark.parametrize("inputs", [("features",), ("chunks", "features")])
def test_models_of_other_inputs_answer(
    store: Store,
    make_service: Callable[..., Service],
    midi_factory: Callable[..., bytes],
    inputs: tuple[str, ...],
) -> None:
    write_bundle(store, inputs=inputs, favour=2)
    with local_client(make_service()) as client:
        response = client.post("/v1/composer", content=midi_factory(n_notes=150), headers=MIDI)
    assert response.status_code == 200
    check_answer(response.json())


@pytest.mark.parametrize(
    ("content", "headers", "status", "name"),
    [
        (b"", MIDI, 400, "empty-body"),
        (b"Dear Sir, this is no music.", MIDI, 422, "not-midi"),
        (b"RIFF....WAVEfmt ", {}, 422, "unreadable-recording"),
        (b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01", MIDI, 422, "unreadable-midi"),
        (b"{}", {"Content-Type": "application/json"}, 415, "unsupported-media-type"),
        (b"x", {"Content-Type": "multipart/form-data"}, 400, "malformed-body"),
        (b"x", {"Content-Type": "multipart/form-data; boundary=b"}, 400, "malformed-body"),
    ],
)
def test_a_wrong_body_is_a_problem_that_says_so(
    client: TestClient,
    content: bytes,
    headers: dict[str, str],
    status: int,
    name: str,
) -> None:
    response = client.post("/v1/composer", content=content, headers=headers)
    assert_problem(response, status, name)


def short_midi(seconds: float) -> bytes:
    midi = pretty_midi.PrettyMIDI()
    piano = pretty_midi.Instrument(0)
    piano.notes.append(pretty_midi.Note(80, 60, 0.0, seconds))
    midi.instruments.append(piano)
    buffer = io.BytesIO()
    midi.write(buffer)
    return buffer.getvalue()


def test_files_without_anything_to_judge(
    client: TestClient, midi_factory: Callable[..., bytes]
) -> None:
    for content in (midi_factory(n_notes=0), midi_factory(is_drum=True), short_midi(0.05)):
        response = client.post("/v1/composer", content=content, headers=MIDI)
        assert_problem(response, 422, "no-notes")
    assert client.post("/v1/composer", content=short_midi(0.2), headers=MIDI).status_code == 200


def test_an_empty_file_and_no_file_in_a_form(client: TestClient) -> None:
    empty = client.post("/v1/composer", files={"file": ("a.mid", b"", "audio/midi")})
    assert_problem(empty, 400, "empty-body")
    none = client.post("/v1/composer", files={"other": (None, b"text")})
    assert_problem(none, 400, "malformed-body")


def test_several_files_get_a_list_with_each_fault_in_its_place(
    client: TestClient, midi_factory: Callable[..., bytes]
) -> None:
    files = [
        ("file", ("a.mid", midi_factory(seed=1))),
        ("file", ("b.mid", b"no music")),
        ("file", ("c.mid", midi_factory(seed=2, n_notes=200))),
    ]
    response = client.post("/v1/composer", files=files)
    assert response.status_code == 200
    first, second, third = response.json()["answers"]
    assert second["problem"]["type"] == "/problems/not-midi"
    for seed, answer, notes in ((1, first, 60), (2, third, 200)):
        midi = midi_factory(seed=seed, n_notes=notes)
        alone = client.post("/v1/composer", content=midi, headers=MIDI).json()
        assert alone.pop("model") == response.json()["model"]
        assert alone == answer


def test_detail_gives_every_class_of_every_segment(
    client: TestClient, midi_factory: Callable[..., bytes]
) -> None:
    response = client.post("/v1/composer?detail=true", content=midi_factory(), headers=MIDI)
    for segment in response.json()["segments"]:
        assert segment["probabilities"][segment["composer"]] == segment["probability"]
    wrong = client.post("/v1/composer?detail=maybe", content=midi_factory(), headers=MIDI)
    assert_problem(wrong, 422, "invalid-input")


def test_a_declared_length_above_the_limit_is_refused_unread(
    store: Store, make_service: Callable[..., Service]
) -> None:
    write_bundle(store)
    app = make_app(make_service())
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        pytest.fail("the body was read")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/composer",
        "raw_path": b"/v1/composer",
        "query_string": b"",
        "client": ("127.0.0.1", 50000),
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"content-type", b"audio/midi"),
            (b"content-length", b"100000000"),
        ],
    }
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 413


def test_an_endless_body_is_cut_at_the_limit(
    store: Store, make_service: Callable[..., Service]
) -> None:
    write_bundle(store)
    app = make_app(make_service(limits={"body_bytes": 100_000}))
    sent: list[dict[str, Any]] = []
    received = 0

    async def receive() -> dict[str, Any]:
        nonlocal received
        received += 60_000
        return {"type": "http.request", "body": bytes(60_000), "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/composer",
        "raw_path": b"/v1/composer",
        "query_string": b"",
        "client": ("127.0.0.1", 50000),
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"audio/midi")],
    }
    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 413
    assert received == 120_000


def test_the_server_answers_after_every_refusal(
    client: TestClient, midi_factory: Callable[..., bytes]
) -> None:
    for content in (b"", b"no midi", bytes(9_000_000), b"MThd" + bytes(40)):
        assert 400 <= client.post("/v1/composer", content=content, headers=MIDI).status_code < 500
    midi = midi_factory()
    assert client.post("/v1/composer", content=midi, headers=MIDI).status_code == 200


def test_limits_of_notes_and_duration(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store)
    with local_client(make_service(limits={"midi_notes": 10})) as client:
        response = client.post("/v1/composer", content=midi_factory(n_notes=11), headers=MIDI)
    assert assert_problem(response, 422, "midi-limit")["limit"]


def test_compiled_code_is_warm_before_the_first_midi_file(
    store: Store, make_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(store, inputs=("chunks", "features"))
    read: list[int] = []
    real = pieces.cut

    def note(piece: pieces.Piece, *others: Any, **options: Any) -> Any:
        read.append(piece.n_notes)
        return real(piece, *others, **options)

    monkeypatch.setattr("tunesmith.inference.prepared.cut", note)
    make_service()
    assert read == [1]


def test_without_a_champion_the_answer_says_what_to_do(
    make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    with local_client(make_service()) as client:
        response = client.post("/v1/composer", content=midi_factory(), headers=MIDI)
    body = assert_problem(response, 503, "no-champion")
    assert "tunesmith promote composer" in body["detail"]
    assert response.headers["retry-after"]


@pytest.fixture(scope="module")
def shared_client(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[TestClient]:
    from tunesmith.serving.settings import shipped

    store = Store(tmp_path_factory.mktemp("store"))
    write_bundle(store)
    service = Service(shipped(store=store.uri))
    service.start()
    with local_client(service) as made:
        yield made
    service.stop()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.one_of(st.binary(max_size=400), st.binary(max_size=200).map(lambda tail: b"MThd" + tail)),
    st.sampled_from(
        ["audio/midi", "application/octet-stream", "multipart/form-data; boundary=x", "text/plain"]
    ),
)
def test_no_body_makes_the_server_fail(
    shared_client: TestClient, content: bytes, kind: str
) -> None:
    response = shared_client.post("/v1/composer", content=content, headers={"Content-Type": kind})
    assert 400 <= response.status_code < 500
    assert response.headers["content-type"] == "application/problem+json"


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 3), position=st.floats(0, 1), byte=st.integers(0, 255))
def test_a_flipped_byte_never_makes_the_server_fail(
    shared_client: TestClient,
    midi_factory: Callable[..., bytes],
    seed: int,
    position: float,
    byte: int,
) -> None:
    midi = bytearray(midi_factory(seed=seed))
    midi[int(position * (len(midi) - 1))] = byte
    response = shared_client.post("/v1/composer", content=bytes(midi), headers=MIDI)
    assert response.status_code in {200, 413, 422}
