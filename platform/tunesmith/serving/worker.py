"""Work of one node: asks its models about items and combines their answers."""

import logging
import time
from collections.abc import Sequence

from tunesmith.errors import InputError, ModelError
from tunesmith.inference.explain import Member, reasons
from tunesmith.inference.items import Item
from tunesmith.inference.predictions import Prediction, mean
from tunesmith.serving.answers import Explanation, NodeAnswer
from tunesmith.serving.challengers import Comparisons
from tunesmith.serving.champions import Champion, Champions
from tunesmith.serving.deadlines import Deadline
from tunesmith.serving.http import problems
from tunesmith.serving.http.problems import ProblemError, problem_of
from tunesmith.serving.metrics import Metrics
from tunesmith.serving.predict import describe, judge
from tunesmith.serving.settings import NodeSettings
from tunesmith.serving.tracing import Traces

__all__ = ["Answer", "Worker"]

logger = logging.getLogger("tunesmith.serve")

Answer = NodeAnswer | ProblemError
"""Answer of a node about an item, or why there is none."""


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

    def explain(self, item: Item, deadline: Deadline, canary: bool = False) -> Explanation:
        """Return the class that the models name, and what spoke for and against it.

        Raises
        ------
        ProblemError
            When no member of the node can say anything about it.
        ModelError
            When a model cannot be asked again.
        """
        judged, champions, _ = self._judge([item], deadline, canary)
        members, predictions = [], []
        for (one,), champion in zip(judged, champions, strict=True):
            if isinstance(one, ProblemError):
                raise one
            weight = self._members[champion.task]
            members.append(Member(champion.model, champion.summary, weight))
            predictions.append(one)
        whole = mean(predictions, [member.weight for member in members])
        best = int(whole.probabilities.argmax())
        label = whole.classes[best]
        try:
            effects = reasons(item, members, label, deadline.check)
        except InputError as error:
            raise problem_of(error) from error
        probability = round(float(whole.probabilities[best]), 6)
        return Explanation(self.name, label, probability, effects, champions[0].reference)

    def _judge(
        self, items: Sequence[Item], deadline: Deadline, canary: bool
    ) -> tuple[list[list[Prediction | ProblemError]], list[Champion], list[str]]:
        """Ask every member; the weights of failed members are redistributed."""
        judged, champions, gaps = [], [], []
        first: ProblemError | None = None
        for member in self._members:
            try:
                predictions, model = self._judge_by(member, items, deadline, canary)
                judged.append(predictions)
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
        predictions, model, other = None, champion, challenger
        if canary:
            try:
                predictions, model, other = (
                    self._run(items, challenger, deadline),
                    challenger,
                    champion,
                )
                self._metrics.challenger_answered(member, len(items))
            except ModelError as error:
                self._metrics.failure(self.name, "challenger")
                logger.warning("challenger %s %s: %s", member, challenger.version, error)
        if predictions is None:
            predictions = self._run(items, champion, deadline)
        if self._comparisons is not None:
            self._comparisons.offer(items, predictions, other)
        return predictions, model

    def _run(
        self, items: Sequence[Item], model: Champion, deadline: Deadline
    ) -> list[Prediction | ProblemError]:
        with self._traces.span("judge", model=model.task, version=model.version, items=len(items)):
            return judge(items, model, deadline)

    def _describe(
        self,
        item: Item,
        predictions: Sequence[Prediction | ProblemError],
        champions: Sequence[Champion],
        gaps: Sequence[str],
        detail: bool,
    ) -> Answer:
        """Combine the predictions of the members for one item into one answer."""
        judgements, weights, answering = [], [], []
        for judgement, champion in zip(predictions, champions, strict=True):
            if isinstance(judgement, Prediction):
                judgements.append(judgement)
                weights.append(self._members[champion.task])
                answering.append(champion)
        if not judgements:
            (problem, *_) = (fault for fault in predictions if isinstance(fault, ProblemError))
            return problem
        models = [champion.reference for champion in answering]
        prediction = mean(judgements, weights)
        return describe(self.name, self.node, item, prediction, models, gaps, detail)
