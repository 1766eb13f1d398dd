"""The graph: decoded items flow to the nodes of the configuration, inline or in deployments.

A node is one classifier. Where it runs is configuration: inline nodes are computed in one hop to a
worker thread, decoding included; the others are asked through Ray and computed in their own
replicas. Either way the work is `Worker.answer`.

    bytes ──decode──▶ piece ─┬─▶ composer ─────┐
                             └─▶ composer_all ─┤
    JSON, CSV ──────▶ song ──┬─▶ genre ────────┤
                             └─▶ emotion ──────┼──▶ one answer, with named gaps
    PNG, numbers ───▶ image ─┬─▶ digits ───────┤
                             └─▶ mnist ────────┤
    JSON, text ─────▶ text ────▶ sentiment ────┘
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tunesmith.errors import ModelError
from tunesmith.inference.items import Item
from tunesmith.inference.model import Prediction, mean
from tunesmith.serving.challengers import Comparisons, is_chosen
from tunesmith.serving.champions import Champion, Champions
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.explain import reasons
from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError
from tunesmith.serving.metrics import Metrics
from tunesmith.serving.predict import describe, judge
from tunesmith.serving.settings import NodeSettings
from tunesmith.serving.tracing import Traces

__all__ = ["Answer", "Graph", "Remote", "Worker"]

logger = logging.getLogger("tunesmith.serve")

Answer = dict[str, Any] | ProblemError
"""What a node says about an item, or why it cannot."""

Remote = Callable[[str, Sequence[Item], Deadline, bool, bool], Awaitable[list[Answer]]]
"""Asks a node placed in a deployment: name, items, deadline, detail, canary."""


class Worker:
    """Computes one node: its champions over items. Blocking; belongs in a worker thread.

    Parameters
    ----------
    name, node
        The node and its settings.
    champions
        Where the models are.
    metrics
        Where time and failures are counted.
    """

    def __init__(
        self, name: str, node: NodeSettings, champions: Champions, metrics: Metrics
    ) -> None:
        self.name = name
        self.node = node
        self._champions = champions
        self._metrics = metrics
        self._members = dict(node.ensemble) or {name: 1.0}
        self._traces = Traces()
        shadow = node.challenger.shadow if node.challenger else 0.0
        self._comparisons = Comparisons(shadow, node.timeout_s, metrics) if shadow else None

    def answer(
        self,
        items: Sequence[Item],
        deadline: Deadline,
        detail: bool = False,
        canary: bool = False,
    ) -> list[Answer]:
        """Return the answer about each item, of the challenger where `canary` is true.

        Raises
        ------
        ProblemError
            When no member of the node can say anything about any of them.
        """
        started = time.perf_counter()
        judged, champions, gaps = self._judge(items, deadline, canary)
        described = [
            self._describe(item, column, champions, gaps, detail)
            for item, column in zip(items, zip(*judged, strict=True), strict=True)
        ]
        self._metrics.node(self.name, len(items), time.perf_counter() - started)
        return described

    def explain(self, item: Item, deadline: Deadline, canary: bool = False) -> dict[str, Any]:
        """Return the class that the models name, and what spoke for and against it.

        Raises
        ------
        ProblemError
            When no member of the node can say anything about it.
        ModelError
            When a model cannot be asked again.
        """
        judged, champions, _ = self._judge([item], deadline, canary)
        members, said = [], []
        for (one,), champion in zip(judged, champions, strict=True):
            if isinstance(one, ProblemError):
                raise one
            members.append((champion, self._members[champion.task]))
            said.append(one)
        whole = mean(said, [weight for _, weight in members])
        best = int(whole.probabilities.argmax())
        label = whole.classes[best]
        found = reasons(item, members, label, deadline)
        return {
            self.name: label,
            "probability": round(float(whole.probabilities[best]), 6),
            "reasons": [
                {
                    "part": one.part,
                    "effect": round(one.effect, 6),
                    "probability_without": round(one.without, 6),
                }
                for one in found
            ],
            "model": champions[0].describe(),
        }

    def _judge(
        self, items: Sequence[Item], deadline: Deadline, canary: bool
    ) -> tuple[list[list[Prediction | ProblemError]], list[Champion], list[str]]:
        """Ask every member; those that fail leave their weight to the others."""
        judged, champions, gaps = [], [], []
        first: ProblemError | None = None
        for member in self._members:
            try:
                said, model = self._judge_by(member, items, deadline, canary)
                judged.append(said)
                champions.append(model)
            except ModelError as error:
                logger.warning("node %s, member %s: %s", self.name, member, error)
                detail = f"The node {self.name!r} failed: {member} cannot be asked."
                first = first or ProblemError(problems.NODE_FAILED, detail, node=self.name)
                gaps.append(member)
            except ProblemError as problem:
                if problem.kind is problems.DEADLINE:
                    raise
                first = first or problem
                gaps.append(member)
        if not judged:
            raise first or ProblemError(problems.NODE_FAILED, f"The node {self.name!r} is empty.")
        return judged, champions, gaps

    def _judge_by(
        self, member: str, items: Sequence[Item], deadline: Deadline, canary: bool
    ) -> tuple[list[Prediction | ProblemError], Champion]:
        """Ask a member's champion, or its challenger; perhaps the other one too, afterwards."""
        champion, challenger = self._champions.get(member), self._champions.challenger(member)
        if challenger is None or challenger.version == champion.version:
            return self._run(items, champion, deadline), champion
        said, model, other = None, champion, challenger
        if canary:
            try:
                said, model, other = self._run(items, challenger, deadline), challenger, champion
                self._metrics.challenger_answered(member, len(items))
            except ModelError as error:
                self._metrics.failure(self.name, "challenger")
                logger.warning("challenger %s %s: %s", member, challenger.version, error)
        if said is None:
            said = self._run(items, champion, deadline)
        if self._comparisons is not None:
            self._comparisons.offer(items, said, other)
        return said, model

    def _run(
        self, items: Sequence[Item], model: Champion, deadline: Deadline
    ) -> list[Prediction | ProblemError]:
        with self._traces.span("judge", model=model.task, version=model.version, items=len(items)):
            return judge(items, model, deadline)

    def _describe(
        self,
        item: Item,
        said: Sequence[Prediction | ProblemError],
        champions: Sequence[Champion],
        gaps: Sequence[str],
        detail: bool,
    ) -> Answer:
        """Put what the members said about one item into one answer."""
        judgements, weights, asked = [], [], []
        for judgement, champion in zip(said, champions, strict=True):
            if isinstance(judgement, Prediction):
                judgements.append(judgement)
                weights.append(self._members[champion.task])
                asked.append(champion)
        if not judgements:
            (problem, *_) = (fault for fault in said if isinstance(fault, ProblemError))
            return problem
        answer = describe(self.name, self.node, item, mean(judgements, weights), detail)
        answer["model"] = asked[0].describe()
        if self.node.ensemble:
            answer["ensemble"] = [champion.describe() for champion in asked]
            answer["gaps"] = list(gaps)
        return answer


class Graph:
    """The nodes and where each is computed.

    Parameters
    ----------
    nodes
        Settings of each node by name.
    workers
        Computes the inline nodes.
    in_thread
        Runs blocking work off the event loop.
    remote
        Asks the others.
    metrics
        Where failures are counted.
    """

    def __init__(
        self,
        nodes: Mapping[str, NodeSettings],
        workers: Mapping[str, Worker],
        in_thread: Callable[..., Awaitable[Any]],
        remote: Remote | None,
        metrics: Metrics,
    ) -> None:
        self.nodes = nodes
        self._workers = workers
        self._in_thread = in_thread
        self._remote = remote
        self._metrics = metrics
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
        node = self.nodes[name]
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
                    return await self._ask_remote(name, items, limit, detail, canary)
        except TimeoutError:
            self._metrics.failure(name, problems.DEADLINE.name)
            raise limit.missed() from None
        except ProblemError as problem:
            self._metrics.failure(name, problem.kind.name)
            raise

    def _is_canary(self, name: str, asker: str) -> bool:
        tried = self.nodes[name].challenger
        return tried is not None and is_chosen(name, asker, tried.share)

    async def explain(
        self,
        name: str,
        decode: Callable[[], Sequence[Item | ProblemError]],
        deadline: Deadline,
        asker: str = "",
    ) -> dict[str, Any]:
        """Return why a node says what it says about one item; computed here, wherever it is placed.

        Raises
        ------
        ProblemError
            When the node fails, or its time is over.
        """
        limit = deadline.sooner(self.nodes[name].timeout_s, name)
        canary = self._is_canary(name, asker)

        def work() -> dict[str, Any]:
            limit.check()
            item, *more = decode()
            if more:
                detail = "Reasons are given for one item at a time."
                raise ProblemError(problems.INVALID_INPUT, detail)
            if isinstance(item, ProblemError):
                raise item
            return self._workers[name].explain(item, limit, canary)

        try:
            async with asyncio.timeout(max(limit.left_s, 0)):
                said: dict[str, Any] = await self._in_thread(work)
        except TimeoutError:
            raise limit.missed() from None
        except ModelError as error:
            logger.warning("node %s, reasons: %s", name, error)
            self._metrics.failure(name, problems.NODE_FAILED.name)
            text = f"The node {name!r} failed."
            raise ProblemError(problems.NODE_FAILED, text, node=name) from error
        return said

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

    async def ask_all(
        self,
        wanted: Mapping[str, Callable[[], Sequence[Item | ProblemError]]],
        deadline: Deadline,
        asker: str = "",
    ) -> tuple[dict[str, Answer], dict[str, ProblemError]]:
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

        said = await asyncio.gather(*(one(name) for name in wanted))
        answers: dict[str, Answer] = {}
        gaps: dict[str, ProblemError] = {}
        for name, answer in zip(wanted, said, strict=True):
            if not isinstance(answer, ProblemError):
                answers[name] = answer
            elif self.nodes[name].failure == "hard":
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
        worker = self._workers[name]
        answers = iter(worker.answer(good, deadline, detail, canary) if good else ())
        return [item if isinstance(item, ProblemError) else next(answers) for item in items]
