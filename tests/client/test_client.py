"""The client against the real application, and against servers that misbehave."""

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

import tunesmith.client
from tests.serving.conftest import SONG_FEATURES, TASKS, write_bundle
from tests.serving.test_similar import ingest_pieces
from tunesmith.artifacts.store import Store
from tunesmith.cli.predict import _task_for, main
from tunesmith.client import AsyncClient, Client, RequestRefused, ServerUnavailable
from tunesmith.errors import UsageError
from tunesmith.serving.http.routes import make_app
from tunesmith.serving.service import Service
from tunesmith.serving.settings import (
    ChallengerSettings,
    DecisionSettings,
    NodeSettings,
    SimilarSettings,
    shipped,
)

SONG = dict.fromkeys(SONG_FEATURES, 0.5)


def test_the_exported_names() -> None:
    assert tunesmith.client.__all__ == [
        "Answer",
        "AsyncClient",
        "Client",
        "ClientError",
        "Labelled",
        "LabelledAnswer",
        "Mixture",
        "Model",
        "Reason",
        "RequestRefused",
        "Segment",
        "ServerUnavailable",
        "Similar",
        "SimilarPiece",
        "Transcription",
    ]


def test_the_piece_of_a_dataset_is_named(
    store: Store, midi_factory: Callable[..., bytes], tmp_path: Path
) -> None:
    contents = {f"{n}.mid": midi_factory(seed=n) for n in range(2)}
    ingest_pieces(store, tmp_path / "mine", contents)
    service = Service(shipped(store=store.uri, similar=SimilarSettings(dataset="mine")))
    service.start()
    transport = httpx2.ASGITransport(app=make_app(service), client=("127.0.0.1", 50000))

    async def ask() -> None:
        async with AsyncClient("http://127.0.0.1", transport=transport) as client:
            nearest = await client.similar(midi_factory(seed=1, bpm=100), limit=1)
            assert nearest.match is not None
            assert nearest.match.path == "mine/1.mid"
            assert nearest.pieces == (nearest.match,)
            other = await client.similar(midi_factory(seed=50))
            assert (other.dataset, other.match) == ("mine", None)

    asyncio.run(ask())
    service.stop()


@pytest.fixture
def app(store: Store) -> Iterator[Any]:
    for task in ("composer", *TASKS):
        write_bundle(store, task=task, favour=1)
    tried = ChallengerSettings(decide=DecisionSettings())
    nodes = {"waiting": NodeSettings(reads="midi"), "genre": NodeSettings(challenger=tried)}
    service = Service(shipped(store=store.uri, nodes=nodes))
    service.start()
    yield make_app(service)
    service.stop()


def test_every_method_against_the_application(
    app: Any, midi_factory: Callable[..., bytes], tmp_path: Path
) -> None:
    file = tmp_path / "a.mid"
    file.write_bytes(midi_factory(n_notes=150))

    async def ask() -> None:
        transport = httpx2.ASGITransport(app, client=("127.0.0.1", 1))
        async with AsyncClient("http://127.0.0.1", transport=transport) as client:
            answer = await client.predict("composer", file, detail=True)
            assert (answer.label, answer.notes) == ("Beethoven", 150)
            assert answer.probability == max(answer.probabilities.values())
            assert answer.segments[0].probabilities[answer.segments[0].label] > 0
            assert answer.model.version == 1
            spoke = await client.why("composer", file)
            assert {"Notes from C4 to B4"} < {reason.part for reason in spoke}
            assert (spoke[0].effect > 0) == (spoke[0].probability_without < answer.probability)
            first, second = await client.predict_many("composer", [file, b"no music"])
            assert first.label == "Beethoven"  # type: ignore[union-attr]
            assert isinstance(second, RequestRefused)
            assert second.kind == "not-midi"
            assert (await client.predict("genre", SONG)).label == "Rock"
            assert len(await client.predict_many("genre", [SONG] * 3)) == 3
            labelled = await client.label("genre", SONG, "Jazz")
            (only,) = labelled.answers
            assert (only.answer, only.is_right, only.is_challenger) == ("Rock", False, False)
            assert not labelled.counted  # nothing is tried
            assert (await client.predict("sentiment", "fine")).label == "positive"
            mixture = await client.classify(midi=file, table=SONG, text="fine")
            assert set(mixture.answers) == {"composer", "genre", "emotion", "sentiment"}
            assert mixture.gaps["waiting"].kind == "no-champion"
            assert {card["name"] for card in await client.models()} == {"composer", *TASKS}
            assert any(node["ready"] for node in await client.graph())
            with pytest.raises(RequestRefused, match="This is a text without notes") as caught:
                await client.predict("composer", b"no music")
            assert caught.value.status == 422
            with pytest.raises(RequestRefused):
                await client.predict("nothing", SONG)

    asyncio.run(ask())


ANSWER = {
    "composer": "Bach",
    "unsure": False,
    "probabilities": {"Bach": 1.0},
    "segments": [],
    "model": {"name": "composer", "version": 1, "dataset": "d@1"},
    "piece": {"duration_s": 1.0, "notes": 1},
}


class Script:
    """A transport that plays responses and errors in order."""

    def __init__(self, *steps: Any) -> None:
        self.steps = list(steps)
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return step


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    slept: list[float] = []
    monkeypatch.setattr("tunesmith.client._clients.time.sleep", slept.append)
    return slept


def ask(script: Script, **options: Any) -> Any:
    with Client(transport=httpx2.MockTransport(script), **options) as client:
        return client.predict("composer", b"MThd")


def busy(**headers: str) -> httpx2.Response:
    problem = {"type": "/problems/overloaded", "status": 503, "detail": "full"}
    return httpx2.Response(503, json=problem, headers=headers)


def test_an_overloaded_server_is_asked_again_when_it_says(waits: list[float]) -> None:
    script = Script(busy(**{"Retry-After": "3"}), busy(), httpx2.Response(200, json=ANSWER))
    assert ask(script).label == "Bach"
    assert 3 <= waits[0] <= 3.4
    assert 0 < waits[1] < 1
    assert script.requests[0].headers["x-deadline-s"] == "30"


def test_a_broken_connection_is_tried_again(waits: list[float]) -> None:
    broken = httpx2.RemoteProtocolError("Server disconnected")
    assert ask(Script(broken, httpx2.Response(200, json=ANSWER))).label == "Bach"
    assert len(waits) == 1


def test_giving_up(waits: list[float]) -> None:
    with pytest.raises(ServerUnavailable, match="Is the server running"):
        ask(Script(*[httpx2.ConnectError("refused")] * 3), tries=3)
    assert len(waits) == 2
    with pytest.raises(ServerUnavailable, match="full"):
        ask(Script(busy(**{"Retry-After": "100"})), patience_s=50)
    assert len(waits) == 2


@pytest.mark.parametrize(
    "response",
    [
        httpx2.Response(422, json={"type": "/problems/not-midi", "detail": "no"}),
        httpx2.Response(401, json={"type": "/problems/key-required", "detail": "no"}),
        httpx2.Response(503, json={"type": "/problems/no-champion", "detail": "no"}),
        httpx2.Response(500, text="no"),
        httpx2.Response(200, text="<html>no"),
    ],
)
def test_what_would_not_help_is_not_tried_again(
    waits: list[float], response: httpx2.Response
) -> None:
    with pytest.raises((RequestRefused, ServerUnavailable), match="no"):
        ask(Script(response))
    assert waits == []


def test_the_key_is_sent() -> None:
    script = Script(httpx2.Response(200, json=ANSWER))
    ask(script, key="ts_x")
    assert script.requests[0].headers["authorization"] == "Bearer ts_x"


def test_the_command_prints_a_line_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = Script(
        httpx2.Response(200, json=ANSWER),
        httpx2.Response(422, json={"type": "/problems/not-midi", "detail": "no music"}),
    )
    transport = httpx2.MockTransport(script)

    class Scripted(Client):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, transport=transport)

    monkeypatch.setattr("tunesmith.client.Client", Scripted)
    files = [tmp_path / "a.mid", tmp_path / "b.mid"]
    for file in files:
        file.write_bytes(b"MThd")
    result = CliRunner().invoke(main, ["--task", "composer", *map(str, files)])
    assert result.exit_code == 1
    assert result.stdout == f"{files[0]}: Bach 100%\n"
    assert "no music" in result.stderr


def test_the_command_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    why = {
        "reasons": [
            {"part": "Rhythm", "effect": 1.5, "probability_without": 0.7},
            {"part": "Loud and soft", "effect": -0.5, "probability_without": 1.0},
        ]
    }
    answers = (httpx2.Response(200, json=body) for body in (ANSWER, why) * 2)
    transport = httpx2.MockTransport(Script(*answers))

    class Scripted(Client):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, transport=transport)

    monkeypatch.setattr("tunesmith.client.Client", Scripted)
    file = tmp_path / "a.mid"
    file.write_bytes(b"MThd")
    result = CliRunner().invoke(main, ["--task", "composer", "--why", str(file)])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "    Rhythm: for it; 70% without it",
        "    Loud and soft: against it; 100% without it",
    ]
    result = CliRunner().invoke(main, ["--task", "composer", "--why", "--json", str(file)])
    (answer,) = json.loads(result.stdout)["answers"]
    assert answer["why"] == why["reasons"]


@pytest.mark.parametrize(
    ("reads", "task", "message"),
    [
        ({"mood": "midi", "genre": "table"}, "mood", ""),
        ({"mood": "midi", "era": "midi"}, None, "era, mood do. Name one with --task"),
        ({"genre": "table"}, None, "none does; the server has coming, genre"),
    ],
    ids=["one", "several", "none"],
)
def test_the_command_finds_the_only_task_that_reads_a_file(
    reads: dict[str, str], task: str | None, message: str
) -> None:
    nodes = [{"name": name, "reads": kind, "ready": True} for name, kind in reads.items()]
    nodes.append({"name": "coming", "reads": "midi", "ready": False})
    client = SimpleNamespace(graph=lambda: nodes)
    if task is not None:
        assert _task_for(client, Path("a.MID")) == task
    else:
        with pytest.raises(UsageError, match=message):
            _task_for(client, Path("a.MID"))
