"""The graph: decoded items flow to the nodes, inline or in deployments.

A node is one classifier. Its place is configuration: inline nodes are computed in one hop to a
worker thread, decoding included; the others are asked through Ray and computed in their own
replicas. Either way the work is `Worker.answer`.

    bytes ──decode──▶ piece ─┬─▶ node a ─┐
                             └─▶ node b ─┤
    JSON, CSV ──────▶ row ─────▶ node c ─┼──▶ one answer, with named gaps
    PNG, numbers ───▶ image ───▶ node d ─┤
    JSON, text ─────▶ text ────▶ node e ─┘
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from tunesmith.errors import ModelError
from tunesmith.inference.items import Item
from tunesmith.inference.pieces import Piece
from tunesmith.serving.answers import Explanation, Labelled, NodeAnswer
from tunesmith.serving.challengers import is_chosen
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.metrics import Metrics
from tunesmith.serving.nodes import Nodes
from tunesmith.serving.settings import NodeSettings
from tunesmith.serving.tracing import Traces
from tunesmith.serving.worker import Answer, Worker

__all__ = ["Graph", "Remote"]

logger = logging.getLogger("tunesmith.serve")

R = TypeVar("R")
Remote = Callable[[str, Sequence[Item], Deadline, bool, bool], Awaitable[list[Answer]]]
"""Asks a node placed in a deployment: name, items, deadline, detail, canary."""


class Graph:
    """The nodes and where each is computed.

    Parameters
    ----------
    nodes
        Looks nodes up.
    new_worker
        Returns what computes a node, by its name and settings.
    in_thread
        Runs blocking work off the event loop.
    remote
        Asks the others.
    metrics
        Where failures are counted.
    recognise
        Returns the label of the piece of a dataset that is the same music, None where none is.
    """

    def __init__(  # noqa: PLR0917  what the graph is made of
        self,
        nodes: Nodes,
        new_worker: Callable[[str, NodeSettings], Worker],
        in_thread: Callable[..., Awaitable[Any]],
        remote: Remote | None,
        metrics: Metrics,
        recognise: Callable[[str, Piece], str | None],
    ) -> None:
        self.nodes = nodes
        self._new_worker = new_worker
        self._workers: dict[str, Worker] = {}
        self._in_thread = in_thread
        self._remote = remote
        self._metrics = metrics
        self._recognise = recognise
        self._traces = Traces()

    async def ask(
        self,
        name: str,
        decode: Callable[[], Sequence[Item | ProblemError]],
        deadline: Deadline,
        detail: bool = False,
        asker: str = "",
    ) -> list[Answer]:
        """Return a node's answer about each item that `decode` yields; faulty items stay faults.

        `asker` decides whether the node's challenger answers, where one is tried.

        Raises
        ------
        ProblemError
            When the node as a whole fails, or its time is over.
        """
        node = self.nodes.settings(name)
        limit = deadline.sooner(node.timeout_s, name)
        canary = self._is_canary(name, asker)
        try:
            with self._traces.span(f"node {name}", placement=node.placement):
                async with asyncio.timeout(max(limit.left_s, 0)):
                    if node.placement == "inline":
                        answers: list[Answer] = await self._in_thread(
                            self._decode_and_answer, name, decode, limit, detail, canary
                        )
                        return answers
                    items = await self._in_thread(self._decode, decode)
                    answers = await self._ask_remote(name, items, limit, detail, canary)
                    if any(map(_is_none, answers)):
                        answers = await self._in_thread(self._recognised, items, answers)
                    return answers
        except TimeoutError:
            self._metrics.failure(name, problems.DEADLINE.name)
            raise limit.missed() from None
        except ProblemError as problem:
            self._metrics.failure(name, problem.kind.name)
            raise

    def _worker(self, name: str) -> Worker:
        worker = self._workers.get(name)
        if worker is None:
            made = self._new_worker(name, self.nodes.settings(name))
            worker = self._workers.setdefault(name, made)
        return worker

    def _is_canary(self, name: str, asker: str) -> bool:
        tried = self.nodes.settings(name).challenger
        return tried is not None and is_chosen(name, asker, tried.share)

    async def explain(
        self,
        name: str,
        decode: Callable[[], Sequence[Item | ProblemError]],
        deadline: Deadline,
        asker: str = "",
    ) -> Explanation:
        """Return why a node says what it says about one item; computed here, wherever it is placed.

        Raises
        ------
        ProblemError
            When the node fails, or its time is over.
        """
        canary = self._is_canary(name, asker)
        return await self._about_one(
            name,
            decode,
            deadline,
            lambda item, limit: self._worker(name).explain(item, limit, canary),
        )

    async def _about_one(
        self,
        name: str,
        decode: Callable[[], Sequence[Item | ProblemError]],
        deadline: Deadline,
        about: Callable[[Item, Deadline], R],
    ) -> R:
        """Return what a node says about the one item of a request, within its time."""
        limit = deadline.sooner(self.nodes.settings(name).timeout_s, name)

        def work() -> R:
            limit.check()
            item, *more = decode()
            if more:
                detail = "This is answered for one item at a time."
                raise ProblemError(problems.INVALID_INPUT, detail)
            if isinstance(item, ProblemError):
                raise item
            return about(item, limit)

        try:
            async with asyncio.timeout(max(limit.left_s, 0)):
                answer: R = await self._in_thread(work)
        except TimeoutError:
            raise limit.missed() from None
        except ModelError as error:
            logger.warning("node %s: %s", name, error)
            self._metrics.failure(name, problems.NODE_FAILED.name)
            text = f"The node {name!r} failed."
            raise ProblemError(problems.NODE_FAILED, text, node=name) from error
        return answer

    async def label(
        self,
        name: str,
        decode: Callable[[], Sequence[Item | ProblemError]],
        digest: str,
        label: str,
        deadline: Deadline,
    ) -> Labelled:
        """Compare a node's champion and challenger on one item with a known label.

        Raises
        ------
        ProblemError
            When the node fails, the label is unknown, or the time is over.
        """
        return await self._about_one(
            name,
            decode,
            deadline,
            lambda item, limit: self._worker(name).label(item, digest, label, limit),
        )

    async def _ask_remote(
        self,
        name: str,
        items: Sequence[Item | ProblemError],
        limit: Deadline,
        detail: bool,
        canary: bool,
    ) -> list[Answer]:
        if self._remote is None:
            message = f"The node {name} is placed in a deployment, and nothing asks deployments."
            raise ModelError(message)
        good = [item for item in items if not isinstance(item, ProblemError)]
        answers = iter(await self._remote(name, good, limit, detail, canary) if good else ())
        return [item if isinstance(item, ProblemError) else next(answers) for item in items]

    def _recognised(
        self, items: Sequence[Item | ProblemError], answers: Sequence[Answer]
    ) -> list[Answer]:
        """Return the answers; a piece that the model's data holds under a class is of that class.

        See `tunesmith.inference.predictions.Prediction.recognised`.
        """
        return [self._recognised_one(*pair) for pair in zip(items, answers, strict=True)]

    def _recognised_one(self, item: Item | ProblemError, answer: Answer) -> Answer:
        if isinstance(answer, ProblemError) or not _is_none(answer) or not isinstance(item, Piece):
            return answer
        label = self._recognise(answer.model.dataset, item)
        return replace(answer, none_of_these=False) if label in answer.probabilities else answer

    async def ask_all(
        self,
        wanted: Mapping[str, Callable[[], Sequence[Item | ProblemError]]],
        deadline: Deadline,
        asker: str = "",
    ) -> tuple[dict[str, NodeAnswer], dict[str, ProblemError]]:
        """Ask several nodes at once about one item each.

        Returns
        -------
        answers : dict
            By node.
        gaps : dict
            The soft nodes that have none, and why.

        Raises
        ------
        ProblemError
            The first one of a hard node.
        """

        async def one(name: str) -> Answer:
            try:
                (answer,) = await self.ask(name, wanted[name], deadline, asker=asker)
            except ProblemError as problem:
                return problem
            except Exception:  # a mistake in one node must not take the others' answers away
                logger.exception("unexpected: node %s", name)
                self._metrics.failure(name, problems.NODE_FAILED.name)
                return ProblemError(problems.NODE_FAILED, f"The node {name!r} failed.", node=name)
            return answer

        results = await asyncio.gather(*(one(name) for name in wanted))
        answers: dict[str, NodeAnswer] = {}
        gaps: dict[str, ProblemError] = {}
        for name, answer in zip(wanted, results, strict=True):
            if not isinstance(answer, ProblemError):
                answers[name] = answer
            elif self.nodes.settings(name).failure == "hard":
                answer.more.setdefault("node", name)
                raise answer
            else:
                gaps[name] = answer
        return answers, gaps

    def _decode(
        self, decode: Callable[[], Sequence[Item | ProblemError]]
    ) -> Sequence[Item | ProblemError]:
        with self._traces.span("decode"):
            return decode()

    def _decode_and_answer(
        self,
        name: str,
        decode: Callable[[], Sequence[Item | ProblemError]],
        deadline: Deadline,
        detail: bool,
        canary: bool,
    ) -> list[Answer]:
        """Do both in one hop to a worker thread."""
        deadline.check()
        items = self._decode(decode)
        good = [item for item in items if not isinstance(item, ProblemError)]
        worker = self._worker(name)
        answers = iter(worker.answer(good, deadline, detail, canary) if good else ())
        return self._recognised(
            items, [item if isinstance(item, ProblemError) else next(answers) for item in items]
        )


def _is_none(answer: Answer) -> bool:
    return isinstance(answer, NodeAnswer) and answer.none_of_these is True
