"""The nodes of the graph: what each reads, ensembles, gaps, deadlines, deployments."""

import asyncio
import base64
import io
import struct
import time
import warnings
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.serving.conftest import (
    COMPOSERS,
    SONG_FEATURES,
    TASKS,
    local_client,
    write_bundle,
)
from tunesmith.artifacts.store import Store
from tunesmith.datasets.summary import summarise
from tunesmith.errors import InputError, ModelError
from tunesmith.inference.pieces import read_piece
from tunesmith.inference.predictions import Prediction
from tunesmith.midi import chunk_roll, velocity_roll
from tunesmith.midi.sequences import note_rows
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http import decoding
from tunesmith.serving.predict import judge
from tunesmith.serving.service import Service
from tunesmith.serving.settings import NodeSettings, Settings

SONG = dict(zip(SONG_FEATURES, (0.5, 0.8, 120.0), strict=True))
MIDI = {"Content-Type": "audio/midi"}


@pytest.fixture
def full(store: Store, make_service: Callable[..., Service]) -> Iterator[TestClient]:
    """Return a client of a server with champions of many tasks, and a node without one."""
    for task in ("composer", *TASKS):
        write_bundle(store, task=task, favour=1)
    nodes = {
        "composer": NodeSettings(failure="hard"),
        "waiting": NodeSettings(reads="midi"),
    }
    with local_client(make_service(nodes=nodes)) as client:
        yield client


def problem_of(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["type"].removeprefix("/problems/")


@pytest.mark.parametrize("task", ["genre", "emotion"])
def test_songs_as_json_list_and_csv(full: TestClient, task: str) -> None:
    labels = TASKS[task][0]
    one = full.post(f"/v1/{task}", json=SONG).json()
    assert one[task] == labels[1]
    assert set(one["probabilities"]) == set(labels)
    several = full.post(f"/v1/{task}", json=[SONG, {**SONG, "tempo": 90}]).json()
    assert [answer[task] for answer in several["answers"]] == [labels[1]] * 2
    csv = ",".join([*SONG, "title"]) + "\n0.5,0.8,120,x\n0.1,,90,y\n"
    table = full.post(f"/v1/{task}", content=csv, headers={"Content-Type": "text/csv"}).json()
    first = dict(table["answers"][0])
    assert first == {key: one[key] for key in first}
    # This model, a linear one, has no answer where a value is missing; a tree would.
    assert table["answers"][1]["problem"]["type"] == "/problems/invalid-input"


@pytest.mark.parametrize("value", [None, 1e300, -1e39, 10**400, "inf", "nan"])
def test_a_model_without_an_answer_is_a_fault_of_the_input(full: TestClient, value: Any) -> None:
    response = full.post("/v1/genre", json={**SONG, "tempo": value})
    assert problem_of(response) == (422, "invalid-input")


def test_faulty_songs_say_what_is_missing(full: TestClient) -> None:
    lacking = full.post("/v1/genre", json={"energy": 0.5})
    assert problem_of(lacking) == (422, "invalid-input")
    assert lacking.json()["missing"] == ["danceability", "tempo"]
    assert problem_of(full.post("/v1/genre", json={**SONG, "tempo": "fast"})) == (
        422,
        "invalid-input",
    )
    assert problem_of(full.post("/v1/genre", json=[])) == (400, "empty-body")
    assert problem_of(full.post("/v1/genre", json=7)) == (422, "invalid-input")
    mixed = full.post("/v1/genre", json=[SONG, {"energy": 1}]).json()["answers"]
    assert mixed[0]["genre"] == "Rock"
    assert mixed[1]["problem"]["status"] == 422
    json_type = {"Content-Type": "application/json"}
    assert problem_of(full.post("/v1/genre", content=b"{", headers=json_type)) == (
        400,
        "malformed-body",
    )
    nan = b'{"danceability": NaN, "energy": 1, "tempo": 1}'
    assert problem_of(full.post("/v1/genre", content=nan, headers=json_type)) == (
        400,
        "malformed-body",
    )
    deep = b"[" * 100_000
    assert problem_of(full.post("/v1/genre", content=deep, headers=json_type)) == (
        400,
        "malformed-body",
    )
    many = full.post("/v1/genre", json=[SONG] * 1001)
    assert problem_of(many) == (413, "too-large")


def test_a_text_of_a_song_is_one_of_those_that_the_model_knows(
    store: Store, make_service: Callable[..., Service]
) -> None:
    write_bundle(store, task="genre")
    card = store.read_json("models", "genre", "0001", "card.json")
    features = ["energy", "key=A", "key=A#"]
    columns = [
        {"kind": "number", "name": "energy"},
        {"kind": "category", "name": "key", "categories": ["A", "A#"]},
    ]
    card["preparation"] = {"kind": "table", "columns": columns}
    card["summary"] = {
        "features": summarise(np.zeros((9, 3), dtype=np.float32), features).json_object()
    }
    store.write_json(card, "models", "genre", "0001", "card.json")
    with local_client(make_service()) as client:

        def ask(**song: Any) -> Any:
            return client.post("/v1/genre", json=song).json()["probabilities"]

        by_column = ask(energy=1, **{"key=A": 0, "key=A#": 1})
        assert ask(energy=1, key="A#") == by_column != ask(energy=1, key="A")
        nothing = ask(energy=1, **{"key=A": 0, "key=A#": 0})
        assert ask(energy=1, key=None) == ask(energy=1, key="H") == nothing
        lacking = client.post("/v1/genre", json={"energy": 1})
        assert lacking.json()["missing"] == ["key"]
        why = client.post("/v1/genre/why", json={"energy": 1, "key": "A"}).json()["reasons"]
        assert {reason["part"] for reason in why} == {"energy", "key"}


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(("task", "side", "largest"), [("digits", 8, 16), ("mnist", 28, 255)])
def test_images_as_numbers_and_png(full: TestClient, task: str, side: int, largest: int) -> None:
    stroke = np.zeros((side, side))
    stroke[2:-2, side // 2] = largest
    numbers = full.post(f"/v1/{task}", json={"pixels": stroke.tolist()}).json()
    assert set(numbers["probabilities"]) == set("0123456789")
    light = (stroke / largest * 255).astype(np.uint8)
    for picture in (light, 255 - light):  # light on dark, and dark on light
        answer = full.post(
            f"/v1/{task}", content=png(picture), headers={"Content-Type": "image/png"}
        ).json()
        assert answer["probabilities"] == pytest.approx(numbers["probabilities"], abs=1e-3)
    form = full.post(f"/v1/{task}", files={"file": ("a.png", png(light))})
    assert form.json()[task] == numbers[task]
    larger = np.kron(stroke, np.ones((4, 4))) / largest
    resized = full.post(f"/v1/{task}", json={"pixels": larger.tolist(), "largest": 1}).json()
    assert resized["probabilities"] == pytest.approx(numbers["probabilities"], abs=1e-3)


@pytest.mark.parametrize(
    "body",
    [
        {"pixels": [[1, 2], [3]]},
        {"pixels": []},
        {"pixels": "picture"},
        {"pixels": [[-1.0] * 28] * 28},
        {"pixels": [[0.0] * 600] * 600},
        {"pixels": [[0.0] * 28] * 28, "largest": 0},
        {"pixels": [[1e300] * 28] * 28},
        {"pixels": [[10**400] * 28] * 28},
        {"picture": 1},
    ],
)
def test_faulty_images(full: TestClient, body: dict[str, Any]) -> None:
    assert problem_of(full.post("/v1/mnist", json=body)) == (422, "invalid-input")


def test_damaged_and_foreign_pictures(full: TestClient) -> None:
    kind = {"Content-Type": "image/png"}
    whole = png(np.zeros((28, 28), dtype=np.uint8))
    assert problem_of(full.post("/v1/mnist", content=whole[:40], headers=kind))[0] == 400
    assert problem_of(full.post("/v1/mnist", content=b"GIF89a..", headers=kind))[0] == 415
    wide = png(np.zeros((1, 4_000_001), dtype=np.uint8))
    assert problem_of(full.post("/v1/mnist", content=wide, headers=kind)) == (413, "too-large")


@pytest.mark.parametrize("form", ["one", "list"])
def test_a_picture_that_pillow_itself_takes_for_an_attack(full: TestClient, form: str) -> None:
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0),
        b"IDAT": zlib.compress(bytes(10)),
        b"IEND": b"",
    }
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )
    if form == "one":
        answer = full.post("/v1/mnist", content=bomb, headers={"Content-Type": "image/png"})
        assert problem_of(answer) == (413, "too-large")
    else:
        answer = full.post("/v1/mnist", files=[("file", ("a.png", bomb))] * 2)
        problems = [item["problem"]["type"] for item in answer.json()["answers"]]
        assert problems == ["/problems/too-large"] * 2


def test_the_pictures_of_one_request_have_a_budget_together(full: TestClient) -> None:
    bomb = png(np.zeros((2000, 2000), dtype=np.uint8))
    small = png(np.zeros((28, 28), dtype=np.uint8))
    files = [("file", (f"{n}.png", bomb)) for n in range(20)]
    files += [("file", (f"small {n}.png", small)) for n in range(20)]
    started = time.monotonic()
    answer = full.post("/v1/mnist", files=files)
    assert time.monotonic() - started < 5
    assert answer.status_code == 200
    kinds = ["problem" if "problem" in item else "answer" for item in answer.json()["answers"]]
    assert kinds == ["answer"] * 4 + ["problem"] * 36


def test_the_deadline_is_looked_at_between_the_items_of_a_request(
    full: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = []

    def slow(*arguments: object) -> None:
        decoded.append(arguments)
        time.sleep(0.2)
        raise InputError("slow")

    monkeypatch.setattr(decoding, "decode", slow)
    items = {"items": [{"pixels": [[0]]}] * 50}
    answer = full.post("/v1/mnist", json=items, headers={"X-Deadline-S": "0.5"})
    assert problem_of(answer) == (504, "deadline")
    deadline = time.monotonic() + 10
    while len(decoded) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    seen = -1
    while seen != len(decoded):
        seen = len(decoded)
        time.sleep(0.5)
    assert seen < 10


@pytest.mark.parametrize(("format_name", "tolerance"), [("JPEG", 0.02), ("WEBP", 0.02)])
def test_pictures_of_phones(full: TestClient, format_name: str, tolerance: float) -> None:
    stroke = np.full((280, 280), 255, dtype=np.uint8)
    stroke[40:240, 120:160] = 0
    upright = Image.fromarray(stroke).convert("RGB")
    lying = upright.rotate(90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    buffers = [io.BytesIO() for _ in range(2)]
    upright.save(buffers[0], format=format_name, quality=95)
    lying.save(buffers[1], format=format_name, quality=95, exif=exif)
    kind = {"Content-Type": f"image/{format_name.lower()}"}
    expected = full.post("/v1/mnist", content=png(stroke), headers={"Content-Type": "image/png"})
    for buffer in buffers:
        answer = full.post("/v1/mnist", content=buffer.getvalue(), headers=kind)
        assert answer.json()["probabilities"] == pytest.approx(
            expected.json()["probabilities"], abs=tolerance
        )
    damaged = full.post("/v1/mnist", content=buffers[0].getvalue()[:60], headers=kind)
    assert problem_of(damaged) == (400, "malformed-body")
    assert format_name in damaged.json()["detail"]


def test_a_photograph_of_twelve_million_pixels_is_decoded_small(full: TestClient) -> None:
    buffer = io.BytesIO()
    Image.new("L", (4000, 3000), 255).save(buffer, format="JPEG")
    kind = {"Content-Type": "image/jpeg"}
    assert full.post("/v1/mnist", content=buffer.getvalue(), headers=kind).status_code == 200


def test_texts(full: TestClient) -> None:
    one = full.post("/v1/sentiment", json={"text": "A fine, GOOD film."}).json()
    assert one["sentiment"] == "positive"
    plain = {"Content-Type": "text/plain"}
    same = full.post("/v1/sentiment", content="a fine good film", headers=plain).json()
    assert same["probabilities"] == one["probabilities"]
    other = full.post("/v1/sentiment", json={"text": "a dull film"}).json()
    assert other["probabilities"] != one["probabilities"]
    several = full.post("/v1/sentiment", json={"items": ["fine", {"text": " "}]}).json()
    assert several["answers"][1]["problem"]["status"] == 422
    assert problem_of(full.post("/v1/sentiment", content=b"\xff", headers=plain))[0] == 400
    assert problem_of(full.post("/v1/sentiment", json={"text": "x" * 100_001}))[0] == 413


def test_classify_answers_a_mixture_and_names_its_gaps(
    full: TestClient, midi_factory: Callable[..., bytes]
) -> None:
    midi = midi_factory()
    body = {
        "midi": base64.b64encode(midi).decode(),
        "table": SONG,
        "image": {"pixels": [[0.0] * 28] * 28},
        "text": "fine",
    }
    answer = full.post("/v1/classify", json=body).json()
    assert set(answer["answers"]) == {"composer", *TASKS}
    assert set(answer["gaps"]) == {"waiting"}
    assert answer["gaps"]["waiting"]["type"] == "/problems/no-champion"
    alone = full.post("/v1/composer", content=midi, headers=MIDI).json()
    assert answer["answers"]["composer"] == alone
    form = full.post("/v1/classify", files={"file": ("a.mid", midi), "text": (None, b"fine")})
    assert set(form.json()["answers"]) == {"composer", "sentiment"}


def test_classify_fails_when_a_hard_node_fails(full: TestClient) -> None:
    soft = full.post("/v1/classify", json={"table": {"energy": 1}, "text": "fine"}).json()
    assert set(soft["gaps"]) == {"genre", "emotion"}
    hard = full.post("/v1/classify", json={"midi": base64.b64encode(b"x").decode(), "text": "a"})
    assert problem_of(hard) == (422, "not-midi")
    assert hard.json()["node"] == "composer"


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ([], 422), ({"video": 1}, 422), ({"midi": "not base64"}, 422), ({"midi": 3}, 422)],
)
def test_faulty_mixtures(full: TestClient, body: Any, status: int) -> None:
    assert full.post("/v1/classify", json=body).status_code == status


def test_an_ensemble_is_the_weighted_mean_and_survives_a_lost_member(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store, task="by_chunks", favour=0)
    write_bundle(store, task="by_features", favour=1, inputs=("features",))
    node = NodeSettings(reads="midi", ensemble={"by_chunks": 3, "by_features": 1, "lost": 9})
    alone = {name: NodeSettings(reads="midi") for name in ("by_chunks", "by_features")}
    service = make_service(nodes={"composer": node, **alone})
    with local_client(service) as client:
        said = {
            name: client.post(f"/v1/{name}", content=midi_factory(), headers=MIDI).json()
            for name in ("composer", "by_chunks", "by_features")
        }
    for label in COMPOSERS:
        mean = 0.75 * said["by_chunks"]["probabilities"][label]
        mean += 0.25 * said["by_features"]["probabilities"][label]
        assert said["composer"]["probabilities"][label] == pytest.approx(mean, abs=1e-5)
    assert said["composer"]["gaps"] == ["lost"]
    assert [model["name"] for model in said["composer"]["ensemble"]] == ["by_chunks", "by_features"]
    segments = zip(said["composer"]["segments"], said["by_chunks"]["segments"], strict=True)
    assert all(mixed["start_s"] == own["start_s"] for mixed, own in segments)
    assert all(segment["disputed"] for segment in said["composer"]["segments"])
    assert "disputed" not in said["by_chunks"]["segments"][0]


def test_an_answer_can_be_unsure(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store)
    nodes = {"composer": NodeSettings(reads="midi", unsure_below=0.999)}
    with local_client(make_service(nodes=nodes)) as client:
        answer = client.post("/v1/composer", content=midi_factory(), headers=MIDI).json()
    assert answer["unsure"] is True


def test_a_body_of_another_kind_than_the_model_reads_is_refused(
    full: TestClient, midi_factory: Callable[..., bytes]
) -> None:
    response = full.post("/v1/genre", content=midi_factory(), headers=MIDI)
    assert problem_of(response) == (415, "unsupported-media-type")


def test_the_former_name_of_tables_is_still_read(full: TestClient) -> None:
    assert NodeSettings.model_validate({"reads": "song"}).reads == "table"
    answer = full.post("/v1/classify", json={"song": SONG}).json()
    assert set(answer["answers"]) == {"genre", "emotion"}


def test_a_task_that_no_configuration_names_is_served_from_its_promotion_on(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    service = make_service(nodes="auto")
    with local_client(service) as client:
        unknown = client.post("/v1/mood", content=midi_factory(), headers=MIDI)
        assert problem_of(unknown) == (404, "unknown-route")
        assert "/v1/mood" not in client.get("/openapi.json").json()["paths"]
        assert client.get("/readyz").status_code == 503
        write_bundle(store, task="mood", labels=("calm", "wild", "sad", "glad"))
        service.champions.refresh()
        answer = client.post("/v1/mood", content=midi_factory(), headers=MIDI).json()
        assert answer["mood"] == "calm"
        assert "/v1/mood/why" in client.get("/openapi.json").json()["paths"]
        (node,) = client.get("/v1/graph").json()["nodes"]
        assert (node["name"], node["reads"], node["ready"]) == ("mood", "midi", True)
        assert client.get("/readyz").status_code == 200
    ignoring = make_service(nodes={}, unlisted="ignore")
    with local_client(ignoring) as client:
        ignored = client.post("/v1/mood", content=midi_factory(), headers=MIDI)
        assert problem_of(ignored) == (404, "unknown-route")


def test_a_deadline_cuts_a_slow_node(
    store: Store,
    make_service: Callable[..., Service],
    midi_factory: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_bundle(store)
    service = make_service()
    monkeypatch.setattr(
        service.champions.get("composer").classifier, "predict", lambda _: time.sleep(1)
    )
    with local_client(service) as client:
        started = time.monotonic()
        response = client.post(
            "/v1/composer", content=midi_factory(), headers={**MIDI, "X-Deadline-S": "0.1"}
        )
        assert time.monotonic() - started < 0.9
        assert problem_of(response) == (504, "deadline")
        assert response.json()["node"] == "composer"
        wrong = client.post("/v1/composer", content=b"x", headers={**MIDI, "X-Deadline-S": "-1"})
        assert problem_of(wrong) == (422, "invalid-input")


def break_node(service: Service, task: str, fault: Callable[[Any], Any]) -> None:
    service.champions.get(task).classifier.predict = fault  # type: ignore[method-assign]


def refuse(_: Any) -> Any:
    message = "onnxruntime ran out of memory"
    raise ModelError(message)


def stumble(_: Any) -> Any:
    raise ZeroDivisionError


@pytest.mark.parametrize("fault", [refuse, stumble])
def test_a_failing_soft_node_is_a_named_gap_and_a_hard_one_fails_with_its_name(
    store: Store,
    make_service: Callable[..., Service],
    midi_factory: Callable[..., bytes],
    fault: Callable[[Any], Any],
) -> None:
    for task in ("composer", "genre", "emotion"):
        write_bundle(store, task=task)
    service = make_service(nodes={"composer": NodeSettings(failure="hard")})
    body = {"midi": base64.b64encode(midi_factory()).decode(), "table": SONG}
    with local_client(service) as client:
        break_node(service, "genre", fault)
        soft = client.post("/v1/classify", json=body)
        assert soft.status_code == 200
        assert set(soft.json()["answers"]) == {"composer", "emotion"}
        gap = soft.json()["gaps"]["genre"]
        assert (gap["type"], gap["node"]) == ("/problems/node-failed", "genre")
        break_node(service, "composer", fault)
        hard = client.post("/v1/classify", json=body)
        assert problem_of(hard) == (503, "node-failed")
        assert hard.json()["node"] == "composer"


def test_a_slow_soft_node_is_cut_and_the_others_answer(
    store: Store, make_service: Callable[..., Service]
) -> None:
    for task in ("genre", "emotion"):
        write_bundle(store, task=task)
    nodes = {
        "genre": NodeSettings(reads="table", timeout_s=0.1),
        "emotion": NodeSettings(reads="table"),
    }
    service = make_service(nodes=nodes, threads=2)
    break_node(service, "genre", lambda _: time.sleep(1))
    with local_client(service) as client:
        started = time.monotonic()
        answer = client.post("/v1/classify", json={"table": SONG}).json()
        assert time.monotonic() - started < 0.9
    assert set(answer["answers"]) == {"emotion"}
    assert answer["gaps"]["genre"]["type"] == "/problems/deadline"
    assert answer["gaps"]["genre"]["node"] == "genre"


def test_overload_is_refused_with_a_time_to_return(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store)
    service = make_service(limits={"in_flight": 1})
    with local_client(service) as client:
        with service.admission.enter():
            refused = client.post("/v1/composer", content=midi_factory(), headers=MIDI)
            assert client.get("/healthz").status_code == 200
        assert problem_of(refused) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        again = client.post("/v1/composer", content=midi_factory(), headers=MIDI)
        assert again.status_code == 200


@pytest.mark.parametrize(
    "views", [("notes",), ("chunks", "notes"), ("chunks", "notes", "features")]
)
def test_a_model_of_notes_reads_those_of_each_chunk_as_it_was_trained(
    store: Store,
    make_service: Callable[..., Service],
    midi_factory: Callable[..., bytes],
    views: tuple[str, ...],
) -> None:
    write_bundle(store, inputs=views)
    service = make_service()
    champion = service.champions.get("composer")
    piece = read_piece(midi_factory(n_notes=200))
    (judged,), _ = judge([piece], champion, Deadline.after(20))
    assert isinstance(judged, Prediction)
    assert judged.segments is not None
    notes = note_rows(piece.score.notes, judged.segments.starts_s, 15.0)
    assert len(notes) > 2
    given = {"notes": notes}
    if len(views) > 1:
        given["chunks"], _, _ = chunk_roll(velocity_roll(piece.score, 10))
    if len(views) > 2:
        given["features"] = np.repeat(piece.features[None], len(notes), axis=0)
    expected = champion.classifier.predict(given)
    np.testing.assert_allclose(judged.segments.probabilities, expected, atol=1e-6)
    np.testing.assert_allclose(judged.probabilities, expected.mean(axis=0), atol=1e-6)


def test_judging_many_pieces_at_once_is_judging_each(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store, inputs=("chunks", "features"))
    service = make_service()
    champion = service.champions.get("composer")
    pieces = [read_piece(midi_factory(seed=seed, n_notes=20 + 60 * seed)) for seed in range(4)]
    deadline = Deadline.after(60)
    together, _ = judge(pieces, champion, deadline)
    for piece, judged in zip(pieces, together, strict=True):
        (alone,), _ = judge([piece], champion, deadline)
        np.testing.assert_allclose(judged.probabilities, alone.probabilities, atol=1e-6)  # type: ignore[union-attr]


def test_the_settings_refuse_what_they_do_not_know() -> None:
    with pytest.raises(ValueError, match="Extra inputs"):
        Settings.model_validate({"thread": 3})
    with pytest.raises(ValueError, match="positive"):
        NodeSettings(ensemble={"one": 0})
    with pytest.raises(ValueError, match="names of nodes"):
        Settings(nodes={"classify": NodeSettings(reads="midi")})


def spread(store: Store) -> Any:
    """Run the application with every node in a deployment, in this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from ray import serve

        from tunesmith.serving.app import build

        nodes = {
            "composer": NodeSettings(reads="midi", placement="deployment"),
            "genre": NodeSettings(reads="table", placement="deployment"),
        }
        settings = Settings(store=store.uri, reload_s=0.05, nodes=nodes)
        return serve.run(build(settings), _local_testing_mode=True)


def test_deployments_say_what_inline_nodes_say(
    store: Store, make_service: Callable[..., Service], midi_factory: Callable[..., bytes]
) -> None:
    write_bundle(store)
    inline = make_service()
    handle = spread(store)
    items = [read_piece(midi_factory(seed=seed)) for seed in range(3)]
    remote = handle.ask_node.remote("composer", items, 20.0, True).result()
    said = asyncio.run(inline.graph.ask("composer", lambda: items, Deadline.after(20), True))
    assert remote == said
    with pytest.raises(Exception, match="promoted"):
        handle.ask_node.remote("genre", [SONG], 20.0, False).result()


def test_a_missing_deployment_is_an_error(make_service: Callable[..., Service]) -> None:
    nodes = {"composer": NodeSettings(reads="midi", placement="deployment")}
    service = make_service(nodes=nodes)
    with pytest.raises(ModelError, match="deployment"):
        asyncio.run(service.graph.ask("composer", lambda: ["x"], Deadline.after(20)))
