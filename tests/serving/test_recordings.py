"""Recordings sent to the server: heard, answered, and refused with a reason."""

import base64
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.audio.sounds import CHORALE, MELODY, encoded, noise, wav
from tests.serving.conftest import local_client, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.audio import model
from tunesmith.serving.service import Service

LATE = {"X-Deadline-S": "60"}


def test_a_recording_is_answered_with_how_it_was_heard(client: TestClient) -> None:
    headers = {"Content-Type": "audio/mpeg", **LATE}
    raw = client.post("/v1/composer", content=encoded("mp3"), headers=headers)
    assert raw.status_code == 200, raw.text
    piece = raw.json()["piece"]
    assert piece["notes"] >= len(CHORALE)
    assert 0.4 < piece["transcription"]["certainty"] < 0.9
    assert piece["transcription"]["heard_s"] == pytest.approx(10.75, abs=0.1)
    files = {"file": ("a.mp3", encoded("mp3"), "audio/mpeg")}
    assert client.post("/v1/composer", files=files, headers=LATE).json() == raw.json()
    why = client.post("/v1/composer/why", content=encoded("mp3"), headers=headers)
    assert why.json()["composer"] == raw.json()["composer"]


def test_a_list_of_music_may_hold_recordings(
    client: TestClient, midi_factory: Callable[..., bytes]
) -> None:
    contents = (midi_factory(seed=1), encoded("flac", MELODY), wav(noise(3)))
    files = [("file", (f"{n}", content)) for n, content in enumerate(contents)]
    answers = client.post("/v1/composer", files=files, headers=LATE).json()["answers"]
    assert answers[0]["piece"]["transcription"] is None
    assert answers[1]["piece"]["transcription"]["certainty"] > 0.4
    assert answers[2]["problem"]["type"] == "/problems/no-music"


def test_several_models_hear_a_recording_once(
    store: Store, make_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bundle(store)
    write_bundle(store, task="composer_all")
    windows: list[model.Posteriors] = []
    hear = model.posteriors

    def counted(sound: Any) -> Iterator[model.Posteriors]:
        for window in hear(sound):
            windows.append(window)
            yield window

    monkeypatch.setattr("tunesmith.audio.reading.posteriors", counted)
    body = {"midi": base64.b64encode(encoded("flac", MELODY)).decode()}
    with local_client(make_service()) as client:
        answer = client.post("/v1/classify", json=body, headers=LATE)
        assert set(answer.json()["answers"]) == {"composer", "composer_all"}, answer.text
        heard = len(windows)
        assert heard == 3
        body = {"midi": base64.b64encode(wav(noise(3))).decode()}
        gaps = client.post("/v1/classify", json=body, headers=LATE).json()["gaps"]
        assert {gap["type"] for gap in gaps.values()} == {"/problems/no-music"}
        assert len(gaps) == 2


@pytest.mark.parametrize(
    ("content", "status", "name", "word"),
    [
        (encoded("mp3")[:300], 422, "unreadable-recording", "damaged"),
        (encoded("m4a")[:9000], 422, "unreadable-recording", "damaged"),
        (b"\xff\xfb\x90\x64" + bytes(2000), 422, "unreadable-recording", "damaged"),
        (wav(np.zeros(60_000, np.float32)), 422, "no-music", "no clear note"),
        (wav(noise(4)), 422, "no-music", "No music heard"),
        (b"This is a text that somebody named song.mp3", 422, "not-midi", "recording"),
    ],
    ids=["cut mp3", "cut m4a", "broken mp3", "silence", "noise", "text"],
)
@pytest.mark.parametrize("route", ["/v1/composer", "/v1/notes"])
def test_what_cannot_be_heard_is_a_problem_that_says_so(
    client: TestClient, content: bytes, status: int, name: str, word: str, route: str
) -> None:
    headers = {"Content-Type": "audio/mpeg"}
    problem = client.post(route, content=content, headers=headers)
    assert problem.status_code == status
    assert problem.json()["type"] == f"/problems/{name}"
    assert word in problem.json()["detail"]


def test_limits_of_recordings(store: Store, make_service: Callable[..., Service]) -> None:
    write_bundle(store)

    def post(content: bytes, **limits: Any) -> Any:
        with local_client(make_service(limits=limits)) as client:
            headers = {"Content-Type": "application/octet-stream", **LATE}
            return client.post("/v1/composer", content=content, headers=headers)

    recording = encoded("flac", MELODY)
    long = post(recording, midi_duration_s=2.0)
    assert (long.status_code, long.json()["limit"]) == (422, "max_duration_s")
    heard = post(recording, recording_s=2.5).json()["piece"]
    assert heard["transcription"]["heard_s"] == pytest.approx(2.5, abs=0.2)
    assert heard["duration_s"] < 3
    # The larger limit is for recordings alone.
    assert post(recording, body_bytes=2000).status_code == 200
    assert post(b"MThd" + bytes(3000), body_bytes=2000).status_code == 413
    assert post(recording, body_bytes=2000, recording_bytes=2000).status_code == 413


def test_without_the_extra_the_server_says_what_is_missing(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = encoded("mp3")
    monkeypatch.setitem(sys.modules, "av", None)
    problem = client.post("/v1/composer", content=recording, headers={"Content-Type": "audio/mp3"})
    assert problem.status_code == 501
    assert problem.json()["type"] == "/problems/not-installed"
    assert "pip install 'tunesmith[audio]'" in problem.json()["detail"]


def test_other_requests_are_answered_while_a_recording_is_heard(
    store: Store,
    make_service: Callable[..., Service],
    midi_factory: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_bundle(store)
    begun, go_on = threading.Event(), threading.Event()

    def slow(sound: Any) -> Any:
        begun.set()
        assert go_on.wait(60)
        return model.posteriors(sound)

    monkeypatch.setattr("tunesmith.audio.reading.posteriors", slow)
    with local_client(make_service(threads=1)) as client:
        answers: list[Any] = []

        def listen() -> None:
            answers.append(client.post("/v1/composer", content=encoded("flac"), headers=LATE))

        thread = threading.Thread(target=listen)
        thread.start()
        assert begun.wait(30)
        try:
            headers = {"Content-Type": "audio/midi"}
            assert client.post("/v1/composer", content=midi_factory(), headers=headers).is_success
            assert not answers
        finally:
            go_on.set()
            thread.join(60)
        assert answers[0].status_code == 200


@pytest.mark.parametrize("route", ["/v1/composer", "/v1/notes"])
def test_a_recording_keeps_to_the_deadline_and_its_work_ends(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    ended = threading.Event()

    def endless(sound: Any) -> Any:
        try:
            while True:
                time.sleep(0.02)
                yield next(model.posteriors(sound))
        finally:
            ended.set()

    monkeypatch.setattr("tunesmith.audio.reading.posteriors", endless)
    headers = {"Content-Type": "audio/flac", "X-Deadline-S": "0.5"}
    late = client.post(route, content=encoded("flac", MELODY), headers=headers)
    assert late.status_code == 504
    assert late.json()["type"] == "/problems/deadline"
    assert ended.wait(20)


def test_the_notes_of_any_file_of_music_can_be_had(
    client: TestClient, midi_factory: Callable[..., bytes]
) -> None:
    headers = {"Content-Type": "application/octet-stream"}
    answer = client.post("/v1/notes", content=encoded("m4a", MELODY), headers=headers).json()
    assert answer["reader"] == "m4a"
    assert answer["notes"] == len(answer["played"])
    starts = {pitch: start for start, _, pitch, _, _, _ in reversed(answer["played"])}
    assert starts[60] == pytest.approx(0.5, abs=0.05)
    assert answer["transcription"]["certainty"] > 0.4
    assert "transcribed" in answer["warnings"][0]
    assert answer["instruments"] == [{"name": "", "program": 0, "is_drum": False}]
    midi = midi_factory(n_notes=30, program=40)
    answer = client.post("/v1/notes", content=midi, headers=headers).json()
    assert [answer["instruments"][note[5]]["program"] for note in answer["played"]] == [40] * 30
    assert (answer["reader"], answer["transcription"]) == ("midi", None)
    assert len(answer["played"]) == 30
    wrong = client.post("/v1/notes", json={})
    assert wrong.status_code == 415
