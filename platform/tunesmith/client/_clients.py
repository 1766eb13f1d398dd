"""The clients: one core that makes requests and reads responses, one shell for each style."""

import asyncio
import email.utils
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2

from tunesmith.client._answers import (
    Answer,
    Labelled,
    Mixture,
    Reason,
    Similar,
    fault,
    read_answer,
    read_labelled,
    read_mixture,
    read_reasons,
    read_similar,
)
from tunesmith.client._errors import ClientError, ServerUnavailable
from tunesmith.client._requests import (
    Item,
    Patience,
    Request,
    classify_request,
    label_request,
    list_request,
    request,
    similar_request,
)

__all__ = ["AsyncClient", "Client", "Item"]

DEFAULT_URL = "http://127.0.0.1:8000"
_AGAIN = frozenset({429, 502, 503, 504})
# Retrying does not help with these.
_FINAL = frozenset({"no-champion", "no-index"})


def _read_many(task: str, body: Mapping[str, Any]) -> list[Answer | ClientError]:
    return [
        fault(one["problem"]["status"], one["problem"])
        if "problem" in one
        else read_answer(task, {**one, "model": body["model"]})
        for one in body["answers"]
    ]


def _retry_after_s(response: httpx2.Response) -> float | None:
    """Return Retry-After in seconds; the header holds a number or a date."""
    value = response.headers.get("retry-after", "")
    if value.isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


def _judge(response: httpx2.Response) -> Any:
    """Return a response's JSON.

    Raises
    ------
    ClientError
        If the response is a problem or not JSON.
    """
    try:
        body = response.json()
    except ValueError:
        body = None
    if response.is_success and body is not None:
        return body
    problem = body if isinstance(body, dict) else {"detail": response.text[:200]}
    raise fault(response.status_code if not response.is_success else 502, problem)


class _Core:
    """Settings and requests shared by both clients."""

    def __init__(
        self, url: str, key: str | None, timeout_s: float, tries: int, patience_s: float
    ) -> None:
        self._url = url.rstrip("/")
        self._timeout_s = timeout_s
        self._tries = tries
        self._patience_s = patience_s
        self._headers = {"X-Deadline-S": f"{timeout_s:g}"}
        if key:
            self._headers["Authorization"] = f"Bearer {key}"

    def _patience(self) -> Patience:
        return Patience(self._tries, self._patience_s)

    def _arguments(self, request: Request) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "method": request.method,
            "url": self._url + request.path,
            "params": dict(request.params),
            "headers": dict(self._headers),
        }
        if request.files:
            files = [("file", (f"{n}.mid", data)) for n, data in enumerate(request.files)]
            return arguments | {"files": files}
        if request.content_type:
            arguments["headers"]["Content-Type"] = request.content_type
            arguments["content"] = request.content
        return arguments

    def _unreachable(self, error: httpx2.TransportError) -> ServerUnavailable:
        reason = str(error).rstrip(".") or type(error).__name__
        return ServerUnavailable(f"{self._url} does not answer: {reason}. Is the server running?")

    @staticmethod
    def _after(response: httpx2.Response) -> tuple[bool, float | None]:
        """Return whether a retry may help, and the delay that the server asks for."""
        if response.status_code not in _AGAIN:
            return False, None
        final = any(f"/problems/{kind}" in response.text for kind in _FINAL)
        return not final, _retry_after_s(response)


class Client(_Core):
    """Client that blocks until the answer arrives.

    Parameters
    ----------
    url
        Address of the server.
    key
        API key; not needed if the server is on this machine.
    timeout_s
        Time limit of one try; also sent to the server.
    tries
        Largest number of tries if the server is overloaded or a connection breaks.
    patience_s
        Time limit of all tries, including the delays between them.
    transport
        Replacement of the network, for tests.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        key: str | None = None,
        *,
        timeout_s: float = 30.0,
        tries: int = 5,
        patience_s: float = 60.0,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        super().__init__(url, key, timeout_s, tries, patience_s)
        self._http = httpx2.Client(timeout=timeout_s, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _send(self, request: Request) -> Any:
        patience = self._patience()
        while True:
            try:
                response = self._http.request(**self._arguments(request))
                again, after_s = self._after(response)
                failed = None
            except httpx2.TransportError as error:
                again, after_s, failed = True, None, self._unreachable(error)
            wait_s = patience.wait_s(after_s) if again else None
            if wait_s is None:
                if failed is not None:
                    raise failed
                return _judge(response)
            time.sleep(wait_s)

    def predict(self, task: str, item: Item, *, detail: bool = False) -> Answer:
        """Return the prediction of a task for one item.

        Parameters
        ----------
        task
            ``composer``, ``genre``, … (see `graph`).
        item
            A file by path or content, a text, or a table's row or an image as a mapping.
        detail
            True to get the probability of every class for each segment.

        Raises
        ------
        RequestRefused
            If the item is invalid.
        ServerUnavailable
            If there was no answer after all retries.
        """
        return read_answer(task, self._send(request(task, item, detail)))

    def why(self, task: str, item: Item) -> tuple[Reason, ...]:
        """Return the reasons for and against an answer, the strongest first; of a piece or a row.

        Raises
        ------
        RequestRefused, ServerUnavailable
            As of `predict`.
        """
        return read_reasons(self._send(request(task, item, more="/why")))

    def label(self, task: str, item: Item, label: str) -> Labelled:
        """Tell the right label of an item, by which the challenger of a task is judged.

        Raises
        ------
        RequestRefused, ServerUnavailable
            As of `predict`.
        """
        return read_labelled(self._send(label_request(task, item, label)))

    def similar(self, piece: Path | bytes, *, limit: int = 10) -> Similar:
        """Return the piece of the server's dataset that a file of music is, and the nearest ones.

        Raises
        ------
        RequestRefused, ServerUnavailable
            As of `predict`.
        """
        return read_similar(self._send(similar_request(piece, limit)))

    def predict_many(
        self, task: str, items: Sequence[Item], *, detail: bool = False
    ) -> list[Answer | ClientError]:
        """Return the predictions of a task for several items of one kind, in one request.

        An invalid item has its error in place of a prediction.

        Raises
        ------
        RequestRefused, ServerUnavailable
            If the request as a whole was not answered.
        """
        if len(items) == 1:
            return [self.predict(task, items[0], detail=detail)]
        return _read_many(task, self._send(list_request(task, items, detail)))

    def classify(
        self,
        *,
        midi: Path | bytes | None = None,
        table: Mapping[str, Any] | None = None,
        image: Mapping[str, Any] | None = None,
        text: str | None = None,
    ) -> Mixture:
        """Return the predictions of all tasks for a piece, row, image and text at once."""
        return read_mixture(self._send(classify_request(midi, table, image, text)))

    def models(self) -> list[dict[str, Any]]:
        """Return the cards of the champions."""
        return list(self._send(Request("GET", "/v1/models"))["models"])

    def graph(self) -> list[dict[str, Any]]:
        """Return the tasks of the server, with the input of each and its readiness."""
        return list(self._send(Request("GET", "/v1/graph"))["nodes"])


class AsyncClient(_Core):
    """Client for an event loop, with the parameters and methods of `Client`.

    Parameters
    ----------
    url, key, timeout_s, tries, patience_s
        As of `Client`.
    transport
        Replacement of the network, for tests.
    """

    def __init__(
        self,
        url: str = DEFAULT_URL,
        key: str | None = None,
        *,
        timeout_s: float = 30.0,
        tries: int = 5,
        patience_s: float = 60.0,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__(url, key, timeout_s, tries, patience_s)
        self._http = httpx2.AsyncClient(timeout=timeout_s, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _send(self, request: Request) -> Any:
        patience = self._patience()
        while True:
            try:
                response = await self._http.request(**self._arguments(request))
                again, after_s = self._after(response)
                failed = None
            except httpx2.TransportError as error:
                again, after_s, failed = True, None, self._unreachable(error)
            wait_s = patience.wait_s(after_s) if again else None
            if wait_s is None:
                if failed is not None:
                    raise failed
                return _judge(response)
            await asyncio.sleep(wait_s)

    async def predict(self, task: str, item: Item, *, detail: bool = False) -> Answer:
        """Return the prediction of a task for one item; see `Client.predict`."""
        return read_answer(task, await self._send(request(task, item, detail)))

    async def why(self, task: str, item: Item) -> tuple[Reason, ...]:
        """Return the reasons for and against an answer; see `Client.why`."""
        return read_reasons(await self._send(request(task, item, more="/why")))

    async def label(self, task: str, item: Item, label: str) -> Labelled:
        """Tell the right label of an item; see `Client.label`."""
        return read_labelled(await self._send(label_request(task, item, label)))

    async def similar(self, piece: Path | bytes, *, limit: int = 10) -> Similar:
        """Return the piece of the server's dataset that it is; see `Client.similar`."""
        return read_similar(await self._send(similar_request(piece, limit)))

    async def predict_many(
        self, task: str, items: Sequence[Item], *, detail: bool = False
    ) -> list[Answer | ClientError]:
        """Return the predictions of a task for several items; see `Client.predict_many`."""
        if len(items) == 1:
            return [await self.predict(task, items[0], detail=detail)]
        return _read_many(task, await self._send(list_request(task, items, detail)))

    async def classify(
        self,
        *,
        midi: Path | bytes | None = None,
        table: Mapping[str, Any] | None = None,
        image: Mapping[str, Any] | None = None,
        text: str | None = None,
    ) -> Mixture:
        """Return the predictions of all tasks for a piece, row, image and text at once."""
        return read_mixture(await self._send(classify_request(midi, table, image, text)))

    async def models(self) -> list[dict[str, Any]]:
        """Return the cards of the champions."""
        return list((await self._send(Request("GET", "/v1/models")))["models"])

    async def graph(self) -> list[dict[str, Any]]:
        """Return the tasks of the server, with the input of each and its readiness."""
        return list((await self._send(Request("GET", "/v1/graph")))["nodes"])
