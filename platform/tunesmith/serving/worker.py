"""Work of one node: asks its models about items and combines their answers."""

import difflib
import logging
import time
from collections.abc import Sequence

from tunesmith.errors import InputError, ModelError
from tunesmith.inference.explain import Member, reasons
from tunesmith.inference.items import Item
from tunesmith.inference.predictions import Prediction, mean
from tunesmith.serving.answers import Explanation, Labelled, LabelledAnswer, NodeAnswer
from tunesmith.serving.challengers import Comparisons, Judged, best
from tunesmith.serving.champions import Champion, Champions
from tunesmith.serving.contests import Contests
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
    contests
        Where is counted what tells champion and challenger apart.
    """

    def __init__(
        self,
        name: str,
        node: NodeSettings,
        champions: Champions,
        metrics: Metrics,
        contests: Contests | None = None,
    ) -> None:
        self.name = name
        self.node = node
        self._champions = champions
        self._metrics = metrics
        self._members = dict(node.ensemble) or {name: 1.0}
        self._traces = Traces()
        shadow = node.challenger.shadow if node.challenger else 0.0
        self._contests = contests
        is_decided = node.decision is not None
        self._comparisons = (
            Comparisons(shadow, node.timeout_s, metrics, contests) if shadow or is_decided else None
        )

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

    def label(self, item: Item, digest: str, label: str, deadline: Deadline) -> Labelled:
        """Compare champion and challenger on an item with a known label.

        Parameters
        ----------
        item, digest
            The item, and the hash by which it counts once.
        label
            Its label.
        deadline
            When the answer is of no use any more.

        Raises
        ------
        ProblemError
            When a model cannot judge it, or no model knows the label.
        """
        self._check_label(label)
        answers, counted = [], False
        for member in self._members:
            champion, challenger = self._champions.get(member), self._champions.challenger(member)
            rights = []
            for model in (champion, challenger):
                if model is None or (model is challenger and model.version == champion.version):
                    continue
                (prediction,) = self._run([item], model, deadline)
                if isinstance(prediction, ProblemError):
                    raise prediction
                answer = best(prediction)
                rights.append(answer == label)
                answers.append(
                    LabelledAnswer(model.reference, model is challenger, answer, rights[-1])
                )
            if self._contests is not None and challenger is not None and len(rights) == 2:
                counted |= self._contests.labelled(
                    champion, challenger, digest,
                    is_champion_right=rights[0], is_challenger_right=rights[1],
                )  # fmt: skip
        return Labelled(label, answers, counted)

    def _check_label(self, label: str) -> None:
        known: dict[str, None] = {}
        for member in self._members:
            known |= dict.fromkeys(self._champions.get(member).classes)
            challenger = self._champions.challenger(member)
            known |= dict.fromkeys(challenger.classes if challenger is not None else ())
        if label not in known:
            detail = f"No model of {self.name!r} knows the label {label[:100]!r}."
            if nearest := difflib.get_close_matches(label, known, 1):
                detail += f" Did you mean {nearest[0]!r}?"
            raise ProblemError(problems.INVALID_INPUT, detail)

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
        result, failed = None, False
        if canary:
            try:
                result = self._run_timed(items, challenger, deadline)
                self._metrics.challenger_answered(member, len(items))
            except ModelError as error:
                failed = True
                self._metrics.failure(self.name, "challenger")
                logger.warning("challenger %s %s: %s", member, challenger.version, error)
        by_challenger = result is not None
        predictions, model_s = result or self._run_timed(items, champion, deadline)
        if failed and self._contests is not None:
            self._contests.failed(champion, challenger, is_challenger=True)
        elif self._comparisons is not None:
            judged = Judged(items, predictions, champion, challenger, by_challenger, model_s)
            self._comparisons.offer(judged, is_late=deadline.left_s <= 0)
        return predictions, challenger if by_challenger else champion

    def _run(
        self, items: Sequence[Item], model: Champion, deadline: Deadline
    ) -> list[Prediction | ProblemError]:
        return self._run_timed(items, model, deadline)[0]

    def _run_timed(
        self, items: Sequence[Item], model: Champion, deadline: Deadline
    ) -> tuple[list[Prediction | ProblemError], float]:
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
