"""The contest of a challenger: its evidence from all replicas, and what follows from it.

Each replica keeps what it saw of a contest in a file of its own,
``serve/contests/<task>/<record>-<challenger>/<replica>.json``; the sums of all are judged. `record`
is that of the aliases when the contest began, so a move of the champion begins another contest.

Three things are tested, each by the cases that tell the two models apart (see
`tunesmith.registry.sequential`): which of them is right about items with a known label, which one
fails, and whether the challenger takes longer than it may. Labels alone can promote it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from tunesmith.artifacts import layout
from tunesmith.artifacts.cards import Aliases, ChampionRecord, Verdict
from tunesmith.artifacts.documents import Document, JsonObject
from tunesmith.artifacts.gaps import left_out
from tunesmith.artifacts.store import Store
from tunesmith.registry.history import move_champion, withdraw_challenger
from tunesmith.registry.sequential import Signs

__all__ = ["Contest", "Decision", "Evidence", "Observations", "decide", "pool"]

_CRITERIA = 3
"""Tests that can withdraw a challenger."""


class Observations(Document):
    """Observations of one replica: the cases of a contest that tell the two models apart."""

    REMEDY: ClassVar[str] = "Remove it; the contest goes on with the other evidence."

    labels: dict[str, bool] = Field(
        default_factory=dict,
        description="Items with a known label on which exactly one model was right, by hash: "
        "whether it was the challenger. An item that is sent twice counts once.",
    )
    failures: tuple[int, int] = Field(
        default=(0, 0), description="Runs in which the champion alone failed; the challenger alone."
    )
    times: tuple[int, int] = Field(
        default=(0, 0), description="Runs in which the challenger kept within its time; and not."
    )


@dataclass(frozen=True)
class Evidence:
    """The observations of all replicas.

    Attributes
    ----------
    labels, failures, times
        See `Observations`; wins are those of the challenger.
    """

    labels: Signs
    failures: Signs
    times: Signs


@dataclass(frozen=True)
class Contest:
    """A challenger that is tried beside a champion.

    Attributes
    ----------
    task
        Name of the task.
    since
        The aliases when the contest began.
    """

    task: str
    since: Aliases

    @property
    def key(self) -> str:
        """Name of its folder."""
        return f"{self.since.record}-{self.since.challenger}"

    def pooled(self, store: Store) -> Evidence:
        """Return the evidence of all replicas."""
        folder = layout.contest(self.task, self.key)
        observations = []
        for name in store.list(*folder):
            with left_out("/".join((*folder, name))):
                observations.append(Observations.read(store, *folder, name))
        return pool(observations)

    def settle(self, store: Store, decision: "Decision") -> ChampionRecord:
        """Promote or withdraw the challenger, and remove what the replicas saw of it.

        Raises
        ------
        PromotionError
            When the champion or the challenger has moved since; another replica was faster, say.
        StoreError
            When the store cannot be changed.
        """
        challenger = self.since.challenger or 0
        act = move_champion if decision.promotes else withdraw_challenger
        record = act(
            store,
            self.task,
            challenger,
            action="canary" if decision.promotes else "withdraw",
            since=self.since,
            reason=decision.verdict.message,
            verdicts=[decision.verdict],
        )
        store.remove(*layout.contest(self.task, self.key))
        return record


@dataclass(frozen=True)
class Decision:
    """Move that the evidence is enough for.

    Attributes
    ----------
    promotes
        Whether the challenger becomes champion; else it is withdrawn.
    verdict
        The evidence in words and numbers.
    """

    promotes: bool
    verdict: Verdict


def pool(observations: Iterable[Observations]) -> Evidence:
    """Return the evidence of several replicas; each item counts once."""
    labels: dict[str, bool] = {}
    sums = [[0, 0], [0, 0]]
    for seen in observations:
        labels |= seen.labels
        for total, counts in zip(sums, (seen.failures, seen.times), strict=True):
            for side in (0, 1):
                total[side] += counts[side]
    wins = sum(labels.values())
    return Evidence(Signs(wins, len(labels) - wins), Signs(*sums[0]), Signs(*sums[1]))


def decide(evidence: Evidence, alpha: float) -> Decision | None:
    """Return what follows from the evidence, None where it is not enough yet.

    Parameters
    ----------
    evidence
        Of all replicas.
    alpha
        Largest probability of a wrong decision, however often this is asked: half of it for
        promoting a challenger that is no better, half of it for withdrawing one that is no worse.
    """
    each = alpha / 2 / _CRITERIA
    if evidence.failures.is_worse(each):
        return _decision(False, "failures", evidence.failures, each)
    if evidence.times.is_worse(each):
        return _decision(False, "times", evidence.times, each)
    if evidence.labels.is_worse(each):
        return _decision(False, "labels", evidence.labels, each)
    if evidence.labels.is_better(alpha / 2):
        return _decision(True, "labels", evidence.labels, alpha / 2)
    return None


_SENTENCES = {
    "labels": "Of {total:,} labelled items on which exactly one model was right, the challenger "
    "was right on {wins:,}",
    "failures": "Of {total:,} runs in which exactly one model failed, the challenger failed in "
    "{losses:,}",
    "times": "Of {total:,} timed runs, the challenger took longer than it may in {losses:,}",
}


def _decision(promotes: bool, about: str, signs: Signs, alpha: float) -> Decision:
    low, high = signs.share(alpha)
    if about != "labels":
        low, high = 1 - high, 1 - low
    counts = {"total": signs.total, "wins": signs.wins, "losses": signs.losses}
    message = (
        f"{_SENTENCES[about].format(**counts)}: {low:.0%} to {high:.0%} of the time, valid at "
        f"every look with a probability of {1 - alpha:.1%}."
    )
    facts: JsonObject = {
        "about": about,
        "wins": signs.wins,
        "losses": signs.losses,
        "alpha": alpha,
    }
    return Decision(promotes, Verdict(rule="canary", passed=promotes, message=message, facts=facts))
