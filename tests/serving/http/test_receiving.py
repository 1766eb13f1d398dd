"""Receiving bodies: slow ones, large ones, compressed ones, and those in other character sets."""

import asyncio
import gzip
import http.client
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from tests.nodes import free_port
from tests.serving.conftest import SONG_FEATURES, local_client, write_bundle
from tests.serving.http.test_listener import listening
from tunesmith.artifacts.store import Store
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http import lingering, listener
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.http.receiving import Receiver
from tunesmith.serving.http.routes import make_app
from tunesmith.serving.limits import LimitSettings
from tunesmith.serving.service import Service

SONG = dict.fromkeys(SONG_FEATURES, 0.5)
JSON = {"Content-Type": "application/json"}


async def no_content(scope: Any, receive: Any, send: Any) -> None:
    """Answer 204 without reading the body."""
    del scope, receive
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


class Slow:
    """A request whose body never ends."""

    def __init__(self, first: bytes = b"{") -> None:
        self.headers: dict[str, str] = {}
        self._first = first

    async def stream(self) -> Any:
        """Yield the first bytes, then wait for ever."""
        yield self._first
        await asyncio.Event().wait()


def head_of(port: int, length: int) -> bytes:
    return (
        f"POST /v1/genre HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


def test_many_slow_uploads_are_cut_at_the_deadline_and_lock_no_one_out(
    store: Store, make_service: Callable[..., Service], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lingering, "LINGER_S", 0.2)
    write_bundle(store, task="genre")
    app = make_app(make_service(limits=LimitSettings(receive_s=8.0, in_flight=4)))
    port = free_port()
    body = json.dumps(SONG).encode()

    async def slow() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head_of(port, 100_000) + b"{")
        await writer.drain()
        answer = await reader.read()
        writer.close()
        return answer

    async def fast() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(head_of(port, len(body)) + body)
        status = await reader.readline()
        writer.close()
        return status

    async def run() -> tuple[list[bytes], list[bytes], float]:
        async with listening(app, port):
            uploads = [asyncio.create_task(slow()) for _ in range(200)]
            await asyncio.sleep(0)
            statuses = [await fast()]
            assert not any(upload.done() for upload in uploads)
            statuses += [await fast() for _ in range(19)]
            started = time.monotonic()
            return statuses, await asyncio.gather(*uploads), time.monotonic() - started

    statuses, cut, waited_s = asyncio.run(run())
    assert {status.split()[1] for status in statuses} == {b"200"}
    assert {answer.split()[1] for answer in cut} == {b"408"}
    assert all(b"/problems/slow-upload" in answer for answer in cut)
    assert waited_s < 16.0


def test_the_longest_upload_gives_way_where_there_are_too_many_or_too_much_is_held() -> None:
    async def first_of(limits: LimitSettings) -> ProblemError:
        receiver = Receiver(limits)
        uploads = []
        for _ in range(3):
            reading = receiver.read(Slow(b"x" * 600), Deadline.after(60))  # type: ignore[arg-type]
            uploads.append(asyncio.create_task(reading))
            await asyncio.sleep(0)
        done, waiting = await asyncio.wait(uploads, timeout=5, return_when="FIRST_COMPLETED")
        assert done == {uploads[0]}
        for upload in waiting:
            upload.cancel()
        problem = uploads[0].exception()
        assert isinstance(problem, ProblemError)
        return problem

    for limits in (LimitSettings(receiving=2), LimitSettings(receiving_bytes=1500)):
        problem = asyncio.run(first_of(limits))
        assert problem.kind.name == "overloaded"
        assert "longest" in problem.detail


def test_the_client_s_own_deadline_also_holds_while_receiving() -> None:
    async def run() -> None:
        slow: Any = Slow()
        await Receiver(LimitSettings()).read(slow, Deadline.after(0.05))

    with pytest.raises(ProblemError) as caught:
        asyncio.run(run())
    assert caught.value.kind.name == "deadline"


@pytest.mark.parametrize("declared", [True, False])
def test_a_refusal_of_a_large_body_arrives(
    store: Store, make_service: Callable[..., Service], declared: bool
) -> None:
    """A client that sends everything before it reads must not find the connection reset."""
    write_bundle(store, task="genre")
    app = make_app(make_service(limits=LimitSettings(body_bytes=100_000)))
    port = free_port()
    size = 30_000_000

    def send() -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        body: Any = bytes(size) if declared else iter([bytes(1_000_000)] * (size // 1_000_000))
        connection.request("POST", "/v1/genre", body, JSON, encode_chunked=not declared)
        answer = connection.getresponse()
        return answer.status, json.load(answer)["type"]

    async def run() -> tuple[int, str]:
        async with listening(app, port):
            return await asyncio.to_thread(send)

    assert asyncio.run(run()) == (413, "/problems/too-large")


def test_a_head_that_never_ends_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "HEAD_S", 0.2)
    port = free_port()

    async def ask(first: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(first)
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        return answer

    async def run() -> tuple[bytes, ...]:
        whole = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        async with listening(no_content, port):
            return await ask(b""), await ask(whole[:20]), await ask(whole + whole[:20])

    nothing, half, second = asyncio.run(run())
    assert nothing.startswith(b"HTTP/1.1 408 ")
    assert half.startswith(b"HTTP/1.1 408 ")
    assert second.startswith(b"HTTP/1.1 204 ")
    assert b"HTTP/1.1 408 " in second


def test_a_head_that_is_too_large_is_cut() -> None:
    """Nobody's key is known before the head ends, so it must cost little."""
    port = free_port()

    async def ask(head: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with suppress(ConnectionError):
            writer.write(head)
            await writer.drain()
        answer = await asyncio.wait_for(reader.readline(), 10)
        writer.close()
        return answer

    async def run() -> list[bytes]:
        begin = b"GET / HTTP/1.1\r\nHost: x\r\n"
        many = b"".join(b"X-%d: 1\r\n" % number for number in range(1000))
        heads = (begin, begin + b"X: " + b"a" * 50_000 + b"\r\n", begin + many)
        async with listening(no_content, port):
            answers = [await ask(head + b"\r\n") for head in heads]
            # Without an end: it is not waited for.
            return [*answers, await ask(begin + b"X: " + b"a" * 400_000)]

    statuses = [int(line.split()[1]) for line in asyncio.run(run())]
    assert statuses == [204, 204, 431, 431]


@pytest.fixture
def genre(store: Store, make_service: Callable[..., Service]) -> Service:
    """Return a service of songs."""
    write_bundle(store, task="genre")
    write_bundle(store, task="sentiment")
    return make_service(limits=LimitSettings(body_bytes=50_000))


def test_bodies_may_be_compressed(genre: Service) -> None:
    packed = {**JSON, "Content-Encoding": "gzip"}
    with local_client(genre) as client:

        def ask(content: bytes, **headers: str) -> tuple[int, str]:
            response = client.post("/v1/genre", content=content, headers={**packed, **headers})
            return response.status_code, response.json().get("type", "")

        whole = gzip.compress(json.dumps(SONG).encode())
        assert ask(whole) == (200, "")
        assert ask(whole[:-9]) == (400, "/problems/malformed-body")
        assert ask(whole + b"more") == (400, "/problems/malformed-body")
        assert ask(json.dumps(SONG).encode()) == (400, "/problems/malformed-body")
        assert ask(gzip.compress(b"")) == (400, "/problems/empty-body")
        bomb = gzip.compress(bytes(30_000_000))
        assert len(bomb) < 50_000
        assert ask(bomb) == (413, "/problems/too-large")
        unread = {"Content-Encoding": "br"}
        assert ask(whole, **unread) == (415, "/problems/unsupported-media-type")


def test_texts_are_read_in_the_character_set_that_is_declared(genre: Service) -> None:
    with local_client(genre) as client:

        def ask(path: str, content: bytes, kind: str) -> int:
            headers = {"Content-Type": kind}
            return int(client.post(path, content=content, headers=headers).status_code)

        table = ",".join(SONG) + "\n0.5,0.5,0.5\n"
        named = ("é," + table).replace("\n0", "\nü,0")
        for charset in ("latin-1", "utf-16", "windows-1252", "utf-8"):
            kind = f'text/csv; charset="{charset}"'
            assert ask("/v1/genre", named.encode(charset), kind) == 200
            text = "good and fine: très bien".encode(charset)
            assert ask("/v1/sentiment", text, f"text/plain; charset={charset}") == 200
            song = json.dumps({**SONG, "é": "ü"}, ensure_ascii=False).encode(charset)
            assert ask("/v1/genre", song, f"application/json; charset={charset}") == 200
        assert ask("/v1/genre", named.encode("latin-1"), "text/csv") == 400
        for unknown in ("klingon", "zip", "rot13", "undefined", "idna"):
            assert ask("/v1/genre", table.encode(), f"text/csv; charset={unknown}") == 415
