"""Replicas that listen themselves: what lies between an asker and the graph."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
import uvicorn
import uvloop
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.nodes import free_port
from tests.serving.conftest import SONG_FEATURES, write_bundle
from tunesmith.artifacts.store import Store
from tunesmith.errors import TunesmithError
from tunesmith.serving.http.listener import Front
from tunesmith.serving.http.routes import make_app
from tunesmith.serving.service import Service
from tunesmith.serving.settings import ListenSettings

SONG = dict.fromkeys(SONG_FEATURES, 0.5)


class Life:
    """A server's side of the lifespan protocol."""

    def __init__(self, app: ASGIApp) -> None:
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self._heard: asyncio.Queue[Message] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        self.task = asyncio.create_task(self._live(app, scope))

    async def _live(self, app: ASGIApp, scope: Scope) -> None:
        await app(scope, self._heard.get, self.said.put)

    async def event(self, name: str) -> Message:
        """Tell the application of an event and return what it says."""
        await self._heard.put({"type": f"lifespan.{name}"})
        return await asyncio.wait_for(self.said.get(), 20)


@contextlib.asynccontextmanager
async def listening(app: ASGIApp, port: int) -> AsyncIterator[tuple[Front, Life]]:
    front = Front(app, ListenSettings(port=port))
    life = Life(front)
    assert (await life.event("startup"))["type"] == "lifespan.startup.complete"
    try:
        yield front, life
    finally:
        if not life.task.done():
            assert (await life.event("shutdown"))["type"] == "lifespan.shutdown.complete"
            await life.task


def named(name: str) -> ASGIApp:
    """Return an application that answers its name."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": name.encode()})

    return app


async def ask(port: int) -> str:
    """Ask over a connection of its own."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        return (await client.get("/")).text


async def until_nobody_listens(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return
        writer.close()
        await asyncio.sleep(0.01)


def test_the_application_is_served_whole(
    store: Store, make_service: Callable[..., Service]
) -> None:
    write_bundle(store, task="genre")
    app = make_app(make_service())
    port = free_port()

    async def run() -> httpx2.Response:
        async with (
            listening(app, port) as (front, _),
            httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client,
        ):
            front.check()
            return await client.post("/v1/genre", json=SONG, headers={"X-Request-ID": "a-request"})

    answer = asyncio.run(run())
    assert answer.json()["genre"] in {"Jazz", "Rock"}
    assert answer.headers.get_list("x-request-id") == ["a-request"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_replicas_share_a_port_and_one_that_ends_leaves_it_to_the_others() -> None:
    port = free_port()

    async def run() -> tuple[set[str], set[str]]:
        async with listening(named("first"), port):
            async with listening(named("second"), port):
                both = {await ask(port) for _ in range(60)}
            return both, {await ask(port) for _ in range(20)}

    assert asyncio.run(run()) == ({"first", "second"}, {"first"})


def test_what_is_in_work_is_answered_before_the_end() -> None:
    port = free_port()

    async def run() -> str:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            begun.set()
            await go_on.wait()
            await named("at last")(scope, receive, send)

        async with listening(slow, port) as (_, life):
            asking = asyncio.create_task(ask(port))
            await begun.wait()
            ending = asyncio.create_task(life.event("shutdown"))
            await until_nobody_listens(port)
            go_on.set()
            assert (await ending)["type"] == "lifespan.shutdown.complete"
            await life.task
            return await asking

    assert asyncio.run(run()) == "at last"


def test_a_kept_connection_is_answered_once_more_before_the_end() -> None:
    port = free_port()
    request = f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()

    async def run() -> list[bytes]:
        async with listening(named("kept"), port) as (_, life):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            _, quiet = await asyncio.open_connection("127.0.0.1", port)
            answers = []
            writer.write(request)
            answers.append(await reader.readuntil(b"kept\r\n0\r\n\r\n"))
            ending = asyncio.create_task(life.event("shutdown"))
            await until_nobody_listens(port)
            writer.write(request)
            answers.append(await asyncio.wait_for(reader.read(), 20))
            assert (await ending)["type"] == "lifespan.shutdown.complete"
            await life.task
            for each in (writer, quiet):
                each.close()
            return answers

    first, last = asyncio.run(run())
    assert b"connection: close" not in first
    assert last.startswith(b"HTTP/1.1 200")
    assert b"connection: close" in last


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_has_connected_is_answered_before_the_end(
    monkeypatch: pytest.MonkeyPatch, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    port = free_port()
    waiting: list[socket.socket] = []
    main_loop = uvicorn.Server.main_loop

    async def and_one_connects(self: uvicorn.Server) -> None:
        """Let a client connect at the last moment, when the server accepts nobody any more."""
        await main_loop(self)
        waiting.append(socket.create_connection(("127.0.0.1", port)))
        waiting[0].sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")

    monkeypatch.setattr(uvicorn.Server, "main_loop", and_one_connects)

    async def run() -> None:
        async with listening(named("met"), port):
            pass

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(run())
    with waiting[0] as client:
        assert client.recv(15).startswith(b"HTTP/1.1 200 OK")


def test_a_taken_port_is_told_and_stops_the_replica() -> None:
    async def run(port: int) -> Message:
        life = Life(Front(named("nobody"), ListenSettings(port=port)))
        said = await life.event("startup")
        await life.task
        return said

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = asyncio.run(run(port))
    assert said["type"] == "lifespan.startup.failed"
    assert said["message"] == f"Cannot listen on 127.0.0.1:{port}: Address already in use."


def test_a_server_that_ends_by_itself_makes_the_replica_unhealthy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = asyncio.Event()

    async def end(server: Any, _: object) -> None:
        server.started = True
        await gone.wait()
        raise OSError("no memory")

    monkeypatch.setattr("uvicorn.Server.serve", end)

    async def run() -> None:
        async with listening(named("nobody"), free_port()) as (front, _):
            gone.set()
            while not (serving := front._serving) or not serving.done():
                await asyncio.sleep(0)
            with pytest.raises(TunesmithError, match=r"ended by itself: .*no memory"):
                front.check()

    asyncio.run(run())


def test_a_server_that_does_not_start_stops_the_replica(monkeypatch: pytest.MonkeyPatch) -> None:
    async def end(*_: object) -> None:
        raise OSError("no memory")

    monkeypatch.setattr("uvicorn.Server.serve", end)

    async def run() -> Message:
        life = Life(Front(named("nobody"), ListenSettings(port=free_port())))
        said = await life.event("startup")
        await life.task
        return said

    said = asyncio.run(run())
    assert said["type"] == "lifespan.startup.failed"
    assert "no memory" in said["message"]


def test_a_trace_of_the_asker_is_taken_up(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    port = free_port()
    seen: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(trace.get_current_span().get_span_context().trace_id)
        await named("seen")(scope, receive, send)

    async def run() -> None:
        url = f"http://127.0.0.1:{port}"
        header = f"00-{0xABC:032x}-{1:016x}-01"
        async with listening(app, port), httpx2.AsyncClient(base_url=url) as client:
            await client.get("/", headers={"traceparent": header})
            await client.get("/")

    asyncio.run(run())
    provider.shutdown()
    assert seen == [0xABC, 0]
